//! Holds a store against the model: every event, every row, every index, by brute force.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use redb::{ReadableDatabase, ReadableTable};
use retold_engine::model::{Event, FunctionKind, Kind, Position, TypePattern};
use retold_engine::run::{Reading, fold};
use retold_engine::store::{Filter, Folder, FunctionRow, FunctionStatus, Portion, Reader, Snapshot};

use crate::bounds;
use crate::chance::Chance;
use crate::desk;
use crate::disk::FaultFolder;
use crate::model::{Model, Row, Status};
use crate::stock::Stocks;
use crate::views::Known;

/// Everything that a store can be asked.
pub fn check_all(model: &Model, reader: &Reader, chance: &mut Chance) {
    let snapshot = reader.snapshot().expect("a snapshot can be taken");
    assert_eq!(snapshot.head(), model.head());
    assert_eq!((snapshot.commit(), snapshot.chain()), (model.commit, model.chain.0));
    check_log(&model.log, &snapshot);
    check_functions(model, &snapshot);
    check_modules(model, &snapshot);
    check_types(model, &snapshot);
    check_schemas(model, &snapshot);
    check_commands(model, &snapshot, chance);
    check_reads(&model.log, &snapshot, chance, 6);
    let verified = reader.verify().expect("the namespace is whole");
    assert_eq!((verified.events, verified.commits, verified.chain), (model.head().0, model.commit, model.chain.0));
}

/// Every record, from the first on, makes the model. For a store whose past is not known.
pub fn check_past(model: &Model, reader: &Reader) {
    let snapshot = reader.snapshot().expect("a snapshot can be taken");
    let mut again = Model { accepted: model.accepted.clone(), asked: model.asked.clone(), ..Model::default() };
    snapshot
        .records(0, Position::START, &mut |record| {
            again.feed(record);
            Ok(true)
        })
        .expect("the log can be read");
    assert_eq!((again.commit, again.chain), (model.commit, model.chain));
}

/// redb finds its own pages whole, in every file that nobody spoiled.
pub fn check_pages(folder: &FaultFolder, views: &Known) {
    let files = folder.list().expect("there is power");
    for name in files.iter().filter(|name| name.ends_with(".redb") && !views.is_spoiled(name)) {
        let file = folder.open(name).expect("it is there");
        let mut database = redb::Database::builder().create_with_backend(file).expect("it opens");
        let whole = database.check_integrity().unwrap_or_else(|error| panic!("{name} can be read: {error}"));
        assert!(whole, "{name}");
    }
}

/// The log up to the snapshot's head is what it was.
pub fn check_log(log: &[Event], snapshot: &Snapshot) {
    let mut read = Vec::new();
    let seen = snapshot
        .scan(Position::START, Position(u64::MAX), &Filter::default(), &mut |event| {
            read.push(event.to_event());
            ControlFlow::Continue(())
        })
        .expect("the log can be read");
    assert_eq!(seen, snapshot.head());
    assert_eq!(read.len(), log.len());
    for (read, expected) in read.iter().zip(log) {
        assert_eq!(read, expected);
    }
}

fn check_functions(model: &Model, snapshot: &Snapshot) {
    let names: Vec<&str> = snapshot.functions().map(|row| row.name.as_str()).collect();
    assert_eq!(names, model.functions.keys().map(String::as_str).collect::<Vec<_>>());
    for (name, expected) in &model.functions {
        let row = snapshot.function(name).expect("it is listed");
        let what = format!("{name}: {row:?}");
        let status = match &row.status {
            FunctionStatus::Active => Status::Active,
            FunctionStatus::Paused => Status::Paused,
            FunctionStatus::Halted { position, .. } => Status::Halted(*position),
            FunctionStatus::Retired => Status::Retired,
        };
        assert_eq!(
            (row.module, &status, row.start, row.cursor),
            (expected.module, &expected.status, expected.start, expected.cursor),
            "{what}"
        );
        assert_eq!(row.rebuild.map(|rebuild| rebuild.until), expected.rebuilding, "{what}");
        let released = expected.parked.values().filter(|parked| parked.released).count() as u64;
        assert_eq!((row.parked, row.released), (expected.parked.len() as u64, released), "{what}");
        check_parked(expected, row, snapshot);
        bounds::check_accounts(name, expected, row.cursor, snapshot.head());
        assert!(status == Status::Retired || row.identity == snapshot.identity(row), "{what}");
        if expected.rebuilding.is_none() {
            assert_eq!(state_of(row, snapshot), expected.state, "{what}");
            assert_eq!(snapshot.has_state(row.slot).expect("state can be read"), !expected.state.is_empty());
        }
        check_kept(model, row, snapshot);
    }
}

/// The types are counted as they are in the log.
fn check_types(model: &Model, snapshot: &Snapshot) {
    let mut expected: BTreeMap<(&str, Kind), (u64, Position, Position)> = BTreeMap::new();
    for event in &model.log {
        let seen = expected.entry((&event.r#type, event.kind)).or_insert((0, event.position, event.position));
        (seen.0, seen.2) = (seen.0 + 1, event.position);
    }
    let types = snapshot.types().expect("types can be read");
    let found: Vec<_> = types.iter().map(|seen| ((seen.r#type.as_str(), seen.kind), (seen.count, seen.first, seen.last))).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

fn check_schemas(model: &Model, snapshot: &Snapshot) {
    let found: BTreeMap<_, _> = snapshot.schemas().iter().map(|(r#type, row)| (r#type.clone(), (row.json.clone(), row.module))).collect();
    assert_eq!(found, model.schemas());
}

/// A subject folded anew is what its events make, and commands are known.
fn check_commands(model: &Model, snapshot: &Snapshot, chance: &mut Chance) {
    let function = desk::decider(model);
    let Some(row) = model.functions.get(&function) else { return };
    let stocks = Stocks::new(model, chance.split(), 0);
    let reading = Reading::new(snapshot, &stocks);
    for subject in model.log.iter().filter(|event| event.kind == Kind::Command).map(|event| &event.subject).take(3) {
        let folded = fold(&reading, &function, subject, None, &mut None, &mut |_, _| {}).expect("the log can be read");
        let expected = model.level(&function, subject, model.head());
        assert_eq!(folded.map(|folded| folded.state), Ok((expected.events > 0).then(|| expected.stock.state(row.version))));
    }
    for (command, position, events) in model.asked.values().take(5) {
        let known = snapshot.find_command(command).expect("the log can be read").expect("it is known").expect("it is the same");
        assert_eq!((known.command, &known.events, known.new), (*position, events, false));
    }
}

/// State that is kept whole beside the live one is what its code makes of the record up to where it stands.
fn check_kept(model: &Model, row: &FunctionRow, snapshot: &Snapshot) {
    for kept in row.kept.iter().filter(|kept| kept.whole && row.manifest.kind == FunctionKind::Handler) {
        assert!(kept.identity != row.identity && kept.slot != row.slot, "{row:?}");
        if let Some(expected) = model.refold_of(&row.name, kept.identity, kept.through_commit) {
            assert_eq!(state_in(kept.slot, snapshot), expected, "{kept:?} of {row:?}");
        }
    }
}

/// The slots that belong to somebody.
pub fn owned_slots(reader: &Reader) -> BTreeSet<u32> {
    reader.functions().values().flat_map(|row| row.kept.iter().map(|kept| kept.slot).chain([row.slot]).collect::<Vec<_>>()).collect()
}

/// Nothing is left of slots that belong to nobody.
pub fn check_slots(folder: &FaultFolder, owned: &BTreeSet<u32>) {
    const STATE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("state");
    let file = folder.open("head.redb").expect("it is there");
    let head = redb::Database::builder().create_with_backend(file).expect("it opens");
    let state = head.begin_read().expect("it can be read").open_table(STATE).expect("it is there");
    for row in state.iter().expect("it can be read") {
        let key = row.expect("it can be read").0;
        let slot = u32::from_be_bytes(*key.value().first_chunk().expect("a slot"));
        assert!(owned.contains(&slot), "slot {slot} belongs to nobody, and its rows are there");
    }
}

pub fn state_of(row: &FunctionRow, snapshot: &Snapshot) -> BTreeMap<String, Vec<u8>> {
    state_in(row.slot, snapshot)
}

pub fn state_in(slot: u32, snapshot: &Snapshot) -> BTreeMap<String, Vec<u8>> {
    let mut state = BTreeMap::new();
    snapshot
        .scan_state(slot, "", None, |key, value| {
            state.insert(key.to_owned(), value.to_vec());
            true
        })
        .expect("state can be read");
    state
}

fn check_parked(expected: &Row, row: &FunctionRow, snapshot: &Snapshot) {
    let mut after = Position::START;
    let mut found = Vec::new();
    loop {
        let page = snapshot.parked(row.ordinal, after, 2).expect("parked events can be read");
        found.extend(page.events);
        if !page.more {
            break;
        }
        after = found.last().map_or(after, |parked| parked.event.position);
    }
    assert_eq!(found.len(), expected.parked.len());
    for (parked, (position, expected)) in found.iter().zip(&expected.parked) {
        assert_eq!(
            (parked.event.position, &parked.event.subject, &parked.event.reason, parked.released),
            (*position, &expected.subject, &expected.reason, expected.released)
        );
        assert!(snapshot.is_parked(row.ordinal, &expected.subject).expect("parked events can be read"));
    }
    let first = expected.parked.iter().find(|(_, parked)| parked.released).map(|(position, _)| *position);
    assert_eq!(snapshot.first_released(row.ordinal).expect("parked events can be read").map(|parked| parked.position), first);
}

fn check_modules(model: &Model, snapshot: &Snapshot) {
    let modules: Vec<_> = snapshot.modules().map(|row| (row.ordinal, row.name.clone(), row.digest, row.active)).collect();
    let expected: Vec<_> =
        model.modules.iter().map(|(ordinal, version)| (*ordinal, version.name.clone(), version.digest, version.active)).collect();
    assert_eq!(modules, expected);
    for version in model.modules.values() {
        let component = snapshot.component(version.digest).expect("components can be read").expect("a deployed component is kept");
        assert_eq!(retold_engine::model::Digest::of(&component), version.digest);
    }
}

/// Reads by position, id, type, subject and tag equal a filter over the whole log.
pub fn check_reads(log: &[Event], snapshot: &Snapshot, chance: &mut Chance, reads: usize) {
    for _ in 0..reads {
        if !log.is_empty() {
            let event = chance.pick(log);
            assert_eq!(snapshot.find(&event.source, &event.id).expect("ids can be read"), Some(event.position));
            assert_eq!(snapshot.event(event.position).expect("events can be read").as_ref(), Some(event));
        }
        assert_eq!(snapshot.find("/nowhere", &chance.number().to_string()).expect("ids can be read"), None);
        check_read(log, snapshot, &filter(log, chance), chance);
    }
    let beyond = Position(log.len() as u64 + 1);
    assert_eq!(snapshot.event(beyond).expect("events can be read"), None);
    assert_eq!(snapshot.event(Position::START).expect("events can be read"), None);
}

fn check_read(log: &[Event], snapshot: &Snapshot, filter: &Filter, chance: &mut Chance) {
    let head = log.len() as u64;
    let (after, upto) =
        (Position(chance.below(head + 1)), if chance.percent(70) { Position(u64::MAX) } else { Position(chance.below(head + 2)) });
    let wanted = |event: &&Event| {
        event.position > after
            && filter.kind.is_none_or(|kind| kind == event.kind)
            && event.position <= upto
            && (filter.types.is_empty() || filter.types.iter().any(|pattern| pattern.matches(&event.r#type)))
            && (filter.subjects.is_empty() || filter.subjects.contains(&event.subject))
            && filter.tags.iter().all(|tag| event.tags.contains(tag))
    };
    let expected: Vec<u64> = log.iter().filter(wanted).map(|event| event.position.0).collect();
    let mut found = Vec::new();
    let seen = snapshot
        .scan(after, upto, filter, &mut |event| {
            found.push(event.position.0);
            ControlFlow::Continue(())
        })
        .expect("the log can be read");
    assert_eq!(found, expected, "{filter:?} in ({after}, {upto}]");
    assert_eq!(seen, Position(upto.0.min(head)).max(after), "{filter:?} in ({after}, {upto}]");
    // In portions, as a runner or a page reads.
    let portion = Portion {
        events: chance.between(1, 5 + log.len() as u64 / 20) as usize,
        bytes: if chance.percent(20) { 1 + log.len() / 2 } else { usize::MAX },
    };
    let (mut after, mut found) = (after, Vec::new());
    loop {
        let (batch, seen) = snapshot.collect(after, upto, filter, portion).expect("the log can be read");
        assert!(batch.len() <= portion.events);
        found.extend(batch.events().iter().map(|event| event.position.0));
        if batch.is_empty() {
            break;
        }
        assert!(seen > after, "a reader that gets something gets on");
        after = seen;
    }
    assert_eq!(found, expected, "{filter:?} in portions");
}

/// A filter that finds something now and then.
fn filter(log: &[Event], chance: &mut Chance) -> Filter {
    let mut filter = Filter { kind: *chance.pick(&[None, None, Some(Kind::Event), Some(Kind::Command)]), ..Filter::default() };
    let types = [
        "a.*",
        "a.small",
        "b.*",
        "count.total",
        "retold.*",
        "*",
        "fan.left",
        "circle.step",
        "none",
        "rare.one",
        "rare.*",
        "stock.*",
        "stock.take",
    ];
    for _ in 0..[0, 1, 1, 2][chance.index(4)] {
        filter.types.extend(TypePattern::parse(chance.pick::<&str>(&types)));
    }
    if let (true, Some(event)) = (chance.percent(50), pick(log, chance)) {
        filter.subjects.push(event.subject.clone());
        filter.subjects.extend((chance.percent(50)).then(|| chance.pick(log).subject.clone()));
    }
    if let (true, Some(event)) = (chance.percent(40), pick(log, chance)) {
        filter.tags.extend(event.tags.iter().take(chance.between(1, 2) as usize).cloned());
    }
    filter
}

fn pick<'a>(log: &'a [Event], chance: &mut Chance) -> Option<&'a Event> {
    (!log.is_empty()).then(|| chance.pick(log))
}

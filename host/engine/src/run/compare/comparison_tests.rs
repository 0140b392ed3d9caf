//! Comparisons of logs against a model that looks at everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Comparison, ComparisonStep, DerivedCompared, LogsCompared, SourcesCompared, compare_rows};
use crate::model::{Commit, Digest, Emitted, NewEvent, Position, StatePart, Timestamp, function_source};
use crate::run::testing::event;
use crate::store::testing::{MemoryFolder, store};
use crate::store::{CursorMap, Folder, Made, Store, ViewFile};

/// An entry of a log: of a function, or from outside; its number and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    function: Option<&'static str>,
    number: u64,
    says: u64,
}

fn name(entry: &Entry) -> (Option<&'static str>, u64) {
    (entry.function, entry.number)
}

/// Appends entries to a log, as they are.
fn append(store: &mut Store, entries: &[Entry]) {
    let next = store.reader().next_record();
    let mut builder = next.builder(Timestamp(1));
    for entry in entries {
        let id = entry.number.to_string();
        match entry.function {
            None => drop(builder.add_source(&NewEvent { data: entry.says.to_string().into(), ..event(&id, "a", "s") })),
            Some(function) => {
                let emitted = Emitted {
                    id,
                    r#type: "b".into(),
                    subject: "s".into(),
                    tags: Vec::new(),
                    content_type: "text/plain".into(),
                    data: entry.says.to_string().into(),
                    time: Timestamp(builder.count() as u64),
                    hops: 1,
                    cause: Position(builder.next().0 - 1),
                    causation_id: "x".into(),
                    correlation_id: "x".into(),
                    ..Emitted::default()
                };
                builder.add_derived(&function_source(function), 1, &emitted);
            }
        }
    }
    store.follow(vec![Commit { record: builder.finish(next.chain), state: StatePart::default() }]).expect("the next one");
}

fn log(entries: &[Entry]) -> Store {
    let mut store = store();
    append(&mut store, entries);
    store
}

fn step(comparison: &mut Comparison, old: &Store, new: &Store, entries: u64, map: Option<&mut CursorMap>) -> ComparisonStep {
    let (old, new) = (old.reader().snapshot().expect("readable"), new.reader().snapshot().expect("readable"));
    comparison.step(&old, &new, old.head(), entries, map).expect("nothing fails in memory")
}

fn report(comparison: &Comparison, old: &Store, new: &Store) -> LogsCompared {
    let (old, new) = (old.reader().snapshot().expect("readable"), new.reader().snapshot().expect("readable"));
    comparison.report(&old, &new).expect("readable")
}

fn open_map(folder: &MemoryFolder) -> CursorMap {
    let folder: Arc<dyn Folder> = Arc::new(folder.clone());
    CursorMap::open(&folder, 1, [Digest::ZERO, Digest([1; 32])], Position(u64::MAX)).expect("a map in memory opens")
}

/// What a look at everything says.
fn model(old: &[Entry], new: &[Entry]) -> (SourcesCompared, BTreeMap<String, DerivedCompared>) {
    let mut sources = SourcesCompared::default();
    let mut functions: BTreeMap<String, DerivedCompared> = BTreeMap::new();
    let by_name = |entries: &[Entry]| entries.iter().map(|entry| (name(entry), entry.says)).collect::<BTreeMap<_, _>>();
    let (before, after) = (by_name(old), by_name(new));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        let mut derived = name.0.map(|function| functions.entry(function.to_owned()).or_default());
        let count = match (before.get(name), after.get(name)) {
            (Some(one), Some(other)) if one == other => derived.as_mut().map_or(&mut sources.kept, |derived| &mut derived.equal),
            (Some(_), Some(_)) => derived.as_mut().map_or(&mut sources.changed, |derived| &mut derived.different),
            (Some(_), None) => derived.as_mut().map_or(&mut sources.dropped, |derived| &mut derived.missing),
            _ => derived.as_mut().map_or(&mut sources.added, |derived| &mut derived.new),
        };
        *count += 1;
    }
    (sources, functions)
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Each source event is followed by what two functions make of it, sooner or later; a few come very late.
fn old_log(chance: &mut Chance, sources: u64) -> Vec<Entry> {
    let mut placed: Vec<(u64, Entry)> = Vec::new();
    for number in 0..sources {
        placed.push((number * 10, Entry { function: None, number, says: 0 }));
        for function in ["f", "g"] {
            let late = if chance.below(15) == 0 { chance.below(10 * sources) } else { chance.below(60) };
            placed.push((number * 10 + 1 + late, Entry { function: Some(function), number, says: 0 }));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, entry)| entry).collect()
}

/// The same told again: source events in order, some dropped, changed or added, each with what is made of
/// it now right behind it.
fn new_log(chance: &mut Chance, old: &[Entry]) -> Vec<Entry> {
    let mut new = Vec::new();
    let says = |chance: &mut Chance| u64::from(chance.below(12) == 0);
    for source in old.iter().filter(|entry| entry.function.is_none()) {
        if chance.below(10) == 0 {
            continue;
        }
        new.push(Entry { says: says(chance), ..*source });
        for function in ["f", "g", "h"] {
            if chance.below(12) > 0 && (function != "h" || chance.below(4) == 0) {
                new.push(Entry { function: Some(function), number: source.number, says: says(chance) });
            }
        }
        if chance.below(20) == 0 {
            new.push(Entry { function: None, number: 1_000_000 + source.number, says: 0 });
        }
    }
    new
}

#[track_caller]
fn check_report(seen: &LogsCompared, old: &[Entry], new: &[Entry]) {
    let (sources, functions) = model(old, new);
    assert_eq!((seen.sources, &seen.functions), (sources, &functions));
    let sum = |of: fn(&DerivedCompared) -> u64| functions.values().map(of).sum::<u64>();
    assert_eq!((seen.derived.equal, seen.derived.missing), (sum(|one| one.equal), sum(|one| one.missing)));
    assert_eq!((seen.derived.new, seen.derived.different), (sum(|one| one.new), sum(|one| one.different)));
    for (count, examples) in [
        (sources.changed, &seen.changed),
        (sources.dropped, &seen.dropped),
        (seen.derived.different, &seen.different),
        (seen.derived.missing, &seen.missing),
    ] {
        assert_eq!(examples.len() as u64, count.min(20));
    }
    for example in &seen.different {
        let (one, other) = (example.old.as_ref().expect("shown"), example.new.as_ref().expect("shown"));
        assert_eq!((&one.source, &one.id), (&other.source, &other.id));
        assert_ne!(one.data, other.data);
    }
}

/// Whoever has had the old log up to anywhere is told all else, and first nothing that it has had.
#[track_caller]
fn check_map(map: &CursorMap, old: &[Entry], new: &[Entry]) {
    for had in 0..=old.len() {
        let resume = map.resume(Position(had as u64), Position::START, usize::MAX).expect("readable");
        let lacking = |at: &usize| !old[..had].contains(&new[*at]);
        let first: Vec<Position> = (0..resume.after.0 as usize).filter(lacking).map(|at| Position(at as u64 + 1)).collect();
        assert_eq!(resume.first, first, "had {had}");
    }
}

#[test]
fn every_entry_of_two_logs_is_counted_once_however_they_grow_and_whenever_the_host_stops() {
    for seed in 0..40 {
        let mut chance = Chance(seed);
        let all_old = old_log(&mut chance, 90);
        let all_new = new_log(&mut chance, &all_old);
        let (mut old, mut new) = (store(), store());
        let (mut old_at, mut new_at) = (0, 0);
        let folder = MemoryFolder::default();
        let mut map = open_map(&folder);
        let mut comparison = Comparison::of(&map).expect("readable");
        while old_at < all_old.len() || new_at < all_new.len() {
            for (store, all, at) in [(&mut old, &all_old, &mut old_at), (&mut new, &all_new, &mut new_at)] {
                let end = all.len().min(*at + chance.below(60) as usize);
                if end > *at {
                    append(store, &all[*at..end]);
                    *at = end;
                }
            }
            for _ in 0..chance.below(3) {
                step(&mut comparison, &old, &new, 1 + chance.below(60), Some(&mut map));
            }
            match chance.below(6) {
                0 => comparison.keep(&mut map).expect("nothing fails in memory"),
                // The host stops; the map may be ahead of what is known of the comparison.
                1 => {
                    drop(map);
                    map = open_map(&folder);
                    comparison = Comparison::of(&map).expect("readable");
                }
                _ => {}
            }
        }
        while step(&mut comparison, &old, &new, 100, Some(&mut map)) != ComparisonStep::Level {}
        check_report(&report(&comparison, &old, &new), &all_old, &all_new);
        check_map(&map, &all_old, &all_new);
    }
}

#[test]
fn two_logs_that_are_the_same_differ_in_nothing() {
    let entries = old_log(&mut Chance(7), 200);
    let (old, new) = (log(&entries), log(&entries));
    let mut comparison = Comparison::default();
    while step(&mut comparison, &old, &new, 100, None) != ComparisonStep::Level {}
    let seen = report(&comparison, &old, &new);
    assert_eq!((seen.sources, seen.derived.equal), (SourcesCompared { kept: 200, ..SourcesCompared::default() }, 400));
    assert_eq!((seen.different.len(), seen.missing.len(), seen.new_derived.len(), seen.added.len()), (0, 0, 0, 0));
    assert_eq!(comparison.seen(), (Position(600), Position(600)));
}

#[test]
fn what_the_older_log_has_not_told_yet_is_new_until_it_comes() {
    let source = |number| Entry { function: None, number, says: 0 };
    let made = |number| Entry { function: Some("f"), number, says: 0 };
    let (mut old, new) = (log(&[source(1), source(2)]), log(&[source(1), made(1), source(2), made(2)]));
    let mut map = open_map(&MemoryFolder::default());
    let mut comparison = Comparison::default();
    assert_eq!(step(&mut comparison, &old, &new, 100, Some(&mut map)), ComparisonStep::Level);
    let seen = report(&comparison, &old, &new);
    assert_eq!((seen.derived.new, seen.new_derived.len(), seen.sources.kept), (2, 2, 2));
    append(&mut old, &[made(1), made(2)]);
    assert_eq!(step(&mut comparison, &old, &new, 100, Some(&mut map)), ComparisonStep::Level);
    let seen = report(&comparison, &old, &new);
    assert_eq!((seen.derived.new, seen.new_derived.len(), seen.derived.equal), (0, 0, 2));
    assert_eq!(map.resume(Position(4), Position::START, 9).expect("readable").first, []);
    assert_eq!(map.resume(Position(3), Position::START, 9).expect("readable").first, [Position(4)]);
}

#[test]
fn rows_of_two_views_are_compared_key_by_key() {
    let folder: Arc<dyn Folder> = Arc::new(MemoryFolder::default());
    let view = |name: &str, rows: Vec<(String, &str)>| {
        let (file, _) = ViewFile::open(&folder, Made::View, name, Digest::ZERO, Digest::ZERO, Position(1), 1 << 20).expect("it opens");
        let writes: Vec<_> = rows.into_iter().map(|(key, value)| (key.into_bytes(), Some(value.as_bytes().to_vec()))).collect();
        file.commit(&writes, Position(1), false).expect("written");
        file.snapshot().expect("readable")
    };
    let rows = |without: usize, different: usize| {
        let row = move |number| (format!("{number:05}"), if number == different { "other" } else { "value" });
        (0..3_000_usize).filter(move |number| number % 100 != without).map(row).collect::<Vec<_>>()
    };
    let (old, new) = (view("old", rows(7, 1_500)), view("new", rows(8, 2_999)));
    let compared = compare_rows(&old, &new).expect("readable");
    assert_eq!((compared.equal, compared.new, compared.missing, compared.different), (2_938, 30, 30, 2));
    let of = |key: &str| compared.first.iter().find(|row| row.key == key).map(|row| (row.old.is_some(), row.new.is_some()));
    assert_eq!((of("00007"), of("00008"), of("01500")), (Some((false, true)), Some((true, false)), Some((true, true))));
    assert_eq!(compared.first.len(), 42);
    assert_eq!(compare_rows(&old, &old).expect("readable").first, []);
}

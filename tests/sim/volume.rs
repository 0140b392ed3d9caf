//! Many events, in sizes and numbers that cross every border: pages of index rows, chunks of the
//! stream, lists longer than one look-up, records, segments of several tiers.

use retold_engine::model::{NewEvent, Position, Timestamp, limits};
use retold_engine::store::{Append, Condition, Housekeeping, Options, Proposal, Reader, Store};

use crate::chance::Chance;
use crate::disk::FaultFolder;
use crate::oracle;
use crate::script::{append, event};
use crate::world::{Host, World};

const APPENDS: u64 = 30;
const EVENTS_PER_APPEND: u64 = 700;

fn load(chance: &mut Chance, number: u64) -> Vec<NewEvent> {
    let mut events: Vec<NewEvent> = (0..EVENTS_PER_APPEND)
        .map(|index| {
            let id = number * EVENTS_PER_APPEND + index;
            let r#type = if id.is_multiple_of(997) { "rare.one" } else { ["a.small", "a.wide", "b.one"][chance.index(3)] };
            let subject = if chance.percent(30) { "one/hot".to_owned() } else { format!("s/{}", chance.below(5_000)) };
            let mut event = event(&id.to_string(), r#type, &subject, &chance.number().to_le_bytes());
            event.tags = vec!["everywhere".into(), format!("t/{}", chance.below(40)), format!("t/{}", chance.below(40))];
            event
        })
        .collect();
    // Beyond a record, a chunk, a page.
    for bytes in [300_000, 70_000, 5_000] {
        let index = chance.index(events.len());
        events[index].data = vec![b'x'; bytes];
    }
    events
}

fn housekeep(host: &mut Host, merged: &mut u64) {
    host.store.close_tail();
    while let Some(work) = host.store.reader().housekeeping_due() {
        *merged += u64::from(matches!(work, Housekeeping::Merge { .. }));
        let sealed = host.store.reader().housekeep(work).expect("a segment can be written");
        host.store.adopt(sealed).expect("a segment can be named");
    }
}

#[test]
fn reads_through_long_indexes_equal_a_filter_over_the_whole_log() {
    let mut world = World::quiet();
    let mut chance = Chance::new(11);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    let (mut all, mut merged) = (Vec::new(), 0);
    for number in 0..APPENDS {
        let events = load(&mut chance, number);
        all.push(events.clone());
        world.ask(&mut host, vec![append(events)]).unwrap_or_else(|_| panic!("there is power"));
        if number % 2 == 0 {
            housekeep(&mut host, &mut merged);
        }
    }
    assert!(merged >= 1);
    let reader = host.store.reader();
    let snapshot = reader.snapshot().expect("a snapshot can be taken");
    oracle::check_log(&world.model.log, &snapshot);
    oracle::check_reads(&world.model.log, &snapshot, &mut chance, 60);
    reader.verify().expect("the namespace is whole");
    // Every event again adds nothing, and conditions find what the long lists hold.
    for events in all {
        world.ask(&mut host, vec![append(events)]).unwrap_or_else(|_| panic!("there is power"));
    }
    for _ in 0..40 {
        let event = chance.pick(&world.model.log).clone();
        let condition = Condition {
            after: Position(chance.below(world.model.head().0)),
            types: vec![event.r#type.clone()],
            subjects: if chance.percent(50) { vec![event.subject.clone(), "s/none".into()] } else { Vec::new() },
            tags: event.tags.iter().take(chance.index(3)).cloned().collect(),
        };
        let new = self::event(&chance.number().to_string(), "a.small", "s/new", b".");
        let proposal = Proposal::Append(Append { events: vec![new], condition: Some(condition), ..Append::default() });
        world.ask(&mut host, vec![proposal]).unwrap_or_else(|_| panic!("there is power"));
    }
    drop(host);
    world.open(&[]).unwrap_or_else(|_| panic!("there is power"));
}

/// Fills the tail beyond its limit, twice, while nobody seals.
#[test]
fn a_tail_that_fills_up_is_closed_and_sealed_part_by_part() {
    let folder = std::sync::Arc::new(FaultFolder::new());
    let mut store = Store::open(folder.clone(), &Options::default()).expect("a store can be made");
    let per_append = limits::EVENTS_PER_APPEND_MAX;
    let appends = 2 * limits::TAIL_EVENTS_MAX / per_append + 2;
    for number in 0..appends {
        let events = (0..per_append).map(|index| event(&(number * per_append + index).to_string(), "a.small", "", b".")).collect();
        store.commit([append(events)], Timestamp(1)).expect("committed");
    }
    let reader = store.reader();
    assert_eq!(reader.parts_to_seal(), 2);
    let check = |reader: &Reader| {
        assert_eq!(reader.verify().expect("the namespace is whole").events, (appends * per_append) as u64);
        let snapshot = reader.snapshot().expect("a snapshot can be taken");
        for id in [0, 1, limits::TAIL_EVENTS_MAX, appends * per_append - 1] {
            assert_eq!(snapshot.find("/script", &id.to_string()).expect("ids can be read"), Some(Position(id as u64 + 1)));
        }
    };
    check(&reader);
    for left in [1, 0] {
        let sealed = reader.housekeep(reader.seal_due().expect("a part waits")).expect("a segment can be written");
        store.adopt(sealed).expect("a segment can be named");
        assert_eq!(reader.parts_to_seal(), left);
        check(&reader);
    }
    while store.delete_leftover_rows().expect("rows can be deleted") {}
    check(&reader);
    drop((store, reader));
    check(&Store::open(folder, &Options::default()).expect("the store opens").reader());
}

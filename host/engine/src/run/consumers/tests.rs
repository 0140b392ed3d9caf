//! Consumers step by step: leases, order of a subject, attempts, parking, and what a promotion does to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{ConsumerPlace, ConsumerSettings, EntryStanding, NewEvent, Position, Timestamp, limits};
use crate::store::testing::{MemoryFolder, store};
use crate::store::{self, Condition, ConsumerFile, Folder, Proposal, Snapshot, Store, StoreError, StoredConsumer};

struct NoEarlier;

impl Earlier for NoEarlier {
    fn unseen(&self, _: ConsumerPlace, _: usize) -> Result<Unseen, StoreError> {
        unreachable!("it reads its own generation")
    }
}

fn settings() -> ConsumerSettings {
    ConsumerSettings {
        types: vec!["*".into()],
        subjects: Vec::new(),
        tags: Vec::new(),
        attempts_max: 3,
        lease_ms: 1_000,
        expires_ms: None,
        endpoint: None,
    }
}

/// A log, a consumer of it, and a clock.
struct Scene {
    store: Store,
    consumer: Consumer,
    ms: u64,
    keys: u8,
}

fn append(store: &mut Store, subjects: &[&str]) {
    let head = store.reader().head().0;
    let event = |(index, subject): (usize, &&str)| NewEvent {
        id: (head + index as u64 + 1).to_string(),
        source: "/t".into(),
        r#type: "t".into(),
        subject: (*subject).into(),
        content_type: "application/json".into(),
        data: b"{}".to_vec(),
        ..NewEvent::default()
    };
    let events = subjects.iter().enumerate().map(event).collect();
    let append = store::Append { events, condition: None::<Condition>, stream: None };
    let committed = store.commit(vec![Proposal::Append(append)], Timestamp(1));
    assert!(committed.expect("committed").answers.iter().all(Result::is_ok));
}

impl Scene {
    fn new(subjects: &[&str]) -> Scene {
        Scene::with(settings(), subjects)
    }

    fn with(settings: ConsumerSettings, subjects: &[&str]) -> Scene {
        let mut store = store();
        append(&mut store, subjects);
        let place = ConsumerPlace { generation: 1, ..ConsumerPlace::default() };
        Scene { store, consumer: Consumer::new(settings, place, 1, Moment::default()), ms: 0, keys: 0 }
    }

    fn now(&self) -> Moment {
        Moment { ms: self.ms, time: Timestamp(self.ms * 1_000) }
    }

    fn log(&self) -> Snapshot {
        self.store.reader().snapshot().expect("a snapshot")
    }

    fn fetched(&mut self, member: &str, events: usize) -> Fetched {
        self.keys += 1;
        let ask = Ask { member: member.into(), events, bytes: usize::MAX, key: [self.keys; 16], lease_ms: None };
        let (log, now) = (self.log(), self.now());
        self.consumer.fetch(&ask, &log, &NoEarlier, now).expect("fetched")
    }

    /// The lease, and the positions that are given with it.
    fn fetch(&mut self, member: &str, events: usize) -> (String, Vec<u64>) {
        let fetched = self.fetched(member, events);
        (fetched.lease.unwrap_or_default(), fetched.events.iter().map(|given| given.position.0).collect())
    }

    fn acknowledge(&mut self, lease: &str, positions: &[u64]) -> Result<usize, ConsumerRefused> {
        let (log, now) = (self.log(), self.now());
        self.consumer.acknowledge(lease, None, &Which::These(positions.iter().map(|at| Position(*at)).collect()), &log, now)
    }

    fn give_back(&mut self, lease: &str, positions: &[u64]) -> Result<usize, ConsumerRefused> {
        let which = Which::These(positions.iter().map(|at| Position(*at)).collect());
        let how = GiveBack { reason: "no".into(), delay_ms: Some(0), counts: true, park: false };
        let now = self.now();
        self.consumer.give_back(lease, None, &which, &how, now)
    }

    fn parked(&self) -> Vec<(u64, EntryStanding)> {
        self.consumer.parked(Position::START, 100).into_iter().map(|(at, entry)| (at.0, entry.standing)).collect()
    }

    fn status(&mut self) -> ConsumerStatus {
        let (log, now) = (self.log(), self.now());
        self.consumer.status(&log, now).expect("a status")
    }

    /// All that is stored goes through a file, as after a kill.
    fn restart(&mut self, file: &ConsumerFile) {
        file.wait(file.queue("c", self.consumer.take_change())).expect("durable");
        let stored = file.all().expect("read").remove("c").expect("there");
        self.consumer = Consumer::stored(stored, 1, self.now());
    }
}

fn file() -> ConsumerFile {
    let folder: Arc<dyn Folder> = Arc::new(MemoryFolder::default());
    ConsumerFile::make(&folder, 1, &BTreeMap::new()).expect("made")
}

#[test]
fn events_come_in_order_and_what_is_acknowledged_comes_no_more() {
    let mut scene = Scene::new(&["a", "b", "a", "c"]);
    let (lease, given) = scene.fetch("m", 3);
    assert_eq!(given, [1, 2, 3]);
    assert_eq!(scene.acknowledge(&lease, &[1, 2]).expect("taken"), 1);
    let (other, given) = scene.fetch("m", 10);
    assert_eq!(given, [4]);
    assert_eq!(scene.acknowledge(&other, &[4]).expect("taken"), 0);
    assert_eq!((scene.status().acknowledged.position, scene.status().lag), (Position(2), 1));
    assert_eq!(scene.acknowledge(&lease, &[3]).expect("taken"), 0);
    assert_eq!((scene.status().acknowledged.position, scene.status().lag), (Position(4), 0));
    assert_eq!(scene.status().row.acknowledged, 4);
    scene.ms += 10_000;
    assert_eq!(scene.fetch("m", 10).1, [] as [u64; 0]);
}

#[test]
fn a_subject_is_with_one_member_at_a_time_and_the_work_is_shared_by_subject() {
    let mut scene = Scene::new(&["a", "a", "b", "a", "b", "c"]);
    let (first, given) = scene.fetch("one", 2);
    assert_eq!(given, [1, 2]);
    // 4 is of a subject that is out, with whomever.
    let (second, given) = scene.fetch("two", 10);
    assert_eq!(given, [3, 5, 6]);
    assert_eq!(scene.fetch("one", 10).1, [] as [u64; 0]);
    scene.acknowledge(&first, &[1]).expect("taken");
    assert_eq!(scene.fetch("three", 10).1, [] as [u64; 0], "2 is still out");
    scene.acknowledge(&first, &[2]).expect("taken");
    assert_eq!(scene.fetch("three", 10).1, [4]);
    scene.acknowledge(&second, &[3, 5, 6]).expect("taken");
}

#[test]
fn events_without_a_subject_have_no_order_among_them() {
    let mut scene = Scene::new(&["", "", ""]);
    let (first, given) = scene.fetch("one", 1);
    assert_eq!(given, [1]);
    assert_eq!(scene.fetch("two", 10).1, [2, 3]);
    scene.give_back(&first, &[1]).expect("given back");
    assert_eq!(scene.fetch("two", 10).1, [1]);
}

#[test]
fn what_is_not_acknowledged_is_given_again_once_the_lease_is_over() {
    let mut scene = Scene::new(&["a", "a", "b"]);
    let (first, _) = scene.fetch("one", 10);
    scene.ms = 999;
    assert_eq!(scene.fetch("two", 10).1, [] as [u64; 0]);
    scene.ms = 1_000;
    let again = scene.fetched("two", 10);
    let given: Vec<(u64, u32)> = again.events.iter().map(|given| (given.position.0, given.attempt)).collect();
    assert_eq!(given, [(1, 2), (2, 2), (3, 2)]);
    // It belongs to the other by now.
    assert!(matches!(scene.acknowledge(&first, &[1]), Err(ConsumerRefused::HeldByAnother(Position(1)))));
    let (log, now) = (scene.log(), scene.now());
    assert!(matches!(scene.consumer.acknowledge(&first, None, &Which::All, &log, now), Err(ConsumerRefused::LeaseLost)));
    assert!(matches!(scene.consumer.extend(&first, None, None, now), Err(ConsumerRefused::LeaseOver)));
    assert_eq!(scene.acknowledge(&again.lease.expect("a lease"), &[1, 2, 3]).expect("taken"), 0);
}

#[test]
fn who_is_late_is_still_heard_as_long_as_nobody_else_was_given_it() {
    let mut scene = Scene::new(&["a", "b"]);
    let (lease, _) = scene.fetch("one", 10);
    scene.ms = 5_000;
    scene.status();
    assert_eq!(scene.acknowledge(&lease, &[1]).expect("taken"), 0);
    assert_eq!(scene.fetch("two", 10).1, [2]);
}

#[test]
fn who_is_late_is_not_heard_of_what_comes_after_an_event_that_another_has() {
    let mut scene = Scene::new(&["a", "a", "a", "b"]);
    let (late, given) = scene.fetch("one", 10);
    assert_eq!(given, [1, 2, 3, 4]);
    scene.ms = 1_000;
    // The first of its subject, and no more of them.
    let (lease, given) = scene.fetch("two", 1);
    assert_eq!(given, [1]);
    for position in [2, 3] {
        assert!(matches!(scene.acknowledge(&late, &[position]), Err(ConsumerRefused::HeldByAnother(Position(1)))), "{position}");
    }
    assert_eq!(scene.acknowledge(&late, &[4]).expect("of another subject"), 0);
    scene.acknowledge(&lease, &[1]).expect("taken");
    assert_eq!(scene.acknowledge(&late, &[2]).expect("nobody has one before it"), 0);
    assert_eq!(scene.fetch("two", 10).1, [3]);
}

#[test]
fn to_acknowledge_twice_is_the_same_as_once() {
    let mut scene = Scene::new(&["a", "b", "c"]);
    let (lease, _) = scene.fetch("m", 10);
    assert_eq!(scene.acknowledge(&lease, &[1, 3]).expect("taken"), 1);
    assert_eq!(scene.acknowledge(&lease, &[1, 3]).expect("taken"), 1);
    assert_eq!(scene.acknowledge(&lease, &[2]).expect("taken"), 0);
    let (log, now) = (scene.log(), scene.now());
    for which in [Which::All, Which::UpTo(Position(3)), Which::These(vec![Position(2), Position(2)])] {
        assert_eq!(scene.consumer.acknowledge(&lease, Some("m"), &which, &log, now).expect("taken"), 0);
    }
    assert_eq!(scene.status().row.acknowledged, 3);
}

#[test]
fn what_was_never_fetched_is_not_acknowledged_and_nothing_of_such_a_word_counts() {
    let mut scene = Scene::with(ConsumerSettings { subjects: vec!["a".into()], ..settings() }, &["a", "b", "a", "a"]);
    let (lease, given) = scene.fetch("one", 1);
    assert_eq!(given, [1]);
    scene.fetch("two", 1);
    for never in [2, 3, 4, 5, 99] {
        assert!(matches!(scene.acknowledge(&lease, &[1, never]), Err(ConsumerRefused::NeverGiven(Position(at))) if at == never), "{never}");
    }
    for lease in ["", "1", "1-", "x-y", "1-00000000000000000000000000000000", "7-01010101010101010101010101010101"] {
        assert!(matches!(scene.acknowledge(lease, &[1]), Err(ConsumerRefused::UnknownLease)), "{lease}");
    }
    let (log, now) = (scene.log(), scene.now());
    let others = scene.consumer.acknowledge(&lease, Some("two"), &Which::All, &log, now);
    assert!(matches!(others, Err(ConsumerRefused::OthersLease { .. })));
    assert_eq!(scene.acknowledge(&lease, &[1]).expect("taken"), 0);
}

#[test]
fn after_its_last_attempt_an_event_is_parked_with_the_later_ones_of_its_subject() {
    let mut scene = Scene::new(&["a", "b", "a", "a"]);
    for attempt in 1..=2 {
        let fetched = scene.fetched("m", 10);
        assert!(fetched.events.iter().all(|given| given.attempt == attempt));
        assert_eq!(fetched.events.len(), 4);
        scene.ms += 1_000;
    }
    // The last attempt is each one's own.
    let (_, given) = scene.fetch("m", 10);
    assert_eq!(given, [1]);
    let (lease, given) = scene.fetch("m", 10);
    assert_eq!(given, [2]);
    scene.acknowledge(&lease, &[2]).expect("taken");
    scene.ms += 1_000;
    assert_eq!(scene.fetch("m", 10).1, [] as [u64; 0]);
    assert_eq!(scene.parked(), [(1, EntryStanding::Parked), (3, EntryStanding::Behind), (4, EntryStanding::Behind)]);
    append(&mut scene.store, &["a", "c"]);
    assert_eq!(scene.fetch("m", 10).1, [6]);
    assert_eq!(scene.parked().last(), Some(&(5, EntryStanding::Behind)));
    let status = scene.status();
    assert_eq!((status.parked, status.lag, status.acknowledged.position), (4, 1, Position(5)));
    assert_eq!(status.oldest_parked, Some(Timestamp(3_000_000)));
}

#[test]
fn parked_events_come_back_in_order_all_of_a_subject_or_the_first() {
    let mut scene = Scene::with(ConsumerSettings { attempts_max: 1, ..settings() }, &["a", "b", "a", "b", ""]);
    scene.fetch("m", 10);
    scene.ms += 1_000;
    assert_eq!(scene.fetch("m", 10).1, [] as [u64; 0]);
    assert_eq!(scene.parked().len(), 5);
    let now = scene.now();
    assert!(matches!(
        scene.consumer.release(&Release::One(Position(3)), false, now),
        Err(ConsumerRefused::NotFirst { first: Position(1), .. })
    ));
    assert!(matches!(scene.consumer.release(&Release::One(Position(9)), false, now), Err(ConsumerRefused::NotParked(_))));
    assert_eq!(scene.consumer.release(&Release::One(Position(1)), false, now).expect("released"), 1);
    let (lease, given) = scene.fetch("m", 10);
    assert_eq!(given, [1]);
    scene.acknowledge(&lease, &[1]).expect("taken");
    assert_eq!(scene.fetch("m", 10).1, [] as [u64; 0], "3 is still parked");
    assert_eq!(scene.consumer.release(&Release::Subject("b".into()), false, now).expect("released"), 2);
    assert_eq!(scene.fetch("m", 10).1, [2, 4]);
    assert_eq!(scene.consumer.release(&Release::Subject(String::new()), true, now).expect("skipped"), 1);
    assert_eq!(scene.consumer.release(&Release::All, false, now).expect("released"), 1);
    assert_eq!(scene.fetch("m", 10).1, [3]);
}

#[test]
fn what_is_given_back_comes_again_later_and_the_later_ones_of_its_subject_behind_it() {
    let mut scene = Scene::new(&["a", "a", "b", "a"]);
    let (lease, _) = scene.fetch("m", 10);
    let now = scene.now();
    let how = GiveBack { reason: "not now".into(), delay_ms: None, counts: true, park: false };
    assert_eq!(scene.consumer.give_back(&lease, None, &Which::These(vec![Position(1)]), &how, now).expect("given back"), 1);
    assert_eq!(scene.fetch("m", 10).1, [] as [u64; 0], "a pause comes first");
    scene.ms += limits::RETRY_DELAY_MS_MIN;
    let again = scene.fetched("m", 10);
    let given: Vec<(u64, u32)> = again.events.iter().map(|given| (given.position.0, given.attempt)).collect();
    assert_eq!(given, [(1, 2), (2, 1), (4, 1)], "only the first was tried");
    // Said twice it counts once.
    let lease = again.lease.expect("a lease");
    scene.give_back(&lease, &[1]).expect("given back");
    scene.give_back(&lease, &[1]).expect("given back");
    let (lease, given) = scene.fetch("m", 10);
    assert_eq!(given, [1]);
    scene.give_back(&lease, &[1]).expect("given back");
    assert_eq!(scene.parked(), [(1, EntryStanding::Parked), (2, EntryStanding::Behind), (4, EntryStanding::Behind)]);
    assert_eq!(scene.consumer.parked(Position::START, 1)[0].1.reason, "no");
}

#[test]
fn a_lease_that_is_extended_lasts() {
    let mut scene = Scene::new(&["a"]);
    let (lease, _) = scene.fetch("m", 10);
    for _ in 0..5 {
        scene.ms += 900;
        let now = scene.now();
        assert_eq!(scene.consumer.extend(&lease, Some("m"), None, now).expect("extended"), 1);
    }
    assert_eq!(scene.fetch("other", 10).1, [] as [u64; 0]);
    scene.ms += 1_000;
    assert_eq!(scene.fetch("other", 10).1, [1]);
}

#[test]
fn a_consumer_that_never_acknowledges_stays_small() {
    let subjects: Vec<String> = (0..limits::CONSUMER_UNACKNOWLEDGED_MAX + 1_000).map(|number| format!("s/{number}")).collect();
    let mut scene = Scene::new(&[]);
    for part in subjects.chunks(1_000) {
        append(&mut scene.store, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut given = 0;
    loop {
        let fetched = scene.fetched("m", 100);
        given += fetched.events.len();
        if fetched.events.is_empty() {
            assert!(!fetched.more, "it must not be asked at once again");
            break;
        }
    }
    assert_eq!(given, limits::CONSUMER_UNACKNOWLEDGED_MAX);
    assert_eq!(scene.status().lag, subjects.len() as u64);
    // One that is acknowledged makes room for another.
    let first = scene.consumer.leases.iter().next().map(|(number, lease)| lease::token(*number, &lease.row.key)).expect("a lease");
    scene.acknowledge(&first, &[1]).expect("taken");
    assert_eq!(scene.fetch("m", 100).1.len(), 1);
    // And one that never comes back holds up nothing but itself.
    for _ in 0..20 {
        scene.ms += 1_000;
        scene.fetch("m", 100);
    }
    assert!(scene.consumer.entries.len() <= limits::CONSUMER_PARKED_MAX + limits::CONSUMER_UNACKNOWLEDGED_MAX);
    assert!(scene.consumer.leases.len() <= limits::CONSUMER_LEASES_KEPT + limits::CONSUMER_UNACKNOWLEDGED_MAX);
}

#[test]
fn after_a_kill_leases_hold_attempts_count_and_what_was_acknowledged_is_not_given_again() {
    let file = file();
    let mut scene = Scene::new(&["a", "a", "b", "c", "c"]);
    let (lease, _) = scene.fetch("m", 4);
    scene.acknowledge(&lease, &[1]).expect("taken");
    scene.ms = 10_000;
    scene.restart(&file);
    scene.ms += 999;
    assert_eq!(scene.fetch("other", 10).1, [] as [u64; 0], "5 is behind 4, and all else is out");
    assert_eq!(scene.acknowledge(&lease, &[2]).expect("still the member's"), 2);
    scene.restart(&file);
    scene.ms += 1_000;
    let again = scene.fetched("other", 10);
    let given: Vec<(u64, u32)> = again.events.iter().map(|given| (given.position.0, given.attempt)).collect();
    assert_eq!(given, [(3, 2), (4, 2), (5, 1)]);
    assert_eq!(scene.acknowledge(&lease, &[1, 2]).expect("said before"), 0);
}

#[test]
fn only_what_changed_is_written() {
    let mut scene = Scene::new(&["a", "b"]);
    scene.consumer.take_change();
    assert!(scene.consumer.take_change().is_empty());
    scene.status();
    let (lease, _) = scene.fetch("m", 1);
    let change = scene.consumer.take_change();
    assert_eq!((change.entries.len(), change.leases.len()), (1, 1));
    scene.acknowledge(&lease, &[1]).expect("taken");
    let change = scene.consumer.take_change();
    assert_eq!(change.entries, [(Position(1), None)]);
    scene.acknowledge(&lease, &[1]).expect("taken");
    assert!(scene.consumer.take_change().is_empty());
}

#[test]
fn an_unused_one_expires_and_any_word_to_it_keeps_it() {
    let mut scene = Scene::with(ConsumerSettings { expires_ms: Some(5_000), ..settings() }, &["a"]);
    scene.ms = 4_999;
    assert!(!scene.consumer.is_expired(scene.now()));
    let (lease, _) = scene.fetch("m", 1);
    scene.ms = 9_000;
    assert!(!scene.consumer.is_expired(scene.now()));
    scene.acknowledge(&lease, &[1]).expect("taken");
    scene.status();
    scene.ms = 14_000;
    assert!(scene.consumer.is_expired(scene.now()));
}

/// What generation 1 had, in another order: of its first three positions, generation 2 lacks one and has one more.
struct Mapped;

impl Earlier for Mapped {
    fn unseen(&self, place: ConsumerPlace, limit: usize) -> Result<Unseen, StoreError> {
        assert_eq!(place.generation, 1);
        let first: Vec<Position> = [2, 4].map(Position).into_iter().filter(|at| *at > place.from).collect();
        Ok(Unseen { more: first.len() > limit, first, after: Position(4) })
    }
}

#[test]
fn in_a_log_that_takes_the_place_it_goes_on_and_keeps_what_it_set_aside() {
    let mut old = Scene::with(ConsumerSettings { attempts_max: 1, ..settings() }, &["p", "q", "r", "p", "s"]);
    // 1 is parked, 2 and 3 are dealt with, 4 is behind 1, 5 was not read.
    let (lease, _) = old.fetch("m", 3);
    old.acknowledge(&lease, &[2, 3]).expect("taken");
    old.ms += 1_000;
    let (_, given) = old.fetch("m", 1);
    assert_eq!(given, [5]);
    old.consumer.take_change();
    let stored = StoredConsumer {
        row: old.consumer.row.clone(),
        entries: old.consumer.entries.iter().map(|(at, entry)| (*at, entry.stored.clone())).collect(),
        leases: BTreeMap::new(),
    };
    // The new log: x is new, the event at 1 stands at 3 there, that at 4 nowhere.
    let mut new = store();
    append(&mut new, &["n", "x", "n", "y", "z"]);
    let carried = carry_over(&stored, 1, Some(&old.log()), &new.reader()).expect("carried over");
    assert_eq!(carried.row.place, ConsumerPlace { generation: 1, position: Position(4), from: Position::START });
    assert!(carried.leases.is_empty());
    let parked: Vec<(u64, EntryStanding)> = carried.entries.iter().map(|(at, entry)| (at.0, entry.standing)).collect();
    assert_eq!(parked, [(1, EntryStanding::Parked), (4, EntryStanding::Behind)], "ids are positions in both logs");
    let mut consumer = Consumer::stored(carried, 2, Moment::default());
    let log = new.reader().snapshot().expect("a snapshot");
    let mut given = Vec::new();
    for key in 1..=5 {
        let ask = Ask { member: "m".into(), events: 1, bytes: usize::MAX, key: [key; 16], lease_ms: None };
        let fetched = consumer.fetch(&ask, &log, &Mapped, Moment::default()).expect("fetched");
        given.extend(fetched.events.iter().map(|given| given.position.0));
    }
    // 4 is parked, and so not given, though it was not seen.
    assert_eq!(given, [2, 5]);
    assert_eq!(consumer.row.place, ConsumerPlace { generation: 2, position: Position(5), from: Position::START });
    // Without the old log nobody knows which those are: it goes on before them.
    let carried = carry_over(&stored, 1, None, &new.reader()).expect("carried over");
    assert_eq!((carried.row.place.position, carried.entries.len()), (Position(0), 0));
}

//! The map of cursors against a model that looks at everything.

use std::sync::Arc;

use super::cursor_map::{CursorMap, Was, cursor_map_name};
use super::folder::Folder;
use super::testing::MemoryFolder;
use crate::model::{Digest, Position};

const LOGS: [Digest; 2] = [Digest::ZERO, Digest([1; 32])];

/// An entry of the newer log: where it was, and whether it is a source event.
type Entry = (Was, bool);

fn open(folder: &MemoryFolder, head: u64) -> CursorMap {
    let folder: Arc<dyn Folder> = Arc::new(folder.clone());
    CursorMap::open(&folder, 1, LOGS, Position(head)).expect("a map in memory opens")
}

fn fill(map: &mut CursorMap, entries: &[Entry]) {
    for (was, source) in entries {
        map.note(map.covered().next(), *was, *source).expect("nothing fails in memory");
    }
    map.commit(None, false).expect("nothing fails in memory");
}

fn map_of(entries: &[Entry]) -> CursorMap {
    let mut map = open(&MemoryFolder::default(), u64::MAX);
    fill(&mut map, entries);
    map
}

/// A small generator: the numbers of Knuth's MMIX.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A newer log of `count` entries: sources in old order, some dropped, some new; derived events near or
/// far from where they were, different, or new; and a few entries about itself.
fn newer(chance: &mut Chance, count: u64, far: u64) -> Vec<Entry> {
    let mut place = 0;
    let entry = |chance: &mut Chance, place: &mut u64| match chance.below(12) {
        0 => (Was::Nowhere, true),
        1 => (Was::Nowhere, false),
        2 if chance.below(20) == 0 => (Was::Own, false),
        3..6 => (Was::At(Position(*place + 1 + chance.below(40))), false),
        6 => (Was::At(Position(*place + 1 + chance.below(far))), false),
        _ => {
            *place += 1 + chance.below(4) + if chance.below(100) == 0 { chance.below(2_000) } else { 0 };
            (Was::At(Position(*place)), true)
        }
    };
    (0..count).map(|_| entry(chance, &mut place)).collect()
}

/// All pages of what comes first.
fn resumed(map: &CursorMap, had: u64) -> (u64, Vec<u64>) {
    let (mut first, mut from) = (Vec::new(), Position::START);
    loop {
        let page = map.resume(Position(had), from, 7).expect("nothing fails in memory");
        first.extend(page.first.iter().map(|position| position.0));
        match page.more {
            Some(more) => from = more,
            None => return (page.after.0, first),
        }
    }
}

fn check_against_the_model(entries: &[Entry], had: u64) {
    let map = map_of(entries);
    let unknown = |was: Was| !matches!(was, Was::At(place) if place.0 <= had);
    let (after, first) = resumed(&map, had);
    let lacking: Vec<u64> = (1..).zip(entries).filter(|(_, (was, _))| unknown(*was)).map(|(position, _)| position).collect();
    let needed: Vec<u64> = lacking.iter().copied().filter(|position| *position <= after).collect();
    assert_eq!(first, needed, "had {had}");
    let before = map.before(Position(had)).expect("nothing fails in memory").0;
    let own = |position: &&u64| entries[**position as usize - 1].0 != Was::Own;
    let limit = lacking.iter().find(own).map_or(entries.len() as u64, |position| position - 1);
    assert!(before <= limit, "had {had}: {before} > {limit}");
    // Not needlessly low either: the border is missed by the marks' distance alone.
    assert!(before == limit.min(after), "had {had}: {before}, not {limit} or {after}");
}

#[test]
fn a_reader_of_the_older_log_misses_nothing_of_the_newer_one_and_is_told_nothing_needless_first() {
    for seed in 0..24 {
        let mut chance = Chance(seed);
        let entries = newer(&mut chance, 1_200, if seed % 2 == 0 { 300 } else { 40_000 });
        for _ in 0..40 {
            check_against_the_model(&entries, chance.below(4_000));
        }
        check_against_the_model(&entries, 0);
        check_against_the_model(&entries, u64::MAX - 1);
    }
}

#[test]
fn a_reader_that_had_everything_goes_on_at_the_maps_end() {
    let entries: Vec<Entry> = (1..=2_000).map(|place| (Was::At(Position(place)), true)).collect();
    let map = map_of(&entries);
    assert_eq!(resumed(&map, 2_000), (2_000, Vec::new()));
    assert_eq!(resumed(&map, 9_000), (2_000, Vec::new()));
    assert_eq!(resumed(&map, 0), (0, Vec::new()));
    // Never much behind where it could be.
    for had in [300, 511, 512, 1_000, 1_999] {
        assert!(resumed(&map, had).0 + 256 >= had, "{had}");
    }
}

#[test]
fn one_event_that_came_late_in_the_older_log_holds_nobody_back() {
    let mut entries: Vec<Entry> = (1..=5_000).map(|place| (Was::At(Position(place)), true)).collect();
    entries.insert(10, (Was::At(Position(900_000)), false));
    let map = map_of(&entries);
    let (after, first) = resumed(&map, 4_000);
    assert!(after + 256 >= 4_000, "{after}");
    assert_eq!(first, [11]);
    assert_eq!(resumed(&map, 900_000), (5_001, Vec::new()));
}

#[test]
fn what_came_into_the_older_log_since_is_no_longer_told_first() {
    let mut map = map_of(&[(Was::At(Position(1)), true), (Was::Nowhere, false), (Was::At(Position(2)), true)]);
    assert_eq!(resumed(&map, 5), (3, vec![2]));
    map.came(Position(2), Position(3));
    map.commit(None, true).expect("nothing fails in memory");
    assert_eq!(resumed(&map, 5), (3, Vec::new()));
    assert_eq!(resumed(&map, 2), (3, vec![2]));
    assert_eq!(map.before(Position(2)).expect("nothing fails in memory"), Position(1));
}

#[test]
fn a_map_goes_on_after_it_was_opened_again_and_one_of_other_logs_is_made_new() {
    let folder = MemoryFolder::default();
    let mut map = open(&folder, 10);
    fill(&mut map, &[(Was::At(Position(4)), true), (Was::Nowhere, false)]);
    map.commit(Some(b"so far"), true).expect("nothing fails in memory");
    drop(map);
    let mut map = open(&folder, 10);
    assert_eq!((map.covered(), map.progress().expect("readable")), (Position(2), Some(b"so far".to_vec())));
    fill(&mut map, &[(Was::At(Position(5)), true)]);
    assert_eq!(resumed(&map, 5), (3, vec![2]));
    drop(map);
    // The newer log ends before what the map says of it.
    assert_eq!(open(&folder, 2).covered(), Position::START);
    let other: Arc<dyn Folder> = Arc::new(folder.clone());
    drop(CursorMap::open(&other, 1, [LOGS[1], LOGS[0]], Position(10)).expect("it opens"));
    assert_eq!(open(&folder, 10).covered(), Position::START);
    assert_eq!(folder.list().expect("listed"), [cursor_map_name(1)]);
}

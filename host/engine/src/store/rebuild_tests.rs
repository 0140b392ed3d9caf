//! A rebuilt namespace is the one that it was, whatever became of what follows from its log; one whose log is damaged
//! stays as it is.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::error::StoreError;
use super::folder::{Folder, Space};
use super::fork::fork;
use super::head::HEAD;
use super::open::Options;
use super::rebuild::{Rebuilt, rebuild_in_parts};
use super::scan::Portion;
use super::story::{STORY, append, known, records, seal_tail, tell, tell_on};
use super::tables;
use super::testing::{self, MemoryFolder};
use crate::model::{Position, Record, Timestamp};

fn rebuilt(folder: &MemoryFolder, events: usize) -> Result<Rebuilt, StoreError> {
    rebuild_in_parts(Arc::new(folder.clone()), &Options::default(), Portion { events, bytes: usize::MAX })
}

/// What is in the files, by name.
fn bytes(folder: &MemoryFolder) -> Vec<(String, Vec<u8>)> {
    let names = folder.list().expect("listed");
    let read = |name: String| {
        let file = folder.open_sealed(&name).expect("there");
        let mut bytes = vec![0; redb::StorageBackend::len(&file).expect("a length") as usize];
        redb::StorageBackend::read(&file, 0, &mut bytes).expect("read");
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

fn change(folder: &MemoryFolder, file: &str, change: impl FnOnce(&WriteTransaction)) {
    let database = Database::builder().create_with_backend(folder.open(file).expect("there")).expect("it opens");
    let transaction = database.begin_write().expect("begun");
    change(&transaction);
    transaction.commit().expect("committed");
}

fn segments(folder: &MemoryFolder) -> Vec<String> {
    folder.list().expect("listed").into_iter().filter(|name| name.starts_with("segment-")).collect()
}

/// Empties all that follows from the log.
fn lose_what_is_derived(folder: &MemoryFolder) {
    fn empty<K: redb::Key + 'static, V: redb::Value + 'static>(transaction: &WriteTransaction, table: TableDefinition<'_, K, V>) {
        assert!(transaction.delete_table(table).expect("deleted"));
        transaction.open_table(table).expect("made");
    }
    change(folder, HEAD, |transaction| {
        empty(transaction, tables::DEPLOYMENTS);
        empty(transaction, tables::FUNCTIONS);
        empty(transaction, tables::CURSORS);
        empty(transaction, tables::STATE);
        empty(transaction, tables::PARKED);
        empty(transaction, tables::PARKED_SUBJECTS);
        empty(transaction, tables::SNAPSHOTS);
        empty(transaction, tables::SCHEMAS);
        empty(transaction, tables::TIMERS);
        empty(transaction, tables::TIMER_KEYS);
        empty(transaction, tables::SCHEDULES);
        empty(transaction, tables::HELD);
        empty(transaction, tables::OUTSIDE_COUNTS);
    });
    for file in segments(folder) {
        change(folder, &file, |transaction| {
            empty(transaction, tables::SEGMENT_META);
            empty(transaction, tables::SEGMENT_OFFSETS);
            empty(transaction, tables::SEGMENT_IDS);
            empty(transaction, tables::SEGMENT_TERMS);
            empty(transaction, tables::SEGMENT_TYPES);
            empty(transaction, tables::SEGMENT_FILTER);
        });
    }
    for view in ["view-rows-0123456789abcdef.redb", "shadow-rows-0123456789abcdef.redb", "head.redb.new"] {
        folder.create(view, Space::Sparse).expect("made");
    }
}

#[test]
fn a_namespace_that_lost_all_that_follows_from_its_log_is_the_same_again_and_goes_on() {
    for seal in [0, 4] {
        for events in [1, 5, usize::MAX] {
            let (base, folder) = tell(STORY.len(), seal);
            let (snapshot, expected) = (base.reader().snapshot().expect("a snapshot"), base.reader().verify().expect("whole"));
            let (log, functions, identity) = (records(&base), known(&snapshot), snapshot.log_identity());
            drop((snapshot, base));
            lose_what_is_derived(&folder);
            let told = rebuilt(&folder, events).expect("rebuilt");
            assert_eq!((told.at.0, told.commit, told.chain), (expected.events, expected.commits, expected.chain));
            assert_eq!((told.rebuilding.as_slice(), told.lost.len(), told.without_code.len()), (&["stateful".to_owned()][..], 0, 0));
            assert_eq!((told.dropped.len(), told.segments), (2, segments(&folder).len()), "{told:?}");
            let mut store = testing::open(&folder);
            assert!(records(&store) == log);
            let snapshot = store.reader().snapshot().expect("a snapshot");
            assert_eq!((known(&snapshot), snapshot.log_identity(), snapshot.effects()), (functions, identity, true));
            drop(snapshot);
            assert_eq!(store.reader().verify().expect("whole"), expected);
            // What is known is known, and what is new is new.
            tell_on(&mut store, 100, vec![append(&["1", "new"])]);
            assert_eq!(store.head().0, expected.events + 1);
            seal_tail(&mut store);
            drop(store);
            // Again, with the names that the last one gave.
            rebuilt(&folder, events).expect("rebuilt");
            assert_eq!(testing::open(&folder).reader().verify().expect("whole").events, expected.events + 1);
        }
    }
}

/// Refused at this place of this file, with everything left as it was.
#[track_caller]
fn check_refused(folder: &MemoryFolder, file: &str, position: u64, part: &str) {
    let before = bytes(folder);
    match rebuilt(folder, 4) {
        Err(StoreError::Damaged { file: found, position: at, what }) => {
            assert_eq!((found.as_str(), at), (file, Position(position)), "{what}");
            assert!(what.contains(part), "{what}");
        }
        other => panic!("{other:?}"),
    }
    assert!(bytes(folder) == before, "a rebuild that is refused leaves everything as it is");
}

#[test]
fn a_damaged_log_is_refused_by_file_and_position_and_nothing_is_changed() {
    let (base, folder) = tell(STORY.len(), 4);
    let last = base.reader().snapshot().expect("a snapshot").record(base.head()).expect("read").expect("there");
    drop(base);
    let key = (last.first.0, last.commit);
    let log = |folder: &MemoryFolder, with: &dyn Fn(&mut Vec<u8>)| {
        change(folder, HEAD, |transaction| {
            let mut table = transaction.open_table(tables::LOG).expect("the table");
            let mut bytes = table.get(key).expect("read").expect("there").value().to_vec();
            with(&mut bytes);
            table.insert(key, bytes.as_slice()).expect("written");
        });
    };
    for (with, part) in [
        (&(|bytes: &mut Vec<u8>| *bytes.last_mut().expect("a byte") ^= 1) as &dyn Fn(&mut Vec<u8>), "chain"),
        (&|bytes| bytes[1] ^= 1, "gap"),
        (&|bytes| bytes[0] = 99, "record format"),
    ] {
        let folder = folder.copy();
        log(&folder, with);
        check_refused(&folder, HEAD, last.first.0, part);
    }
    // A segment that isn't the last, its records, and one that is cut short where nothing else tells.
    let files = segments(&folder);
    let first = &files[0];
    let damaged = folder.copy();
    change(&damaged, first, |transaction| {
        let mut chunks = transaction.open_table(tables::SEGMENT_CHUNKS).expect("the table");
        let mut bytes = chunks.get(0).expect("read").expect("there").value().to_vec();
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        chunks.insert(0, bytes.as_slice()).expect("written");
    });
    let ends = Database::builder().create_with_backend(folder.open_sealed(first).expect("there")).expect("it opens");
    let ends = ends.begin_read().expect("begun").open_table(tables::SEGMENT_CHUNKS).expect("the table");
    let stream = ends.get(0).expect("read").expect("there").value().to_vec();
    // Records one after the other, each with its length before it.
    let mut starts = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let length = u32::from_le_bytes(stream[at..at + 4].try_into().expect("four bytes")) as usize;
        starts.push((at, Record::parse(stream[at + 4..at + 4 + length].into()).expect("a record").first.0));
        at += 4 + length;
    }
    let (start, position) = *starts.last().expect("a record");
    check_refused(&damaged, first, position, "chain");
    let cut = folder.copy();
    change(&cut, first, |transaction| {
        transaction.open_table(tables::SEGMENT_CHUNKS).expect("the table").insert(0, &stream[..start]).expect("written");
    });
    check_refused(&cut, first, position, "goes on to commit");
    let lost = folder.copy();
    lost.remove(first).expect("removed");
    check_refused(&lost, first, 1, "can't be opened");
}

#[test]
fn what_no_record_speaks_of_stays_and_is_named_where_it_can_not_be_read() {
    let (mut base, folder) = tell(5, 2);
    super::follow_tests::forget(&mut base, "/test", "erased");
    base.commit(vec![super::Proposal::Effects { on: false }], Timestamp(9)).expect("committed");
    drop(base);
    assert_eq!(rebuilt(&folder, 4).expect("rebuilt").lost, [""; 0]);
    let mut store = testing::open(&folder);
    assert!(!store.reader().snapshot().expect("a snapshot").effects());
    let answer = store.commit([append(&["erased"])], Timestamp(10)).expect("committed").answers.remove(0);
    assert!(matches!(answer, Err(super::Refused::Forgotten { .. })), "{answer:?}");
    // A fork from before it was erased: no record of its own tells it, and its last segment goes on beyond it.
    let (forked, options) = (MemoryFolder::default(), Options { identity: [7; 16], ..Options::default() });
    fork(&store.reader(), Position(1), Arc::new(forked.clone()), &options).expect("forked");
    let (identity, records_before) = (testing::open(&forked).reader().log_identity(), records(&testing::open(&forked)));
    assert_eq!(rebuilt(&forked, 4).expect("rebuilt").lost, [""; 0]);
    let mut other = testing::open(&forked);
    assert_eq!((other.reader().log_identity(), other.reader().verify().expect("whole").events), (identity, 1));
    assert!(records(&other) == records_before);
    let answer = other.commit([append(&["erased"])], Timestamp(10)).expect("committed").answers.remove(0);
    assert!(matches!(answer, Err(super::Refused::Forgotten { .. })), "{answer:?}");
    drop(store);
    change(&folder, HEAD, |transaction| {
        transaction.open_table(tables::OUTBOX).expect("the table").insert(3, b"nothing".as_slice()).expect("written");
        let mut modules = transaction.open_table(tables::MODULES).expect("the table");
        let digest = modules.first().expect("read").expect("a module").0.value().to_vec();
        modules.insert(digest.as_slice(), b"other".as_slice()).expect("written");
    });
    let told = rebuilt(&folder, 4).expect("rebuilt");
    assert!(told.lost.len() == 1 && told.lost[0].contains("requests were held"), "{:?}", told.lost);
    assert_eq!((told.without_code.as_slice(), told.modules), (&["shop".to_owned()][..], 0));
}

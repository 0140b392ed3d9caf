//! The file of consumers: what is acknowledged stays so, whatever end the process comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::consumer_file::{ConsumerChange, ConsumerFile, StoredConsumer};
use super::error::StoreError;
use super::folder::Folder;
use super::testing::MemoryFolder;
use crate::model::{ConsumerEntry, ConsumerPlace, ConsumerRow, ConsumerSettings, EntryStanding, LeaseRow, Position, Timestamp};

fn row(position: u64) -> ConsumerRow {
    ConsumerRow {
        settings: ConsumerSettings {
            types: vec!["*".into()],
            subjects: Vec::new(),
            tags: Vec::new(),
            attempts_max: 5,
            lease_ms: 30_000,
            expires_ms: None,
            endpoint: None,
        },
        created: Timestamp(1),
        start: Position::START,
        place: ConsumerPlace { generation: 1, position: Position(position), from: Position::START },
        leases: 1,
        acknowledged: 0,
        stopped: None,
    }
}

fn entry(subject: &str) -> ConsumerEntry {
    ConsumerEntry {
        subject: subject.into(),
        standing: EntryStanding::Leased,
        attempts: 1,
        lease: 1,
        reason: String::new(),
        since: Timestamp(0),
    }
}

fn change(position: u64) -> ConsumerChange {
    ConsumerChange {
        row: Some(row(position)),
        entries: vec![(Position(position), Some(entry("s")))],
        leases: vec![(position, Some(LeaseRow { key: [1; 16], member: "m".into(), open: true, lost: false }))],
        removed: false,
    }
}

#[test]
fn what_was_waited_for_is_there_after_a_kill_and_what_was_only_queued_is_not() {
    let memory = MemoryFolder::default();
    let folder: Arc<dyn Folder> = Arc::new(memory.clone());
    assert!(ConsumerFile::find(&folder).expect("looked").is_none());
    let file = ConsumerFile::make(&folder, 3, &BTreeMap::new()).expect("made");
    file.queue("a", change(1));
    file.wait(file.queue("b", change(2))).expect("durable");
    file.queue("a", change(9));
    let folder: Arc<dyn Folder> = Arc::new(memory.copy());
    let again = ConsumerFile::find(&folder).expect("opened").expect("there");
    assert_eq!(again.generation().ok(), Some(3));
    let all = again.all().expect("read");
    let places: Vec<(&str, u64)> = all.iter().map(|(name, stored)| (name.as_str(), stored.row.place.position.0)).collect();
    assert_eq!(places, [("a", 1), ("b", 2)]);
    assert_eq!(all["a"].entries.get(&Position(1)), Some(&entry("s")));
    assert_eq!(all["a"].leases.len(), 1);
}

#[test]
fn a_consumer_that_is_removed_leaves_nothing_and_its_neighbours_all() {
    let folder: Arc<dyn Folder> = Arc::new(MemoryFolder::default());
    let file = ConsumerFile::make(&folder, 1, &BTreeMap::new()).expect("made");
    for name in ["a", "ab", "b"] {
        file.queue(name, change(1));
        file.queue(name, change(2));
    }
    file.wait(file.queue("ab", ConsumerChange { removed: true, ..ConsumerChange::default() })).expect("durable");
    let all = file.all().expect("read");
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(all.values().all(|stored| stored.entries.len() == 2 && stored.leases.len() == 2));
}

#[test]
fn the_consumers_of_another_log_take_the_place_of_all_that_was_there() {
    let folder: Arc<dyn Folder> = Arc::new(MemoryFolder::default());
    let file = ConsumerFile::make(&folder, 1, &BTreeMap::new()).expect("made");
    file.wait(file.queue("old", change(1))).expect("durable");
    let stored = StoredConsumer { row: row(7), entries: [(Position(4), entry("t"))].into(), leases: [].into() };
    drop(file);
    let all = [("new".to_owned(), stored)].into();
    let file = ConsumerFile::make(&folder, 2, &all).expect("replaced");
    assert_eq!((file.generation().ok(), file.all().ok()), (Some(2), Some(all)));
}

#[test]
fn a_file_that_a_newer_host_wrote_is_refused() {
    let folder: Arc<dyn Folder> = Arc::new(MemoryFolder::default());
    drop(ConsumerFile::make(&folder, 1, &BTreeMap::new()).expect("made"));
    {
        let backend = folder.open("consumers.redb").expect("there");
        let database = redb::Database::builder().create_with_backend(backend).expect("a file of redb");
        let transaction = database.begin_write().expect("begun");
        transaction.open_table(super::tables::CONSUMER_META).expect("there").insert("format", 2).expect("written");
        transaction.commit().expect("committed");
    }
    assert!(matches!(ConsumerFile::find(&folder), Err(StoreError::NewerFormat { found: 2, known: 1, .. })));
}

//! What is found at an open: other formats, damage, other hosts, leftovers.

use std::sync::{Arc, Mutex};

use redb::{Database, ReadableTable};

use super::disk::DiskFolder;
use super::error::StoreError;
use super::folder::Folder;
use super::head::HEAD;
use super::open::{OnRepair, Options};
use super::proposal::{Append, Proposal};
use super::tables;
use super::testing::MemoryFolder;
use super::writer::Store;
use crate::model::{NewEvent, Position, Timestamp};

fn open(folder: &MemoryFolder) -> Result<Store, StoreError> {
    Store::open(Arc::new(folder.clone()), &Options::default())
}

fn append(store: &mut Store, id: u64) {
    let event = NewEvent {
        id: id.to_string(),
        source: "/shop".into(),
        r#type: "order.placed".into(),
        content_type: "text/plain".into(),
        ..NewEvent::default()
    };
    store.commit([Proposal::Append(Append { events: vec![event], ..Append::default() })], Timestamp(id)).expect("committed");
}

/// Four commits of one event each, the first two sealed; then `change` has its way with the head.
fn with_changed_head(change: impl FnOnce(&redb::WriteTransaction)) -> Result<Store, StoreError> {
    let folder = MemoryFolder::default();
    let mut store = open(&folder)?;
    append(&mut store, 1);
    append(&mut store, 2);
    seal(&mut store);
    append(&mut store, 3);
    append(&mut store, 4);
    drop(store);
    {
        let head = Database::builder().create_with_backend(folder.open(HEAD).expect("it is there")).expect("it opens");
        let transaction = head.begin_write().expect("a transaction");
        change(&transaction);
        transaction.commit().expect("committed");
    }
    open(&folder)
}

fn seal(store: &mut Store) {
    store.close_tail();
    let sealed = store.reader().housekeep(store.reader().seal_due().expect("due")).expect("written");
    store.adopt(sealed).expect("named");
}

/// How many of its segments have their filter in memory.
fn filters(store: &Store) -> usize {
    store.reader().shared.view().segments.iter().filter(|segment| segment.holds_filter()).count()
}

#[test]
fn filters_take_memory_where_events_are_appended_and_known_ids_are_found_without_them_too() {
    let folder = MemoryFolder::default();
    let mut store = Store::open(Arc::new(folder.clone()), &Options { holds_filters: false, ..Options::default() }).expect("opened");
    for id in 1..=3 {
        append(&mut store, id);
        seal(&mut store);
    }
    let find = |store: &Store, id: &str| store.reader().snapshot().expect("a snapshot").find("/shop", id).expect("read").is_some();
    assert!(find(&store, "2") && !find(&store, "4"));
    // The first append had nothing to ask, the next ones asked the segments before them.
    store.reader().release_filters();
    assert_eq!(filters(&store), 0);
    append(&mut store, 2);
    assert_eq!((store.reader().head(), filters(&store)), (Position(3), 3), "it is known, and every filter was asked");

    store.reader().release_filters();
    append(&mut store, 4);
    store.reader().release_filters();
    seal(&mut store);
    assert_eq!(filters(&store), 0, "what is sealed is as the others are");
    store.reader().hold_filters().expect("read");
    append(&mut store, 5);
    seal(&mut store);
    assert_eq!(filters(&store), 5);
    assert!(find(&store, "2") && !find(&store, "6"));
    drop(store);
    assert_eq!(filters(&open(&folder).expect("opened")), 5);
}

#[test]
fn how_far_the_repair_of_a_head_is_that_was_not_closed_is_told_c16() {
    let folder = MemoryFolder::default();
    let mut store = open(&folder).expect("it opens");
    (0..300).for_each(|id| append(&mut store, id));
    let crashed = folder.copy();
    drop(store);
    let told = |folder: MemoryFolder| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        let on_repair = OnRepair(Arc::new(move |done| into.lock().expect("nobody panicked").push(done)));
        let store = Store::open(Arc::new(folder), &Options { on_repair, ..Options::default() }).expect("it opens");
        assert_eq!(store.head(), Position(300));
        drop(store);
        Arc::into_inner(told).expect("nobody else has it").into_inner().expect("nobody panicked")
    };
    let of_crashed = told(crashed);
    assert!(!of_crashed.is_empty() && of_crashed.is_sorted() && of_crashed.iter().all(|done| (0.0..=1.0).contains(done)), "{of_crashed:?}");
    assert!(told(folder).is_empty(), "what was closed needs no repair");
}

#[track_caller]
fn check_damaged(found: Result<Store, StoreError>, position: u64, part: &str) {
    match found.map(|_| ()) {
        Err(StoreError::Damaged { position: found, what, .. }) => {
            assert_eq!(found, Position(position));
            assert!(what.contains(part), "{what}");
        }
        other => panic!("{other:?}"),
    }
}

fn log_rows(transaction: &redb::WriteTransaction) -> Vec<((u64, u64), Vec<u8>)> {
    let table = transaction.open_table(tables::LOG).expect("the table");
    table.iter().expect("rows").map(|row| row.map(|(key, value)| (key.value(), value.value().to_vec())).expect("a row")).collect()
}

#[test]
fn an_unchanged_namespace_opens_and_goes_on() {
    let mut store = with_changed_head(|_| {}).expect("it opens");
    append(&mut store, 5);
    assert_eq!(store.reader().verify().expect("whole").events, 5);
}

#[test]
fn a_file_of_a_newer_format_is_refused_by_name() {
    let found = with_changed_head(|transaction| {
        let mut meta = transaction.open_table(tables::META).expect("the table");
        meta.insert("format", 99u32.to_le_bytes().as_slice()).expect("written");
    });
    assert!(matches!(found.map(|_| ()), Err(StoreError::NewerFormat { found: 99, .. })));
}

#[test]
fn a_changed_byte_a_missing_commit_and_a_missing_segment_stop_the_open_and_say_where() {
    let change = |transaction: &redb::WriteTransaction, at: usize| {
        let (key, mut bytes) = log_rows(transaction).into_iter().find(|(key, _)| key.0 == 4).expect("commit 4");
        let at = if at == usize::MAX { bytes.len() - 1 } else { at };
        bytes[at] ^= 1;
        transaction.open_table(tables::LOG).expect("the table").insert(key, bytes.as_slice()).expect("written");
    };
    check_damaged(with_changed_head(|transaction| change(transaction, 25)), 4, "chain");
    check_damaged(with_changed_head(|transaction| change(transaction, usize::MAX)), 4, "chain");
    check_damaged(with_changed_head(|transaction| change(transaction, 0)), 4, "record format");
    let remove = |transaction: &redb::WriteTransaction| {
        let (key, _) = log_rows(transaction).into_iter().find(|(key, _)| key.0 == 3).expect("commit 3");
        transaction.open_table(tables::LOG).expect("the table").remove(key).expect("removed");
    };
    check_damaged(with_changed_head(remove), 4, "gap");
    let forget = |transaction: &redb::WriteTransaction| {
        let none = super::head::encode_segments(&["segment-none.redb".to_owned()]);
        transaction.open_table(tables::META).expect("the table").insert("segments", none.as_slice()).expect("written");
    };
    assert!(matches!(with_changed_head(forget).map(|_| ()), Err(StoreError::Io { what, .. }) if what.contains("segment-none.redb")));
}

#[test]
fn what_a_crash_left_of_sealing_is_removed_and_nothing_else() {
    let folder = MemoryFolder::default();
    let mut store = open(&folder).expect("it opens");
    append(&mut store, 1);
    seal(&mut store);
    drop(store);
    for name in ["segment-9-9.redb", "segment-1.redb.new", "head.redb.new", "note.txt"] {
        folder.create(name, super::folder::Space::Sparse).expect("made");
    }
    let before = folder.list().expect("listed").len();
    drop(open(&folder).expect("it opens"));
    let left = folder.list().expect("listed");
    assert_eq!(left.len(), before - 3);
    assert!(left.contains(&"note.txt".to_owned()));
}

/// A folder of the file system that goes when the test ends.
struct Passing(std::path::PathBuf);

impl Passing {
    fn new(name: &str) -> Passing {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-folders").join(name);
        let _ = std::fs::remove_dir_all(&path);
        Passing(path)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn two_hosts_can_not_have_one_namespace() {
    let passing = Passing::new("two-hosts");
    let folder = Arc::new(DiskFolder::create(passing.0.join("deep/down")).expect("made"));
    let first = Store::open(folder.clone(), &Options::default()).expect("it opens");
    assert!(matches!(Store::open(folder.clone(), &Options::default()).map(|_| ()), Err(StoreError::InUse(_))));
    drop(first);
    Store::open(folder, &Options::default()).expect("it opens");
}

#[test]
fn a_sealed_file_is_never_written_again() {
    let passing = Passing::new("sealed");
    let folder = Arc::new(DiskFolder::create(&passing.0).expect("made"));
    let mut store = Store::open(folder.clone(), &Options::default()).expect("it opens");
    append(&mut store, 1);
    seal(&mut store);
    let name = folder.list().expect("listed").into_iter().find(|name| name.starts_with("segment-")).expect("a segment");
    let bytes = || std::fs::read(passing.0.join(&name)).expect("read");
    let before = bytes();
    drop(store);
    let store = Store::open(folder.clone(), &Options::default()).expect("it opens");
    assert_eq!(store.reader().verify().expect("whole").events, 1);
    assert_eq!(store.reader().snapshot().expect("a snapshot").find("/shop", "1").expect("found"), Some(Position(1)));
    drop(store);
    assert!(bytes() == before, "the bytes of {name} changed");
}

#[test]
fn a_fork_on_the_disk_shares_the_very_files_of_its_base() {
    let passing = Passing::new("fork");
    let folder = |name: &str| Arc::new(DiskFolder::create(passing.0.join(name)).expect("made"));
    let mut store = Store::open(folder("base"), &Options::default()).expect("it opens");
    append(&mut store, 1);
    append(&mut store, 2);
    seal(&mut store);
    append(&mut store, 3);
    for (name, at, capped) in [("border", 2, 0), ("within", 1, 1), ("tail", 3, 0)] {
        let told = super::fork(&store.reader(), Position(at), folder(name), &Options::default()).expect("forked");
        assert_eq!((told.segments_linked, told.segments_capped), (1, capped));
        let segment = folder(name).list().expect("listed").into_iter().find(|name| name.starts_with("segment-")).expect("a segment");
        let inode = |folder: &str| {
            std::fs::metadata(passing.0.join(folder).join(&segment)).map(|facts| std::os::unix::fs::MetadataExt::ino(&facts))
        };
        assert_eq!(inode(name).expect("it is there"), inode("base").expect("it is there"));
        let fork = Store::open(folder(name), &Options::default()).expect("it opens");
        assert_eq!(fork.reader().verify().expect("whole").events, at);
    }
}

#[test]
fn the_head_of_a_fork_has_a_format_that_older_hosts_refuse() {
    let folder = MemoryFolder::default();
    let mut base = open(&MemoryFolder::default()).expect("it opens");
    append(&mut base, 1);
    super::fork(&base.reader(), Position(1), Arc::new(folder.clone()), &Options::default()).expect("forked");
    let head = Database::builder().create_with_backend(folder.open(HEAD).expect("it is there")).expect("it opens");
    let meta = redb::ReadableDatabase::begin_read(&head).expect("a transaction").open_table(tables::META).expect("the table");
    assert_eq!(meta.get("format").expect("read").expect("it is there").value(), 2u32.to_le_bytes());
}

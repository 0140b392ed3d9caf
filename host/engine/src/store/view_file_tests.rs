//! A view's file: what is kept, what is made new and why.

use std::sync::Arc;

use redb::StorageBackend;

use super::folder::Folder;
use super::testing::MemoryFolder;
use super::view_file::{Made, ViewFile, ViewOpened, sweep_views, view_file_name};
use crate::model::{Digest, Position};

fn open_as(folder: &MemoryFolder, identity: &[u8], log: &[u8], head: u64) -> (ViewFile, ViewOpened) {
    let folder: Arc<dyn Folder> = Arc::new(folder.clone());
    ViewFile::open(&folder, Made::View, "totals", Digest::of(identity), Digest::of(log), Position(head), 1 << 20)
        .expect("content is never an error")
}

fn row(key: &str, value: Option<&str>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.into(), value.map(|value| value.into()))
}

fn filled() -> MemoryFolder {
    let folder = MemoryFolder::default();
    let (view, opened) = open_as(&folder, b"code", b"log", 10);
    assert_eq!(opened, ViewOpened::New);
    view.commit(&[row("a", Some("1")), row("b/1", Some("2")), row("b/2", Some("3"))], Position(7), true).expect("written");
    folder
}

#[test]
fn rows_and_cursor_are_there_when_the_file_is_opened_again() {
    let folder = filled();
    let (view, opened) = open_as(&folder, b"code", b"log", 10);
    assert_eq!((opened, view.cursor()), (ViewOpened::Kept, Position(7)));
    view.commit(&[row("a", None), row("c", Some("4"))], Position(9), false).expect("written");
    let snapshot = view.snapshot().expect("read");
    assert_eq!((snapshot.cursor(), snapshot.count().ok()), (Position(9), Some(3)));
    assert_eq!((snapshot.get("a").ok(), snapshot.get("c").ok()), (Some(None), Some(Some(b"4".to_vec()))));
    let keys =
        |prefix, after, limit| snapshot.scan(prefix, after, limit).expect("read").into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys("b/", None, 9), ["b/1", "b/2"]);
    assert_eq!(keys("b/", Some("b/1"), 9), ["b/2"]);
    assert_eq!((keys("", None, 1), keys("", None, 0).len()), (vec!["b/1".to_owned()], 0));
}

#[test]
fn rows_of_other_code_another_log_or_events_that_are_not_there_are_thrown_away_with_the_reason() {
    let check = |identity: &[u8], log: &[u8], head: u64, why: &str| {
        let folder = filled();
        // The name says the first bytes of the identity; here only the content differs.
        let names = folder.list().expect("a list");
        folder.rename(&names[0], &view_file_name(Made::View, "totals", Digest::of(identity))).expect("renamed");
        let (view, opened) = open_as(&folder, identity, log, head);
        assert!(matches!(&opened, ViewOpened::Replaced(found) if found.contains(why)), "{opened:?}");
        assert_eq!((view.cursor(), view.snapshot().and_then(|snapshot| snapshot.count()).ok()), (Position::START, Some(0)));
    };
    check(b"other", b"log", 10, "other code");
    check(b"code", b"other", 10, "another log");
    check(b"code", b"log", 6, "up to 7");
}

#[test]
fn a_file_with_any_byte_changed_opens_as_it_was_or_is_made_new() {
    let folder = filled();
    let name = folder.list().expect("a list").remove(0);
    let read = |folder: &MemoryFolder| {
        let file = folder.open(&name).expect("it is there");
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        file.read(0, &mut bytes).expect("read");
        bytes
    };
    let bytes = read(&folder);
    let digest = open_as(&folder, b"code", b"log", 10).0.snapshot().and_then(|snapshot| snapshot.digest()).expect("read");
    let mut replaced = 0;
    for at in (0..bytes.len()).step_by(61) {
        let file = folder.open(&name).expect("it is there");
        file.set_len(bytes.len() as u64).expect("set");
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        file.write(0, &changed).expect("written");
        let (view, opened) = open_as(&folder, b"code", b"log", 10);
        match opened {
            ViewOpened::Kept => {
                let snapshot = view.snapshot().expect("read");
                let whole = (snapshot.cursor(), snapshot.digest().expect("read")) == (Position(7), digest);
                assert!(whole || snapshot.cursor() == Position::START, "byte {at}");
            }
            ViewOpened::Replaced(_) => replaced += 1,
            ViewOpened::New => panic!("it was there"),
        }
    }
    assert!(replaced > 0);
}

#[test]
fn files_of_old_versions_and_leftovers_are_swept_and_nothing_else() {
    let folder = filled();
    drop(open_as(&folder, b"new code", b"log", 10));
    for other in ["head.redb", "view-totals-0.redb.new", "segment-1-2.redb"] {
        drop(folder.create(other, super::folder::Space::Sparse).expect("made"));
    }
    let kept = view_file_name(Made::View, "totals", Digest::of(b"new code"));
    let gone = sweep_views(&folder, Made::View, &[kept.clone()].into()).expect("swept");
    assert_eq!(gone.len(), 2);
    assert_eq!(folder.list().expect("a list"), ["head.redb".to_owned(), "segment-1-2.redb".to_owned(), kept]);
}

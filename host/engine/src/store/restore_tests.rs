//! A restored log is the one that was backed up, record for record; one that ends earlier is what a fork there is.

use std::sync::Arc;

use super::backup::{BackupPieces, module_frame};
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::fork::fork;
use super::open::Options;
use super::restore::{Effects, RestoreAs, Restored, Until, restore_in_parts};
use super::scan::Portion;
use super::story::{STORY, append, known, records, seal_tail, tell, tell_on};
use super::testing::{self, MemoryFolder};
use super::writer::Store;
use crate::model::{Position, Record, Timestamp};

fn options() -> Options {
    Options { term_key: [5; 16], ..Options::default() }
}

/// A backup of everything, with the modules behind it.
fn backup(store: &Store) -> Vec<u8> {
    let reader = store.reader();
    let mut stream = reader.backup("main", 3, None).expect("begun");
    let mut out = Vec::new();
    while let Some(portion) = stream.next(500).expect("read") {
        out.extend(portion);
    }
    let snapshot = reader.snapshot().expect("a snapshot");
    for module in snapshot.modules() {
        out.extend(module_frame(&snapshot.component(module.digest).expect("read").expect("kept")));
    }
    out
}

fn restored_into(bytes: &[u8], until: Until, events: usize, folder: &MemoryFolder) -> Result<Restored, StoreError> {
    let mut pieces = BackupPieces::default();
    pieces.push(bytes);
    let mut next = || match pieces.take()? {
        None => pieces.end().map(|()| None),
        piece => Ok(piece),
    };
    restore_in_parts(
        &mut next,
        RestoreAs { until, effects: Effects::Held },
        Arc::new(folder.clone()),
        &options(),
        Portion { events, bytes: usize::MAX },
    )
}

#[track_caller]
fn restored(bytes: &[u8], until: Until, events: usize) -> (Store, MemoryFolder, Restored) {
    let folder = MemoryFolder::default();
    let told = restored_into(bytes, until, events, &folder).expect("restored");
    (testing::open(&folder), folder, told)
}

#[test]
fn a_restored_log_is_the_same_record_for_record_and_goes_on() {
    let (base, _) = tell(STORY.len(), 4);
    let bytes = backup(&base);
    for events in [1, 5, usize::MAX] {
        let (mut store, folder, told) = restored(&bytes, Until::End, events);
        assert_eq!((told.namespace.as_str(), told.generation, told.at), ("main", 3, base.head()));
        assert_eq!(told.rebuilding, ["stateful"]);
        assert_eq!(told.without_code, [""; 0]);
        assert!(records(&store) == records(&base));
        let snapshot = store.reader().snapshot().expect("a snapshot");
        assert_eq!(known(&snapshot), known(&base.reader().snapshot().expect("a snapshot")));
        assert_ne!(snapshot.log_identity(), base.reader().log_identity());
        assert!(!snapshot.effects());
        assert_eq!(snapshot.segments() > 1, events < 6);
        drop(snapshot);
        let verified = store.reader().verify().expect("whole");
        assert_eq!(verified, base.reader().verify().expect("whole"));
        // What is known is known, and what is new is new.
        tell_on(&mut store, 100, vec![append(&["1", "new"])]);
        assert_eq!(store.head(), base.head().next());
        seal_tail(&mut store);
        drop(store);
        testing::open(&folder).reader().verify().expect("whole");
    }
}

#[test]
fn a_restore_at_every_position_is_what_a_fork_there_is() {
    for seal in [0, 3] {
        let (base, _) = tell(STORY.len(), seal);
        let bytes = backup(&base);
        for at in 0..=base.head().0 {
            let folder = MemoryFolder::default();
            let told = fork(&base.reader(), Position(at), Arc::new(folder.clone()), &Options::default()).expect("forked");
            let forked = testing::open(&folder);
            for events in [1, 4, usize::MAX] {
                let (store, _, found) = restored(&bytes, Until::Position(Position(at)), events);
                assert_eq!((found.at, found.commit, &found.rebuilding), (told.at, told.commit, &told.rebuilding), "at {at}");
                assert!(records(&store) == records(&forked), "at {at}");
                let snapshot = |store: &Store| known(&store.reader().snapshot().expect("a snapshot"));
                assert_eq!(snapshot(&store), snapshot(&forked), "at {at}");
                store.reader().verify().expect("whole");
            }
        }
    }
}

#[test]
fn a_restore_up_to_a_time_holds_what_was_recorded_then_or_before() {
    let (base, _) = tell(STORY.len(), 0);
    let bytes = backup(&base);
    let all = records(&base);
    for time in [0, 999, 1_000, 4_500, 9_000, 1_000_000] {
        let (store, _, told) = restored(&bytes, Until::Time(Timestamp(time)), 4);
        let then = |bytes: &&Vec<u8>| Record::parse(bytes.as_slice().into()).expect("own bytes").recorded <= Timestamp(time);
        let expected: Vec<_> = all.iter().take_while(then).cloned().collect();
        assert!(records(&store) == expected, "up to {time}: {} records rather than {}", records(&store).len(), expected.len());
        assert_eq!(told.at, store.head());
    }
}

#[test]
fn a_restore_beyond_the_end_over_a_namespace_or_of_a_cut_backup_makes_nothing() {
    let (base, _) = tell(5, 2);
    let bytes = backup(&base);
    let folder = MemoryFolder::default();
    let beyond = restored_into(&bytes, Until::Position(base.head().next()), 2, &folder);
    assert!(matches!(beyond, Err(StoreError::BeyondHead { head, .. }) if head == base.head()));
    let log_bytes = bytes.len() - module_frame(b"shop").len();
    for cut in [0, log_bytes / 2, log_bytes - 1, bytes.len() - 1] {
        let refused = restored_into(&bytes[..cut], Until::End, 2, &folder);
        assert!(matches!(refused, Err(StoreError::Backup(_))), "cut after {cut}: {refused:?}");
        assert!(!folder.list().expect("listed").iter().any(|name| name == "head.redb"), "cut after {cut}");
    }
    // What these left is no hindrance.
    folder.create("head.redb.new", Space::Sparse).expect("made");
    restored_into(&bytes, Until::End, 2, &folder).expect("restored");
    assert!(matches!(restored_into(&bytes, Until::End, 2, &folder), Err(StoreError::NotEmpty)));
    assert!(records(&testing::open(&folder)) == records(&base));
}

#[test]
fn what_was_erased_is_refused_after_a_restore_too_at_any_position() {
    let (mut base, _) = tell(STORY.len(), 2);
    super::follow_tests::forget(&mut base, "/test", "erased");
    let bytes = backup(&base);
    for until in [Until::End, Until::Position(Position(2))] {
        let (mut store, _, _) = restored(&bytes, until, 4);
        let answer = store.commit([append(&["erased"])], Timestamp(1)).expect("committed").answers.remove(0);
        assert!(matches!(answer, Err(super::proposal::Refused::Forgotten { .. })), "{answer:?}");
    }
}

#[test]
fn a_module_that_the_backup_lacks_is_told_and_one_that_is_not_the_logs_is_left_out() {
    let (base, _) = tell(5, 2);
    let whole = backup(&base);
    let log = &whole[..whole.len() - module_frame(b"shop").len()];
    let (store, _, told) = restored(&[log, &module_frame(b"foreign")].concat(), Until::End, 4);
    assert_eq!(told.without_code, ["shop"]);
    let snapshot = store.reader().snapshot().expect("a snapshot");
    assert!(!snapshot.has_component(crate::model::Digest::of(b"foreign")).expect("read"));
}

#[test]
fn nothing_is_a_backup_that_has_no_beginning() {
    let mut pieces = BackupPieces::default();
    assert!(pieces.end().is_err());
    pieces.push(&module_frame(b"shop"));
    assert!(matches!(pieces.take(), Err(StoreError::Backup(_))));
}

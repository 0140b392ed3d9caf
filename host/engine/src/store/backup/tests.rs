//! A backup is what the log is, in however many stretches; one with any byte changed, cut or missing is refused.

use super::super::error::StoreError;
use super::super::story::{STORY, append, tell, tell_on};
use super::super::writer::Store;
use super::{BackupEnd, BackupFrom, BackupPiece, BackupPieces};
use crate::model::Digest;

/// A backup in portions of about so many bytes.
pub fn written(store: &Store, from: Option<BackupFrom>, bytes: usize) -> Vec<u8> {
    let mut stream = store.reader().backup("main", 1, from).expect("begun");
    let mut out = Vec::new();
    while let Some(portion) = stream.next(bytes).expect("read") {
        out.extend(portion);
    }
    out
}

/// All pieces of a backup that comes in portions of so many bytes.
fn read(backup: &[u8], bytes: usize) -> Result<Vec<BackupPiece>, StoreError> {
    let mut pieces = BackupPieces::default();
    let mut all = Vec::new();
    for portion in backup.chunks(bytes) {
        pieces.push(portion);
        while let Some(piece) = pieces.take()? {
            all.push(piece);
        }
    }
    pieces.end()?;
    Ok(all)
}

fn records(pieces: &[BackupPiece]) -> Vec<&[u8]> {
    pieces.iter().filter_map(|piece| if let BackupPiece::Record(record) = piece { Some(record.bytes()) } else { None }).collect()
}

pub fn end(backup: &[u8]) -> BackupEnd {
    let pieces = read(backup, backup.len()).expect("whole");
    let Some(BackupPiece::End(end)) = pieces.into_iter().next_back() else { panic!("no end") };
    end
}

pub fn place(backup: &[u8]) -> BackupFrom {
    let BackupEnd { commit, chain, .. } = end(backup);
    BackupFrom { commit, chain }
}

#[test]
fn a_backup_holds_every_record_as_it_is_in_portions_of_any_size() {
    for seal in [0, 2, STORY.len()] {
        let (store, _) = tell(STORY.len(), seal);
        let mut expected = Vec::new();
        let snapshot = store.reader().snapshot().expect("a snapshot");
        snapshot
            .records(0, crate::model::Position::START, &mut |record| {
                expected.push(record.bytes().to_vec());
                Ok(true)
            })
            .expect("read");
        let whole = written(&store, None, usize::MAX);
        for bytes in [1, 700, usize::MAX] {
            assert_eq!(written(&store, None, bytes), whole);
        }
        for bytes in [1, 7, whole.len()] {
            assert_eq!(records(&read(&whole, bytes).expect("whole")), expected);
        }
        let end = end(&whole);
        assert_eq!((end.last, end.chain), (snapshot.head(), snapshot.chain()));
        assert_eq!(end.modules, [Digest::of(b"shop"), Digest::of(b"later")]);
    }
}

#[test]
fn backups_one_after_the_other_hold_each_record_once() {
    for seal in [0, 3] {
        let (mut store, _) = tell(0, 0);
        let (mut all, mut from) = (Vec::new(), None);
        for (number, chapter) in STORY.iter().enumerate() {
            let proposals = chapter(&store);
            tell_on(&mut store, number, proposals);
            if seal > 0 && number % seal == 0 {
                super::super::story::seal_tail(&mut store);
            }
            if number % 2 == 0 {
                let next = written(&store, from, 1);
                all.extend_from_slice(&next);
                let pieces = read(&all, all.len()).expect("whole");
                assert_eq!(records(&pieces).len() as u64, store.reader().snapshot().expect("a snapshot").commit());
                from = Some(place(&all));
            }
        }
        // Nothing new is nothing but a beginning and an end.
        let again = written(&store, from, 1);
        assert_eq!(place(&[all, again].concat()), from.expect("there were some"));
    }
}

#[test]
fn what_is_appended_while_a_backup_is_written_comes_with_the_next() {
    let (mut store, _) = tell(6, 2);
    let mut stream = store.reader().backup("main", 1, None).expect("begun");
    let (mut first, mut number) = (Vec::new(), 0);
    while let Some(portion) = stream.next(1).expect("read") {
        first.extend(portion);
        tell_on(&mut store, 100 + number, vec![append(&[&format!("later-{number}")])]);
        number += 1;
    }
    assert_eq!(records(&read(&first, 64).expect("whole")).len(), 6);
    let second = written(&store, Some(place(&first)), 1);
    assert_eq!(records(&read(&[first, second].concat(), 64).expect("whole")).len(), 6 + number);
}

#[test]
fn a_backup_of_another_history_is_not_gone_on_with() {
    let (store, _) = tell(6, 2);
    let from = place(&written(&store, None, 1_000));
    let (shorter, _) = tell(4, 2);
    let (mut other, _) = tell(5, 2);
    tell_on(&mut other, 100, vec![append(&["other"])]);
    for log in [shorter, other] {
        let refused = log.reader().backup("main", 1, Some(from)).map(drop);
        assert!(matches!(&refused, Err(StoreError::Backup(what)) if what.contains("another history")), "{refused:?}");
    }
}

#[test]
fn a_backup_with_any_byte_changed_or_cut_off_is_refused() {
    let (store, _) = tell(5, 0);
    let whole = written(&store, None, 1_000);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert!(read(&changed, whole.len()).is_err(), "byte {at} of {} changed", whole.len());
        assert!(read(&whole[..at], whole.len()).is_err(), "cut after {at} bytes of {}", whole.len());
    }
}

#[test]
fn a_backup_with_a_stretch_missing_twice_or_of_another_log_is_refused() {
    let (mut store, _) = tell(5, 0);
    let first = written(&store, None, 1_000);
    tell_on(&mut store, 100, vec![append(&["second"])]);
    let second = written(&store, Some(place(&first)), 1_000);
    let (mut other, _) = tell(5, 0);
    tell_on(&mut other, 100, vec![append(&["other"])]);
    let others = written(&other, None, 1_000);
    read(&[&first[..], &second].concat(), 100).expect("whole");
    for wrong in [vec![&second], vec![&first, &first], vec![&first, &second, &second], vec![&others, &second], vec![]] {
        let bytes: Vec<u8> = wrong.into_iter().flatten().copied().collect();
        assert!(matches!(read(&bytes, 100), Err(StoreError::Backup(_))));
    }
}

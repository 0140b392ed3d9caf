//! Promises of this room about any bytes: see `crate::fuzzing`.

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, TableDefinition};

use super::backup::{BackupBegin, BackupPieces};
use super::error::StoreError;
use super::filter::Filter;
use super::function::ModuleRow;
use super::history::Past;
use super::namespace_row::NamespaceRow;
use super::outside::OutboxRow;
use super::segment::Cap;
use super::segment::fuzzing::{CHUNK_BYTES, IdRows, Postings, RecordStream, TermRows, find_ids, ids};
use super::token_row::TokenRow;
use crate::model::fuzzing::comes_back;
use crate::model::{ByteReader, ByteWriter, Position};

const CHUNKS: TableDefinition<u64, &[u8]> = TableDefinition::new("chunks");

/// Rows whose form this room knows.
pub fn row(which: u8, row: &[u8]) {
    match which {
        0 => comes_back(row, |row| NamespaceRow::decode("n", row), NamespaceRow::encode),
        1 => comes_back(row, |row| TokenRow::decode("t", row), TokenRow::encode),
        2 => comes_back(row, |row| ModuleRow::decode(7, row), ModuleRow::encode),
        3 => comes_back(row, OutboxRow::decode, OutboxRow::encode),
        4 => comes_back(row, Cap::decode_all, Cap::encode_all),
        5 => comes_back(row, BackupBegin::decode, |begin| begin.as_ref().map(BackupBegin::encode).unwrap_or_else(|_| row.to_vec())),
        6 => {
            let read = |row: &[u8]| {
                let past = Past::decode(&mut ByteReader::new(row))?;
                let mut out = ByteWriter::default();
                past.encode(&mut out);
                Ok(out.bytes)
            };
            comes_back(row, read, Vec::clone);
        }
        _ => {
            let mut filter = Filter::default();
            if filter.extend(row).is_err() || filter.is_empty() {
                return;
            }
            assert_eq!(filter.parts(64).collect::<Vec<_>>().concat(), row);
            filter.insert(u64::from(row[0]) << 32 | u64::from(row[1]));
            assert!(filter.may_hold(u64::from(row[0]) << 32 | u64::from(row[1])));
        }
    }
}

/// The stream of records of a segment, whatever it holds: read whole, by heads, and sought through.
pub fn stream(bytes: &[u8]) {
    let Some((place, bytes)) = bytes.split_first_chunk::<8>() else { return };
    let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("memory");
    let writing = database.begin_write().expect("memory");
    {
        let mut chunks = writing.open_table(CHUNKS).expect("memory");
        for (number, chunk) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
            chunks.insert(number, chunk).expect("memory");
        }
    }
    writing.commit().expect("memory");
    let chunks = database.begin_read().expect("memory").open_table(CHUNKS).expect("memory");
    let stream = || RecordStream::new(&chunks, "a segment", Position(1), 0, bytes.len() as u64);
    let mut read = Vec::new();
    let mut records = stream();
    while let Ok(Some(record)) = records.next() {
        read.push((record.commit, record.first, record.count));
    }
    let mut heads = stream();
    for found in &read {
        match heads.next_head() {
            Ok(Some(head)) => assert_eq!((head.commit, head.first, head.count), *found),
            // What it says beside its events is looked into here only.
            Err(StoreError::Damaged { .. }) => break,
            other => panic!("{other:?} of {found:?}"),
        }
    }
    let place = u64::from_le_bytes(*place);
    let mut sought = stream();
    if sought.seek(Position(place)).is_ok()
        && let Ok(Some(record)) = sought.next()
    {
        assert!(record.last().0 >= place, "{place} is sought, not what ends before it");
    }
    let mut passed = stream();
    if passed.pass(place).is_ok()
        && let Ok(Some(commit)) = passed.commit()
    {
        assert!(commit > place);
    }
}

/// Rows of a segment's index: foreign ones are refused, lists that are written come back.
pub fn index(bytes: &[u8]) {
    let mut foreign = Postings::new(bytes);
    while let Ok(Some((_, places))) = foreign.next() {
        assert!(places.len() <= bytes.len());
    }
    let _ = find_ids(bytes, 7).count();
    let mut numbers = bytes.chunks_exact(3).map(|three| (three[0] % 16, u32::from(three[1]) << 8 | u32::from(three[2])));
    let (mut lists, mut hash) = (Vec::new(), 0u64);
    while let Some((distance, length)) = numbers.next() {
        hash += u64::from(distance) + 1;
        let mut place = 0;
        let places = numbers.by_ref().take(length as usize % 4_096).map(|(more, distance)| {
            place += distance * (u32::from(more) + 1) + 1;
            place
        });
        lists.push((hash, places.collect::<Vec<u32>>()));
    }
    lists.retain(|(_, places)| !places.is_empty());
    let (mut terms, mut rows) = (TermRows::default(), Vec::new());
    let mut keep = |_, row: &[u8]| -> Result<(), ()> {
        rows.push(row.to_vec());
        Ok(())
    };
    lists.iter().for_each(|(hash, places)| terms.push(*hash, places, &mut keep).expect("kept"));
    terms.finish(&mut keep).expect("kept");
    let mut found: Vec<(u64, Vec<u32>)> = Vec::new();
    for row in &rows {
        let mut postings = Postings::new(row);
        while let Some((hash, places)) = postings.next().expect("own bytes") {
            match found.last_mut() {
                Some((last, all)) if *last == hash => all.extend(places),
                _ => found.push((hash, places)),
            }
        }
    }
    assert_eq!(found, lists);
    let (mut of_ids, mut rows) = (IdRows::default(), Vec::new());
    let mut keep = |_, row: &[u8]| -> Result<(), ()> {
        rows.push(row.to_vec());
        Ok(())
    };
    let all: Vec<(u64, u32)> = lists.iter().flat_map(|(hash, places)| places.iter().map(|place| (*hash, *place))).collect();
    all.iter().for_each(|(hash, place)| of_ids.push(*hash, *place, &mut keep).expect("kept"));
    of_ids.finish(&mut keep).expect("kept");
    assert_eq!(rows.iter().flat_map(|row| ids(row)).collect::<Vec<_>>(), all);
    for (hash, places) in &lists {
        assert!(rows.iter().flat_map(|row| find_ids(row, *hash)).eq(places.iter().copied()));
    }
}

/// A stretch of a backup, in pieces as they happen to come. The first byte says how long these are.
pub fn backup(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first() else { return };
    let whole = told(bytes, bytes.len().max(1));
    assert_eq!(told(bytes, usize::from(*length) + 1), whole, "it matters where the stream is cut");
}

/// What is read, as text, and how it ends.
fn told(bytes: &[u8], length: usize) -> (Vec<String>, bool) {
    let (mut pieces, mut told) = (BackupPieces::unfollowed(), Vec::new());
    for part in bytes.chunks(length) {
        pieces.push(part);
        loop {
            match pieces.take() {
                Ok(Some(piece)) => told.push(format!("{piece:?}")),
                Ok(None) => break,
                Err(_) => return (told, false),
            }
        }
    }
    let whole = pieces.end().is_ok();
    (told, whole)
}

//! Promises of this room about any bytes: see `crate::fuzzing`.

use std::fmt::Debug;

use super::processing::Processing;
use super::{
    ByteReader, ByteWriter, ConsumerEntry, ConsumerRow, Digest, Event, LeaseRow, Malformed, Manifest, Record, RecordBuilder, RecordHead,
};

const BEFORE: Digest = Digest([8; 32]);

/// What is read of `bytes` is written so that the same is read again. Numbers may be written shorter.
#[track_caller]
pub fn comes_back<T: PartialEq + Debug>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, Malformed>, written: impl Fn(&T) -> Vec<u8>) {
    if let Ok(value) = read(bytes) {
        let bytes = written(&value);
        assert_eq!(read(&bytes).as_ref(), Ok(&value), "it was written as {bytes:02x?}");
    }
}

/// A record without its chain, which is put behind it: only what says that it comes next is looked into.
pub fn record(bytes: &[u8]) {
    let chain = Digest::link(BEFORE, bytes);
    let Ok(record) = Record::parse([bytes, &chain.0].concat().into()) else { return };
    assert!(record.follows(BEFORE) && !record.follows(Digest::ZERO));
    let events: Vec<Event> = record.events().map(|event| event.to_event()).collect();
    for event in &events {
        assert_eq!(record.event(event.position).map(|found| found.to_event()).as_ref(), Some(event), "one by one as in a row");
        let glance = record.glance(event.position).expect("it was decoded");
        assert_eq!((glance.kind(), glance.class(), glance.origin()), (event.kind, Some(event.class), (event.cause, event.producer)));
        let told = (glance.id(), glance.r#type(), glance.source(), glance.subject());
        assert_eq!(told, (event.id.as_bytes(), &*event.r#type, &*event.source, &*event.subject), "as all of it says");
    }
    assert!(record.event(record.last().next()).is_none());
    assert!(record.words().count() <= bytes.len());
    let Ok(entries) = record.processing() else { return };
    let head = RecordHead::parse(record.bytes()).expect("all that it reads was read");
    assert_eq!((head.commit, head.first, head.count, &head.processing), (record.commit, record.first, record.count, &entries));
    if events.iter().all(|event| event.cause.is_none_or(|cause| cause <= event.position)) {
        let again = again(&record, &entries);
        assert_eq!(again.events().map(|event| event.to_event()).collect::<Vec<_>>(), events);
        assert_eq!(again.processing().as_ref(), Ok(&entries));
        assert_eq!(self::again(&again, &entries).bytes(), again.bytes(), "there is one way to write a record");
    }
}

/// The same record, written anew.
fn again(record: &Record, entries: &[Processing]) -> Record {
    let mut builder = RecordBuilder::new(record.commit, record.first, record.recorded);
    entries.iter().for_each(|entry| builder.add_processing(entry));
    for event in record.events() {
        builder.add_retold(&event, event.cause, event.producer.map(|producer| producer.module), event.recorded);
    }
    let made = builder.finish(BEFORE);
    let read = Record::parse(made.bytes().into()).expect("own bytes");
    assert!(read.follows(BEFORE));
    read
}

/// What a record says beside its events.
pub fn processing(bytes: &[u8]) {
    let read = |bytes: &[u8]| Processing::decode(&mut ByteReader::new(bytes));
    let written = |entry: &Processing| {
        let mut out = ByteWriter::default();
        entry.encode(&mut out);
        out.bytes
    };
    comes_back(bytes, read, written);
}

/// Rows whose form this room knows.
pub fn row(which: u8, row: &[u8]) {
    match which {
        0 => comes_back(row, Manifest::decode, Manifest::encode),
        1 => comes_back(row, ConsumerRow::decode, ConsumerRow::encode),
        2 => comes_back(row, ConsumerEntry::decode, ConsumerEntry::encode),
        _ => comes_back(row, LeaseRow::decode, LeaseRow::encode),
    }
}

//! One subject: its events, found by the index, and what aggregates have folded of it.

use std::sync::Arc;

use redb::{TableError, WriteTransaction};

use super::batch::Batch;
use super::error::StoreError;
use super::group::Group;
use super::mirror::Mirror;
use super::proposal::Refused;
use super::scan::{Filter, Portion};
use super::snapshot::Snapshot;
use super::tables;
use super::terms::Term;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position, Record, SubjectSnapshot, limits};

/// Positions fetched from an index at a time.
const POSITIONS_AT_A_TIME: usize = 1_024;
const FORMAT: u8 = 1;

impl Snapshot {
    /// Takes along the events of `subject` in `(after, upto]` that the filter wants, oldest first.
    /// Answers them, and the position up to which everything was seen.
    ///
    /// Costs what the subject has after `after`, whatever it and the log have before: the index is
    /// walked from its newest end, and only records that hold events of the subject are read.
    pub fn collect_subject(
        &self,
        subject: &str,
        filter: &Filter,
        after: Position,
        upto: Position,
        portion: Portion,
    ) -> Result<(Batch, Position), StoreError> {
        let upto = upto.min(self.head);
        let term = self.shared.hasher.term(Term::Subject(subject));
        let mut taking = Taking { snapshot: self, subject, filter, portion, batch: Batch::default(), at_hand: None };
        if after >= upto {
            return Ok((taking.batch, after));
        }
        // In this order, since what the tail forgets is in a segment by then.
        let mut tail: Vec<Position> = self.shared.tail().with_term(term, after).collect();
        tail.reverse();
        #[cfg(test)]
        self.reads.fetch_add(tail.len(), std::sync::atomic::Ordering::Relaxed);
        let view = self.shared.view();
        let from = view.segments.partition_point(|segment| segment.last <= after);
        for segment in view.segments[from..].iter().take_while(|segment| segment.first <= upto) {
            let mut after = after;
            loop {
                let positions = segment.with_term(term, after, POSITIONS_AT_A_TIME)?;
                if let Some(full_at) = taking.take(&positions, upto)? {
                    return Ok((taking.batch, full_at));
                }
                match positions.last() {
                    Some(last) if positions.len() == POSITIONS_AT_A_TIME => after = *last,
                    _ => break,
                }
            }
        }
        let unsealed = tail.partition_point(|position| *position <= view.sealed());
        match taking.take(&tail[unsealed..], upto)? {
            Some(full_at) => Ok((taking.batch, full_at)),
            None => Ok((taking.batch, upto)),
        }
    }

    /// What an aggregate has folded of a subject, if it was this code, and nothing after `upto` is in it.
    pub fn subject_snapshot(
        &self,
        function: &str,
        subject: &str,
        identity: Digest,
        upto: Position,
    ) -> Result<Option<SubjectSnapshot>, StoreError> {
        let Some(row) = self.function(function) else { return Ok(None) };
        let table = match self.transaction.open_table(tables::SNAPSHOTS) {
            Ok(table) => table,
            // The namespace is from before there were any.
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(bytes) = table.get((row.ordinal, subject))? else { return Ok(None) };
        // What can't be read is as good as not there: it can be made again.
        let kept = decode(function, subject, bytes.value()).ok();
        Ok(kept.filter(|kept| kept.identity == identity && kept.position <= upto))
    }
}

/// Events that are being taken along.
struct Taking<'a> {
    snapshot: &'a Snapshot,
    subject: &'a str,
    filter: &'a Filter,
    portion: Portion,
    batch: Batch,
    at_hand: Option<Arc<Record>>,
}

impl Taking<'_> {
    /// Answers where it was full, if it was.
    fn take(&mut self, positions: &[Position], upto: Position) -> Result<Option<Position>, StoreError> {
        for position in positions.iter().copied().take_while(|position| *position <= upto) {
            let at_hand = self.at_hand.take().filter(|record| record.first <= position && position <= record.last());
            let Some(record) = (match at_hand {
                Some(record) => Some(record),
                None => self.snapshot.record(position)?,
            }) else {
                continue;
            };
            if let Some(event) = record.glance(position)
                && event.subject() == self.subject
                && self.filter.matches(&event)
            {
                self.batch.push(&record, &event, 0);
            }
            self.at_hand = Some(record);
            if self.batch.is_full(self.portion) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }
}

impl Group<'_> {
    /// Notes a snapshot for the transaction under way.
    pub fn keep_snapshot(&mut self, snapshot: SubjectSnapshot) -> Result<(), Refused> {
        if self.mirror.function(&snapshot.function).is_none() {
            return Err(Refused::UnknownFunction(snapshot.function));
        }
        if snapshot.state.len() > limits::STATE_VALUE_BYTES_MAX {
            return Err(Refused::TooLarge { what: "bytes of state", found: snapshot.state.len(), max: limits::STATE_VALUE_BYTES_MAX });
        }
        // Nothing may be kept of what is not durable.
        if snapshot.position > snapshot.seen || snapshot.seen > self.view.head {
            return Err(Refused::Stale { function: snapshot.function, why: "its state is of events that are not durable" });
        }
        self.snapshots.push(snapshot);
        Ok(())
    }
}

pub fn write_snapshots(transaction: &WriteTransaction, snapshots: &[SubjectSnapshot], mirror: &Mirror) -> Result<(), StoreError> {
    if snapshots.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(tables::SNAPSHOTS)?;
    for snapshot in snapshots {
        if let Some(row) = mirror.function(&snapshot.function) {
            table.insert((row.ordinal, snapshot.subject.as_str()), encode(snapshot).as_slice())?;
        }
    }
    Ok(())
}

/// A row: format u8, identity, last event, up to where it is whole (distance), count of events, state.
fn encode(snapshot: &SubjectSnapshot) -> Vec<u8> {
    let mut out = ByteWriter::default();
    out.u8(FORMAT);
    out.raw(&snapshot.identity.0);
    out.varint(snapshot.position.0);
    out.varint(snapshot.seen.0 - snapshot.position.0);
    out.varint(snapshot.events);
    out.raw(&snapshot.state);
    out.bytes
}

fn decode(function: &str, subject: &str, bytes: &[u8]) -> Result<SubjectSnapshot, Malformed> {
    let mut reader = ByteReader::new(bytes);
    if reader.u8("snapshot format")? != FORMAT {
        return Err(Malformed { what: "snapshot format", at: 0 });
    }
    let identity = Digest(reader.raw(32, "identity")?.try_into().unwrap_or([0; 32]));
    let position = Position(reader.varint("position")?);
    let seen = Position(position.0.saturating_add(reader.varint("seen")?));
    let events = reader.varint("events")?;
    let state = bytes[reader.position()..].to_vec();
    Ok(SubjectSnapshot { function: function.into(), subject: subject.into(), identity, position, seen, events, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_a_subject_has_the_bytes_that_the_page_on_the_data_file_says() {
        let snapshot = SubjectSnapshot {
            function: "stock".into(),
            subject: "item/7".into(),
            identity: Digest([9; 32]),
            position: Position(300),
            seen: Position(305),
            events: 256,
            state: b"{}".to_vec(),
        };
        let bytes = encode(&snapshot);
        assert_eq!(bytes, [&[1][..], &[9; 32], &[0xac, 0x02, 0x05, 0x80, 0x02], b"{}"].concat());
        assert_eq!(decode("stock", "item/7", &bytes), Ok(snapshot));
        for end in 0..bytes.len() - 2 {
            assert!(decode("stock", "item/7", &bytes[..end]).is_err(), "cut at {end}");
        }
    }
}

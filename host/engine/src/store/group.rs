//! A group: proposals judged one after the other, each seeing those before it, and none of it
//! written yet. A refused one leaves no trace.

use std::collections::VecDeque;
use std::sync::{Arc, RwLockWriteGuard};

use super::apply::SlotWrites;
use super::error::StoreError;
use super::forgotten::Forgotten;
use super::mirror::Mirror;
use super::outside::{InGroup, RowChange};
use super::proposal::{Accepted, Proposal, Refused};
use super::shared::{Shared, View};
use super::tail::{Indexed, Tail};
use crate::model::{Commit, Digest, EventRef, Kind, NewEvent, Position, Processing, Record, RecordBuilder, StatePart, SubjectSnapshot};

/// Where a record of a group ends and the next one begins: small enough that one event is read
/// without much beside it.
const RECORD_BYTES: usize = 256 << 10;
/// Records of known events at hand while repeats are compared.
const CACHED_RECORDS: usize = 8;

pub struct Group<'a> {
    pub shared: &'a Shared,
    pub view: Arc<View>,
    pub tail: RwLockWriteGuard<'a, Tail>,
    /// What was erased for good; a group forgets nothing, so it is what it was before.
    pub forgotten: Option<Forgotten>,
    pub mirror: &'a mut Mirror,
    pub cache: &'a mut Vec<Arc<Record>>,
    /// Streams of which a part was refused, the latest last.
    pub broken: &'a mut VecDeque<u64>,
    pub builder: RecordBuilder,
    pub state: StatePart,
    /// Folded states to keep: no part of any commit, as anybody can make them again.
    pub snapshots: Vec<SubjectSnapshot>,
    /// State of versions that are being made ready: no part of any commit either.
    pub prepared: Vec<SlotWrites>,
    pub finished: Vec<Commit>,
    /// What was done to timers, schedules and requests here.
    pub outside: InGroup,
    pub chain: Digest,
}

impl Group<'_> {
    /// Judges one proposal. `Err` is the host's own trouble; nothing of the group is written then.
    pub fn judge(&mut self, proposal: Proposal) -> Result<Result<Accepted, Refused>, StoreError> {
        let answer = match proposal {
            Proposal::Append(append) => self.append_in_stream(append).map(|answer| answer.map(Accepted::Appended)),
            Proposal::Reaction(plan) => self.react(plan).map(|answer| answer.map(Accepted::Reacted)),
            Proposal::Deploy(deploy) => self.deploy(deploy),
            Proposal::Remove { module, levels } => self.remove(&module, levels),
            Proposal::Prepare(prepare) => Ok(self.prepare(prepare)),
            Proposal::Control { function, control } => self.control(&function, control),
            Proposal::Decide(decision) => self.decide(decision).map(|answer| answer.map(Accepted::Decided)),
            Proposal::Record { r#type, subject, data } => {
                Ok(Ok(Accepted::Recorded { position: self.add_record(&r#type, &subject, &data) }))
            }
            Proposal::Snapshot(snapshot) => Ok(self.keep_snapshot(snapshot).map(|()| Accepted::Kept)),
            Proposal::SetSchema { r#type, schema } => Ok(self.set_schema(r#type, schema)),
            Proposal::Fire(due) => self.fire(due).map(|answer| answer.map(Accepted::Fired)),
            Proposal::Schedule { function, key, next } => Ok(self.schedule(&function, &key, next)),
            Proposal::Reply(reply) => self.reply(reply).map(|answer| answer.map(Accepted::Replied)),
            Proposal::Attempt(attempt) => self.attempt(attempt).map(|answer| answer.map(|()| Accepted::Noted)),
            Proposal::Release(held) => self.release_held(held).map(|answer| answer.map(Accepted::Unheld)),
            Proposal::Discard { held, time } => self.discard_held(held, time).map(|answer| answer.map(Accepted::Unheld)),
            Proposal::Effects { on } => {
                self.mirror.effects = on;
                self.outside.rows.push(RowChange::Effects { on });
                Ok(Ok(Accepted::Noted))
            }
        };
        if self.builder.bytes() >= RECORD_BYTES {
            self.finish_record();
        }
        answer
    }

    /// The commit that the open record will be.
    pub fn commit(&self) -> u64 {
        self.view.commit + 1 + self.finished.len() as u64
    }

    /// Closes the open record, if there is anything in it.
    pub fn finish_record(&mut self) {
        if self.builder.is_empty() {
            return;
        }
        let commit = self.commit();
        let next = RecordBuilder::new(commit + 1, self.builder.next(), self.builder.recorded());
        let record = std::mem::replace(&mut self.builder, next).finish(self.chain);
        assert_eq!(record.commit, commit, "gap in the commits");
        self.chain = record.chain;
        self.finished.push(Commit { record, state: std::mem::take(&mut self.state) });
    }

    pub fn process(&mut self, entry: &Processing) {
        self.builder.add_processing(entry);
        self.mirror.apply(entry, self.commit()).expect("the entry was made here");
    }

    /// Enters what was just added into the tail's index.
    pub fn index(&mut self, position: Position, id_hash: u64, (kind, r#type, subject): (Kind, &str, &str), tags: &[String]) {
        let entry = Indexed { id_hash, kind, r#type, subject };
        self.tail.push(&self.shared.hasher, position, entry, tags.iter().map(String::as_str));
    }

    /// Which hashes some segment may hold. Filter by filter, so that the processor can look up many
    /// at once.
    pub fn suspects(&self, hashes: &[u64]) -> Result<Vec<bool>, StoreError> {
        let mut suspects = vec![false; hashes.len()];
        for segment in self.view.segments.iter() {
            let filter = segment.filter()?;
            for (suspect, hash) in suspects.iter_mut().zip(hashes) {
                *suspect |= filter.may_hold(*hash);
            }
        }
        Ok(suspects)
    }

    pub fn positions(&self, hash: u64, suspect: bool) -> Result<Vec<Position>, StoreError> {
        let mut positions: Vec<Position> = self.tail.with_id(hash).collect();
        if suspect {
            for segment in self.view.segments.iter().rev() {
                positions.extend(segment.with_id(hash)?);
            }
        }
        Ok(positions)
    }

    /// Shows `look` the event at a position, wherever it is by now.
    pub fn with_event<T>(&mut self, position: Position, look: impl FnOnce(&EventRef<'_>) -> T) -> Result<T, StoreError> {
        let missing = || StoreError::Damaged { file: "the log".into(), position, what: "the event is missing".into() };
        if position >= self.builder.first() {
            return self.builder.event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        let holds = |record: &Record| record.first <= position && position <= record.last();
        if let Some(commit) = self.finished.iter().rev().find(|commit| holds(&commit.record)) {
            return commit.record.event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        if let Some(at) = self.cache.iter().position(|record| holds(record)) {
            return self.cache[at].event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        let record = match self.tail.recent(position) {
            Some(record) => record,
            None => self.shared.stored_record(&self.view, position)?,
        };
        if self.cache.len() >= CACHED_RECORDS {
            self.cache.remove(0);
        }
        self.cache.push(record.clone());
        record.event(position).map(|event| look(&event)).ok_or_else(missing)
    }

    pub fn add_record(&mut self, r#type: &str, subject: &str, data: &str) -> Position {
        let source = "/retold/host";
        let position = self.builder.add_record(source, r#type, subject, data.as_bytes());
        let hash = self.builder.event(position).map_or(0, |record| self.shared.hasher.id(source, record.id));
        self.index(position, hash, (Kind::Event, r#type, subject), &[]);
        position
    }
}

pub fn content_refused(index: usize, event: &NewEvent, position: Position) -> Refused {
    Refused::Content { index, id: event.id.clone(), source_attribute: event.source.clone(), position }
}

/// A text as JSON writes it (RFC 8259, section 7).
pub fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

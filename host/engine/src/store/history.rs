//! `Past`: what a function dealt with, as the log recorded it. Replay follows the record, so this says
//! what to read, what to leave out where it was parked, and where that was released.

use std::sync::Arc;

use super::error::StoreError;
use super::function::FunctionRow;
use super::snapshot::Snapshot;
use crate::model::{ByteReader, ByteWriter, Malformed, Position, Processing, Record};

/// Commits that one stretch spans at most, and bytes of records that one step looks through.
const COMMITS_PER_STRETCH: usize = 4_096;
const BYTES_PER_STEP: usize = 64 << 20;

/// A part of a function's past: it read `(from, to]` but for what was parked, and dealt after that with
/// what had been parked earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Recorded by this commit or before.
    pub commit: u64,
    pub from: Position,
    pub to: Position,
    pub parked: Vec<Position>,
    pub unparked: Vec<Position>,
    /// The last position that the commit holds: outputs of the stretch lie up to here. `None` where nobody
    /// looked, as nothing was ever parked or undone.
    pub recorded_upto: Option<Position>,
    /// Where reading stood after commits of the stretch.
    stages: Vec<(Position, u64)>,
    /// An event of the last record that was looked at.
    hint: Position,
}

/// What comes next of a function's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Stretch(Stretch),
    /// Nothing in so many records; there are more.
    Nothing,
    /// Everything was told that the snapshot knows of.
    Level,
}

/// A place in a function's past. Nothing is kept open between steps: each is made on a snapshot of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Nothing up to here is told.
    begin: Position,
    /// Everything up to this commit was told.
    commit: u64,
    /// Reading was told up to here.
    at: Position,
    /// One reading up to this position is all that was recorded up to this commit.
    sure: (Position, u64),
    /// An event of the last record that was looked at, to find the next one by.
    hint: Position,
    /// Only the records tell what was read.
    by_record: bool,
    /// Where reading stood at `commit` is not known yet.
    somewhere: bool,
    /// Commit and place of rewinds after `commit`, as far as `looked`.
    rewinds: Vec<(u64, Position)>,
    looked: u64,
}

impl Past {
    /// All of a function's past after a position.
    pub fn after(begin: Position) -> Past {
        let sure = (begin, 0);
        Past {
            begin,
            commit: 0,
            at: begin,
            sure,
            hint: Position::START,
            by_record: false,
            somewhere: false,
            rewinds: Vec::new(),
            looked: 0,
        }
    }

    /// What was recorded after a commit.
    pub fn after_commit(commit: u64) -> Past {
        Past { commit, looked: commit, by_record: true, ..Past::after(Position::START) }
    }

    /// The same, for state that holds what was recorded up to the commit: a rewind may undo that.
    pub fn after_state(commit: u64) -> Past {
        Past { somewhere: true, ..Past::after_commit(commit) }
    }

    /// Everything up to this commit was told.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Reading was told up to here.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Looks ahead for rewinds: at all records once, then at those that are new. `false`: one undid what was
    /// told already.
    pub fn look_ahead(&mut self, snapshot: &Snapshot, row: &FunctionRow) -> Result<bool, StoreError> {
        if row.straight && !self.by_record {
            self.looked = snapshot.commit();
            return Ok(true);
        }
        if self.commit == 0
            && self.sure.1 == 0
            && let Some(record) = snapshot.record(self.begin)?
        {
            // What comes after a position was recorded with it or later.
            self.commit = record.commit - 1;
            self.looked = self.commit;
        }
        let (mut found, mut lost) = (Vec::new(), false);
        snapshot.records(self.looked, Position::START, &mut |record| {
            for entry in if record.commit <= snapshot.commit() { processing(record)? } else { Vec::new() } {
                match entry {
                    Processing::Rewound { function, to, .. } if function == row.name => {
                        lost |= self.somewhere;
                        found.push((record.commit, to));
                    }
                    Processing::Reaction { function, from, rebuild: None, .. } if self.somewhere && function == row.name => {
                        (self.at, self.somewhere) = (from, false);
                    }
                    _ => {}
                }
            }
            Ok(record.commit < snapshot.commit())
        })?;
        self.looked = snapshot.commit();
        let stands = !lost && found.iter().all(|(_, to)| *to >= self.at);
        let earliest = found.iter().map(|(_, to)| *to).min().unwrap_or(self.sure.0);
        self.sure.0 = self.sure.0.min(earliest.max(self.at));
        self.rewinds.append(&mut found);
        self.rewinds.retain(|(at, _)| *at > self.commit);
        Ok(stands)
    }

    /// Beyond this, a later rewind undid what a commit recorded.
    pub fn stands_upto(&self, commit: u64) -> Position {
        self.rewinds.iter().filter(|(at, _)| *at >= commit).map(|(_, to)| *to).min().unwrap_or(Position(u64::MAX))
    }

    /// What comes next, of not many more positions than asked for. [`Past::look_ahead`] comes first, and
    /// [`Past::went`] after.
    pub fn next(&mut self, snapshot: &Snapshot, row: &FunctionRow, positions: u64) -> Result<Next, StoreError> {
        if row.straight && !self.by_record {
            let until = row.rebuild.map_or(row.cursor, |rebuild| rebuild.until);
            return Ok(self.read_to(until, snapshot.commit()));
        }
        if self.at < self.sure.0 {
            return Ok(self.read_to(self.sure.0, self.sure.1));
        }
        self.commit = self.commit.max(self.sure.1);
        self.recorded(snapshot, row, positions)
    }

    /// The past of a function that nothing is recorded of, or nothing but one reading.
    pub fn read_to(&mut self, until: Position, commit: u64) -> Next {
        self.sure = (until.max(self.at), commit);
        if self.at >= until {
            self.commit = self.commit.max(commit);
            return Next::Level;
        }
        Next::Stretch(Stretch { to: until, ..Stretch::begin(commit, self.at) })
    }

    /// Goes on behind a stretch, or where reading it stopped: what it says of released events is told again
    /// then.
    pub fn went(&mut self, stretch: &Stretch, seen: Position) {
        self.at = self.at.max(seen.min(stretch.to));
        let told = match stretch.stages.iter().find(|(to, _)| *to > seen) {
            None if seen < stretch.to => self.commit,
            None => stretch.commit,
            Some((_, commit)) => commit - 1,
        };
        self.commit = self.commit.max(told);
        if seen >= stretch.to {
            self.hint = self.hint.max(stretch.hint);
        }
    }

    fn recorded(&mut self, snapshot: &Snapshot, row: &FunctionRow, positions: u64) -> Result<Next, StoreError> {
        let mut told: Option<Stretch> = None;
        let (mut through, mut hint, mut bytes, mut more) = (self.commit, self.hint, 0, false);
        snapshot.records(self.commit, self.hint, &mut |record| {
            if record.commit > snapshot.commit() {
                return Ok(false);
            }
            for entry in processing(record)? {
                if let Processing::Reaction { function, from, to, rebuild: None, parked, unparked, .. } = entry
                    && function == row.name
                {
                    let parked = parked.into_iter().map(|parked| parked.position);
                    self.tell(&mut told, record.commit, (from, to), parked, unparked);
                }
            }
            through = record.commit;
            hint = if record.count > 0 { record.last() } else { hint };
            bytes += record.bytes().len();
            let mut full = bytes >= BYTES_PER_STEP;
            if let Some(stretch) = &mut told {
                (stretch.commit, stretch.recorded_upto) = (through, Some(record.last()));
                full |= !stretch.unparked.is_empty()
                    || stretch.to.0 - stretch.from.0 >= positions
                    || stretch.stages.len() >= COMMITS_PER_STRETCH;
            }
            more = full;
            Ok(!full)
        })?;
        Ok(match told {
            // Where it is not read to its end, its records are looked at again.
            Some(stretch) => Next::Stretch(Stretch { hint, ..stretch }),
            None => {
                (self.commit, self.hint) = (through, hint);
                if more { Next::Nothing } else { Next::Level }
            }
        })
    }

    /// Adds what one reaction says.
    fn tell(
        &self,
        told: &mut Option<Stretch>,
        commit: u64,
        (from, to): (Position, Position),
        parked: impl Iterator<Item = Position>,
        unparked: Vec<Position>,
    ) {
        let stands = self.stands_upto(commit);
        let (from, to) = (from.max(self.at).min(stands), to.max(self.at).min(stands));
        let unparked = unparked.into_iter().filter(|position| self.begin < *position && *position <= stands);
        let mut unparked = unparked.peekable();
        if from >= to && unparked.peek().is_none() {
            return;
        }
        let stretch = told.get_or_insert_with(|| Stretch::begin(commit, from));
        stretch.to = stretch.to.max(to);
        stretch.parked.extend(parked.filter(|position| from < *position && *position <= to));
        stretch.unparked.extend(unparked);
        stretch.stages.push((stretch.to, commit));
    }

    pub fn encode(&self, out: &mut ByteWriter) {
        for number in [self.begin.0, self.commit, self.at.0, self.sure.0.0, self.sure.1] {
            out.u64(number);
        }
    }

    pub fn decode(reader: &mut ByteReader<'_>) -> Result<Past, Malformed> {
        let begin = Position(reader.u64("begin")?);
        let (commit, at) = (reader.u64("commit")?, Position(reader.u64("place")?));
        let sure = (Position(reader.u64("place")?), reader.u64("commit")?);
        Ok(Past { commit, at, sure, looked: commit.max(sure.1), ..Past::after(begin) })
    }
}

impl Stretch {
    fn begin(commit: u64, from: Position) -> Stretch {
        let (parked, unparked, stages) = Default::default();
        Stretch { commit, from, to: from, parked, unparked, recorded_upto: None, stages, hint: Position::START }
    }
}

fn processing(record: &Record) -> Result<Vec<Processing>, StoreError> {
    record.processing().map_err(StoreError::malformed("the log", record.first))
}

impl Snapshot {
    /// Shows `visit` every record after `commit`, those without events too, until it says `false`. `hint` is
    /// an event of a record that comes no later, or [`Position::START`].
    pub fn records(
        &self,
        commit: u64,
        hint: Position,
        visit: &mut dyn FnMut(&Arc<Record>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for segment in self.view.segments.iter().filter(|segment| segment.commit_last > commit) {
            let mut records = match hint {
                hint if segment.first <= hint && hint <= segment.last => {
                    let mut records = segment.records_from(hint)?;
                    records.pass(commit)?;
                    records
                }
                _ => segment.records_after(commit)?,
            };
            while let Some(record) = records.next()? {
                if !visit(&record)? {
                    return Ok(());
                }
            }
        }
        let sealed = self.view.segments.last().map_or(0, |segment| segment.commit_last);
        let from = if hint == Position::START { 0 } else { hint.0 + 1 };
        for row in self.log()?.range((from, 0)..)? {
            let (key, bytes) = row?;
            let at = key.value().1;
            if at <= sealed || at <= commit {
                continue;
            }
            let record = Record::parse(bytes.value().into()).map_err(StoreError::malformed("head.redb", Position(key.value().0)))?;
            if !visit(&Arc::new(record))? {
                return Ok(());
            }
        }
        Ok(())
    }
}

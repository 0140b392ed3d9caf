//! `Telling`: one step of a retelling. Places source events, lets everything that they cause run until
//! it rests, and closes records where anybody would close them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decider::Decider;
use super::due::DueNext;
use super::plan::RetellPlan;
use super::retelling::Told;
use super::rules::{Verdict, judge};
use super::teller::{Around, Teller};
use crate::model::limits::{RETOLD_BYTES_PER_RECORD, RETOLD_BYTES_PER_STEP, RETOLD_UNITS_PER_RECORD};
use crate::model::{
    ADDRESSEE, ANSWERS, Commit, Digest, Emitted, EventRef, FunctionKind, Kind, Position, Processing, Producer, RecordBuilder, StatePart,
    StateWrite, Timestamp,
};
use crate::run::{Calendar, Guests};
use crate::store::{Filter, FunctionRow, NextRecord, Reader, Snapshot, StoreError, Upcasting};

pub struct Telling<'a> {
    pub(super) base: &'a Snapshot,
    pub(super) target: &'a Snapshot,
    pub(super) guests: &'a dyn Guests,
    pub(super) plan: &'a RetellPlan,
    pub(super) calendar: &'a dyn Calendar,
    /// Timers and schedules of the new log.
    pub(super) due: DueNext<'a>,
    pub(super) upcasting: Arc<Upcasting>,
    /// The new log as of now: what is closed, and what is open.
    next: NextRecord,
    pub(super) finished: Vec<Commit>,
    pub(super) open: Option<RecordBuilder>,
    /// In name order.
    pub(super) tellers: Vec<Teller>,
    /// Who reads a type, by their places among the tellers.
    readers: BTreeMap<String, Arc<[usize]>>,
    /// Module versions of the old log, as the new one counts them.
    producers: BTreeMap<u32, Option<u32>>,
    /// When the event told last was recorded.
    pub(super) recorded: Timestamp,
    /// The source event being told, in the old log, and up to where all are.
    pub(super) at: Position,
    to: Position,
    forgotten: Vec<[u8; 16]>,
    reader: &'a Reader,
    /// Units in the open record: those told, and with those left out.
    placed: usize,
    passed: usize,
    /// Units in the closed ones.
    units: usize,
    bytes: usize,
    pub(super) told: Told,
    closed: Told,
    /// The last closed record, if its functions have dealt with everything in it.
    settled: Option<u64>,
}

/// Why a step ended before its end.
pub enum Stop {
    Halted { function: String, position: Position, reason: String, message: String },
    Unavailable(String),
}

/// Units left out that end a record too, so that it is known how far the retelling has come.
const PASSED_PER_RECORD: usize = 32 * RETOLD_UNITS_PER_RECORD;

impl<'a> Telling<'a> {
    pub fn new(
        base: &'a Snapshot,
        target: &'a Snapshot,
        reader: &'a Reader,
        guests: &'a dyn Guests,
        (plan, calendar): (&'a RetellPlan, &'a dyn Calendar),
    ) -> Result<Telling<'a>, StoreError> {
        let next = reader.next_record();
        let to = reader.retold().unwrap_or(Position::START);
        let upcasting = target.upcasting().clone();
        let around = Around { snapshot: target, guests, upcasting: &upcasting };
        let tells =
            |row: &&Arc<FunctionRow>| row.is_active() && matches!(row.manifest.kind, FunctionKind::Handler | FunctionKind::Aggregate);
        let tellers = target.functions().filter(tells).map(|row| {
            // Told beyond its start, it has begun. Commands wait for their aggregate.
            let start = plan.starts.get(&row.name).copied().filter(|_| row.manifest.kind == FunctionKind::Handler);
            let waits_for = start.filter(|start| *start >= to);
            Teller::new(row, &around, waits_for)
        });
        let tellers = tellers.collect();
        let last = target.record(target.head())?.and_then(|record| record.event(target.head()).map(|event| event.recorded));
        let told = Told { to, ..Told::default() };
        let mut forgotten = Vec::new();
        if reader.retold().is_none() {
            // What the old log has forgotten stays so. Both hash under one key.
            base.forgotten(&mut |hash| forgotten.push(hash))?;
        }
        Ok(Telling {
            base,
            target,
            guests,
            plan,
            calendar,
            due: DueNext::new(target)?,
            upcasting,
            next,
            finished: Vec::new(),
            open: None,
            tellers,
            readers: BTreeMap::new(),
            producers: BTreeMap::new(),
            recorded: last.unwrap_or_default().max(next.recorded),
            at: to,
            to,
            forgotten,
            reader,
            placed: 0,
            passed: 0,
            units: 0,
            bytes: 0,
            told,
            closed: told,
            settled: None,
        })
    }

    /// Goes on with what the log has and its functions have not dealt with.
    pub fn go_on(&mut self) -> Result<Option<Stop>, StoreError> {
        let around = Around { snapshot: self.target, guests: self.guests, upcasting: &self.upcasting };
        for teller in self.tellers.iter_mut().filter(|teller| teller.waits_for.is_none()) {
            if teller.decider.is_some() {
                teller.pending.extend(Decider::waiting(&around, &teller.row)?);
                continue;
            }
            let filter = Filter::types(teller.wanted.stored());
            self.target.scan(teller.cursor, self.target.head(), &filter, &mut |event| {
                if teller.wanted.is_addressed(&event) {
                    teller.pending.push_back(event.position);
                }
                std::ops::ControlFlow::Continue(())
            })?;
        }
        self.run()
    }

    /// Whether the step may end here: between two records, after this many units.
    pub fn is_enough(&self, units: usize) -> bool {
        self.open.is_none() && (self.units >= units || self.bytes >= RETOLD_BYTES_PER_STEP)
    }

    /// Whether these last events of the old log may bring the record under way to its end.
    pub fn may_fill_a_record(&self, rest: &[EventRef<'_>]) -> bool {
        let bytes: usize = rest.iter().map(|event| event.data.len()).sum();
        self.placed + rest.len() >= RETOLD_UNITS_PER_RECORD || self.open_bytes() + bytes >= RETOLD_BYTES_PER_RECORD
    }

    /// Tells one unit, and everything that comes of it.
    pub fn unit(&mut self, unit: &[EventRef<'_>]) -> Result<Option<Stop>, StoreError> {
        self.at = unit[0].position;
        self.begin_functions(unit[unit.len() - 1].position);
        let verdicts = judge(self.plan, unit);
        if verdicts[0] == Verdict::Kept {
            self.recorded = self.recorded.max(unit[0].recorded);
            self.placed += 1;
        }
        let mut command = None;
        for (event, verdict) in unit.iter().zip(verdicts) {
            let request = self.answers(event)?;
            match verdict {
                // What it answers isn't asked here.
                Verdict::Kept if request == Some(None) => self.told.dropped += 1,
                Verdict::Kept => {
                    let producer = event.producer.and_then(|producer| self.producer(producer));
                    let recorded = self.recorded;
                    let position = self.open().add_retold(event, command.or(request.flatten()), producer, recorded);
                    if event.kind == Kind::Event {
                        self.placed_event(position, event.r#type, event.subject, event.extension(ADDRESSEE));
                    }
                    command = command.or((event.kind == Kind::Command).then_some(position));
                    self.told.kept += 1;
                }
                Verdict::Dropped => self.told.dropped += 1,
                Verdict::Forgotten => {
                    self.told.dropped += 1;
                    self.told.forgotten += 1;
                    self.forgotten.push(self.reader.forgotten_hash(event.source, event.id));
                }
            }
        }
        self.passed += 1;
        self.to = unit[unit.len() - 1].position;
        self.told.to = self.to;
        self.open();
        if let Some(stop) = self.run()? {
            return Ok(Some(stop));
        }
        let full = self.placed >= RETOLD_UNITS_PER_RECORD || self.passed >= PASSED_PER_RECORD;
        if full || self.open_bytes() >= RETOLD_BYTES_PER_RECORD {
            self.close();
        }
        Ok(None)
    }

    /// Functions begin whose start lies before `upto` in the old log.
    fn begin_functions(&mut self, upto: Position) {
        for index in 0..self.tellers.len() {
            if self.tellers[index].waits_for.is_some_and(|start| start < upto) {
                let at = Position(self.open().next().0 - 1);
                let function = self.tellers[index].row.name.clone();
                self.open().add_processing(&Processing::Began { function, at });
                self.tellers[index].begin(at);
            }
        }
    }

    /// Tells those who read it of an entry that a function made.
    pub(super) fn placed(&mut self, position: Position, made: &Emitted) {
        match made.kind {
            Kind::Event => {
                let addressee = made.extensions.iter().find(|(name, _)| name == ADDRESSEE).map(|(_, value)| value.as_str());
                self.placed_event(position, &made.r#type, &made.subject, addressee);
            }
            Kind::Command => {
                let decides = |teller: &&mut Teller| teller.decider.is_some() && teller.row.is_to_decide(&made.r#type, position);
                if let Some(teller) = self.tellers.iter_mut().find(decides) {
                    teller.pending.push_back(position);
                }
            }
            Kind::Timer | Kind::Request => {}
        }
        let open = self.open.as_ref().and_then(|open| open.event(position));
        if let Some(entry) = open {
            self.due.note(&entry);
        }
    }

    fn placed_event(&mut self, position: Position, r#type: &str, subject: &str, addressee: Option<&str>) {
        let addressee = addressee.filter(|_| ANSWERS.contains(&r#type));
        let readers = match self.readers.get(r#type) {
            Some(readers) => readers.clone(),
            None => {
                let readers = self.tellers.iter().enumerate().filter(|(_, teller)| teller.reads(r#type)).map(|(index, _)| index);
                let readers: Arc<[usize]> = readers.collect();
                self.readers.insert(r#type.to_owned(), readers.clone());
                readers
            }
        };
        for index in readers.iter() {
            let teller = &mut self.tellers[*index];
            match &mut teller.decider {
                Some(decider) => decider.placed(subject, position),
                None if addressee.is_some_and(|addressee| addressee != teller.row.name) => {}
                None if teller.waits_for.is_none() => teller.pending.push_back(position),
                None => {}
            }
        }
    }

    /// The same code in the new log, if it has it.
    fn producer(&mut self, producer: Producer) -> Option<u32> {
        let (base, target) = (self.base, self.target);
        let digest = |ordinal| base.module(ordinal).map(|module| module.digest);
        let same = |digest: Digest| target.modules().find(|module| module.digest == digest).map(|module| module.ordinal);
        *self.producers.entry(producer.module).or_insert_with(|| digest(producer.module).and_then(same))
    }

    pub(super) fn open(&mut self) -> &mut RecordBuilder {
        let (next, recorded) = (self.next, self.recorded);
        self.open.get_or_insert_with(|| next.builder(recorded))
    }

    /// The last position of the new log.
    pub(super) fn last(&self) -> Position {
        Position(self.open.as_ref().map_or(self.next.first, RecordBuilder::next).0 - 1)
    }

    pub(super) fn open_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, RecordBuilder::bytes)
    }

    /// Whether anything was told before this step.
    pub(super) fn has_told(&self) -> bool {
        self.reader.retold().is_some()
    }

    /// Whether a record is begun and not full.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes the open record, if there is one.
    pub fn close(&mut self) {
        let Some(mut builder) = self.open.take() else { return };
        builder.add_processing(&Processing::Retold { to: self.to });
        if !self.forgotten.is_empty() {
            builder.add_processing(&Processing::Forgot { hashes: std::mem::take(&mut self.forgotten) });
        }
        let mut state = StatePart::default();
        for teller in &mut self.tellers {
            let Some((reaction, writes)) = teller.close() else { continue };
            builder.add_processing(&reaction);
            self.bytes += writes.iter().map(bytes_of).sum::<usize>();
            if !writes.is_empty() {
                state.writes.push((teller.row.name.clone(), writes));
            }
        }
        let record = builder.finish(self.next.chain);
        self.next = NextRecord::after(&record);
        self.bytes += record.bytes().len();
        self.units += self.passed;
        (self.placed, self.passed) = (0, 0);
        self.closed = self.told;
        self.settled = self.rests().then_some(record.commit);
        self.finished.push(Commit { record, state });
    }

    /// The closed records, what is told in them, and the last one's commit if nothing is left to do of it.
    pub fn into_commits(self) -> (Vec<Commit>, Told, Option<u64>) {
        (self.finished, self.closed, self.settled)
    }
}

fn bytes_of(write: &StateWrite) -> usize {
    write.key.len() + write.value.as_ref().map_or(0, Vec::len)
}

//! The outputs of a function that the log has, beside what a replay makes: read along with their causes.

use std::collections::BTreeSet;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::atomic::{AtomicBool, Ordering};

use super::report::{Content, Example, Finding, SHOWN_MAX};
use crate::model::{
    ByteReader, ByteWriter, Glance, Kind, Malformed, Position, REQUEST_MADE, Record, TIMER_CANCELLED, TypePattern, function_source,
};
use crate::store::{Batch, Filter, Passed, Past, Portion, Snapshot, StoreError, Stretch, Take};

/// Of so many places it is kept how much of the log there was then.
const HEADS_MAX: usize = 256;
const ALL: Portion = Portion { events: usize::MAX, bytes: usize::MAX };

/// How far the recorded outputs of a function were read along. Every one is counted exactly once when the
/// replay is level: with its cause, or late where a rewind came between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Outputs up to here were seen.
    seen: Position,
    /// Those counted.
    pub count: u64,
    /// Where outputs lie whose causes a rewind undid: the function may have read them again since.
    undone: Vec<Undone>,
    /// When causes up to the first were replayed, the log ended at the second.
    heads: Vec<(Position, Position)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Undone {
    after: Position,
    upto: Position,
    /// Causes beyond this are not counted.
    over: Position,
}

/// Which outputs are meant.
pub struct Outputs<'a> {
    pub snapshot: &'a Snapshot,
    source: String,
    filter: Filter,
    /// Those of later causes only.
    after: Position,
    /// Those of this module version only, by its ordinal.
    made_by: Option<u32>,
}

/// Whose outputs count, where not all do.
pub struct Sample<'a> {
    /// Of the events after `from` up to `to`, these; sorted.
    pub taken: &'a [Position],
    pub from: Position,
    pub to: Position,
    pub in_sample: &'a dyn Fn(&Glance<'_>) -> bool,
}

impl Sample<'_> {
    fn has(&self, snapshot: &Snapshot, cause: Position) -> Result<bool, StoreError> {
        if self.from < cause && cause <= self.to {
            return Ok(self.taken.binary_search(&cause).is_ok());
        }
        let record = snapshot.record(cause)?;
        Ok(record.is_some_and(|record| record.glance(cause).is_some_and(|event| (self.in_sample)(&event))))
    }
}

/// Outputs that the log has because of the events of one portion.
pub struct Recorded {
    batch: Batch,
    /// Cause and index, sorted.
    by_cause: Vec<(Position, u32)>,
    matched: Vec<AtomicBool>,
}

/// Recorded outputs, found by their causes.
pub struct Along<'a> {
    recorded: &'a Recorded,
    /// Where the outputs of the last cause end.
    next: usize,
}

/// Outputs that are passed over one by one before the next cause is searched for.
const PASSED_MAX: usize = 16;

impl<'a> Along<'a> {
    /// The outputs of one cause, each with its number.
    pub fn because_of(&mut self, cause: Position, outputs: &mut Vec<(usize, Glance<'a>)>) {
        outputs.clear();
        let by_cause = &self.recorded.by_cause;
        if self.next > 0 && by_cause[self.next - 1].0 >= cause {
            self.next = 0;
        }
        let near = by_cause[self.next..].iter().take(PASSED_MAX).take_while(|(other, _)| *other < cause).count();
        self.next += near;
        if near == PASSED_MAX {
            self.next += by_cause[self.next..].partition_point(|(other, _)| *other < cause);
        }
        while let Some((_, index)) = by_cause.get(self.next).filter(|(other, _)| *other == cause) {
            outputs.extend(self.recorded.batch.stored_glance(*index as usize).map(|event| (self.next, event)));
            self.next += 1;
        }
    }
}

impl<'a> Outputs<'a> {
    /// Those of `function`, whatever version of it made them, with a cause after `after`.
    pub fn of(snapshot: &'a Snapshot, function: &str, after: Position) -> Outputs<'a> {
        let versions = snapshot.modules().flat_map(|module| &module.manifest.functions);
        let (mut types, mut kind) = (BTreeSet::new(), Some(Kind::Event));
        for version in versions.filter(|version| version.name == function) {
            types.extend(version.emits.iter().chain(&version.sends).cloned().map(TypePattern::Exact));
            if version.timers {
                types.extend(version.patterns().chain([TypePattern::Exact(TIMER_CANCELLED.to_owned())]));
            }
            if !version.hosts.is_empty() {
                types.insert(TypePattern::Exact(REQUEST_MADE.to_owned()));
            }
            if version.timers || !(version.sends.is_empty() && version.hosts.is_empty()) {
                kind = None;
            }
        }
        let filter = Filter { types: types.into_iter().collect(), kind, ..Filter::default() };
        Outputs { snapshot, source: function_source(function), filter, after, made_by: None }
    }

    /// Those that one module version made, if it says which.
    pub fn made_by(self, module: Option<u32>) -> Outputs<'a> {
        Outputs { made_by: module, ..self }
    }

    fn cause(&self, event: &Glance<'_>) -> Option<Position> {
        let (cause, producer) = event.origin();
        let made_here = self.made_by.is_none_or(|module| producer.is_some_and(|producer| producer.module == module));
        cause.filter(|cause| made_here && event.source() == self.source && *cause > self.after)
    }
}

impl Trail {
    pub fn after(position: Position) -> Trail {
        Trail { seen: position, ..Trail::default() }
    }

    /// Reads on to where the outputs of these stretches end, each of which was read up to a position; `passed` is what was read of them.
    pub fn follow(
        &mut self,
        outputs: &Outputs<'_>,
        past: &Past,
        stretches: &[(Stretch, Position)],
        passed: &mut Passed,
        sample: Option<&Sample<'_>>,
    ) -> Result<Recorded, StoreError> {
        let (mut batch, mut by_cause) = (Batch::default(), Vec::new());
        for (stretch, to) in stretches {
            self.follow_one(outputs, past, (stretch, *to), passed, sample, (&mut batch, &mut by_cause))?;
        }
        self.count += by_cause.len() as u64;
        self.looked_at(past.position(), outputs.snapshot.head());
        by_cause.sort_unstable();
        let matched = by_cause.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Recorded { batch, by_cause, matched })
    }

    fn follow_one(
        &mut self,
        outputs: &Outputs<'_>,
        past: &Past,
        (stretch, to): (&Stretch, Position),
        passed: &mut Passed,
        sample: Option<&Sample<'_>>,
        (batch, by_cause): (&mut Batch, &mut Vec<(Position, u32)>),
    ) -> Result<(), StoreError> {
        let upto = stretch.recorded_upto.filter(|_| to >= stretch.to);
        let end = upto.unwrap_or(outputs.snapshot.head());
        if outputs.filter.types.is_empty() {
            return Ok(());
        }
        let (heads, undone, mut failed) = (&self.heads, &mut self.undone, None);
        let mut take = |record: &Record, event: &Glance<'_>| {
            let Some(cause) = outputs.cause(event) else { return Take::Not };
            if upto.is_none() && cause > to {
                // What follows belongs to later causes.
                return Take::Stop;
            }
            let over = past.stands_upto(record.commit);
            if cause > over {
                undo(undone, event.position, over);
                return Take::Not;
            }
            if cause <= stretch.from && !stretch.unparked.contains(&cause) && event.position > head_at(heads, cause) {
                // It came after its cause was replayed, and was found lacking then.
                return Take::Not;
            }
            match sample.map_or(Ok(true), |sample| sample.has(outputs.snapshot, cause)) {
                Ok(true) => {}
                Ok(false) => return Take::Not,
                Err(error) => {
                    failed = Some(error);
                    return Take::Stop;
                }
            }
            by_cause.push((cause, by_cause.len() as u32));
            Take::Marked(0)
        };
        let (found, seen) = outputs.snapshot.collect_marked(self.seen, end, &outputs.filter, ALL, passed, &mut take)?;
        failed.map_or(Ok(()), Err)?;
        self.seen = seen.max(self.seen);
        batch.append(found);
        Ok(())
    }

    /// Notes how much of the log there was when causes up to here were replayed.
    fn looked_at(&mut self, to: Position, head: Position) {
        match self.heads.last_mut() {
            Some(last) if last.1 == head => last.0 = to,
            _ => self.heads.push((to, head)),
        }
        if self.heads.len() > HEADS_MAX {
            // Of two neighbours the later place with the earlier head.
            self.heads = self.heads.chunks(2).map(|pair| (pair[pair.len() - 1].0, pair[0].1)).collect();
        }
    }

    /// Counts the outputs that rewinds undid and whose causes the function has read again, up to `cursor`.
    pub fn count_undone(&self, outputs: &Outputs<'_>, cursor: Position, sample: Option<&Sample<'_>>) -> Result<u64, StoreError> {
        let mut count = 0;
        for Undone { after, upto, over } in self.undone.iter().filter(|undone| undone.over < cursor) {
            let counted = |cause: Position| match sample {
                None => Ok(true),
                Some(sample) => sample.has(outputs.snapshot, cause),
            };
            let mut failed = None;
            outputs.snapshot.scan_records(*after, *upto, &outputs.filter, &mut |_, event| {
                let Some(cause) = outputs.cause(event).filter(|cause| over < cause && *cause <= cursor) else { return Continue(()) };
                match counted(cause) {
                    Ok(counts) => count += u64::from(counts),
                    Err(error) => {
                        failed = Some(error);
                        return Break(());
                    }
                }
                Continue(())
            })?;
            failed.map_or(Ok(()), Err)?;
        }
        Ok(count)
    }

    pub fn encode(&self, out: &mut ByteWriter) {
        out.u64(self.seen.0);
        out.u64(self.count);
        out.varint(self.undone.len() as u64);
        for Undone { after, upto, over } in &self.undone {
            [after, upto, over].into_iter().for_each(|position| out.u64(position.0));
        }
        out.varint(self.heads.len() as u64);
        for (to, head) in &self.heads {
            [to, head].into_iter().for_each(|position| out.u64(position.0));
        }
    }

    pub fn decode(reader: &mut ByteReader<'_>) -> Result<Trail, Malformed> {
        let (seen, count) = (Position(reader.u64("outputs")?), reader.u64("outputs")?);
        let mut undone = Vec::new();
        for _ in 0..reader.length("undone")? {
            let mut position = || Ok::<_, Malformed>(Position(reader.u64("undone")?));
            undone.push(Undone { after: position()?, upto: position()?, over: position()? });
        }
        let mut heads = Vec::new();
        for _ in 0..reader.length("heads")? {
            heads.push((Position(reader.u64("place")?), Position(reader.u64("head")?)));
        }
        Ok(Trail { seen, count, undone, heads })
    }
}

/// Where the log ended when a cause was replayed.
fn head_at(heads: &[(Position, Position)], cause: Position) -> Position {
    let at = heads.partition_point(|(to, _)| *to < cause);
    heads.get(at).map_or(Position(u64::MAX), |(_, head)| *head)
}

/// Notes an output whose cause was undone.
fn undo(undone: &mut Vec<Undone>, position: Position, over: Position) {
    match undone.last_mut() {
        Some(last) if last.over == over => last.upto = position,
        _ => undone.push(Undone { after: Position(position.0 - 1), upto: position, over }),
    }
}

impl Recorded {
    /// For one who asks for causes that mostly come one after the other.
    pub fn along(&self) -> Along<'_> {
        Along { recorded: self, next: 0 }
    }

    /// One of them was made again.
    pub fn matched(&self, number: usize) {
        self.matched[number].store(true, Ordering::Relaxed);
    }

    /// The first that were not made again, of those whose causes were among what was read.
    pub fn missing(&self, was_read: impl Fn(Position) -> bool) -> Vec<Example> {
        let unmatched =
            self.by_cause.iter().zip(&self.matched).filter(|((cause, _), matched)| !matched.load(Ordering::Relaxed) && was_read(*cause));
        let examples = unmatched.take(SHOWN_MAX).filter_map(|((cause, index), _)| {
            let event = self.batch.stored(*index as usize)?;
            let recorded = Some(Content::recorded(&event));
            Some(Example { finding: Finding::Missing, cause: *cause, id: event.id.to_owned(), recorded, made: None })
        });
        examples.collect()
    }
}

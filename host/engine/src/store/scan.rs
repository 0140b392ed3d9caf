//! Reading events in order, by position, type, subject, tag.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::batch::Batch;
use super::error::StoreError;
use super::passed::Passed;
use super::segment::Segment;
use super::snapshot::Snapshot;
use super::terms::Term;
use crate::model::{Class, EventRef, Glance, Kind, Position, Record, TypePattern};

/// What to read. An empty list means "all".
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these.
    pub types: Vec<TypePattern>,
    /// Any of these.
    pub subjects: Vec<String>,
    /// All of these.
    pub tags: Vec<String>,
    /// `None`: events and commands.
    pub kind: Option<Kind>,
}

impl Filter {
    /// What a function with these subscriptions reads: events only.
    pub fn types(types: impl IntoIterator<Item = TypePattern>) -> Filter {
        Filter { types: types.into_iter().collect(), kind: Some(Kind::Event), ..Filter::default() }
    }

    pub fn matches(&self, event: &Glance<'_>) -> bool {
        (self.types.is_empty() || self.types.iter().any(|pattern| pattern.matches(event.r#type()))) && self.matches_of_type(event)
    }

    /// The same of an event whose type is known to be wanted.
    fn matches_of_type(&self, event: &Glance<'_>) -> bool {
        self.kind.is_none_or(|kind| kind == event.kind())
            && (self.subjects.is_empty() || self.subjects.iter().any(|subject| subject == event.subject()))
            && (self.tags.is_empty() || event.event().is_some_and(|event| self.has_tags_of(&event)))
    }

    fn has_tags_of(&self, event: &EventRef<'_>) -> bool {
        self.tags.iter().all(|wanted| event.tags().any(|tag| tag == wanted))
    }
}

/// Index reads win where at most one event in this many is wanted.
const SPARSE: u64 = 16;
/// Positions fetched from an index at a time.
const POSITIONS_AT_A_TIME: usize = 4_096;

type Visit<'a> = &'a mut dyn FnMut(&Arc<Record>, &Glance<'_>) -> ControlFlow<()>;

/// What becomes of an event that a reader comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It is taken along with this mark.
    Marked(u32),
    /// It is left out.
    Not,
    /// It is not seen, nor what comes after it.
    Stop,
}

/// How much a reader takes along at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    pub events: usize,
    pub bytes: usize,
}

impl Snapshot {
    /// Takes along events after `after` that the filter wants. Answers them, and the position up to
    /// which everything was seen.
    pub fn collect(&self, after: Position, upto: Position, filter: &Filter, portion: Portion) -> Result<(Batch, Position), StoreError> {
        self.collect_marked(after, upto, filter, portion, &mut Passed::default(), &mut |_, _| Take::Marked(0))
    }

    /// The same, each event marked: so that who wants a share of them needn't decode the others. What was passed isn't read again.
    pub fn collect_marked(
        &self,
        after: Position,
        upto: Position,
        filter: &Filter,
        portion: Portion,
        passed: &mut Passed,
        mark: &mut dyn FnMut(&Record, &Glance<'_>) -> Take,
    ) -> Result<(Batch, Position), StoreError> {
        let mut batch = Batch::default();
        let mut before = None;
        let seen = self.scan_passing(after, upto, filter, passed, &mut |record, event| {
            match mark(record, event) {
                Take::Marked(mark) => batch.push(record, event, mark),
                Take::Not => return ControlFlow::Continue(()),
                Take::Stop => {
                    before = Some(Position(event.position.0 - 1));
                    return ControlFlow::Break(());
                }
            }
            if batch.is_full(portion) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((batch, before.unwrap_or(seen)))
    }

    /// The same of source events and commands: what came from outside.
    pub fn collect_sources(&self, after: Position, upto: Position, portion: Portion) -> Result<(Batch, Position), StoreError> {
        let mut batch = Batch::default();
        let seen = self.scan_records(after, upto, &Filter::default(), &mut |record, event| {
            if event.class() != Some(Class::Source) {
                return ControlFlow::Continue(());
            }
            batch.push(record, event, 0);
            if batch.is_full(portion) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((batch, seen))
    }

    /// Takes along the events at these positions.
    pub fn pick(&self, positions: &[Position]) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for position in positions {
            if let Some(record) = self.record(*position)?
                && let Some(event) = record.glance(*position)
            {
                batch.push(&record, &event, 0);
            }
        }
        Ok(batch)
    }

    /// Shows `visit` the events in `(after, upto]` that the filter wants, oldest first, until it
    /// breaks. Answers the position up to which everything was seen.
    pub fn scan(
        &self,
        after: Position,
        upto: Position,
        filter: &Filter,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<Position, StoreError> {
        self.scan_records(after, upto, filter, &mut |_, event| event.event().map_or(ControlFlow::Continue(()), &mut *visit))
    }

    /// The same, with the record that each lies in.
    pub(crate) fn scan_records(&self, after: Position, upto: Position, filter: &Filter, visit: Visit<'_>) -> Result<Position, StoreError> {
        self.scan_passing(after, upto, filter, &mut Passed::default(), visit)
    }

    fn scan_passing(
        &self,
        after: Position,
        upto: Position,
        filter: &Filter,
        passed: &mut Passed,
        visit: Visit<'_>,
    ) -> Result<Position, StoreError> {
        let upto = upto.min(self.head);
        let mut after = after;
        while after < upto {
            let flow = match (passed.at(after.next()), self.view.segment(after.next())) {
                (Some(record), _) => scan_record(record, &mut after, upto, filter, visit),
                (None, Some(segment)) => self.scan_segment(segment, &mut after, upto, filter, passed, visit)?,
                (None, None) => self.scan_tail(&mut after, upto, filter, passed, visit)?,
            };
            if flow.is_break() {
                return Ok(after);
            }
        }
        Ok(after)
    }

    fn scan_segment(
        &self,
        segment: &Segment,
        after: &mut Position,
        upto: Position,
        filter: &Filter,
        passed: &mut Passed,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let end = upto.min(segment.last);
        if let Some(terms) = self.terms_of(segment, filter)? {
            return self.scan_index(segment, &terms, after, end, filter, visit);
        }
        let mut records = segment.records_from(after.next())?;
        while *after < end {
            let Some(record) = records.next()? else {
                return Err(StoreError::Damaged {
                    file: segment.file.clone(),
                    position: after.next(),
                    what: "the record is missing".into(),
                });
            };
            passed.note(&record);
            if scan_record(&record, after, end, filter, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The terms to look up instead of reading the segment through, if that is less work.
    fn terms_of(&self, segment: &Segment, filter: &Filter) -> Result<Option<Vec<u64>>, StoreError> {
        let hash = |term| self.shared.hasher.term(term);
        if !filter.subjects.is_empty() {
            return Ok(Some(filter.subjects.iter().map(|subject| hash(Term::Subject(subject))).collect()));
        }
        if let Some(tag) = filter.tags.first() {
            return Ok(Some(vec![hash(Term::Tag(tag))]));
        }
        if filter.types.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<_> = segment
            .types_bound()?
            .into_iter()
            .filter(|seen| filter.kind.is_none_or(|kind| kind == seen.kind))
            .filter(|seen| filter.types.iter().any(|pattern| pattern.matches(&seen.r#type)))
            .collect();
        let count: u64 = wanted.iter().map(|seen| seen.count).sum();
        // A type of both kinds gives the same positions twice, once.
        Ok((count * SPARSE <= segment.count()).then(|| wanted.iter().map(|seen| hash(Term::Type(&seen.r#type))).collect()))
    }

    fn scan_index(
        &self,
        segment: &Segment,
        terms: &[u64],
        after: &mut Position,
        end: Position,
        filter: &Filter,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        while *after < end {
            let mut positions = Vec::new();
            // Beyond the last position of a full list, other lists may have what this one has not shown.
            let mut sure = end;
            for term in terms {
                let found = segment.with_term(*term, *after, POSITIONS_AT_A_TIME)?;
                if found.len() == POSITIONS_AT_A_TIME
                    && let Some(last) = found.last()
                {
                    sure = sure.min(*last);
                }
                positions.extend(found);
            }
            positions.sort_unstable();
            positions.dedup();
            let mut at_hand: Option<Arc<Record>> = None;
            for position in positions.into_iter().take_while(|position| *position <= sure) {
                let record = match at_hand.take().filter(|record| position <= record.last()) {
                    Some(record) => record,
                    None => segment.record(position)?.ok_or_else(|| StoreError::Damaged {
                        file: segment.file.clone(),
                        position,
                        what: "the record is missing".into(),
                    })?,
                };
                if let Some(event) = record.glance(position)
                    && filter.matches(&event)
                {
                    *after = position;
                    let flow = visit(&record, &event);
                    if flow.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                at_hand = Some(record);
            }
            *after = sure;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn scan_tail(
        &self,
        after: &mut Position,
        upto: Position,
        filter: &Filter,
        passed: &mut Passed,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        // Near the head the records are at hand; a burst may push them out meanwhile.
        loop {
            let Some(record) = self.shared.tail().recent(after.next()) else { break };
            if scan_record(&record, after, upto, filter, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if *after >= upto {
                return Ok(ControlFlow::Continue(()));
            }
        }
        let position = after.next();
        let first = self.log()?.range(..=(position.0, u64::MAX))?.next_back().transpose()?;
        let missing = || StoreError::Damaged { file: "head.redb".into(), position, what: "the record is missing".into() };
        let start = first.ok_or_else(missing)?.0.value();
        for row in self.log()?.range(start..)? {
            let bytes = row?.1.value().into();
            let record = Arc::new(Record::parse(bytes).map_err(StoreError::malformed("head.redb", after.next()))?);
            passed.note(&record);
            if scan_record(&record, after, upto, filter, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if *after >= upto {
                return Ok(ControlFlow::Continue(()));
            }
        }
        Err(missing())
    }
}

fn scan_record(record: &Arc<Record>, after: &mut Position, upto: Position, filter: &Filter, visit: Visit<'_>) -> ControlFlow<()> {
    if record.count == 0 || record.last() <= *after {
        return ControlFlow::Continue(());
    }
    let mut events = record.events();
    let last = record.last().min(upto);
    let wanted = match &filter.types[..] {
        [] => Vec::new(),
        types => events.wanted_words(|word| types.iter().any(|pattern| pattern.matches(word))),
    };
    if !filter.types.is_empty() && !wanted.contains(&true) {
        *after = last;
        return ControlFlow::Continue(());
    }
    events.pass((after.0 + 1).saturating_sub(record.first.0));
    while let Some(event) = events.next_wanted(&wanted) {
        if event.position > last {
            break;
        }
        if filter.matches_of_type(&event) {
            *after = event.position;
            let flow = visit(record, &event);
            if flow.is_break() {
                return ControlFlow::Break(());
            }
        }
    }
    *after = last;
    ControlFlow::Continue(())
}

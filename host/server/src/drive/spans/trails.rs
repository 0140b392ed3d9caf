//! `Trails`: which entries of a log are of a trace that somebody is told of. The writer keeps note as it commits, so that what
//! is of none costs a look into a small map, and what is of one is found without reading the log again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retold_engine::model::{EventRef, Plan, PlanMode, Position, Record, aggregate_of};
use retold_engine::store::Reader;

use super::super::trace::trail_of;
use super::context::SpanContext;
use super::span::{Span, SpanKind};
use super::tracer::Tracer;
use crate::cloudevents::TRACE_PARENT;

/// Entries that are remembered. What is handled so many later is told of no more.
const REMEMBERED_MAX: usize = 65_536;
/// Of entries from before this process, so many may have been under way.
const LOOK_BACK: u64 = 1_024;

/// Before the name of the function that made an entry.
const FUNCTIONS: &str = "/functions/";

/// Where an entry came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The span that made it.
    pub context: SpanContext,
    /// It is a command of a function: the aggregate that decides it does so as a function handles an event.
    pub by_function: bool,
}

impl Trail {
    /// Of an entry that names its trace itself.
    pub fn named(trace: &str) -> Option<Trail> {
        SpanContext::parse(trace).map(|context| Trail { context, by_function: false })
    }

    /// Of an entry that what stands at `cause`, and has this trail, gave rise to.
    pub fn caused(self, source: &str, cause: Position) -> Trail {
        let (maker, by_function) = match source.strip_prefix(FUNCTIONS) {
            Some(function) => (Some(function), true),
            None => (aggregate_of(source).filter(|_| self.by_function), false),
        };
        let context = maker.map_or(self.context, |maker| self.context.of_call(maker, cause));
        Trail { context, by_function }
    }
}

/// What a plan was made of, kept until it is committed.
#[derive(Debug)]
pub struct Ran {
    began_ns: u64,
    ended_ns: u64,
    handled: Vec<Position>,
    /// What was set aside, and why: a word, and what is wrong.
    failed: Vec<(Position, String, String)>,
}

impl Ran {
    /// `None`: it told nothing new.
    pub fn of(plan: &Plan, began_ns: u64, ended_ns: u64) -> Option<Box<Ran>> {
        if !matches!(plan.mode, PlanMode::Live | PlanMode::Release) {
            return None;
        }
        // What waits behind another was not looked at.
        let failed: Vec<_> = plan.parked.iter().chain(&plan.halted).filter(|parked| parked.reason != "behind").collect();
        let is_handled = |position: &&Position| plan.parked.iter().all(|parked| parked.position != **position);
        Some(Box::new(Ran {
            began_ns,
            ended_ns,
            handled: plan.handled.iter().filter(is_handled).copied().collect(),
            failed: failed.into_iter().map(|parked| (parked.position, parked.reason.clone(), parked.message.clone())).collect(),
        }))
    }
}

pub struct Trails {
    tracer: Tracer,
    namespace: String,
    reader: Reader,
    /// The head when the process began to write.
    opened: Position,
    known: BTreeMap<Position, Option<Trail>>,
}

impl Trails {
    pub fn new(tracer: Tracer, namespace: &str, reader: Reader) -> Trails {
        let opened = reader.head();
        Trails { tracer, namespace: namespace.to_owned(), reader, opened, known: BTreeMap::new() }
    }

    /// Keeps note of what was committed, and tells of the commit, if anybody is told of any of it.
    pub fn committed(&mut self, records: &[Arc<Record>], began_ns: u64, ended_ns: u64) {
        let mut contexts: Vec<SpanContext> = Vec::new();
        let mut seen = BTreeSet::new();
        for event in records.iter().flat_map(|record| record.events()) {
            let Some(trail) = self.trail(&event) else { continue };
            self.keep(event.position, Some(trail));
            if seen.insert((trail.context.trace, trail.context.span)) {
                contexts.push(trail.context);
            }
        }
        let Some((first, others)) = contexts.split_first() else { return };
        let Some(mut span) = self.tracer.child(*first, format!("commit {}", self.namespace), SpanKind::Internal) else { return };
        (span.began_ns, span.ended_ns) = (began_ns, ended_ns.max(began_ns));
        others.iter().for_each(|other| span.link(*other));
        let events: u64 = records.iter().map(|record| record.events().count() as u64).sum();
        span.text("retold.namespace", &self.namespace).number("retold.events", events).number("retold.commits", records.len() as u64);
        self.tracer.tell(*span);
    }

    /// Tells of what a function did, now that it stands.
    pub fn ran(&mut self, function: &str, ran: &Ran) {
        let batch = (ran.handled.len() + ran.failed.len()) as u64;
        for position in &ran.handled {
            let Some(trail) = self.of(*position) else { continue };
            let context = trail.context.of_call(function, *position);
            self.tell(function, ran, batch, *position, context, trail.context.span, None);
        }
        for (position, reason, message) in &ran.failed {
            let Some(trail) = self.of(*position) else { continue };
            // It may be tried again, and have the span that follows from its place then.
            let Some(span) = self.tracer.child(trail.context, String::new(), SpanKind::Consumer) else { continue };
            self.tell(function, ran, batch, *position, span.context, trail.context.span, Some((reason, message)));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one place where such a span is made")]
    fn tell(
        &self,
        function: &str,
        ran: &Ran,
        batch: u64,
        position: Position,
        context: SpanContext,
        parent: u64,
        failed: Option<(&String, &String)>,
    ) {
        let mut span = Span::begin(context, Some(parent), format!("handle {function}"), SpanKind::Consumer);
        (span.began_ns, span.ended_ns) = (ran.began_ns, ran.ended_ns.max(ran.began_ns));
        span.text("messaging.system", "retold").text("messaging.operation.type", "process").text("messaging.operation.name", "handle");
        span.text("messaging.destination.name", &self.namespace).number("messaging.batch.message_count", batch);
        span.text("retold.namespace", &self.namespace).text("retold.function", function).number("retold.position", position.0);
        if let Some((reason, message)) = failed {
            span.fail(reason, message);
        }
        self.tracer.tell(span);
    }

    /// Of an entry that was just committed. What isn't sampled leads nowhere.
    fn trail(&mut self, event: &EventRef<'_>) -> Option<Trail> {
        let named = event.extensions().find(|(name, _)| *name == TRACE_PARENT).and_then(|(_, trace)| Trail::named(trace));
        let trail = match (named, event.cause) {
            (Some(named), _) => named,
            (None, Some(cause)) => self.of(cause)?.caused(event.source, cause),
            (None, None) => return None,
        };
        Some(trail).filter(|trail| trail.context.sampled)
    }

    fn of(&mut self, position: Position) -> Option<Trail> {
        if let Some(known) = self.known.get(&position) {
            return *known;
        }
        if position > self.opened || position.0.saturating_add(LOOK_BACK) < self.opened.0 {
            return None;
        }
        // From before this process: the log tells.
        let found = self.reader.snapshot().and_then(|snapshot| trail_of(&snapshot, position)).unwrap_or_default();
        let found = found.filter(|trail| trail.context.sampled);
        self.keep(position, found);
        found
    }

    fn keep(&mut self, position: Position, trail: Option<Trail>) {
        self.known.insert(position, trail);
        if self.known.len() > REMEMBERED_MAX {
            self.known.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_is_a_child_of_follows_from_who_made_it() {
        let named = Trail::named("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").expect("well formed");
        let made = |by: &str| named.context.of_call(by, Position(7));
        assert_eq!(named.caused("/functions/f", Position(7)), Trail { context: made("f"), by_function: true });
        // A command from outside is decided within its request, one of a function by itself.
        assert_eq!(named.caused("/aggregates/a", Position(7)), named);
        let command = Trail { by_function: true, ..named };
        assert_eq!(command.caused("/aggregates/a", Position(7)), Trail { context: made("a"), by_function: false });
        // A timer and a reply are of whoever asked for them.
        assert_eq!(named.caused("/requests/f", Position(7)), named);
        assert_eq!(Trail::named("00-0"), None);
    }
}

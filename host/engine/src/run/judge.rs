//! What a replay makes of a part: counts events that fail and goes on behind them, holds outputs against
//! the record, asks code twice. Everything here runs on any thread, beside the other parts.

use super::audit;
use super::handler::{Stopped, end_of_one};
use super::outputs::{Entry, Made};
use super::part::{Folding, PartStop};
use super::recorded::{Along, Recorded};
use super::report::{Content, Example, FailedEvent, Finding, SHOWN_MAX};
use crate::model::{Emitted, EventRef, Glance, Kind, LogLevel, Position, function_source, limits};
use crate::store::{Reader, StoreError};

/// Of so many calls of a part that is audited, one is; the first is.
const CALLS_PER_AUDIT: u32 = 64;

/// What a replay wants to know of a portion.
pub struct Judging {
    pub asked: Asked,
    pub reader: Reader,
    /// What lies beyond this is not looked at.
    pub upto: Position,
    /// Which lane's code is asked twice; `None`: all lanes' is.
    pub audited: Option<u32>,
}

pub enum Asked {
    /// The events count, and their outputs are held against the record if there is one at hand.
    Replay(Option<Comparing>),
    /// Whether events that are parked pass now. They leave no trace.
    Try,
}

/// Which outputs are wanted that the log has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collect {
    /// Events and timers.
    pub outputs: bool,
    /// Commands and requests: what they do can't be undone.
    pub sent: bool,
}

pub struct Comparing {
    pub recorded: Recorded,
    /// Outputs of later causes only are compared.
    pub after: Position,
    /// Which outputs are wanted that the log has not.
    pub collect: Collect,
}

/// What a judge counted.
#[derive(Default)]
pub struct Tally {
    pub equal: u64,
    pub new: u64,
    pub different: u64,
    pub examples: Vec<Example>,
    pub failures: u64,
    pub failed: Vec<FailedEvent>,
    pub passes_now: u64,
    pub fails_still: u64,
    pub lacking: Vec<Emitted>,
}

/// One part's judge.
pub struct Judge<'a> {
    judging: &'a Judging,
    calls_until_audit: u32,
    source: String,
    /// The recorded outputs of the cause that was compared last.
    along: Option<Along<'a>>,
    cause: Position,
    recorded: Vec<(usize, Glance<'a>)>,
    pub tally: Tally,
}

impl<'a> Judge<'a> {
    pub fn new(judging: &'a Judging, lane: Option<u32>) -> Judge<'a> {
        let along = match &judging.asked {
            Asked::Replay(Some(comparing)) => Some(comparing.recorded.along()),
            Asked::Replay(None) | Asked::Try => None,
        };
        let (source, recorded) = (String::new(), Vec::new());
        let is_audited = judging.audited.is_none_or(|audited| lane == Some(audited));
        let calls_until_audit = if is_audited { 0 } else { u32::MAX };
        Judge { judging, calls_until_audit, source, along, cause: Position::START, recorded, tally: Tally::default() }
    }

    /// Runs the events of one call, and goes on behind those that fail.
    pub fn run(
        &mut self,
        folding: &mut Folding<'_>,
        events: &[EventRef<'_>],
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Option<(Position, PartStop)> {
        if matches!(self.judging.asked, Asked::Try) {
            return self.try_each(folding, events, log);
        }
        if self.calls_until_audit == 0 {
            self.calls_until_audit = CALLS_PER_AUDIT;
            if let Some(audit::Difference { position, message, .. }) = audit::probe(folding, events) {
                return Some((position, PartStop::Differs(message)));
            }
        }
        self.calls_until_audit -= 1;
        let mut from = 0;
        while from < events.len() {
            match folding.run(&events[from..], log) {
                None => break,
                Some((position, Stopped::Failed(fault))) => {
                    from += events[from..].iter().position(|event| event.position == position).unwrap_or_default();
                    self.failed(&events[from], fault.reason, fault.message);
                    from = end_of_one(events, from);
                    if self.tally.failures > limits::REPLAY_FAILURES_MAX {
                        return Some((position, PartStop::TooManyFailures));
                    }
                }
                Some((position, stopped)) => return Some((position, PartStop::Guest(stopped))),
            }
        }
        let made = std::mem::take(&mut folding.made);
        match self.compare(folding, events, &made) {
            Ok(()) => None,
            Err(error) => Some((events[0].position, PartStop::Guest(Stopped::Unavailable(error.to_string())))),
        }
    }

    fn failed(&mut self, event: &EventRef<'_>, reason: &str, message: String) {
        self.tally.failures += 1;
        if self.tally.failed.len() < SHOWN_MAX {
            self.tally.failed.push(FailedEvent {
                position: event.position,
                r#type: event.r#type.to_owned(),
                subject: event.subject.to_owned(),
                reason: reason.to_owned(),
                message,
            });
        }
    }

    /// Each event alone, in a fresh instance, on the rows as they stand.
    fn try_each(
        &mut self,
        folding: &mut Folding<'_>,
        events: &[EventRef<'_>],
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Option<(Position, PartStop)> {
        for event in events.chunk_by(|one, other| one.position == other.position) {
            let answer = folding.attempt(event, true, log);
            folding.overlay.take_back();
            match answer {
                Ok(_) => self.tally.passes_now += 1,
                Err(Stopped::Failed(_)) => self.tally.fails_still += 1,
                Err(stopped) => return Some((event[0].position, PartStop::Guest(stopped))),
            }
        }
        None
    }

    fn compare(&mut self, folding: &Folding<'_>, events: &[EventRef<'_>], made: &[Made]) -> Result<(), StoreError> {
        let judging = self.judging;
        let Asked::Replay(Some(comparing)) = &judging.asked else { return Ok(()) };
        for made in made.iter().flat_map(|made| made.entries(events)).filter(|made| made.cause.position > comparing.after) {
            if made.cause.position != self.cause {
                self.cause = made.cause.position;
                if let Some(along) = &mut self.along {
                    along.because_of(self.cause, &mut self.recorded);
                }
            }
            if let Some((number, event)) = self.recorded.iter().find(|(_, event)| event.id() == made.id) {
                comparing.recorded.matched(*number);
                self.tally.found(event, &made);
                continue;
            }
            if self.source.is_empty() {
                self.source = function_source(&folding.manifest.name);
            }
            // The log may have it elsewhere: after a rewind, or appended late.
            let id = String::from_utf8_lossy(made.id);
            match judging.reader.find(&self.source, &id, judging.upto)? {
                Some((record, position)) if record.event(position).is_some() => {
                    record.glance(position).iter().for_each(|event| self.tally.found(event, &made));
                }
                _ => self.tally.lacks(made.emitted(), comparing.collect),
            }
        }
        Ok(())
    }
}

impl Tally {
    fn found(&mut self, event: &Glance<'_>, made: &Entry<'_>) {
        if made.is_said_by(event) {
            self.equal += 1;
        } else {
            self.different += 1;
            self.show(Finding::Different, &made.emitted(), event.event().map(|event| Content::recorded(&event)));
        }
    }

    fn lacks(&mut self, made: Emitted, collect: Collect) {
        self.new += 1;
        self.show(Finding::New, &made, None);
        let wanted = match made.kind {
            Kind::Event | Kind::Timer => collect.outputs,
            Kind::Command | Kind::Request => collect.sent,
        };
        if wanted {
            self.lacking.push(made);
        }
    }

    fn show(&mut self, finding: Finding, made: &Emitted, recorded: Option<Content>) {
        let shown = self.examples.iter().filter(|example| example.finding == finding).count();
        if shown < SHOWN_MAX {
            let (id, content) = (made.id.clone(), Some(Content::made(made)));
            self.examples.push(Example { finding, cause: made.cause, id, recorded, made: content });
        }
    }
}

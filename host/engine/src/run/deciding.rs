//! The steps of a runner whose function is an aggregate: commands that functions sent are decided in their
//! order, each on its subject's state, and a plan says what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::Difference;
use super::emitted_command::{Answered, answer, answers_alike};
use super::fold::{Folding, Hot, Stopped as FoldStopped};
use super::handler::{Fault, Stopped};
use super::read_on::{parked_event, set_aside};
use super::runner::{Runner, Step, Work, empty_plan, unavailable};
use crate::model::{Class, Emitted, EventRef, FoldedSubject, Kind, LogLevel, ParkedEvent, Plan, PlanMode, Position, TypePattern, limits};
use crate::store::{Batch, Filter, FunctionRow, Passed, Portion, Snapshot, StoreError, Take};

/// Folded states at hand from one step to the next.
const HOT_BYTES_MAX: usize = 16 << 20;
/// Of so many plans, one is audited; and the first after anything changed.
const PLANS_PER_AUDIT: u32 = 64;

/// What an aggregate's runner keeps from step to step.
#[derive(Debug)]
pub(super) struct Deciding {
    hot: BTreeMap<String, Option<Hot>>,
    /// Commands of the next plan at most. A plan that was refused because one of its subjects moved on is made
    /// again of fewer.
    commands_max: usize,
}

impl Default for Deciding {
    fn default() -> Deciding {
        Deciding { hot: BTreeMap::new(), commands_max: limits::EVENTS_PER_BATCH_MAX }
    }
}

impl Deciding {
    pub fn settled(&mut self, committed: bool) {
        let max = if committed { self.commands_max * 2 } else { self.commands_max / 4 };
        self.commands_max = max.clamp(1, limits::EVENTS_PER_BATCH_MAX);
    }

    pub fn forget(&mut self) {
        self.hot.clear();
    }

    fn hot(&mut self, subject: &str) -> &mut Option<Hot> {
        let bytes: usize = self.hot.values().flatten().map(Hot::bytes).sum();
        if bytes > HOT_BYTES_MAX || self.hot.len() > limits::EVENTS_PER_BATCH_MAX {
            self.hot.clear();
        }
        self.hot.entry(subject.to_owned()).or_default()
    }
}

/// What became of one command.
enum Decision {
    Made(Vec<Emitted>, FoldedSubject),
    Stopped(Stopped),
    Differs(Difference),
}

impl Runner {
    /// The next commands after the cursor. A plan decides for each subject once, as what follows from a command
    /// belongs to the state that the next one is decided on.
    pub(super) fn decide_on(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Step, StoreError> {
        let (snapshot, row, now) = (work.reading.snapshot, work.row, work.now);
        let after = row.cursor.max(self.seen);
        let (batch, seen) = commands(snapshot, row, after, self.deciding.commands_max)?;
        if batch.is_empty() {
            self.seen = seen;
            return Ok(Step::Idle);
        }
        let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Live);
        let (mut subjects, mut parked_here) = (BTreeSet::new(), BTreeSet::new());
        let (mut stopped, mut bytes) = (None, 0);
        for command in batch.events() {
            if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
                break;
            }
            if let Some((reason, message)) =
                set_aside(snapshot, row, command.subject, command.hops, |subject| parked_here.contains(subject))?
            {
                parked_here.insert(command.subject);
                plan.parked.push(parked_event(&command, reason, message, now));
            } else if !subjects.insert(command.subject) {
                break;
            } else {
                let audit = self.plans_until_audit == 0 && plan.handled.is_empty();
                match self.decide(work, &command, audit, log)? {
                    Decision::Made(made, folded) => {
                        self.faults_in_a_row = 0;
                        bytes += made.iter().map(|made| made.data.len() + 256).sum::<usize>();
                        plan.emitted.extend(made);
                        plan.folded.push(folded);
                    }
                    Decision::Stopped(why) => {
                        stopped = Some((why, (command.position, command.subject.to_owned())));
                        break;
                    }
                    Decision::Differs(Difference { position, subject, message }) => {
                        let reason = "nondeterministic".to_owned();
                        let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Live);
                        plan.halted = Some(ParkedEvent { position, subject, reason, message, attempts: 1, since: now });
                        return Ok(self.propose(plan, Default::default(), false));
                    }
                }
            }
            plan.to = command.position;
            plan.handled.push(command.position);
        }
        Ok(self.end_deciding(work, plan, stopped, log))
    }

    fn end_deciding(
        &mut self,
        work: &Work<'_>,
        mut plan: Plan,
        stopped: Option<(Stopped, (Position, String))>,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Step {
        match stopped {
            None => {}
            Some((Stopped::Unavailable(why), _)) => {
                let later = unavailable(work.row, &why, work.now, log);
                if plan.handled.is_empty() {
                    return later;
                }
            }
            Some((Stopped::Failed(fault), command)) => {
                self.failed(work.row, command, fault, work.now, &mut plan);
                if plan.handled.is_empty() && plan.halted.is_none() {
                    return self.retrying.as_ref().map_or(Step::Waiting, |retrying| Step::Later(retrying.not_before));
                }
            }
        }
        self.plans_until_audit = self.plans_until_audit.checked_sub(1).unwrap_or(PLANS_PER_AUDIT);
        self.propose(plan, Default::default(), false)
    }

    /// Tries the oldest released command again, alone. Its subject's later ones follow in order.
    pub(super) fn release_command(&mut self, work: &Work<'_>, log: &mut dyn FnMut(LogLevel, &str)) -> Result<Option<Step>, StoreError> {
        let (snapshot, row) = (work.reading.snapshot, work.row);
        let Some(parked) = snapshot.first_released(row.ordinal)? else { return Ok(None) };
        let batch = snapshot.pick(&[parked.position])?;
        let events = batch.events();
        let missing = || StoreError::Damaged { file: "the log".into(), position: parked.position, what: "the command is missing".into() };
        let command = events.first().ok_or_else(missing)?;
        let mut plan = empty_plan(row, row.cursor, row.cursor, PlanMode::Release);
        plan.handled.push(parked.position);
        match self.decide(work, command, false, log)? {
            Decision::Made(made, folded) => {
                plan.unparked.push(parked.position);
                plan.emitted = made;
                plan.folded.push(folded);
            }
            Decision::Stopped(Stopped::Unavailable(why)) => return Ok(Some(unavailable(row, &why, work.now, log))),
            Decision::Stopped(Stopped::Failed(Fault { reason, message, .. })) => {
                self.audit.failed_attempts += 1;
                let attempts = parked.attempts + 1;
                plan.parked.push(ParkedEvent { reason: reason.to_owned(), message, attempts, since: work.now, ..parked });
            }
            Decision::Differs(difference) => unreachable!("nobody asked twice: {difference:?}"),
        }
        Ok(Some(self.propose(plan, Default::default(), false)))
    }

    fn decide(
        &mut self,
        work: &Work<'_>,
        command: &EventRef<'_>,
        audit: bool,
        log: &mut dyn FnMut(LogLevel, &str),
    ) -> Result<Decision, StoreError> {
        let snapshot = work.reading.snapshot;
        self.audit.calls += 1;
        let mut folding = match Folding::new(work.reading, &work.row.name, command.subject, log) {
            Ok(folding) => folding,
            Err(fault) => return Ok(Decision::Stopped(Stopped::Unavailable(fault.message))),
        };
        let hot = match folding.bring_level(self.deciding.hot(command.subject), snapshot.head())? {
            Ok(hot) => hot,
            Err(FoldStopped::Fault(fault)) => return Ok(Decision::Stopped(Stopped::Failed(fault.into()))),
            Err(FoldStopped::Unavailable(why)) => return Ok(Decision::Stopped(Stopped::Unavailable(why))),
        };
        let place = snapshot.head().next();
        if audit && let Some(message) = answers_alike(&mut folding, command, hot) {
            return Ok(Decision::Differs(Difference { position: command.position, subject: command.subject.to_owned(), message }));
        }
        Ok(match answer(&mut folding, command, hot, place) {
            Answered::Made(made) => {
                let (upto, snapshot) = (hot.position(), hot.snapshot_due());
                Decision::Made(made, FoldedSubject { subject: command.subject.to_owned(), upto, snapshot })
            }
            Answered::Stopped(stopped) => Decision::Stopped(stopped),
        })
    }
}

/// Commands that functions sent and that this one has to decide, after a position: so many at most. Answers them,
/// and up to where there are no others.
pub(super) fn commands(snapshot: &Snapshot, row: &FunctionRow, after: Position, count: usize) -> Result<(Batch, Position), StoreError> {
    if row.manifest.decides.is_empty() {
        return Ok((Batch::default(), snapshot.head()));
    }
    let types = row.manifest.decides.iter().cloned().map(TypePattern::Exact).collect();
    let filter = Filter { types, kind: Some(Kind::Command), ..Filter::default() };
    let portion = Portion { events: count, bytes: limits::BATCH_BYTES_MAX };
    snapshot.collect_marked(after, snapshot.head(), &filter, portion, &mut Passed::default(), &mut |_, command| {
        let is_wanted = command.event().is_some_and(|command| is_to_decide(row, &command));
        if is_wanted { Take::Marked(0) } else { Take::Not }
    })
}

/// Whether an entry is a command that a function sent and that this aggregate has still to decide. One from
/// outside was decided when it was recorded.
pub(super) fn is_to_decide(row: &FunctionRow, entry: &EventRef<'_>) -> bool {
    entry.kind == Kind::Command && entry.class == Class::Derived && row.is_to_decide(entry.r#type, entry.position)
}

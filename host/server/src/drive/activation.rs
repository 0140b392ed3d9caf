//! The step from a replay to code that runs: state is laid out beside what is live, everything is brought
//! level, and the writer takes the last look and switches, all functions of the module in one commit.

use std::sync::Arc;

use retold_engine::model::{FunctionKind, Position, StateWrite};
use retold_engine::store::{Accepted, Deploy, Level, Portion, Prepare, PreparePart, Proposal, Snapshot};
use tokio::sync::oneshot;

use super::backfill::backfill;
use super::committer::{Job, LastLook};
use super::inside::Inside;
use super::prospect::{Prospect, Wanted};
use super::queue::Cost;
use super::replay_part::{CaughtUp, Part, Went};
use super::types::{Deployed, DriveError};
use super::upgrade::{LAST_LOOK_EVENTS, Outcome, Stop, TROUBLE, Upgrade, looked};

/// Rows of state laid out in one commit: few, as others wait for the same disk.
const ROWS_PER_COMMIT: usize = 256;
const ROW_BYTES_PER_COMMIT: usize = 128 << 10;
/// Events of a catch-up in one commit.
const CAUGHT_UP: Portion = Portion { events: 1_024, bytes: 1 << 20 };
/// Times that the writer is asked again because functions moved on meanwhile.
const ATTEMPTS: usize = 16;

pub struct Activation<'a> {
    pub upgrade: &'a Upgrade,
    pub inside: Arc<Inside>,
    pub prospect: Arc<Prospect>,
    /// The module was held against everything up to here.
    pub seen: Position,
}

impl Activation<'_> {
    /// Switches, and appends what history lacks if that was asked for.
    pub fn run(self, parts: Vec<Part>) -> Result<Outcome, Stop> {
        let (inside, task, wants) = (self.inside.clone(), self.upgrade.task.clone(), self.upgrade.options.backfill);
        let handlers: Vec<String> = parts.iter().filter(|part| part.is_upgraded_handler()).map(|part| part.name().to_owned()).collect();
        let outcome = self.activate(parts)?;
        for function in handlers.iter().filter(|_| wants) {
            let appended = backfill(&inside, &task, function)?;
            task.note(function, format!("{appended} outputs that history lacked were appended"));
        }
        Ok(outcome)
    }

    fn activate(mut self, mut parts: Vec<Part>) -> Result<Outcome, Stop> {
        let inside = self.inside.clone();
        // One at a time: each is held against what the one before it left.
        let _turn = inside.deploying.blocking_lock();
        self.renew_schemas()?;
        for part in parts.iter_mut().filter(|part| part.keeps_state()) {
            self.lay_out(part)?;
        }
        let mut attempts = 0;
        loop {
            match self.bring_level(&mut parts).and_then(|()| self.switch(&mut parts)) {
                Err(Stop::Failed(DriveError::Refused(retold_engine::store::Refused::NotLevel { .. }))) if attempts < ATTEMPTS => {
                    attempts += 1;
                }
                Err(stop) => {
                    self.drop_laid_out(&parts);
                    return Err(stop);
                }
                Ok(outcome) => return Ok(outcome),
            }
        }
    }

    /// Schemas may have come and gone while history was replayed. From here on they stay.
    fn renew_schemas(&mut self) -> Result<(), Stop> {
        let renewed = Prospect::of(&self.inside, &self.upgrade.wanted)?;
        if let (Prospect::With(now), Prospect::With(before)) = (&renewed, &*self.prospect)
            && now.has_more_schemas_than(before)
        {
            self.seen = looked(&self.inside, |snapshot, after| renewed.look(&self.inside, snapshot, after))?;
        }
        self.prospect = Arc::new(renewed);
        Ok(())
    }

    /// Copies the rows of a shadow into a slot beside the live one, in small commits.
    fn lay_out(&self, part: &mut Part) -> Result<(), Stop> {
        part.flush()?;
        let slot = self.prepare(part, PreparePart::Begin)?;
        let rows = part.shadow.snapshot()?;
        let mut after: Option<String> = None;
        loop {
            let (mut writes, mut bytes) = (Vec::new(), 0);
            rows.visit("", after.as_deref(), |key, value| {
                bytes += key.len() + value.len();
                writes.push(StateWrite { key: key.to_owned(), value: Some(value.to_vec()) });
                writes.len() < ROWS_PER_COMMIT && bytes < ROW_BYTES_PER_COMMIT
            })?;
            let Some(last) = writes.last() else { break };
            after = Some(last.key.clone());
            self.upgrade.task.wait_for_space(self.inside.reader.head_bytes())?;
            self.prepare(part, PreparePart::Rows(writes))?;
            self.upgrade.task.look()?;
        }
        self.prepare(part, PreparePart::Done { through_commit: part.through_commit() })?;
        part.laid_out(slot);
        Ok(())
    }

    /// State that nobody will take over only takes place.
    fn drop_laid_out(&self, parts: &[Part]) {
        for part in parts.iter().filter(|part| part.is_laid_out()) {
            // A host that stops leaves it to the replay, which begins anew then.
            let _ = self.prepare(part, PreparePart::Drop);
        }
    }

    fn prepare(&self, part: &Part, step: PreparePart) -> Result<u32, Stop> {
        let proposal = Proposal::Prepare(Prepare { function: part.name().to_owned(), identity: part.identity, part: step });
        match propose(&self.inside, proposal, None)? {
            Accepted::Prepared { slot } => Ok(slot),
            _ => Err(DriveError::Stopping.into()),
        }
    }

    /// Goes on until so little is left that the writer can do it itself.
    fn bring_level(&mut self, parts: &mut [Part]) -> Result<(), Stop> {
        let inside = self.inside.clone();
        for part in parts.iter_mut().filter(|part| part.needed) {
            loop {
                self.upgrade.task.look()?;
                self.upgrade.task.wait_for_space(inside.reader.head_bytes())?;
                if let Some(failed) = part.failed() {
                    return Err(DriveError::ReplayFailed(failed.clone()).into());
                }
                let snapshot = inside.reader.snapshot()?;
                let more = if part.keeps_state() {
                    let caught_up = part.catch_up(&inside, &snapshot, CAUGHT_UP)?;
                    let level = caught_up.level;
                    if caught_up.through_commit > caught_up.stands_on {
                        let step = PreparePart::On {
                            stands_on: caught_up.stands_on,
                            writes: caught_up.writes,
                            through_commit: caught_up.through_commit,
                        };
                        self.prepare(part, step)?;
                    }
                    !level
                } else {
                    let went = part.portion_at(&inside, &snapshot)?;
                    match went {
                        Went::Later(pause) => self.upgrade.task.pause(pause),
                        Went::Unavailable => self.upgrade.task.pause(TROUBLE),
                        Went::On { .. } | Went::Level => {}
                    }
                    !matches!(went, Went::Level)
                };
                if !more && inside.reader.head().0 - snapshot.head().0 <= LAST_LOOK_EVENTS {
                    break;
                }
            }
        }
        self.upgrade.report(parts);
        Ok(())
    }

    /// Has the writer look at what came since, and switch.
    fn switch(&mut self, parts: &mut Vec<Part>) -> Result<Outcome, Stop> {
        let inside = self.inside.clone();
        // The parts go to the writer's thread and come back with its answer.
        let (give_back, given_back) = std::sync::mpsc::channel();
        let look: LastLook = {
            let (inside, prospect, seen, mut moved) = (inside.clone(), self.prospect.clone(), self.seen, std::mem::take(parts));
            Box::new(move |snapshot, proposal| {
                let looked = prospect.look(&inside, snapshot, seen).and_then(|()| all_there(&prospect, snapshot, &moved));
                let looked = looked.and_then(|()| levels(&inside, snapshot, &mut moved));
                let _ = give_back.send(moved);
                let levels = looked?;
                Ok(match proposal {
                    Proposal::Deploy(deploy) => Proposal::Deploy(Deploy { levels, ..deploy }),
                    Proposal::Remove { module, .. } => Proposal::Remove { module, levels },
                    other => other,
                })
            })
        };
        if let Wanted::Upload(upload) = &self.upgrade.wanted {
            inside.set_guest(upload.digest, upload.module.clone());
        }
        let accepted = propose(&inside, self.upgrade.proposal(), Some(look));
        *parts = given_back.recv().unwrap_or_default();
        inside.keep_active_guests();
        match accepted? {
            Accepted::Deployed { module, unchanged, .. } => {
                let info = inside.all_modules().into_iter().find(|(ordinal, _)| *ordinal == module).map(|(_, info)| info);
                info.map(|module| Outcome::Deployed(Deployed { module, unchanged })).ok_or(Stop::Failed(DriveError::Stopping))
            }
            Accepted::Removed { position } => Ok(Outcome::Removed(position)),
            _ => Err(DriveError::Stopping.into()),
        }
    }
}

/// Whether everything was replayed that would read or run otherwise: another deployment may have come between.
fn all_there(prospect: &Prospect, snapshot: &Snapshot, parts: &[Part]) -> Result<(), DriveError> {
    for affected in prospect.affected(snapshot) {
        let needed = match affected.manifest.kind {
            FunctionKind::Handler => affected.stateful,
            FunctionKind::View | FunctionKind::Aggregate => true,
            FunctionKind::Upcaster | FunctionKind::Ingress => false,
        };
        let is_there = |part: &Part| part.needed && part.name() == affected.row.name && part.identity == affected.identity;
        if needed && !parts.iter().any(is_there) {
            return Err(DriveError::ReadsChanged { function: affected.row.name.clone() });
        }
    }
    Ok(())
}

/// The last steps of everything that must be level, as the log stands. On the writer's thread.
fn levels(inside: &Arc<Inside>, snapshot: &Snapshot, parts: &mut [Part]) -> Result<Vec<Level>, DriveError> {
    let mut levels = Vec::new();
    for part in parts.iter_mut().filter(|part| part.needed) {
        if part.keeps_state() {
            levels.push(part.level(inside, snapshot)?);
            continue;
        }
        loop {
            match part.portion_at(inside, snapshot).map_err(failed)? {
                Went::Level => break,
                Went::On { .. } => {}
                Went::Unavailable | Went::Later(_) => return Err(DriveError::Busy),
            }
        }
        if let Some(failed) = part.failed() {
            return Err(DriveError::ReplayFailed(failed.clone()));
        }
        if part.function.kind == FunctionKind::View {
            part.flush().map_err(failed)?;
        }
    }
    Ok(levels)
}

fn failed(stop: Stop) -> DriveError {
    match stop {
        Stop::Ended => DriveError::Stopping,
        Stop::Failed(error) => error,
    }
}

/// Proposes and waits for the writer's word.
pub fn propose(inside: &Inside, proposal: Proposal, last_look: Option<LastLook>) -> Result<Accepted, DriveError> {
    let (reply, answer) = oneshot::channel();
    inside.queue.push_own(Job::Change { proposal: Box::new(proposal), last_look, reply }, Cost { events: 1, bytes: 0 });
    answer.blocking_recv().map_err(|_| DriveError::Stopping)?
}

impl Part {
    /// Everything that its slot lacks, in one go: little, by now.
    fn level(&mut self, inside: &Inside, snapshot: &Snapshot) -> Result<Level, DriveError> {
        let all = Portion { events: usize::MAX, bytes: usize::MAX };
        let row = snapshot.function(self.name()).cloned().ok_or(DriveError::Superseded)?;
        let CaughtUp { stands_on, mut writes, mut level, .. } = self.catch_up(inside, snapshot, all)?;
        while !level {
            let more = self.catch_up(inside, snapshot, all)?;
            writes.extend(more.writes);
            level = more.level;
        }
        Ok(Level { function: self.name().to_owned(), identity: self.identity, cursor: row.cursor, epoch: row.epoch, stands_on, writes })
    }
}

//! An upgrade: a module's code replayed over history, function by function, on a thread of its own; compared
//! with what is recorded; and, if it is to, put in the place of what runs.

use std::sync::Arc;

use retold_engine::model::Position;
use retold_engine::store::{FunctionRow, FunctionStatus, Proposal, Snapshot, StoreError};

use super::activation::Activation;
use super::clock;
use super::inside::Inside;
use super::priority::give_way;
use super::prospect::{Prospect, Wanted};
use super::replay_files::StoredReplay;
use super::replay_info::{DeployOptions, FunctionReplay, Rehearse, ReplayKind};
use super::replay_part::{Part, Went};
use super::replay_task::{Ended, ReplayTask};
use super::types::{DeployRefused, Deployed, DriveError};
use super::verification::former_versions;

/// Replays give way to everything that lives.
const NICENESS: i32 = 5;
/// Events that may come between two looks before the writer takes the last one.
pub const LAST_LOOK_EVENTS: u64 = 2_048;
/// A pause where the host could not run a function.
pub const TROUBLE: std::time::Duration = std::time::Duration::from_millis(200);
/// A crash undoes no more than this of a replay, if it is slow; the engine sees to the fast ones.
const UNDURABLE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// Looks before the writer takes the last one anyway.
const LOOKS_MAX: usize = 8;

/// What is wanted of a module's code.
pub struct Upgrade {
    pub inside: Arc<Inside>,
    pub task: Arc<ReplayTask>,
    pub wanted: Wanted,
    pub options: DeployOptions,
    /// As it is written down.
    pub stored: StoredReplay,
}

/// Why an upgrade ends before its end.
pub enum Stop {
    /// The operator dropped it, or the host stops.
    Ended,
    Failed(DriveError),
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Stop {
        Stop::Ended
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Failed(error.into())
    }
}

impl From<DriveError> for Stop {
    fn from(error: DriveError) -> Stop {
        Stop::Failed(error)
    }
}

/// What an upgrade came to.
pub enum Outcome {
    /// Nothing was changed.
    Rehearsed,
    Deployed(Deployed),
    /// The position of the record of it.
    Removed(Position),
}

/// How an upgrade ended.
pub type UpgradeEnd = Result<Outcome, DriveError>;

impl Upgrade {
    /// Begins the work. `ended` hears how it ended, unless the host stops before.
    pub fn start(self, ended: impl FnOnce(UpgradeEnd) + Send + 'static) -> std::io::Result<()> {
        let (name, inside) = (format!("replay-{}", self.task.id), self.inside.clone());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            give_way(NICENESS);
            let task = self.task.clone();
            if let Some(end) = self.run() {
                ended(end);
            }
            task.note_thread_ended();
        });
        inside.replays.keep_thread(thread?);
        Ok(())
    }

    fn run(mut self) -> Option<UpgradeEnd> {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.work()));
        let end = match worked {
            Ok(Ok(outcome)) => Ok(outcome),
            // Another process goes on with it.
            Ok(Err(Stop::Ended | Stop::Failed(DriveError::Stopping))) if self.task.is_left() => {
                self.write_down(false);
                return None;
            }
            Ok(Err(Stop::Ended)) => {
                self.clean_up();
                return None;
            }
            Ok(Err(Stop::Failed(error))) => Err(error),
            Err(_) => Err(DriveError::Unavailable("the replay failed by a fault of the host's own: see its log".to_owned())),
        };
        self.clean_up();
        match &end {
            Ok(_) => self.task.set_status(super::replay_info::ReplayStatus::Done),
            Err(error) => self.task.fail(reason(error), error.to_string()),
        }
        self.write_down(true);
        Some(end)
    }

    fn work(&mut self) -> Result<Outcome, Stop> {
        let inside = self.inside.clone();
        self.task.set_budget(self.options.replay.budget_percent);
        self.task.look()?;
        self.task.set_warnings(self.wanted.check(&inside, self.task.kind)?);
        let prospect = Arc::new(Prospect::of(&inside, &self.wanted)?);
        let seen = looked(&inside, |snapshot, after| prospect.look(&inside, snapshot, after))?;
        let mut parts = self.parts(&prospect)?;
        self.stored.shadows = parts.iter().map(|part| part.shadow.name().to_owned()).collect();
        self.write_down(false);
        let head = inside.reader.head();
        let left: u64 = parts.iter().map(|part| part.left(head)).sum();
        // Some of it may have been done by an earlier process.
        let mut done = parts.iter().map(Part::done).sum();
        self.task.begin(Position(done), Position(done + left));
        self.report(&parts);
        for at in 0..parts.len() {
            if let Err(stop) = self.replay(&mut parts, at, &mut done) {
                if self.task.is_left() {
                    parts[at].flush()?;
                }
                return Err(stop);
            }
            // Here it may have to stand still for long, or to be gone on with by another process.
            parts[at].flush()?;
        }
        if self.task.kind == ReplayKind::Verification {
            return match parts.iter().find_map(Part::failed) {
                Some(failed) => Err(DriveError::ReplayFailed(failed.clone()).into()),
                None => Ok(Outcome::Rehearsed),
            };
        }
        for part in &mut parts {
            part.measure(&inside)?;
        }
        self.report(&parts);
        if self.task.kind == ReplayKind::Rehearsal {
            self.judge(&parts, false)?;
            return Ok(Outcome::Rehearsed);
        }
        self.judge(&parts, true)?;
        let activation = Activation { upgrade: self, inside, prospect, seen };
        activation.run(parts)
    }

    /// The functions to be replayed: those of the module, and others that would read other forms of events.
    fn parts(&self, prospect: &Arc<Prospect>) -> Result<Vec<Part>, Stop> {
        let inside = &self.inside;
        let snapshot = inside.reader.snapshot()?;
        let mut parts = Vec::new();
        if let Wanted::AsItIs { function } = &self.wanted {
            for row in snapshot.functions().filter(|row| row.status != FunctionStatus::Retired) {
                if function.as_ref().is_none_or(|function| *function == row.name) {
                    let code = (row.manifest.clone(), row.identity);
                    let live = Part::new(self, prospect, &snapshot, code, Some(row.clone()), false)?;
                    parts.extend(live.map(|live| self.with_former(&snapshot, row, live)).transpose()?.into_iter().flatten());
                }
            }
        }
        if let Wanted::Upload(upload) = &self.wanted {
            for function in &upload.manifest.functions {
                let row = snapshot.function(&function.name).cloned();
                let Some(identity) = snapshot.identity_after(&upload.manifest, upload.digest, &function.name) else { continue };
                parts.extend(Part::new(self, prospect, &snapshot, (function.clone(), identity), row, true)?);
            }
        }
        for other in prospect.affected(&snapshot).into_iter().filter(|affected| !affected.of_module) {
            parts.extend(Part::new(self, prospect, &snapshot, (other.manifest, other.identity), Some(other.row), false)?);
        }
        Ok(parts)
    }

    /// What runs, and behind it each version of the function that ran before and can be run again.
    fn with_former(&self, snapshot: &Snapshot, row: &FunctionRow, mut live: Part) -> Result<Vec<Part>, Stop> {
        let mut parts = Vec::new();
        let (formers, notes) = former_versions(&self.inside, snapshot, row)?;
        notes.into_iter().for_each(|note| live.add_note(note));
        for former in formers {
            let version = former.version.version.clone();
            match Part::of_former(self, snapshot, former) {
                Ok(part) => parts.push(part),
                Err(Stop::Failed(DriveError::Store(error))) => return Err(error.into()),
                Err(Stop::Failed(error)) => live.add_note(format!("what {version} made is not compared: {error}")),
                Err(Stop::Ended) => return Err(Stop::Ended),
            }
        }
        parts.insert(0, live);
        Ok(parts)
    }

    /// Replays one function until it is level.
    fn replay(&mut self, parts: &mut [Part], at: usize, done: &mut u64) -> Result<(), Stop> {
        let inside = self.inside.clone();
        let (mut from, mut durable) = (parts[at].position(), clock::started());
        loop {
            let began = clock::started();
            let part = &mut parts[at];
            self.task.wait_for_space(part.shadow.bytes().unwrap_or_default())?;
            let went = part.portion(&inside)?;
            let to = part.position();
            *done += to.0.saturating_sub(from.0);
            from = to;
            let left = part.left(inside.reader.head());
            let events = match went {
                Went::On { events } => events,
                Went::Level => 0,
                // What the host could not run is tried again.
                Went::Unavailable => {
                    self.task.pause(TROUBLE);
                    0
                }
                Went::Later(pause) => {
                    self.task.pause(pause);
                    0
                }
            };
            if durable.elapsed() > UNDURABLE_TIME_MAX {
                parts[at].flush()?;
                durable = clock::started();
            }
            self.report(parts);
            let later: u64 = parts[at + 1..].iter().map(|part| part.left(inside.reader.head())).sum();
            self.task.count(Position(*done), Position(*done + left + later), events, began);
            if self.task.is_stopped() {
                // Where it stands still it may stand when the host is gone.
                parts[at].flush()?;
                self.write_down(false);
                self.task.look()?;
            }
            self.task.look_for_the_end()?;
            if matches!(went, Went::Level) {
                return Ok(());
            }
        }
    }

    pub fn report(&self, parts: &[Part]) {
        let mut functions: Vec<FunctionReplay> = parts.iter().map(Part::report).collect();
        functions.extend(self.retired());
        self.task.set_functions(functions);
    }

    /// Functions of the running version that the new one lacks; all of a module that is removed.
    fn retired(&self) -> Vec<FunctionReplay> {
        let (modules, Some(module)) = (self.inside.reader.modules(), self.wanted.module()) else { return Vec::new() };
        let name = module.name;
        let Some(active) = modules.values().find(|module| module.active && module.name == name) else {
            return Vec::new();
        };
        let lacking = active.manifest.functions.iter().filter(|function| !self.wanted.has(&function.name));
        lacking.map(|function| FunctionReplay::retired(&function.name, function.kind)).collect()
    }

    /// Whether what was found lets the code take over, and is what was expected.
    fn judge(&self, parts: &[Part], to_activate: bool) -> Result<(), DriveError> {
        let refused = |reason, what| {
            let module = self.wanted.module().map_or_else(String::new, |module| module.name);
            Err(DriveError::Rehearsal { module, replay: self.task.id.clone(), reason, what })
        };
        for part in parts {
            if let Some(failed) = part.failed() {
                if failed.reason == "nondeterministic" {
                    let (function, what) = (failed.function.clone(), failed.message.clone());
                    return Err(DriveError::DeployRefused(DeployRefused::Nondeterministic { function, what }));
                }
                return refused(failed.reason, failed.to_string());
            }
            let report = part.report();
            // What a new function can't handle, it has never handled: that is told, and nobody's loss.
            if to_activate && report.failures > 0 && !report.new {
                let first = report.first_failures.first().map_or_else(String::new, |first| {
                    format!("the first is at position {} ({}): {}", first.position, first.reason, first.message)
                });
                let what =
                    format!("{} can't handle {} events that the record says were handled; {first}", report.function, report.failures);
                return refused("failed", what);
            }
            if self.options.expect_same && !(report.outputs.is_same() && report.failures == 0) {
                let counts = report.outputs;
                let what = format!(
                    "{} differs from what is recorded: {} new, {} missing, {} different, {} failed",
                    report.function, counts.new, counts.missing, counts.different, report.failures
                );
                return refused("different", what);
            }
        }
        Ok(())
    }

    /// The report, as it can be read after a restart.
    pub fn write_down(&mut self, over: bool) {
        let files = &self.inside.replay_files;
        let _turn = files.turn();
        if self.task.is_dropped() {
            return;
        }
        self.stored.note(&self.task.info());
        self.stored.stopped = self.task.is_stopped();
        if let Err(error) = files.write(&self.stored) {
            tracing::warn!(replay = %self.task.id, %error, "its report can't be written down");
        }
        if over {
            files.remove_component(&self.task.id);
        }
    }

    /// Shadows are of no use to anybody else.
    fn clean_up(&self) {
        self.inside.forget_prepared(&self.task.id);
        self.inside.sweep_shadows(&self.task.id);
    }

    /// Of an upgrade that takes over.
    pub fn proposal(&self) -> Proposal {
        self.wanted.proposal(self.task.kind, self.options.send).expect("only what changes a module takes over")
    }

    pub fn compares(&self) -> bool {
        self.options.rehearse != Rehearse::Skip
    }

    pub fn takes_over(&self) -> bool {
        self.task.kind.changes()
    }
}

/// Looks at history until little is left of it; answers up to where.
pub fn looked(inside: &Inside, look: impl Fn(&Snapshot, Position) -> Result<(), DriveError>) -> Result<Position, DriveError> {
    let mut after = Position::START;
    for _ in 0..LOOKS_MAX {
        let snapshot = inside.reader.snapshot()?;
        look(&snapshot, after)?;
        after = snapshot.head();
        if inside.reader.head().0 - after.0 <= LAST_LOOK_EVENTS {
            break;
        }
    }
    Ok(after)
}

/// One word for what ended a replay.
fn reason(error: &DriveError) -> &'static str {
    match error {
        DriveError::Rehearsal { reason, .. } => reason,
        DriveError::DeployRefused(DeployRefused::Nondeterministic { .. }) => "nondeterministic",
        DriveError::DeployRefused(DeployRefused::Upcaster { .. }) => "upcaster",
        DriveError::DeployRefused(DeployRefused::NoUpcaster { .. }) => "no-upcaster",
        DriveError::SchemaRefused(_) => "schema",
        DriveError::Refused(_) => "refused",
        DriveError::Store(_) => "storage",
        _ => "failed",
    }
}

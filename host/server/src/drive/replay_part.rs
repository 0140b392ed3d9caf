//! `Part`: one function of an upgrade on its way through history.

use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{Digest, FunctionKind, FunctionManifest, Guest, Position, Start};
use retold_engine::run::{self, CatchUp, Guests, Prepared, Projector, Reading, Replay, ReplayOptions, ReplayStep, Replayed, ViewStep};
use retold_engine::store::{FunctionRow, FunctionStatus, Portion, Snapshot, ViewFile};

use super::clock;
use super::folding::{PORTION, beside, fold_all, read_ahead, threads};
use super::inside::Inside;
use super::prospect::Prospect;
use super::replay_info::{FormerVersion, FunctionReplay, ReplayKind};
use super::replay_report::shown_report;
use super::types::{DriveError, FunctionFailed};
use super::upgrade::{Stop, Upgrade};
use super::verification::{Former, Verifying, same_code_after};

/// Memory for pages of a shadow.
const CACHE_BYTES: usize = 16 << 20;
/// Events that both versions are measured on.
const MEASURED_EVENTS: usize = 1_024;

pub struct Part {
    pub function: FunctionManifest,
    pub identity: Digest,
    /// As it stood when the upgrade began; none for a function that is new.
    pub row: Option<Arc<FunctionRow>>,
    prospect: Arc<Prospect>,
    of_module: bool,
    way: Way,
    pub shadow: Arc<ViewFile>,
    /// It can't take over before it is level.
    pub needed: bool,
    /// What is left of the way from its slot to where the function is.
    catch_up: Option<(CatchUp, u64)>,
    busy: Duration,
    /// Fuel and microseconds an event: of the candidate, of the running version.
    costs: [Option<f64>; 4],
    note: Option<String>,
    failed: Option<FunctionFailed>,
    /// Of a verification.
    verifying: Option<Verifying>,
    /// Of a verification: it is a version that ran before.
    former: Option<FormerVersion>,
}

/// How it goes through history.
enum Way {
    /// In a shadow.
    Replay(Box<Replay>),
    /// Into the rows that the view will answer with.
    View(Box<Projector>, Box<FunctionRow>, u64),
}

/// How a portion went.
pub enum Went {
    On {
        events: u64,
    },
    /// Nothing is left as of this moment.
    Level,
    /// The host could not run it now.
    Unavailable,
    /// There is nothing to do for so long.
    Later(Duration),
}

impl Part {
    /// `None`: there is nothing to replay of it.
    pub fn new(
        upgrade: &Upgrade,
        prospect: &Arc<Prospect>,
        snapshot: &Snapshot,
        (function, identity): (FunctionManifest, Digest),
        row: Option<Arc<FunctionRow>>,
        of_module: bool,
    ) -> Result<Option<Part>, Stop> {
        let inside = &upgrade.inside;
        let same_code = row.as_ref().is_some_and(|row| row.identity == identity);
        let compares = upgrade.compares();
        let needed = upgrade.takes_over() && row.is_some() && !same_code && {
            let kept_state = row.as_ref().is_some_and(|row| row.stateful);
            match function.kind {
                FunctionKind::Handler => kept_state || (of_module && prospect.imports_state()),
                FunctionKind::View | FunctionKind::Aggregate => true,
                FunctionKind::Upcaster | FunctionKind::Ingress => false,
            }
        };
        let looked_at = matches!(function.kind, FunctionKind::Handler | FunctionKind::View | FunctionKind::Aggregate);
        if !looked_at || !(needed || compares) {
            return Ok(None);
        }
        let guests = inside.guests_at(snapshot);
        let reading = prospect.reading(snapshot, &guests)?;
        let serves = function.kind == FunctionKind::View && upgrade.takes_over() && !same_code;
        let verifies = upgrade.task.kind == ReplayKind::Verification;
        let mut compared_after = Position::START;
        let (way, shadow) = if serves {
            let file = inside.open_prepared(&upgrade.task.id, &function.name, identity, CACHE_BYTES)?;
            let row = future_row(snapshot, &function, identity, row.as_deref());
            (Way::View(Box::new(Projector::new(&function.name, inside.view_threads)), Box::new(row), 0), file)
        } else {
            let asked = &upgrade.options.replay;
            let since = match &row {
                Some(row) if verifies => same_code_after(snapshot, row),
                _ => asked.since.or(asked.last.map(|last| Position(snapshot.head().0.saturating_sub(last)))).unwrap_or_default(),
            };
            compared_after = since;
            let options = ReplayOptions {
                threads: inside.view_threads,
                compare: compares,
                // What is to take over has all of its state.
                sample: if needed { 1 } else { asked.sample.unwrap_or(1).max(1) },
                from: since,
                ..ReplayOptions::default()
            };
            let file = inside.open_shadow(&upgrade.task.id, &function.name, identity, CACHE_BYTES)?;
            let replayed = Replayed { manifest: function.clone(), follows: row.clone(), identity };
            (Way::Replay(Box::new(Replay::new(&reading, &replayed, options, &file)?)), file)
        };
        Ok(Some(Part {
            note: if verifies {
                verified_note(&function, compared_after)
            } else {
                note(&function, row.is_none(), needed, upgrade.options.replay.sample)
            },
            function,
            identity,
            row,
            prospect: prospect.clone(),
            of_module,
            way,
            shadow,
            needed,
            catch_up: None,
            busy: Duration::ZERO,
            costs: [None; 4],
            failed: None,
            verifying: verifies.then(Verifying::default),
            former: None,
        }))
    }

    /// A version that ran before, over history up to where another took over: what it made is held against the record.
    pub fn of_former(upgrade: &Upgrade, snapshot: &Snapshot, former: Former) -> Result<Part, Stop> {
        let inside = &upgrade.inside;
        let Former { prospect, function, identity, row, module, version } = former;
        let guests = inside.guests_at(snapshot);
        let reading = prospect.reading(snapshot, &guests)?;
        let after = Position(version.after);
        let options = ReplayOptions { threads: inside.view_threads, from: after, made_by: Some(module), ..ReplayOptions::default() };
        // Code that came back has a span for each time that it ran.
        let shadow = Digest::of(format!("{identity} after {after}").as_bytes());
        let shadow = inside.open_shadow(&upgrade.task.id, &function.name, shadow, CACHE_BYTES)?;
        let replayed = Replayed { manifest: function.clone(), follows: Some(row.clone()), identity };
        let way = Way::Replay(Box::new(Replay::new(&reading, &replayed, options, &shadow)?));
        drop(reading);
        Ok(Part {
            function,
            identity,
            row: Some(row),
            prospect,
            of_module: true,
            way,
            shadow,
            needed: false,
            catch_up: None,
            busy: Duration::ZERO,
            costs: [None; 4],
            note: None,
            failed: None,
            verifying: None,
            former: Some(version),
        })
    }

    pub fn add_note(&mut self, note: String) {
        self.note = Some(self.note.take().map_or_else(|| note.clone(), |before| format!("{before}; {note}")));
    }

    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// Whether its state goes into the head's tables.
    pub fn keeps_state(&self) -> bool {
        self.needed && self.function.kind == FunctionKind::Handler
    }

    /// Whether it ran before, by other code.
    pub fn is_upgraded_handler(&self) -> bool {
        self.of_module && self.row.is_some() && self.function.kind == FunctionKind::Handler
    }

    /// Everything up to here is in the shadow.
    pub fn position(&self) -> Position {
        match &self.way {
            Way::Replay(replay) => replay.position(),
            Way::View(projector, ..) => projector.position(&self.shadow),
        }
    }

    /// The record of the function is followed up to this commit.
    pub fn through_commit(&self) -> u64 {
        match &self.way {
            Way::Replay(replay) => replay.through_commit(),
            Way::View(..) => 0,
        }
    }

    /// Positions that were passed, by whatever process.
    pub fn done(&self) -> u64 {
        match &self.way {
            Way::Replay(replay) => replay.position().0.saturating_sub(replay.begun().0),
            Way::View(_, row, _) => self.position().0.saturating_sub(row.start.0),
        }
    }

    /// Positions that are still to be passed.
    pub fn left(&self, head: Position) -> u64 {
        let end = match (&self.row, self.function.kind) {
            (Some(row), FunctionKind::Handler) => row.cursor.min(head),
            _ => head,
        };
        if self.failed.is_some() { 0 } else { end.0.saturating_sub(self.position().0) }
    }

    /// Replays the next portion, as far as the log and the function are now.
    pub fn portion(&mut self, inside: &Inside) -> Result<Went, Stop> {
        let snapshot = inside.reader.snapshot()?;
        self.portion_at(inside, &snapshot)
    }

    pub fn portion_at(&mut self, inside: &Inside, snapshot: &Snapshot) -> Result<Went, Stop> {
        if self.failed.is_some() {
            return Ok(Went::Level);
        }
        if self.verifying.is_some() && snapshot.function(self.name()).is_none_or(|row| row.identity != self.identity) {
            let (position, message) = (self.position(), "another version took over meanwhile: verify again".to_owned());
            self.failed = Some(FunctionFailed { function: self.function.name.clone(), position, reason: "superseded", message });
            return Ok(Went::Level);
        }
        let guests = inside.guests_at(snapshot);
        let reading = self.prospect.reading(snapshot, &guests)?;
        let guest = self.guest(&guests, snapshot)?;
        let logs = inside.logs.of(&self.function.name);
        let end = self.verifying.as_ref().and_then(|verifying| verifying.end(inside, &self.function.name));
        if let (Way::Replay(replay), Some(end)) = (&mut self.way, end) {
            replay.end_at(end);
        }
        let follows = match &self.former {
            // It ended where another took over.
            Some(_) => self.row.clone(),
            None => self.row.as_ref().and_then(|row| snapshot.function(&row.name).cloned()),
        };
        let replayed = Replayed { manifest: self.function.clone(), follows, identity: self.identity };
        let prepared = match &mut self.way {
            Way::Replay(replay) => replay.prepare(&reading, &replayed, &self.shadow, PORTION)?,
            Way::View(projector, row, _) => projector.prepare(&reading, row, &self.shadow, PORTION, clock::now())?,
        };
        let parts = match prepared {
            Prepared::Parts(parts) => parts,
            Prepared::Idle | Prepared::Inactive => return Ok(Went::Level),
            Prepared::Later(time) => return Ok(Went::Later(Duration::from_micros(time.0.saturating_sub(clock::now().0)))),
        };
        let fold = || {
            let began = clock::started();
            (fold_all(inside, &parts, &*guest, &|level, message| logs.add(level, message)), began.elapsed())
        };
        let (folded, took) = match &mut self.way {
            Way::View(..) => fold(),
            Way::Replay(replay) => {
                let (folded, ahead) =
                    beside(threads(inside), fold, || inside.slots.hold(|| read_ahead(replay, inside, &self.prospect, &replayed)));
                replay.take_ahead(ahead);
                folded
            }
        };
        self.busy += took;
        match &mut self.way {
            Way::Replay(replay) => Ok(match replay.finish(&self.shadow, folded)? {
                ReplayStep::Went { events, .. } => Went::On { events },
                ReplayStep::StartAgain => Went::On { events: 0 },
                ReplayStep::Level { .. } => match (&mut self.verifying, snapshot.function(&self.function.name)) {
                    (Some(verifying), Some(row)) => verifying.compare(inside, snapshot, row, replay, &self.shadow)?,
                    _ => Went::Level,
                },
                ReplayStep::Unavailable(_) => Went::Unavailable,
                ReplayStep::Failed { position, reason, message } => {
                    self.failed = Some(FunctionFailed { function: self.function.name.clone(), position, reason, message });
                    Went::Level
                }
            }),
            Way::View(projector, _, folded_events) => Ok(match projector.finish(&self.shadow, folded, clock::now())? {
                ViewStep::Folded { events, .. } => {
                    *folded_events += events;
                    Went::On { events }
                }
                ViewStep::Failed { not_before: Some(_), .. } => Went::On { events: 0 },
                ViewStep::Failed { position, reason, message, not_before: None } => {
                    self.failed = Some(FunctionFailed { function: self.function.name.clone(), position, reason, message });
                    Went::Level
                }
            }),
        }
    }

    fn guest(&self, guests: &dyn Guests, snapshot: &Snapshot) -> Result<Arc<dyn Guest>, DriveError> {
        if self.of_module
            && let Some(guest) = self.prospect.guest()
        {
            return Ok(guest);
        }
        let module = snapshot.function(&self.function.name).map_or(0, |row| row.module);
        guests.guest(module).ok_or_else(|| DriveError::Unavailable(format!("the module of {} is not loaded", self.function.name)))
    }

    /// Why it can't go on, if it can't.
    pub fn failed(&self) -> Option<&FunctionFailed> {
        self.failed.as_ref()
    }

    pub fn report(&self) -> FunctionReplay {
        let is_new = self.row.is_none();
        let mut shown = match &self.way {
            Way::Replay(replay) => shown_report(replay.report(), is_new, self.costs, self.note.clone()),
            Way::View(_, _, events) => {
                let mut report = run::FunctionReport::new(&self.function.name, self.function.kind);
                report.events = *events;
                if let Ok(rows) = self.shadow.snapshot() {
                    report.state_rows = rows.count().unwrap_or_default();
                    report.state_bytes = rows.stored_bytes().unwrap_or_default();
                }
                shown_report(&report, is_new, self.costs, self.note.clone())
            }
        };
        shown.former = self.former.clone();
        if let Some(verifying) = &self.verifying {
            shown.state = verifying.compared.clone();
            shown.note = verifying.note.clone().or(shown.note);
        }
        if shown.microseconds_per_event.is_none() && shown.events > 0 {
            shown.microseconds_per_event = Some(self.busy.as_secs_f64() * 1e6 / shown.events as f64);
        }
        shown
    }

    /// Makes what was done durable.
    pub fn flush(&mut self) -> Result<(), Stop> {
        match &mut self.way {
            Way::Replay(replay) => replay.flush(&self.shadow)?,
            Way::View(projector, ..) => projector.flush(&self.shadow)?,
        }
        Ok(())
    }

    /// What an event costs, in this code and in what runs, over the same last events.
    pub fn measure(&mut self, inside: &Inside) -> Result<(), Stop> {
        if self.function.kind != FunctionKind::Handler || self.failed.is_some() {
            return Ok(());
        }
        let snapshot = inside.reader.snapshot()?;
        let guests = inside.guests_at(&snapshot);
        let reading = self.prospect.reading(&snapshot, &guests)?;
        let guest = self.guest(&guests, &snapshot)?;
        let candidate = measured(&reading, &self.function, &*guest, &run::State::Shadow(&self.shadow))?;
        (self.costs[0], self.costs[1]) = candidate;
        if let Some(row) = self.row.as_ref().and_then(|row| snapshot.function(&row.name))
            && let Some(guest) = guests.guest(row.module)
        {
            let reading = Reading::new(&snapshot, &guests);
            (self.costs[2], self.costs[3]) = measured(&reading, &row.manifest, &*guest, &run::State::Slot(row.slot))?;
        }
        Ok(())
    }

    /// The state in its slot is what the replay made it, up to where that was.
    pub fn laid_out(&mut self, slot: u32) {
        self.catch_up = Some((CatchUp::new(slot, self.through_commit()), self.through_commit()));
    }

    pub fn is_laid_out(&self) -> bool {
        self.catch_up.is_some()
    }

    /// What the record says of the function beyond what its slot has.
    pub fn catch_up(&mut self, inside: &Inside, snapshot: &Snapshot, portion: Portion) -> Result<CaughtUp, DriveError> {
        let row = snapshot.function(self.name()).cloned().ok_or(DriveError::Superseded)?;
        let guests = inside.guests_at(snapshot);
        let reading = self.prospect.reading(snapshot, &guests)?;
        let guest = self.guest(&guests, snapshot)?;
        let logs = inside.logs.of(self.name());
        let Some((catch_up, through)) = &mut self.catch_up else { return Err(DriveError::Superseded) };
        let stands_on = *through;
        let brought = catch_up.step(&reading, &self.function, &row, &*guest, portion, &mut |level, message| logs.add(level, message))?;
        match brought {
            Ok(brought) => {
                *through = brought.through_commit;
                Ok(CaughtUp { stands_on, through_commit: brought.through_commit, writes: brought.writes, level: brought.level })
            }
            Err(run::Stop::Unavailable(why)) => Err(DriveError::Unavailable(why)),
            Err(run::Stop::Undone) => Err(DriveError::Rewound { function: self.name().to_owned() }),
            Err(run::Stop::Failed { position, fault, .. }) => Err(DriveError::ReplayFailed(FunctionFailed {
                function: self.name().to_owned(),
                position,
                reason: fault.reason,
                message: fault.message,
            })),
        }
    }
}

/// What a catch-up of state came to.
pub struct CaughtUp {
    pub stands_on: u64,
    pub through_commit: u64,
    pub writes: Vec<retold_engine::model::StateWrite>,
    pub level: bool,
}

/// Fuel and microseconds an event.
fn measured(
    reading: &Reading<'_>,
    function: &FunctionManifest,
    guest: &dyn Guest,
    state: &run::State<'_>,
) -> Result<(Option<f64>, Option<f64>), Stop> {
    // The first run is for the instance to be there.
    run::measure(reading, function, guest, state, 1)?;
    let began = clock::started();
    let measured = run::measure(reading, function, guest, state, MEASURED_EVENTS)?;
    let took = began.elapsed().as_secs_f64() * 1e6;
    let each = |total: f64| (measured.events > 0).then(|| total / measured.events as f64);
    Ok((each(measured.fuel as f64), each(took)))
}

/// The view's row as it will be.
fn future_row(snapshot: &Snapshot, function: &FunctionManifest, identity: Digest, row: Option<&FunctionRow>) -> FunctionRow {
    let start = match (row, function.start) {
        (Some(row), _) => row.start,
        (None, Start::Now) => snapshot.head(),
        (None, Start::Beginning) => Position::START,
    };
    FunctionRow {
        decided: Default::default(),
        name: function.name.clone(),
        ordinal: 0,
        module: 0,
        manifest: function.clone(),
        status: FunctionStatus::Active,
        start,
        cursor: start,
        epoch: 1,
        rebuild: None,
        stateful: false,
        standing: None,
        parked: 0,
        released: 0,
        slot: 0,
        identity,
        kept: Vec::new(),
        straight: true,
        held_through: Position::START,
    }
}

fn verified_note(function: &FunctionManifest, after: Position) -> Option<String> {
    let compares = function.kind == FunctionKind::Handler && after > Position::START;
    compares.then(|| format!("its outputs are compared from behind position {after} on; its state is made of all of history"))
}

fn note(function: &FunctionManifest, is_new: bool, needed: bool, sample: Option<u32>) -> Option<String> {
    if is_new && function.kind == FunctionKind::Handler {
        return Some(match function.start {
            Start::Now => "new: it begins with what comes, and nothing of history is appended".to_owned(),
            Start::Beginning => "new: what it makes of history is appended once it runs".to_owned(),
        });
    }
    (needed && sample.is_some()).then(|| "its state is needed whole: no sample was taken".to_owned())
}

//! What fires timers and schedules of a namespace when they are due. Late ones come in waves: what the functions
//! make of one is awaited before the next comes, as if nothing had been late. Before each they deal with what
//! is in the log already, such as what was left when the host stopped: it may cancel what is late, or set something
//! earlier.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use retold_engine::model::{FunctionKind, NextOccurrence, Position, Timestamp, limits};
use retold_engine::run::{Clock, first_occurrence, first_unread, next_wave};
use retold_engine::store::{Due, Fate, Fired, FunctionStatus, Proposal, ScheduleRow, Snapshot, StoreError};
use tokio::sync::oneshot;

use super::clock;
use super::committer::{Job, WaitKey};
use super::inside::{Inside, next_number};
use super::queue::Cost;
use super::turns::Turns;
use super::workers::Work;

/// What was due so long ago is late: it comes in waves.
const LATE_MS: u64 = 2_000;
/// Of one wave at most, and of the first after one that was cut short.
const WAVE_MAX: usize = limits::EVENTS_PER_APPEND_MAX;
const WAVE_MIN: usize = 64;
/// How soon it is looked again whether functions are level.
const LEVEL_LOOK_MS: u64 = 20;
/// A function that is busy for longer doesn't hold time up: with what came of a wave, or with what the host found
/// when it began, and with what else comes before a late wave.
const LEVEL_TIME_MAX: Duration = Duration::from_secs(10);
const LEVEL_TIME_LATE: Duration = Duration::from_secs(1);
/// A pause where the host itself is in trouble.
const TROUBLE_MS: u64 = 1_000;

/// The timers of one namespace as work.
#[derive(Default)]
pub struct TimerTask {
    namespace: OnceLock<Weak<Inside>>,
    turns: Turns,
    state: Mutex<State>,
    /// Functions changed, and with them what is scheduled.
    changed: AtomicBool,
    pub fired: AtomicU64,
    /// Of those fired: how long after they were due, taken together.
    pub late_us: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Functions are to be level before a late wave: since when they are awaited, and for how long at most.
    awaited: Option<(Instant, Duration)>,
    under_way: Option<UnderWay>,
    /// How many are looked at for the next wave.
    wave: usize,
    /// The ticker wakes this task then.
    armed: Option<Timestamp>,
}

/// A wave that is being fired, or that is awaited.
struct UnderWay {
    key: WaitKey,
    began: Instant,
}

/// Of a wave, for whoever is told what became of it.
#[derive(Clone, Copy)]
pub struct Wave {
    pub key: WaitKey,
    /// What comes of it is awaited before the next one.
    pub awaited: bool,
    /// When it was made.
    now: Timestamp,
}

impl TimerTask {
    /// From now on there is a writer.
    pub fn begin(self: &Arc<Self>, namespace: &Arc<Inside>) {
        let _ = self.namespace.set(Arc::downgrade(namespace));
        self.state().awaited = Some((clock::started(), LEVEL_TIME_MAX));
        self.functions_changed();
    }

    pub fn wake(self: &Arc<Self>) {
        if self.namespace.get().is_some() && self.turns.wake() {
            self.queue();
        }
    }

    /// Schedules may have come or gone.
    pub fn functions_changed(self: &Arc<Self>) {
        self.changed.store(true, Ordering::Release);
        self.wake();
    }

    fn queue(self: &Arc<Self>) {
        if let Some(namespace) = self.namespace.get().and_then(Weak::upgrade) {
            namespace.pool.push(self.clone());
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(self: &Arc<Self>, namespace: &Arc<Inside>) {
        if namespace.is_frozen() {
            return;
        }
        if let Err(error) = self.look(namespace) {
            tracing::error!(namespace = %namespace.name, %error, "can't see what is due");
            namespace.ticker.wake_at(clock::now().plus_ms(TROUBLE_MS), self.clone());
        }
    }

    fn look(self: &Arc<Self>, namespace: &Arc<Inside>) -> Result<(), StoreError> {
        if namespace.check_growth().is_err() {
            namespace.ticker.wake_at(clock::now().plus_ms(TROUBLE_MS), self.clone());
            return Ok(());
        }
        let mut state = self.state();
        if let Some(UnderWay { key, began }) = &state.under_way {
            if began.elapsed() > LEVEL_TIME_MAX {
                namespace.queue.push_own(Job::GiveUp(*key), Cost::default());
            }
            return Ok(());
        }
        let snapshot = namespace.reader.snapshot()?;
        if !snapshot.effects() {
            return Ok(());
        }
        let now = namespace.clock.now();
        if self.changed.swap(false, Ordering::AcqRel) && set_schedules(namespace, &snapshot, now)? {
            // It is woken again when they are in the log.
            return Ok(());
        }
        let Some(next) = snapshot.next_due()? else { return Ok(()) };
        if next > now {
            state.awaited = None;
            self.arm(&mut state, namespace, next, now);
            return Ok(());
        }
        let late_before = Timestamp(now.0.saturating_sub(LATE_MS * 1_000));
        if next < late_before {
            let (since, longest) = *state.awaited.get_or_insert_with(|| (clock::started(), LEVEL_TIME_LATE));
            if since.elapsed() < longest && !is_level(&snapshot)? {
                namespace.ticker.wake_at(clock::now().plus_ms(LEVEL_LOOK_MS), self.clone());
                return Ok(());
            }
        }
        state.awaited = None;
        let wanted = state.wave.clamp(WAVE_MIN, WAVE_MAX);
        let due = next_wave(&snapshot, Clock { now, late_before }, wanted, &*namespace.zones)?;
        // Where most of what is due is about few subjects, waves are short: the rest need not be read each time.
        state.wave = if due.len() < wanted { due.len() * 2 } else { WAVE_MAX };
        if due.is_empty() {
            return Ok(());
        }
        let wave = Wave { key: next_number(), awaited: next < late_before, now };
        state.under_way = Some(UnderWay { key: wave.key, began: clock::started() });
        drop(state);
        let cost = Cost { events: due.len(), bytes: due.iter().map(bytes_of).sum() };
        namespace.queue.push_own(Job::Fire { due, wave }, cost);
        Ok(())
    }

    /// Has the ticker wake this task, once for one time. The machine's clock may be another than the log's.
    fn arm(self: &Arc<Self>, state: &mut State, namespace: &Inside, next: Timestamp, now: Timestamp) {
        if state.armed.is_none_or(|armed| armed <= now || next < armed) {
            state.armed = Some(next);
            namespace.ticker.wake_at(Timestamp(clock::now().0.saturating_add(next.0 - now.0)), self.clone());
        }
    }

    /// The wave is committed. Answers the positions of what it made.
    pub fn fired(&self, wave: Wave, due: &[Timestamp], fired: &Fired) -> Vec<Position> {
        let mut positions = Vec::new();
        for (fate, due) in fired.fates.iter().zip(due) {
            if let Fate::Fired(position) = fate {
                positions.push(*position);
                self.late_us.fetch_add(wave.now.0.saturating_sub(due.0), Ordering::Relaxed);
            }
        }
        self.fired.fetch_add(positions.len() as u64, Ordering::Relaxed);
        positions
    }

    /// The next wave may come.
    pub fn level(self: &Arc<Self>, key: WaitKey) {
        let mut state = self.state();
        if state.under_way.as_ref().is_some_and(|wave| wave.key == key) {
            state.under_way = None;
        }
        drop(state);
        self.wake();
    }
}

impl Work for TimerTask {
    fn name(&self) -> &str {
        "timers"
    }

    fn run(self: Arc<Self>) {
        self.turns.begin();
        if let Some(namespace) = self.namespace.get().and_then(Weak::upgrade) {
            self.turn(&namespace);
        }
        if self.turns.end(false) {
            self.queue();
        }
    }

    fn wake(self: Arc<Self>) {
        TimerTask::wake(&self);
    }
}

/// Whether the functions that run have dealt with all that is in the log.
fn is_level(snapshot: &Snapshot) -> Result<bool, StoreError> {
    for row in snapshot.functions().filter(|row| row.is_active() && row.rebuild.is_none()) {
        if first_unread(snapshot, row)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn bytes_of(due: &Due) -> usize {
    match due {
        Due::Timer(timer) => timer.event.data.len() + 256,
        Due::Schedule(_) => 256,
    }
}

/// Brings the log up to what manifests say of schedules; answers whether anything was to be changed.
fn set_schedules(namespace: &Inside, snapshot: &Snapshot, now: Timestamp) -> Result<bool, StoreError> {
    let rows = snapshot.schedules()?;
    let mut changes: Vec<(String, String, Option<NextOccurrence>)> = Vec::new();
    let named = |row: &ScheduleRow| {
        let function = snapshot.function(&row.function).filter(|function| function.status != FunctionStatus::Retired);
        function.is_some_and(|function| function.manifest.schedules.iter().any(|schedule| schedule.key == row.key))
    };
    changes.extend(rows.iter().filter(|row| !named(row)).map(|row| (row.function.clone(), row.key.clone(), None)));
    let live = snapshot.functions().filter(|row| row.manifest.kind == FunctionKind::Handler && row.status != FunctionStatus::Retired);
    for function in live {
        for schedule in &function.manifest.schedules {
            let row = rows.iter().find(|row| row.function == function.name && row.key == schedule.key);
            if row.is_some_and(|row| row.next.cron == schedule.cron && row.next.time_zone == schedule.time_zone) {
                continue;
            }
            let next = first_occurrence(schedule, now, &*namespace.zones);
            if next.is_some() || row.is_some() {
                changes.push((function.name.clone(), schedule.key.clone(), next));
            }
        }
    }
    let any = !changes.is_empty();
    for (function, key, next) in changes {
        let (proposal, (reply, _)) = (Box::new(Proposal::Schedule { function, key, next }), oneshot::channel());
        namespace.queue.push_own(Job::Change { proposal, last_look: None, reply }, Cost { events: 1, bytes: 0 });
    }
    Ok(any)
}

//! `ReplayTask`: one replay as everybody else sees it: how far it is, what it found, and the operator's word
//! to it. The thread that does the work looks here between two portions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use retold_engine::model::{Position, Timestamp};
use tokio::sync::watch;

use super::clock;
use super::replay_info::{FunctionReplay, ReplayInfo, ReplayKind, ReplayStatus, ReplayedModule, RetellingInfo};
use super::space::DiskSpace;

pub struct ReplayTask {
    pub id: String,
    pub kind: ReplayKind,
    inside: Mutex<Inside>,
    /// Wakes whoever is stopped.
    told: Condvar,
    dropped: AtomicBool,
    /// The host stops: what was done is kept for the next one.
    left: AtomicBool,
    /// Somebody waits for the end of it: no pauses.
    hurried: AtomicBool,
    /// Its thread has ended, or never began.
    thread_ended: AtomicBool,
    space: Arc<DiskSpace>,
    /// Changes with the status.
    changes: watch::Sender<u64>,
}

struct Inside {
    info: ReplayInfo,
    /// The operator wants it to stand still.
    stop: bool,
    budget_percent: Option<u8>,
    /// Events and time of the work that was done: what the rate is made of.
    worked_events: u64,
    worked: Duration,
    /// Where this thread's work began.
    from: Position,
}

/// The operator has dropped the replay, or the host stops: its thread ends.
#[derive(Debug)]
pub struct Ended;

impl ReplayTask {
    pub fn new(
        id: String,
        kind: ReplayKind,
        started: Timestamp,
        module: Option<ReplayedModule>,
        target: Option<String>,
        space: Arc<DiskSpace>,
    ) -> Arc<ReplayTask> {
        let info = ReplayInfo {
            id: id.clone(),
            kind,
            status: ReplayStatus::Running,
            started,
            ended: None,
            module,
            target,
            position: Position::START,
            head: Position::START,
            events: 0,
            events_per_second: 0.0,
            seconds_left: None,
            warnings: Vec::new(),
            functions: Vec::new(),
            retelling: None,
        };
        let inside = Inside { info, stop: false, budget_percent: None, worked_events: 0, worked: Duration::ZERO, from: Position::START };
        Arc::new(ReplayTask {
            id,
            kind,
            inside: Mutex::new(inside),
            told: Condvar::new(),
            dropped: AtomicBool::new(false),
            left: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            thread_ended: AtomicBool::new(false),
            space,
            changes: watch::Sender::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn info(&self) -> ReplayInfo {
        self.lock().info.clone()
    }

    pub fn status(&self) -> ReplayStatus {
        self.lock().info.status.clone()
    }

    pub fn is_over(&self) -> bool {
        matches!(self.status(), ReplayStatus::Done | ReplayStatus::Failed { .. })
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn set_budget(&self, percent: Option<u8>) {
        self.lock().budget_percent = percent;
    }

    pub fn budget(&self) -> Option<u8> {
        self.lock().budget_percent
    }

    /// What was found so far. Events are counted by function.
    pub fn set_functions(&self, functions: Vec<FunctionReplay>) {
        let mut inside = self.lock();
        inside.info.events = functions.iter().map(|function| function.events).sum();
        inside.info.functions = functions;
    }

    pub fn set_warnings(&self, warnings: Vec<String>) {
        self.lock().info.warnings = warnings;
    }

    /// Says something of a function beside what was found.
    pub fn note(&self, function: &str, note: String) {
        let mut inside = self.lock();
        if let Some(shown) = inside.info.functions.iter_mut().find(|shown| shown.function == function) {
            shown.note = Some(note);
        }
    }

    pub fn set_retelling(&self, retelling: RetellingInfo) {
        self.lock().info.retelling = Some(retelling);
    }

    pub fn set_status(&self, status: ReplayStatus) {
        let mut inside = self.lock();
        if inside.info.status == status {
            return;
        }
        if matches!(status, ReplayStatus::Done | ReplayStatus::Failed { .. }) {
            inside.info.ended = Some(clock::now());
            inside.info.seconds_left = None;
        }
        inside.info.status = status;
        drop(inside);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub fn fail(&self, reason: &str, message: String) {
        self.set_status(ReplayStatus::Failed { reason: reason.to_owned(), message });
    }

    /// Takes up a report that an earlier process wrote down.
    pub fn restore(&self, info: ReplayInfo) {
        self.lock().info = info;
    }

    /// The operator's word. One that is over stays so.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.told.notify_all();
    }

    /// Whether the operator wants it to stand still.
    pub fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    pub fn resume(&self) {
        self.lock().stop = false;
        self.told.notify_all();
    }

    pub fn drop_it(&self) {
        self.dropped.store(true, Ordering::Release);
        self.told.notify_all();
    }

    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire) && !self.is_left()
    }

    /// Ends its thread, as the host stops. Another one goes on with it.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Release);
        self.drop_it();
    }

    pub fn is_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Its thread does nothing more.
    pub fn note_thread_ended(&self) {
        self.thread_ended.store(true, Ordering::Release);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub fn has_thread_ended(&self) -> bool {
        self.thread_ended.load(Ordering::Acquire)
    }

    /// How much work there is: from here to there, one position after the other.
    pub fn begin(&self, from: Position, head: Position) {
        let mut inside = self.lock();
        inside.from = from;
        inside.info.position = from;
        inside.info.head = head;
    }

    /// A portion is done. Waits as long as the budget says and as long as the operator wants it to stand
    /// still.
    pub fn worked(&self, to: Position, head: Position, events: u64, began: Instant) -> Result<(), Ended> {
        self.count(to, head, events, began);
        self.look()
    }

    /// A portion is done. Waits as long as the budget says.
    pub fn count(&self, to: Position, head: Position, events: u64, began: Instant) {
        let took = began.elapsed();
        let mut inside = self.lock();
        inside.info.position = to;
        inside.info.head = head;
        if inside.info.functions.is_empty() {
            inside.info.events += events;
        }
        inside.worked_events += events;
        inside.worked += took;
        let pause = match inside.budget_percent {
            Some(percent @ 1..=99) => took * u32::from(100 - percent) / u32::from(percent),
            _ => Duration::ZERO,
        };
        // What the pauses cost belongs to the rate, too.
        inside.worked += pause;
        let seconds = inside.worked.as_secs_f64();
        if seconds > 0.0 {
            inside.info.events_per_second = inside.worked_events as f64 / seconds;
            let passed = to.0.saturating_sub(inside.from.0) as f64 / seconds;
            let left = head.0.saturating_sub(to.0) as f64;
            inside.info.seconds_left = (passed > 0.0).then_some(left / passed);
        }
        drop(inside);
        self.pause(pause);
    }

    /// Whether it goes on at all.
    pub fn look_for_the_end(&self) -> Result<(), Ended> {
        if self.dropped.load(Ordering::Acquire) { Err(Ended) } else { Ok(()) }
    }

    /// Whether somebody waits for the end of it: then the budget's pauses are none.
    pub fn hurry(&self, hurried: bool) {
        self.hurried.store(hurried, Ordering::Release);
        drop(self.lock());
        self.told.notify_all();
    }

    /// Waits so long, unless the replay is dropped, stopped or hurried meanwhile.
    pub fn pause(&self, pause: Duration) {
        let ends = || self.dropped.load(Ordering::Acquire) || self.hurried.load(Ordering::Acquire);
        let goes_on = |inside: &mut Inside| !inside.stop && !ends();
        drop(self.told.wait_timeout_while(self.lock(), pause, goes_on).unwrap_or_else(PoisonError::into_inner));
    }

    /// Stands still as long as a file of this length can't grow, and says so.
    pub fn wait_for_space(&self, file_bytes: u64) -> Result<(), Ended> {
        const LOOK: Duration = Duration::from_millis(500);
        const WAITS: &str = "it stands still until there is more space on the disk";
        let mut waited = false;
        while self.space.check(file_bytes).is_err() {
            self.look_for_the_end()?;
            if !waited {
                self.lock().info.warnings.push(WAITS.to_owned());
                waited = true;
            }
            let ends = |_: &mut Inside| !self.dropped.load(Ordering::Acquire);
            drop(self.told.wait_timeout_while(self.lock(), LOOK, ends).unwrap_or_else(PoisonError::into_inner));
        }
        if waited {
            self.lock().info.warnings.retain(|warning| warning != WAITS);
        }
        Ok(())
    }

    /// Stands still as long as the operator wants it to.
    pub fn look(&self) -> Result<(), Ended> {
        self.look_for_the_end()?;
        let mut inside = self.lock();
        if !inside.stop {
            return Ok(());
        }
        drop(inside);
        self.set_status(ReplayStatus::Stopped);
        inside = self.lock();
        while inside.stop && !self.dropped.load(Ordering::Acquire) {
            inside = self.told.wait_timeout(inside, Duration::from_millis(200)).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(inside);
        self.look_for_the_end()?;
        self.set_status(ReplayStatus::Running);
        Ok(())
    }
}

//! A function's task: its runner, and whether it is queued, running or idle.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use retold_engine::model::LogLevel;
use retold_engine::run::{Runner, Settled, Step, Ticket};

use super::clock;
use super::committer::Job;
use super::namespace::Inside;
use super::queue::Cost;
use super::types::{FunctionCounts, LogLine, Retrying};

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Woken while it ran: it runs once more.
const RUNNING_WOKEN: u8 = 3;

/// Plans made in one turn before another function gets the worker.
const PLANS_PER_TURN: usize = 8;
const LOG_LINES_MAX: usize = 100;

pub struct FunctionTask {
    pub name: String,
    namespace: Weak<Inside>,
    runner: Mutex<Runner>,
    /// How plans ended, until the runner hears of it: the writer never waits for a running guest.
    settled: Mutex<Vec<(Ticket, Settled)>>,
    state: AtomicU8,
    log: Mutex<VecDeque<LogLine>>,
    retrying: Mutex<Option<Retrying>>,
    pub handled: AtomicU64,
    pub emitted: AtomicU64,
    pub parked: AtomicU64,
    calls: AtomicU64,
    failed_attempts: AtomicU64,
    busy_us: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FunctionTask {
    pub fn new(name: &str, namespace: Weak<Inside>) -> FunctionTask {
        FunctionTask {
            name: name.to_owned(),
            namespace,
            runner: Mutex::new(Runner::new(name)),
            settled: Mutex::default(),
            state: AtomicU8::new(IDLE),
            log: Mutex::default(),
            retrying: Mutex::default(),
            handled: AtomicU64::new(0),
            emitted: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            failed_attempts: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
        }
    }

    /// Whether the caller must queue it now.
    fn to_be_queued(&self) -> bool {
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                IDLE => Some(QUEUED),
                RUNNING => Some(RUNNING_WOKEN),
                _ => None,
            })
            .is_ok_and(|before| before == IDLE)
    }

    /// There may be something to do.
    pub fn wake(self: &Arc<Self>) {
        if self.to_be_queued()
            && let Some(namespace) = self.namespace.upgrade()
        {
            namespace.pool.push(self.clone());
        }
    }

    pub fn settle(self: &Arc<Self>, ticket: Ticket, how: Settled) {
        lock(&self.settled).push((ticket, how));
        self.wake();
    }

    /// One turn on a worker.
    pub fn run(self: &Arc<Self>) {
        self.state.store(RUNNING, Ordering::Release);
        let again = match self.namespace.upgrade() {
            Some(namespace) => self.turn(&namespace),
            None => return,
        };
        let woken = self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err();
        if woken {
            self.state.store(IDLE, Ordering::Release);
        }
        if woken || again {
            self.wake();
        }
    }

    /// Steps until there is nothing to do now. True: the turn ended for others' sake.
    fn turn(self: &Arc<Self>, namespace: &Arc<Inside>) -> bool {
        let began = clock::started();
        let mut runner = lock(&self.runner);
        let mut again = true;
        for _ in 0..PLANS_PER_TURN {
            for (ticket, how) in std::mem::take(&mut *lock(&self.settled)) {
                runner.settled(ticket, how);
            }
            match self.step(namespace, &mut runner) {
                Step::Plan(ticket, plan) => {
                    let cost =
                        Cost { events: plan.emitted.len(), bytes: plan.emitted.iter().map(|event| event.data.len() + 200).sum::<usize>() };
                    namespace.queue.push_own(Job::Reaction { plan, function: self.clone(), ticket }, cost);
                }
                Step::Later(time) => {
                    namespace.ticker.wake_at(time, self.clone());
                    again = false;
                }
                Step::Idle | Step::Waiting | Step::Inactive => again = false,
            }
            if !again {
                break;
            }
        }
        let audit = runner.audit();
        self.calls.store(audit.calls, Ordering::Relaxed);
        self.failed_attempts.store(audit.failed_attempts, Ordering::Relaxed);
        *lock(&self.retrying) = runner.retrying().map(|retrying| Retrying {
            position: retrying.position,
            attempts: retrying.attempts,
            message: retrying.message.clone(),
        });
        self.busy_us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        again
    }

    fn step(&self, namespace: &Inside, runner: &mut Runner) -> Step {
        /// A pause where the host itself is in trouble.
        const TROUBLE_MS: u64 = 1_000;
        let now = clock::now();
        let mut log = |level: LogLevel, message: &str| self.log(level, message);
        let stepped = namespace.reader.snapshot().and_then(|snapshot| {
            let Some(row) = snapshot.function(&self.name) else { return Ok(Step::Inactive) };
            let guest = snapshot.module(row.module).and_then(|module| namespace.guest(module.digest));
            let Some(guest) = guest else {
                tracing::warn!(function = %self.name, "its module is not loaded");
                return Ok(Step::Later(now.plus_ms(TROUBLE_MS)));
            };
            runner.step(&snapshot, &*guest, now, &mut log)
        });
        stepped.unwrap_or_else(|error| {
            tracing::error!(function = %self.name, %error, "can't read on");
            Step::Later(now.plus_ms(TROUBLE_MS))
        })
    }

    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        tracing::debug!(function = %self.name, level, message, "function log");
        let mut lines = lock(&self.log);
        if lines.len() == LOG_LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(LogLine { time: clock::now(), level, message: message.to_owned() });
    }

    pub fn log_lines(&self) -> Vec<LogLine> {
        lock(&self.log).iter().cloned().collect()
    }

    pub fn retrying(&self) -> Option<Retrying> {
        lock(&self.retrying).clone()
    }

    pub fn counts(&self) -> FunctionCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FunctionCounts {
            handled: of(&self.handled),
            emitted: of(&self.emitted),
            failed_attempts: of(&self.failed_attempts),
            parked: of(&self.parked),
            calls: of(&self.calls),
            busy_us: of(&self.busy_us),
        }
    }
}

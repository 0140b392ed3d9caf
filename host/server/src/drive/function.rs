//! A function's task: its runner, and whether it is queued, running or idle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use retold_engine::model::LogLevel;
use retold_engine::run::{Reading, Runner, Settled, Step, Ticket};

use super::clock;
use super::committer::Job;
use super::function_log::FunctionLog;
use super::inside::Inside;
use super::pace::Pace;
use super::queue::Cost;
use super::spans::Ran;
use super::turns::Turns;
use super::types::{FunctionCounts, Retrying};
use super::workers::Work;

/// Plans made in one turn before another function gets the worker.
const PLANS_PER_TURN: usize = 8;
/// Processor time of one step from which on it is a long one.
const LONG_STEP_US: u64 = 25_000;
/// Before it is looked again whether the disk has space.
const SPACE_PAUSE_MS: u64 = 500;

pub struct FunctionTask {
    pub name: String,
    namespace: Weak<Inside>,
    runner: Mutex<Runner>,
    /// How plans ended, until the runner hears of it: the writer never waits for a running guest.
    settled: Mutex<Vec<(Ticket, Settled)>>,
    turns: Turns,
    pace: Mutex<Pace>,
    log: Arc<FunctionLog>,
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
    pub fn new(name: &str, namespace: Weak<Inside>, log: Arc<FunctionLog>) -> FunctionTask {
        FunctionTask {
            name: name.to_owned(),
            namespace,
            runner: Mutex::new(Runner::new(name)),
            settled: Mutex::default(),
            turns: Turns::default(),
            pace: Mutex::default(),
            log,
            retrying: Mutex::default(),
            handled: AtomicU64::new(0),
            emitted: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            failed_attempts: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
        }
    }

    /// There may be something to do.
    pub fn wake(self: &Arc<Self>) {
        if self.turns.wake() {
            self.queue();
        }
    }

    fn queue(self: &Arc<Self>) {
        if let Some(namespace) = self.namespace.upgrade() {
            let takes_long = lock(&self.pace).takes_long(clock::now());
            let pool = if takes_long { &namespace.long_pool } else { &namespace.pool };
            pool.push(self.clone());
        }
    }

    pub fn settle(self: &Arc<Self>, ticket: Ticket, how: Settled) {
        lock(&self.settled).push((ticket, how));
        self.wake();
    }

    fn one_turn(self: &Arc<Self>) {
        self.turns.begin();
        let Some(namespace) = self.namespace.upgrade() else { return };
        let again = !namespace.is_frozen() && self.turn(&namespace);
        if self.turns.end(again) {
            self.queue();
        }
    }

    /// Steps until there is nothing to do now. True: the turn ended for others' sake.
    fn turn(self: &Arc<Self>, namespace: &Arc<Inside>) -> bool {
        let began = clock::started();
        let mut runner = lock(&self.runner);
        let mut again = true;
        let is_traced = namespace.tracer.is_some();
        if namespace.check_growth().is_err() {
            // Its plan could not be committed.
            namespace.ticker.wake_at(clock::now().plus_ms(SPACE_PAUSE_MS), self.clone());
            return false;
        }
        for _ in 0..PLANS_PER_TURN {
            for (ticket, how) in std::mem::take(&mut *lock(&self.settled)) {
                runner.settled(ticket, how);
            }
            let began_ns = is_traced.then(clock::wall_ns);
            let before_us = clock::thread_us();
            let step = self.step(namespace, &mut runner);
            let long = clock::thread_us() - before_us >= LONG_STEP_US;
            lock(&self.pace).note(long, matches!(step, Step::Plan(..)), clock::now());
            match step {
                Step::Plan(ticket, plan) => {
                    let cost =
                        Cost { events: plan.emitted.len(), bytes: plan.emitted.iter().map(|event| event.data.len() + 200).sum::<usize>() };
                    let ran = began_ns.and_then(|began_ns| Ran::of(&plan, began_ns, clock::wall_ns()));
                    namespace.queue.push_own(Job::Reaction { plan, function: self.clone(), ticket, ran }, cost);
                }
                Step::Later(time) => {
                    namespace.ticker.wake_at(time, self.clone());
                    again = false;
                }
                Step::Idle | Step::Waiting | Step::Inactive => again = false,
            }
            if !again || long {
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
        let now = namespace.clock.now();
        let mut log = |level: LogLevel, message: &str| self.log.add(level, message);
        let stepped = namespace.reader.snapshot().and_then(|snapshot| {
            let guests = namespace.guests_at(&snapshot);
            runner.step(&Reading::new(&snapshot, &guests), now, &mut log)
        });
        stepped.unwrap_or_else(|error| {
            tracing::error!(function = %self.name, %error, "can't read on");
            Step::Later(now.plus_ms(TROUBLE_MS))
        })
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

impl Work for FunctionTask {
    fn name(&self) -> &str {
        &self.name
    }

    fn owner(&self) -> usize {
        self.namespace.as_ptr() as usize
    }

    fn run(self: Arc<Self>) {
        self.one_turn();
    }

    fn wake(self: Arc<Self>) {
        FunctionTask::wake(&self);
    }
}

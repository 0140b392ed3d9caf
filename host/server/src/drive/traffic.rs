//! `Traffic`: whether somebody outside is being answered just now, and who is at work for that. Replays and what takes long
//! leave cores to them.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use retold_engine::store::DiskWaits;

use super::clock;

/// Nobody was answered for so long: there is no traffic.
const QUIET_AFTER: Duration = Duration::from_millis(100);
/// Whoever began to ask so long ago may be about to be answered.
const ASKING: Duration = Duration::from_millis(5);
/// An answer takes several steps on several threads, with so much between them.
const BETWEEN_STEPS: Duration = Duration::from_micros(200);

/// One for the whole host: its namespaces share the cores.
pub struct Traffic {
    began: Instant,
    /// When somebody was answered last, in microseconds since it began, counted from 1; 0 if nobody was.
    last: AtomicU64,
    /// When somebody last began to ask, counted in the same way.
    asked: AtomicU64,
    /// Threads at a step of an answer, or of what has to be done before others are answered.
    steps: AtomicUsize,
    /// When such a step last began or ended, counted in the same way.
    stepped: AtomicU64,
    /// Threads at what can wait.
    giving_way: AtomicUsize,
    /// Tells them to look whether they may go on.
    interrupt: Box<dyn Fn() + Send + Sync>,
}

thread_local! {
    static AT_STEP: Cell<bool> = const { Cell::new(false) };
}

/// As long as it is there, its thread is at a step.
pub struct Step<'a>(&'a Traffic);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        AT_STEP.set(false);
        self.0.stepped.store(self.0.passed_us(), Ordering::Relaxed);
        self.0.steps.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    pub fn new(interrupt: impl Fn() + Send + Sync + 'static) -> Traffic {
        let [last, asked, stepped] = [0; 3].map(AtomicU64::new);
        let [steps, giving_way] = [0, 0].map(AtomicUsize::new);
        Traffic { began: clock::started(), last, asked, steps, stepped, giving_way, interrupt: Box::new(interrupt) }
    }

    /// Counted from 1.
    fn passed_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64 + 1
    }

    /// Somebody asks. What can wait looks at once whether it may go on.
    pub fn ask(&self) {
        self.asked.store(self.passed_us(), Ordering::Relaxed);
        self.begin();
    }

    fn begin(&self) {
        self.stepped.store(self.passed_us(), Ordering::Relaxed);
        if self.giving_way.load(Ordering::Relaxed) > 0 {
            (self.interrupt)();
        }
    }

    /// The caller's thread is at a step until it drops what it is given.
    pub fn serve(&self) -> Step<'_> {
        AT_STEP.set(true);
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.begin();
        Step(self)
    }

    /// Threads that are at a step, or one that is between two.
    pub fn serving(&self) -> usize {
        let steps = self.steps.load(Ordering::Relaxed);
        steps.max(usize::from(self.is_within(&self.stepped, BETWEEN_STEPS)))
    }

    /// So many threads are at what can wait.
    pub fn gives_way(&self, threads: usize) {
        self.giving_way.store(threads, Ordering::Relaxed);
    }

    /// Somebody is answered.
    pub fn note(&self) {
        self.last.store(self.passed_us(), Ordering::Relaxed);
    }

    /// How many of so many threads a replay, or what takes long, may run at once. Where all cores are busy, whoever wakes
    /// to answer waits for one, whatever the threads' priorities.
    pub fn threads_left(&self, threads: usize) -> usize {
        if self.is_quiet() { threads } else { threads.saturating_sub(1).max(1) }
    }

    pub fn is_quiet(&self) -> bool {
        !self.is_within(&self.last, QUIET_AFTER)
    }

    /// It is quiet, and nobody has just begun to ask.
    pub fn is_idle(&self) -> bool {
        self.is_quiet() && !self.is_within(&self.asked, ASKING)
    }

    fn is_within(&self, moment: &AtomicU64, time: Duration) -> bool {
        let moment = moment.load(Ordering::Relaxed);
        moment > 0 && self.passed_us() <= moment.saturating_add(time.as_micros() as u64)
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("steps", &self.steps).field("giving_way", &self.giving_way).finish_non_exhaustive()
    }
}

/// In the middle of a step a thread that waits for the disk leaves its core to others.
impl DiskWaits for Traffic {
    fn begins(&self) {
        if AT_STEP.get() {
            self.steps.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn ends(&self) {
        if AT_STEP.get() {
            self.steps.fetch_add(1, Ordering::Relaxed);
            self.begin();
        }
    }
}

#[cfg(test)]
impl Traffic {
    /// It never is quiet.
    pub fn busy() -> Traffic {
        Traffic { last: AtomicU64::new(u64::MAX), ..Traffic::new(|| {}) }
    }

    /// Somebody always has just begun to ask.
    pub fn asked() -> Traffic {
        Traffic { asked: AtomicU64::new(u64::MAX), ..Traffic::new(|| {}) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_the_disk_is_not_at_work_meanwhile() {
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        let interrupted = asked.clone();
        let traffic = Traffic::new(move || {
            interrupted.fetch_add(1, Ordering::Relaxed);
        });
        traffic.gives_way(1);
        // A thread at nothing of it.
        traffic.begins();
        traffic.ends();
        assert_eq!((traffic.steps.load(Ordering::Relaxed), asked.load(Ordering::Relaxed)), (0, 0));
        let step = traffic.serve();
        traffic.begins();
        assert_eq!(traffic.steps.load(Ordering::Relaxed), 0);
        traffic.ends();
        assert_eq!(traffic.steps.load(Ordering::Relaxed), 1);
        drop(step);
        assert_eq!(traffic.steps.load(Ordering::Relaxed), 0);
        assert_eq!(asked.load(Ordering::Relaxed), 2, "told when it begins, and when it goes on");
        traffic.gives_way(0);
        drop(traffic.serve());
        assert_eq!(asked.load(Ordering::Relaxed), 2, "nobody has to be told");
    }

    #[test]
    fn traffic_takes_a_thread_from_replays_and_never_the_last() {
        let traffic = Traffic::new(|| {});
        assert_eq!([1, 2, 8].map(|threads| traffic.threads_left(threads)), [1, 2, 8]);
        traffic.note();
        assert_eq!([1, 2, 8].map(|threads| traffic.threads_left(threads)), [1, 1, 7]);
        let long_ago = Traffic { began: clock::started() - 2 * QUIET_AFTER, last: AtomicU64::new(1), ..Traffic::new(|| {}) };
        assert_eq!(long_ago.threads_left(2), 2);
    }
}

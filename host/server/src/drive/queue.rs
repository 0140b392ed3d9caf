//! The way to a namespace's writer: bounded, in order, and closed to shut down.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::types::DriveError;

/// Bytes that may wait for the writer; beyond that callers are told to come again.
const WAITING_BYTES_MAX: usize = 96 << 20;

#[derive(Debug)]
pub struct Queue<T> {
    inside: Mutex<Inside<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Inside<T> {
    jobs: VecDeque<(T, Cost)>,
    bytes: usize,
    open: bool,
    /// Whether the taker sleeps; spares a system call when it doesn't.
    sleeping: bool,
}

/// What a job takes of a commit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub events: usize,
    pub bytes: usize,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Queue { inside: Mutex::new(Inside { jobs: VecDeque::new(), bytes: 0, open: true, sleeping: false }), filled: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job from outside; refused when too much waits.
    pub fn push(&self, job: T, cost: Cost) -> Result<(), DriveError> {
        let inside = self.lock();
        if !inside.open {
            return Err(DriveError::Stopping);
        }
        if inside.bytes + cost.bytes > WAITING_BYTES_MAX && !inside.jobs.is_empty() {
            return Err(DriveError::Busy);
        }
        self.add(inside, job, cost);
        Ok(())
    }

    /// Adds a job of the host's own, of which there are few at a time. Lost once the queue is closed.
    pub fn push_own(&self, job: T, cost: Cost) {
        let inside = self.lock();
        if inside.open {
            self.add(inside, job, cost);
        }
    }

    fn add(&self, mut inside: MutexGuard<'_, Inside<T>>, job: T, cost: Cost) {
        inside.bytes += cost.bytes;
        inside.jobs.push_back((job, cost));
        let wake = std::mem::take(&mut inside.sleeping);
        drop(inside);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Waits for jobs and takes them in order, as many as fit a commit, at least one. `None`: closed
    /// and empty.
    pub fn take(&self, most: Cost) -> Option<Vec<T>> {
        let mut inside = self.lock();
        while inside.jobs.is_empty() {
            if !inside.open {
                return None;
            }
            inside.sleeping = true;
            inside = self.filled.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        inside.sleeping = false;
        let mut taken = Vec::new();
        let mut sum = Cost::default();
        while let Some((_, cost)) = inside.jobs.front() {
            if !taken.is_empty() && (sum.events + cost.events > most.events || sum.bytes + cost.bytes > most.bytes) {
                break;
            }
            sum.events += cost.events;
            sum.bytes += cost.bytes;
            if let Some((job, cost)) = inside.jobs.pop_front() {
                inside.bytes -= cost.bytes;
                taken.push(job);
            }
        }
        Some(taken)
    }

    /// Nobody waits, and somebody may still come.
    pub fn is_idle(&self) -> bool {
        let inside = self.lock();
        inside.open && inside.jobs.is_empty()
    }

    pub fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// What waits is still done; nothing more is taken in.
    pub fn close(&self) {
        self.lock().open = false;
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_what_fits_and_always_at_least_one() {
        let queue = Queue::new();
        let cost = |events, bytes| Cost { events, bytes };
        for (job, events) in [(1, 10), (2, 60), (3, 60), (4, 500)] {
            queue.push(job, cost(events, 1)).expect("open");
        }
        assert_eq!(queue.take(cost(100, 1_000)), Some(vec![1, 2]));
        assert_eq!(queue.take(cost(100, 1_000)), Some(vec![3]));
        assert_eq!(queue.take(cost(100, 1_000)), Some(vec![4]));
        queue.push(5, cost(1, 1)).expect("open");
        queue.close();
        assert!(matches!(queue.push(6, cost(1, 1)), Err(DriveError::Stopping)));
        assert_eq!(queue.take(cost(100, 1_000)), Some(vec![5]));
        assert_eq!(queue.take(cost(100, 1_000)), None);
    }

    #[test]
    fn too_much_waiting_is_refused_not_kept() {
        let queue = Queue::new();
        queue.push(1, Cost { events: 1, bytes: WAITING_BYTES_MAX }).expect("the first always fits");
        assert!(matches!(queue.push(2, Cost { events: 1, bytes: 1 }), Err(DriveError::Busy)));
    }
}

//! The ticker: one thread that lets time pass for guests, wakes what is due, and now and then wakes
//! everything, so that nothing depends on a wake-up that got lost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use retold_engine::model::Timestamp;

use super::clock;
use super::workers::Work;

/// Everything is looked at this often, woken or not.
const POLL_MS: u64 = 1_000;
/// What is idle is given back this often.
const TRIM_MS: u64 = 10_000;

#[derive(Default)]
pub struct Ticker {
    due: Mutex<BinaryHeap<Reverse<Due>>>,
    stopped: AtomicBool,
}

struct Due {
    time: Timestamp,
    task: Arc<dyn Work>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.time == other.time
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.time.cmp(&other.time)
    }
}

/// What the ticker calls.
pub struct Beats {
    pub tick_ms: u64,
    /// Every `tick_ms`: time passes for guests.
    pub tick: Box<dyn Fn() + Send>,
    /// Every second: everything is woken.
    pub poll: Box<dyn Fn() + Send>,
    /// Every ten seconds: what is idle is given back.
    pub trim: Box<dyn Fn() + Send>,
}

impl Ticker {
    pub fn start(self: &Arc<Self>, beats: Beats) -> std::io::Result<JoinHandle<()>> {
        let ticker = self.clone();
        std::thread::Builder::new().name("ticker".into()).spawn(move || ticker.run(&beats))
    }

    pub fn wake_at(&self, time: Timestamp, task: Arc<dyn Work>) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse(Due { time, task }));
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    fn run(&self, beats: &Beats) {
        let began = clock::started();
        let (mut polled_ms, mut trimmed_ms) = (0, 0);
        while !self.stopped.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(beats.tick_ms));
            (beats.tick)();
            self.wake_due();
            let passed_ms = began.elapsed().as_millis() as u64;
            if passed_ms - polled_ms >= POLL_MS {
                polled_ms = passed_ms;
                (beats.poll)();
            }
            if passed_ms - trimmed_ms >= TRIM_MS {
                trimmed_ms = passed_ms;
                (beats.trim)();
            }
        }
    }

    fn wake_due(&self) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_empty() {
            return;
        }
        let now = clock::now();
        while due.peek().is_some_and(|Reverse(first)| first.time <= now) {
            if let Some(Reverse(first)) = due.pop() {
                first.task.wake();
            }
        }
    }
}

//! `Turns`: whether a piece of work is idle, queued or running, so that it is never queued twice and
//! never runs on two threads.

use std::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Woken while it ran: it runs once more.
const RUNNING_WOKEN: u8 = 3;

#[derive(Debug, Default)]
pub struct Turns(AtomicU8);

impl Turns {
    /// There may be something to do. True: the caller must queue it now.
    pub fn wake(&self) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                IDLE => Some(QUEUED),
                RUNNING => Some(RUNNING_WOKEN),
                _ => None,
            })
            .is_ok_and(|before| before == IDLE)
    }

    /// A turn begins.
    pub fn begin(&self) {
        self.0.store(RUNNING, Ordering::Release);
    }

    /// A turn ends, and there is more to do if `again`. True: the caller must queue it now.
    pub fn end(&self, again: bool) -> bool {
        let woken = self.0.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err();
        if woken {
            self.0.store(IDLE, Ordering::Release);
        }
        (woken || again) && self.wake()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_woken_while_it_runs_runs_once_more_and_is_queued_once() {
        let turns = Turns::default();
        assert!(turns.wake() && !turns.wake());
        turns.begin();
        assert!(!turns.wake() && !turns.wake());
        assert!(turns.end(false) && !turns.wake());
        turns.begin();
        assert!(!turns.end(false) && turns.wake());
        turns.begin();
        assert!(turns.end(true));
    }
}

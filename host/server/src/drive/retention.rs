//! `Retention`: how much a host keeps of what is over, and the end of what was set aside for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use retold_engine::model::{Position, Timestamp, WhichParked, limits};
use retold_engine::store::{Control, FunctionStatus, Proposal};
use tokio::sync::oneshot;

use super::clock;
use super::committer::Job;
use super::inside::Inside;
use super::queue::Cost;
use super::types::DriveError;
use super::workers::Errand;

/// Of each namespace by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Versions of a function that ran and are kept for a rollback, beside the one that runs. At least 1.
    pub versions: usize,
    /// Lines of each function's log. At least 1.
    pub log_lines: usize,
    /// Replays with their reports, those under way among them. At least 1.
    pub replays: usize,
    /// Parked events, for so many days; `None`: until somebody says what becomes of them.
    pub parked_days: Option<u32>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { versions: limits::VERSIONS_KEPT, log_lines: 1_000, replays: 64, parked_days: None }
    }
}

const DAY_US: u64 = 24 * 3_600 * 1_000_000;
/// How often it is looked for parked events that are too old.
const LOOK_US: u64 = 3_600 * 1_000_000;
/// Of them, so many are dropped at a time.
const PAGE: usize = 256;

/// When it is looked for parked events again, in microseconds of the host's time; at once after a start.
#[derive(Default)]
pub struct NextLook(AtomicU64);

impl NextLook {
    fn is_due(&self, now: Timestamp) -> bool {
        let due = self.0.load(Ordering::Relaxed) <= now.0;
        if due {
            self.0.store(now.0.saturating_add(LOOK_US), Ordering::Relaxed);
        }
        due
    }
}

impl Inside {
    /// Has parked events dropped that are too old, if it is time to look for them.
    pub fn look_after_parked(self: &Arc<Self>) {
        let Some(days) = self.retention.parked_days else { return };
        if self.is_frozen() || !self.parked_look.is_due(clock::now()) {
            return;
        }
        let inside = self.clone();
        self.long_pool.push(Errand::new("retention", move || match inside.drop_old_parked(days, clock::now()) {
            Ok(0) | Err(DriveError::Stopping) => {}
            Ok(dropped) => tracing::info!(namespace = %inside.name, dropped, days, "parked events that were too old were dropped"),
            Err(error) => {
                tracing::warn!(namespace = %inside.name, %error, "parked events that are too old stay; it is tried again in an hour")
            }
        }));
    }

    /// Drops what was set aside more than `days` ago, as an operator would who skips each of them. What was released and
    /// waits to be tried stays, and so does what a retired function has. Answers how many were dropped.
    fn drop_old_parked(&self, days: u32, now: Timestamp) -> Result<u64, DriveError> {
        let before = Timestamp(now.0.saturating_sub(u64::from(days) * DAY_US));
        let snapshot = self.reader.snapshot()?;
        let mut dropped = 0;
        for row in snapshot.functions().filter(|row| row.parked > 0 && row.status != FunctionStatus::Retired) {
            let mut after = Position::START;
            loop {
                let page = snapshot.parked(row.ordinal, after, PAGE)?;
                let old = page.events.iter().filter(|parked| parked.event.since < before && !parked.released);
                dropped += self.skip(&row.name, old.map(|parked| parked.event.position), days)?;
                after = page.events.last().map_or(after, |parked| parked.event.position);
                if !page.more {
                    break;
                }
            }
        }
        Ok(dropped)
    }

    /// Proposes all of them, then waits for the answers: they share commits.
    fn skip(&self, function: &str, positions: impl Iterator<Item = Position>, days: u32) -> Result<u64, DriveError> {
        let mut answers = Vec::new();
        for position in positions {
            let reason = format!("set aside for more than {days} days: the host drops it (serve --keep-parked)");
            let control = Control::Skip { which: WhichParked::One(position), reason };
            let proposal = Box::new(Proposal::Control { function: function.to_owned(), control });
            let (reply, answer) = oneshot::channel();
            self.queue.push(Job::Change { proposal, last_look: None, reply }, Cost { events: 1, bytes: 0 })?;
            answers.push(answer);
        }
        let mut dropped = 0;
        for answer in answers {
            match answer.blocking_recv().map_err(|_| DriveError::Stopping)? {
                Ok(_) => dropped += 1,
                // An operator or the function itself was quicker.
                Err(DriveError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_at_a_start_and_then_once_an_hour() {
        let look = NextLook::default();
        let at = |hours: u64, us: u64| look.is_due(Timestamp(hours * LOOK_US + us));
        assert!(at(5, 0) && !at(5, 1) && !at(5, LOOK_US - 1) && at(6, 0) && !at(6, 1) && at(9, 0));
    }
}

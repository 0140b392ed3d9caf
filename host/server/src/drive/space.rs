//! `DiskSpace`: what is left on the data directory's file system, and what of it is kept free, so that the
//! database never meets a full disk: below it nothing is taken in that makes files grow.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use retold_engine::model::limits;
use retold_engine::run::Settled;
use retold_engine::store::{Control, Proposal};

use super::committer::{Committer, Job};
use super::inside::Inside;
use super::types::DriveError;

/// Kept free unless the operator says otherwise: many commits, and what goes on while space is short.
pub(super) const RESERVE_BYTES: u64 = 64 << 20;
const _: () = assert!(RESERVE_BYTES >= 8 * limits::COMMIT_BYTES_MAX as u64);

/// A database file grows by doubling up to this, and then by it.
const GROWTH_BYTES_MAX: u64 = 4 << 30;

#[derive(Debug)]
pub struct DiskSpace {
    folder: PathBuf,
    reserve_bytes: u64,
    /// Whether the host's log says that it is short, as its last word on it.
    told: AtomicBool,
}

impl DiskSpace {
    /// Of the file system on which `folder` lies. With a reserve of 0 nothing is watched.
    pub fn of(folder: PathBuf, reserve_bytes: u64) -> DiskSpace {
        DiskSpace { folder, reserve_bytes, told: AtomicBool::new(false) }
    }

    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// What a process without privileges may still write; `None` where the system doesn't say.
    pub fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(&self.folder).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Says in the host's log that space is short, or that it no longer is: once each time.
    fn tell(&self, short: Option<&DriveError>) {
        if self.told.swap(short.is_some(), Ordering::Relaxed) == short.is_some() {
            return;
        }
        match short {
            Some(error) => tracing::warn!("nothing new is taken in: {error}"),
            None => tracing::info!("there is space on the disk again: what is new is taken in"),
        }
    }

    /// Whether a file of this length may grow. `NoSpace`, if less than the reserve could be left.
    pub fn check(&self, file_bytes: u64) -> Result<(), DriveError> {
        self.check_for(file_bytes.min(GROWTH_BYTES_MAX))
    }

    /// Whether so much may be written.
    pub fn check_for(&self, bytes: u64) -> Result<(), DriveError> {
        if self.reserve_bytes == 0 {
            return Ok(());
        }
        let needed_bytes = self.reserve_bytes.saturating_add(bytes);
        match self.free_bytes() {
            Some(free_bytes) if free_bytes < needed_bytes => Err(DriveError::NoSpace { free_bytes, needed_bytes }),
            _ => Ok(()),
        }
    }
}

impl Inside {
    /// Whether the log may grow.
    pub fn check_space(&self) -> Result<(), DriveError> {
        self.space.check(self.reader.head_bytes())
    }
}

/// Whether it makes the log grow for longer than it takes to free something. An operator's word, the answer to a
/// request that has left and the steps of a replay, which waits for space itself, are small and go on.
fn grows(job: &Job) -> bool {
    match job {
        Job::Append { .. } | Job::Decide { .. } | Job::Keep(_) | Job::Reaction { .. } | Job::Fire { .. } => true,
        Job::Change { proposal, .. } => {
            matches!(**proposal, Proposal::SetSchema { .. } | Proposal::Release(_) | Proposal::Control { control: Control::Rewind(_), .. })
        }
        Job::Alone(_) | Job::WaitForKnown { .. } | Job::GiveUp(_) | Job::Housekept => false,
    }
}

/// Events that it adds, and how many of them the quota must have room for. Functions and timers are let go on to the end
/// of a commit: what waits is made anew, and would come out the same.
fn new_events(job: &Job) -> Option<(usize, usize)> {
    match job {
        Job::Append { append, .. } => Some((append.events.len(), append.events.len())),
        Job::Decide { decision, .. } => Some((decision.events.len() + 1, decision.events.len() + 1)),
        Job::Reaction { plan, .. } => Some((plan.emitted.len(), 1)),
        Job::Fire { due, .. } => Some((due.len(), 1)),
        _ => None,
    }
}

impl Committer {
    /// The jobs that may be committed now. The others are told that there is no space, or that the quota is reached:
    /// callers by an answer, what runs here is proposed again once there is.
    pub fn with_space(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let space = if jobs.iter().any(grows) { self.look_at_space() } else { Ok(()) };
        if space.is_ok() && self.namespace.quota().is_none() {
            return jobs;
        }
        let bytes = self.namespace.check_byte_quota();
        let mut kept = Vec::with_capacity(jobs.len());
        let mut events = 0;
        for job in jobs {
            let mut allowed = if grows(&job) { space.clone() } else { Ok(()) };
            if let (Ok(()), Some((more, needed))) = (&allowed, new_events(&job)) {
                allowed = bytes.clone().and_then(|()| self.namespace.check_event_quota(events + needed));
                events += if allowed.is_ok() { more } else { 0 };
            }
            match allowed {
                Ok(()) => kept.push(job),
                Err(error) => self.hold_back(job, error),
            }
        }
        kept
    }

    fn look_at_space(&self) -> Result<(), DriveError> {
        let found = self.namespace.check_space();
        self.namespace.space.tell(found.as_ref().err());
        found
    }

    fn hold_back(&mut self, job: Job, error: DriveError) {
        match job {
            Job::Append { append, reply, .. } => {
                // What comes after it in its stream is refused too.
                if let Some(stream) = append.stream {
                    self.break_stream(stream);
                }
                let _ = reply.send(Err(error));
            }
            Job::Decide { subject, .. } => drop(subject.settled(Err(error))),
            Job::Reaction { function, ticket, .. } => function.settle(ticket, Settled::Refused),
            Job::Fire { wave, .. } => self.namespace.timers.level(wave.key),
            Job::Change { reply, .. } => drop(reply.send(Err(error))),
            Job::Keep(_) | Job::Alone(_) | Job::WaitForKnown { .. } | Job::GiveUp(_) | Job::Housekept => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_less_than_the_reserve_is_refused_with_both_figures_c6() {
        let folder = std::env::temp_dir();
        let free = DiskSpace::of(folder.clone(), 0).free_bytes().expect("a file system says how much is free");
        assert!(DiskSpace::of(folder.clone(), free / 2).check(0).is_ok());
        let short = DiskSpace::of(folder.clone(), free / 2).check_for(free).expect_err("more than there is");
        let DriveError::NoSpace { needed_bytes, .. } = short else { panic!("{short}") };
        assert_eq!(needed_bytes, free / 2 + free);
        assert!(DiskSpace::of(folder.clone(), u64::MAX).check(1).is_err());
        assert!(DiskSpace::of(folder, 0).check(u64::MAX).is_ok(), "nothing is watched");
    }
}

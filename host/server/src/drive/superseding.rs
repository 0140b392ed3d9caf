//! What becomes of the jobs of a writer whose log gave its place to another: who appends goes on there and
//! never learns of it, who stands on this log's state is told to begin again.

use retold_engine::run::Settled;

use super::committer::{Committer, Job};
use super::queue::Cost;
use super::types::DriveError;

/// Of no book of schemas: what was checked by another namespace's is checked again.
const CHECKED_ELSEWHERE: u64 = u64::MAX;

impl Committer {
    /// The job, if it is still this writer's.
    pub fn unless_superseded(&mut self, job: Job) -> Option<Job> {
        let Some(successor) = self.namespace.successor() else { return Some(job) };
        let queue = &successor.inside().queue;
        match job {
            Job::Append { append, wait, reply, .. } => {
                let cost = super::namespace::cost(&append);
                queue.push_own(Job::Append { append, checked: CHECKED_ELSEWHERE, wait, reply }, cost);
            }
            Job::GiveUp(key) => queue.push_own(Job::GiveUp(key), Cost::default()),
            Job::Decide { subject, .. } => drop(subject.settled(Err(DriveError::Superseded))),
            Job::WaitForKnown { reply, .. } => drop(reply.send(Err(DriveError::Superseded))),
            Job::Reaction { function, ticket, .. } => function.settle(ticket, Settled::Refused),
            Job::Change { reply, .. } => drop(reply.send(Err(DriveError::Superseded))),
            Job::Keep(_) => {}
            Job::Fire { wave, .. } => self.namespace.timers.level(wave.key),
            Job::Alone(_) | Job::Housekept => return Some(job),
        }
        None
    }

    /// Takes in what was done to the store beside this loop. If the log has lost its place, whoever waits to
    /// be handled is told how far it came: here, nothing goes on.
    pub fn aftermath(&mut self) {
        self.refresh();
        self.registry.wake_all();
        let head = self.namespace.reader.head();
        self.namespace.head.send_if_modified(|known| std::mem::replace(known, head) != head);
        if self.namespace.successor().is_some() {
            for key in self.keys.keys().copied().collect::<Vec<_>>() {
                self.give_up(key);
            }
        }
    }
}

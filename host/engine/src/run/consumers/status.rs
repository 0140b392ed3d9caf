//! How a consumer stands.

use std::ops::ControlFlow;

use super::consumer::{Consumer, Moment};
use crate::model::{ConsumerPlace, ConsumerRow, Position, Timestamp};
use crate::store::{Snapshot, StoreError};

#[derive(Clone, Debug)]
pub struct ConsumerStatus {
    pub row: ConsumerRow,
    /// Everything up to here is acknowledged, what is parked aside.
    pub acknowledged: ConsumerPlace,
    /// Events that are to be acknowledged yet, what is parked aside.
    pub lag: u64,
    pub waiting: usize,
    pub leased: usize,
    pub parked: usize,
    pub oldest_parked: Option<Timestamp>,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub leased: usize,
    pub seen_ms_ago: u64,
}

/// Members that hold nothing are listed for so long.
const MEMBER_LISTED_MS: u64 = 10 * 60_000;

impl Consumer {
    /// Where it stands: in front of the first event that isn't acknowledged nor parked.
    pub(super) fn acknowledged(&self) -> ConsumerPlace {
        let first = self.entries.keys().find(|position| !self.parked.contains(position));
        let before = |upto: Position| first.map_or(upto, |first| upto.min(Position(first.0 - 1)));
        let place = self.row.place;
        if place.generation == self.generation {
            ConsumerPlace { position: before(place.position), ..place }
        } else {
            ConsumerPlace { from: before(place.from), ..place }
        }
    }

    /// How many events for it the log holds where it hasn't read yet. Counted on from the last time.
    fn count_ahead(&mut self, log: &Snapshot) -> Result<u64, StoreError> {
        let (upto, mut count) = self.ahead.unwrap_or((self.read_upto(), 0));
        let upto = upto.max(self.read_upto());
        if upto < log.head() {
            log.scan(upto, log.head(), &self.filter, &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            })?;
        }
        self.ahead = Some((upto.max(log.head()), count));
        Ok(count)
    }

    /// When something that nobody can be given now can be, if nobody says anything until then.
    pub fn due_ms(&self, now: Moment) -> Option<u64> {
        let ends = self.open.iter().filter_map(|number| self.leases.get(number)).map(|lease| lease.ends_ms);
        let pauses = self.waiting.iter().filter_map(|position| self.entries.get(position)).map(|entry| entry.not_before_ms);
        ends.chain(pauses).filter(|due_ms| *due_ms > now.ms && *due_ms < u64::MAX).min()
    }

    pub fn status(&mut self, log: &Snapshot, now: Moment) -> Result<ConsumerStatus, StoreError> {
        self.settle(now);
        let ahead = self.count_ahead(log)?;
        let (waiting, parked) = (self.waiting.len(), self.parked.len());
        let since = |position: &Position| self.entries.get(position).map(|entry| entry.stored.since);
        let leased_by = |name: &str| {
            let of_member = self.open.iter().filter_map(|number| self.leases.get(number)).filter(|lease| lease.row.member == name);
            of_member.map(|lease| lease.out.len()).sum()
        };
        let members = self.members.iter().map(|(name, last_ms)| Member {
            name: name.clone(),
            leased: leased_by(name),
            seen_ms_ago: now.ms.saturating_sub(*last_ms),
        });
        Ok(ConsumerStatus {
            row: self.row.clone(),
            acknowledged: self.acknowledged(),
            lag: ahead + self.unacknowledged() as u64,
            waiting,
            leased: self.unacknowledged() - waiting,
            parked,
            oldest_parked: self.parked.iter().filter_map(since).min(),
            members: members.filter(|member| member.leased > 0 || member.seen_ms_ago < MEMBER_LISTED_MS).collect(),
        })
    }
}

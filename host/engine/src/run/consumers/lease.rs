//! What members say of what they were given: done, still at it, not done. And what becomes of it when they
//! say nothing.

use super::consumer::{Consumer, Moment};
use super::refused::ConsumerRefused;
use crate::model::{ConsumerEntry, EntryStanding, Position, limits};
use crate::plant::{Bug, planted};
use crate::store::Snapshot;

/// Which of the events of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    UpTo(Position),
    These(Vec<Position>),
}

/// How a member gives events back.
#[derive(Clone, Debug)]
pub struct GiveBack {
    pub reason: String,
    /// Not given again for so long; `None`: longer with each attempt.
    pub delay_ms: Option<u64>,
    /// Whether it was an attempt.
    pub counts: bool,
    /// Set aside at once.
    pub park: bool,
}

const NOT_ACKNOWLEDGED: &str = "the lease ended before it was acknowledged";

/// What names a lease to whoever holds it.
pub(super) fn token(number: u64, key: &[u8; 16]) -> String {
    let mut text = format!("{number}-");
    key.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    text
}

impl Consumer {
    /// Ends the leases whose time is over.
    pub fn settle(&mut self, now: Moment) {
        let now_ms = if planted(Bug::WallClockForLeases) { now.time.0 / 1_000 } else { now.ms };
        let over = |number: &&u64| self.leases.get(number).is_some_and(|lease| lease.ends_ms <= now_ms);
        let over: Vec<u64> = self.open.iter().filter(over).copied().collect();
        for number in over {
            self.end(number, now);
        }
    }

    /// The leases of a member end now: it is known to be gone.
    pub fn end_all_of(&mut self, member: &str, now: Moment) {
        let of_member = |number: &&u64| self.leases.get(number).is_some_and(|lease| lease.row.member == member);
        let numbers: Vec<u64> = self.open.iter().filter(of_member).copied().collect();
        numbers.into_iter().for_each(|number| self.end(number, now));
    }

    fn end(&mut self, number: u64, now: Moment) {
        let out: Vec<Position> = self.leases.get(&number).map(|lease| lease.out.iter().copied().collect()).unwrap_or_default();
        for position in out {
            // One before it may have taken it along.
            let leased = |entry: &ConsumerEntry| entry.standing == EntryStanding::Leased && entry.lease == number;
            let Some(mut stored) = self.entries.get(&position).map(|entry| entry.stored.clone()).filter(leased) else { continue };
            if stored.attempts >= self.row.settings.attempts_max {
                let reason = format!("{NOT_ACKNOWLEDGED}, {} times", stored.attempts);
                self.park(position, reason, now.time);
            } else {
                (stored.standing, stored.reason) = (EntryStanding::Waiting, NOT_ACKNOWLEDGED.into());
                self.put(position, stored);
            }
        }
        self.close(number);
    }

    pub(super) fn close(&mut self, number: u64) {
        self.open.remove(&number);
        if let Some(lease) = self.leases.get_mut(&number).filter(|lease| lease.row.open) {
            lease.row.open = false;
            self.dirty_lease(number);
        }
    }

    /// Something that was given under a lease is given under another, or set aside.
    pub(super) fn lose(&mut self, number: u64) {
        if let Some(lease) = self.leases.get_mut(&number).filter(|lease| !lease.row.lost) {
            lease.row.lost = true;
            self.dirty_lease(number);
        }
    }

    pub(super) fn forget_old_leases(&mut self) {
        while self.leases.len() - self.open.len() > limits::CONSUMER_LEASES_KEPT {
            let Some(oldest) = self.leases.keys().find(|number| !self.open.contains(number)).copied() else { return };
            self.leases.remove(&oldest);
            self.dirty_lease(oldest);
        }
    }

    pub(super) fn heard_of(&mut self, member: &str, now: Moment) -> Result<(), ConsumerRefused> {
        if !self.members.contains_key(member) && self.members.len() >= limits::CONSUMER_MEMBERS_MAX {
            let lease_ms = self.row.settings.lease_ms;
            self.members.retain(|_, last_ms| now.ms.saturating_sub(*last_ms) <= lease_ms);
            if self.members.len() >= limits::CONSUMER_MEMBERS_MAX {
                return Err(ConsumerRefused::TooManyMembers { found: self.members.len() });
            }
        }
        self.members.insert(member.to_owned(), now.ms);
        self.used_ms = now.ms;
        Ok(())
    }

    /// The lease that a token names, if the member may use it.
    fn lease_of(&mut self, text: &str, member: Option<&str>, now: Moment) -> Result<u64, ConsumerRefused> {
        let number = text.split_once('-').and_then(|(number, _)| number.parse::<u64>().ok()).unwrap_or_default();
        let lease = self.leases.get(&number).filter(|lease| token(number, &lease.row.key) == text);
        let owner = lease.map(|lease| lease.row.member.clone()).ok_or(ConsumerRefused::UnknownLease)?;
        if let Some(member) = member.filter(|member| *member != owner) {
            return Err(ConsumerRefused::OthersLease { owner, member: member.to_owned() });
        }
        // Not a reason to refuse: it holds a lease.
        drop(self.heard_of(&owner, now));
        Ok(number)
    }

    /// Events are dealt with, all of these or none. Said twice it is as said once. Answers how many are still
    /// out under the lease.
    pub fn acknowledge(
        &mut self,
        lease: &str,
        member: Option<&str>,
        which: &Which,
        log: &Snapshot,
        now: Moment,
    ) -> Result<usize, ConsumerRefused> {
        let number = self.lease_of(lease, member, now)?;
        self.settle(now);
        let done = match which {
            Which::These(positions) => self.given_under(number, positions, log)?,
            Which::All | Which::UpTo(_) => {
                if self.leases.get(&number).is_some_and(|lease| lease.row.lost) {
                    return Err(ConsumerRefused::LeaseLost);
                }
                let upto = if let Which::UpTo(upto) = which { *upto } else { Position(u64::MAX) };
                let under = |(at, entry): (&Position, &super::consumer::Entry)| (entry.stored.lease == number).then_some(*at);
                self.entries.range(..=upto).filter_map(under).collect()
            }
        };
        for position in &done {
            self.remove(*position);
        }
        if !done.is_empty() {
            self.row.acknowledged += done.len() as u64;
            self.dirty_row();
        }
        let left = self.leases.get(&number).map_or(0, |lease| lease.out.len());
        if left == 0 {
            self.close(number);
        }
        Ok(left)
    }

    /// Those that are still to be done, if all of them were given under the lease.
    fn given_under(&self, number: u64, positions: &[Position], log: &Snapshot) -> Result<Vec<Position>, ConsumerRefused> {
        let mut done = Vec::new();
        for position in positions.iter().copied() {
            match self.entries.get(&position).map(|entry| &entry.stored) {
                Some(stored) if stored.lease == number => match stored.standing {
                    EntryStanding::Parked | EntryStanding::Behind => return Err(ConsumerRefused::IsParked(position)),
                    EntryStanding::Leased => done.push(position),
                    // Its time is over. Whoever has an earlier one of its subject now gets this one next.
                    EntryStanding::Waiting => match self.earlier_with_another(&stored.subject, position, number) {
                        Some(earlier) => return Err(ConsumerRefused::HeldByAnother(earlier)),
                        None => done.push(position),
                    },
                },
                Some(stored) if stored.standing == EntryStanding::Leased && stored.lease > number => {
                    return Err(ConsumerRefused::HeldByAnother(position));
                }
                Some(_) => return Err(ConsumerRefused::NeverGiven(position)),
                // Dealt with before, if it ever was for this consumer.
                None => {
                    let passed = position > self.row.start && position <= self.read_upto();
                    let record = if passed { log.record(position)? } else { None };
                    let event = record.as_ref().and_then(|record| record.glance(position));
                    if !event.is_some_and(|event| self.filter.matches(&event)) {
                        return Err(ConsumerRefused::NeverGiven(position));
                    }
                }
            }
        }
        done.sort_unstable();
        done.dedup();
        Ok(done)
    }

    /// An earlier event of the subject that was given under a later lease.
    fn earlier_with_another(&self, subject: &str, position: Position, number: u64) -> Option<Position> {
        let earlier = self.subjects.get(subject).into_iter().flat_map(|of_subject| of_subject.range(..position)).copied();
        let is_with_another = |at: &Position| {
            let stored = self.entries.get(at).map(|entry| &entry.stored);
            stored.is_some_and(|stored| stored.standing == EntryStanding::Leased && stored.lease > number)
        };
        earlier.into_iter().find(is_with_another)
    }

    /// The lease lasts so long from now on. Answers how many are out under it.
    pub fn extend(&mut self, lease: &str, member: Option<&str>, lease_ms: Option<u64>, now: Moment) -> Result<usize, ConsumerRefused> {
        let number = self.lease_of(lease, member, now)?;
        self.settle(now);
        if !self.open.contains(&number) {
            return Err(ConsumerRefused::LeaseOver);
        }
        let lasts_ms = lease_ms.unwrap_or(self.row.settings.lease_ms);
        let Some(lease) = self.leases.get_mut(&number) else { return Err(ConsumerRefused::UnknownLease) };
        lease.ends_ms = now.ms.saturating_add(lasts_ms);
        Ok(lease.out.len())
    }

    /// Events are not dealt with: they are given again, or set aside after the last attempt, and with each
    /// the later ones of its subject. Answers how many are still out under the lease.
    pub fn give_back(
        &mut self,
        lease: &str,
        member: Option<&str>,
        which: &Which,
        how: &GiveBack,
        now: Moment,
    ) -> Result<usize, ConsumerRefused> {
        let number = self.lease_of(lease, member, now)?;
        self.settle(now);
        let out = |consumer: &Consumer, upto: Position| -> Vec<Position> {
            consumer.leases.get(&number).map(|lease| lease.out.range(..=upto).copied().collect()).unwrap_or_default()
        };
        let named = match which {
            Which::All => out(self, Position(u64::MAX)),
            Which::UpTo(upto) => out(self, *upto),
            Which::These(positions) => {
                for position in positions {
                    match self.entries.get(position).map(|entry| &entry.stored) {
                        Some(stored) if stored.lease == number => {}
                        Some(stored) if stored.standing == EntryStanding::Leased => return Err(ConsumerRefused::HeldByAnother(*position)),
                        _ => return Err(ConsumerRefused::NeverGiven(*position)),
                    }
                }
                let mut positions = positions.clone();
                positions.sort_unstable();
                positions
            }
        };
        for position in named {
            self.give_one_back(number, position, how, now);
        }
        let left = self.leases.get(&number).map_or(0, |lease| lease.out.len());
        if left == 0 {
            self.close(number);
        }
        Ok(left)
    }

    fn give_one_back(&mut self, number: u64, position: Position, how: &GiveBack, now: Moment) {
        let leased = |entry: &ConsumerEntry| entry.standing == EntryStanding::Leased && entry.lease == number;
        // Given back before, or along with an earlier one of its subject.
        let Some(mut stored) = self.entries.get(&position).map(|entry| entry.stored.clone()).filter(leased) else { return };
        if !how.counts {
            stored.attempts = stored.attempts.saturating_sub(1);
        }
        if how.park || (how.counts && stored.attempts >= self.row.settings.attempts_max) {
            return self.park(position, how.reason.clone(), now.time);
        }
        let delay_ms = how.delay_ms.unwrap_or_else(|| {
            let doubled = limits::RETRY_DELAY_MS_MIN.checked_shl(stored.attempts.saturating_sub(1).min(20)).unwrap_or(u64::MAX);
            doubled.min(limits::RETRY_DELAY_MS_MAX)
        });
        let subject = stored.subject.clone();
        (stored.standing, stored.reason) = (EntryStanding::Waiting, how.reason.clone());
        self.put_until(position, stored, now.ms.saturating_add(delay_ms));
        for later in self.later(&subject, position) {
            let Some(mut stored) = self.entries.get(&later).map(|entry| entry.stored.clone()).filter(leased) else { continue };
            (stored.standing, stored.attempts) = (EntryStanding::Waiting, stored.attempts.saturating_sub(1));
            self.put(later, stored);
        }
    }
}

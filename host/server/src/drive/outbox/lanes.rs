//! What is sent when: a lane a host, in the order of the log, so many at once, and none for a while where a
//! host is down. Decides by what it is told; reads no clock and no store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use retold_engine::model::Position;

/// Requests of one host that are under way at once, and of all.
const AT_ONCE_PER_HOST_MAX: usize = 32;
const AT_ONCE_MAX: usize = 1_024;
/// Requests of one host that are known in memory; the rest stay in the store until there is room.
const KNOWN_PER_HOST_MAX: usize = 4_096;
/// So many failures in a row, and the host is taken to be down.
const FAILURES_MAX: u32 = 5;
/// How long nothing is sent to a host that is down; it doubles with each try in vain.
const CLOSED_FIRST: Duration = Duration::from_secs(1);
const CLOSED_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Lanes {
    by_host: BTreeMap<String, Lane>,
    /// Requests up to here were looked at.
    pub seen: Position,
    under_way: usize,
}

#[derive(Default)]
pub struct Lane {
    ready: BTreeSet<Position>,
    /// Those that are tried again, by when.
    later: BTreeSet<(Instant, Position)>,
    pub under_way: BTreeSet<Position>,
    /// Some that were made after this one are not known here.
    left_out_after: Option<Position>,
    /// In a row.
    pub failures: u32,
    pub closed_until: Option<Instant>,
    /// What the last failure was.
    pub trouble: Option<String>,
    /// When it was last looked for what has waited too long.
    aged_at: Option<Instant>,
}

/// How an attempt ended, for the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The host answered, or the request needs no answer any more.
    Done,
    /// The request failed by itself; that says nothing of the host.
    Failed,
    /// The host did not do what it should; the request comes again, unless it has failed for good.
    HostFailed { again: Option<Instant>, pause: Option<Duration>, trouble: String },
    /// It was not sent, for a reason of its own.
    Later { at: Instant, trouble: String },
    /// It was not sent, and nothing is for so long.
    NotNow { pause: Duration, trouble: String },
}

impl Lane {
    fn known(&self) -> usize {
        self.ready.len() + self.later.len() + self.under_way.len()
    }

    fn knows(&self, position: Position) -> bool {
        self.ready.contains(&position) || self.under_way.contains(&position) || self.later.iter().any(|(_, later)| *later == position)
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| now < until)
    }

    fn at_once_max(&self) -> usize {
        // Whether a host is up again is tried with one.
        if self.failures >= FAILURES_MAX { 1 } else { AT_ONCE_PER_HOST_MAX }
    }

    fn next(&mut self, now: Instant) -> Option<Position> {
        if self.is_closed(now) || self.under_way.len() >= self.at_once_max() {
            return None;
        }
        while let Some((at, position)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, position));
            self.ready.insert(position);
        }
        let next = self.ready.pop_first()?;
        self.under_way.insert(next);
        Some(next)
    }

    fn close(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |known| known.max(until)));
    }
}

impl Lanes {
    /// Takes note of a request that waits, and may be sent from `not_before` on.
    pub fn take(&mut self, host: &str, position: Position, not_before: Option<Instant>) {
        if !self.by_host.contains_key(host) {
            self.by_host.insert(host.to_owned(), Lane::default());
        }
        let Some(lane) = self.by_host.get_mut(host) else { return };
        if lane.left_out_after.is_some() || lane.knows(position) {
            return;
        }
        if lane.known() >= KNOWN_PER_HOST_MAX {
            lane.left_out_after = Some(Position(position.0 - 1));
            return;
        }
        match not_before {
            Some(at) => lane.later.insert((at, position)),
            None => lane.ready.insert(position),
        };
    }

    /// Hosts of which there is more in the store than is known here, and room for it: and after which.
    pub fn with_room(&self) -> Vec<(String, Position)> {
        let room = |lane: &Lane| lane.left_out_after.filter(|_| lane.known() < KNOWN_PER_HOST_MAX / 2);
        self.by_host.iter().filter_map(|(host, lane)| Some((host.clone(), room(lane)?))).collect()
    }

    /// The next portion of a host's requests follows by [`Lanes::take`].
    pub fn refilling(&mut self, host: &str) {
        if let Some(lane) = self.by_host.get_mut(host) {
            lane.left_out_after = None;
        }
    }

    /// After this one, the store has more of this host.
    pub fn left_out(&mut self, host: &str, after: Position) {
        if let Some(lane) = self.by_host.get_mut(host) {
            lane.left_out_after.get_or_insert(after);
        }
    }

    /// How many requests of a host there is room for.
    pub fn room(&self, host: &str) -> usize {
        KNOWN_PER_HOST_MAX - self.by_host.get(host).map_or(0, Lane::known).min(KNOWN_PER_HOST_MAX)
    }

    /// What leaves now: one of each host in turn.
    pub fn start(&mut self, now: Instant) -> Vec<(String, Position)> {
        let mut started = Vec::new();
        loop {
            let before = started.len();
            for (host, lane) in &mut self.by_host {
                if self.under_way >= AT_ONCE_MAX {
                    return started;
                }
                if let Some(position) = lane.next(now) {
                    self.under_way += 1;
                    started.push((host.clone(), position));
                }
            }
            if started.len() == before {
                return started;
            }
        }
    }

    /// When something may leave that may not now.
    pub fn next_moment(&self) -> Option<Instant> {
        let of = |lane: &Lane| {
            let later = lane.later.first().map(|(at, _)| *at);
            let first = if lane.ready.is_empty() { later } else { None };
            if lane.ready.is_empty() { first.map(|at| lane.closed_until.map_or(at, |closed| closed.max(at))) } else { lane.closed_until }
        };
        self.by_host.values().filter(|lane| lane.under_way.len() < lane.at_once_max()).filter_map(of).min()
    }

    pub fn ended(&mut self, host: &str, position: Position, end: End, now: Instant) {
        let Some(lane) = self.by_host.get_mut(host) else { return };
        if lane.under_way.remove(&position) {
            self.under_way -= 1;
        }
        match end {
            End::Failed => {}
            End::Done => (lane.failures, lane.closed_until, lane.trouble) = (0, None, None),
            End::HostFailed { again, pause, trouble } => {
                if let Some(at) = again {
                    lane.later.insert((at, position));
                }
                lane.trouble = Some(trouble);
                // What was under way when it was closed failed with it.
                if !lane.is_closed(now) {
                    lane.failures += 1;
                    if let Some(doublings) = lane.failures.checked_sub(FAILURES_MAX) {
                        lane.close(now + (CLOSED_FIRST * (1 << doublings.min(6))).min(CLOSED_MAX));
                    }
                }
                if let Some(pause) = pause {
                    lane.close(now + pause);
                }
            }
            End::Later { at, trouble } => {
                lane.later.insert((at, position));
                lane.trouble = Some(trouble);
            }
            End::NotNow { pause, trouble } => {
                lane.ready.insert(position);
                lane.trouble = Some(trouble);
                lane.close(now + pause);
            }
        }
        if lane.known() == 0 && lane.left_out_after.is_none() && lane.failures == 0 && !lane.is_closed(now) {
            self.by_host.remove(host);
        }
    }

    /// It is sent as soon as can be, whatever came before.
    pub fn hurry(&mut self, host: &str, position: Position) {
        self.take(host, position, None);
        let Some(lane) = self.by_host.get_mut(host) else { return };
        if !lane.under_way.contains(&position) {
            lane.later.retain(|(_, later)| *later != position);
            lane.ready.insert(position);
        }
        (lane.failures, lane.closed_until) = (0, None);
    }

    /// It has its answer.
    pub fn forget(&mut self, host: &str, position: Position) {
        if let Some(lane) = self.by_host.get_mut(host) {
            lane.ready.remove(&position);
            lane.later.retain(|(_, later)| *later != position);
        }
    }

    /// The oldest requests of hosts to which nothing is sent, once in so long.
    pub fn aging(&mut self, every: Duration, now: Instant) -> Vec<(String, Vec<Position>)> {
        const LOOKED_AT: usize = 64;
        let mut aging = Vec::new();
        for (host, lane) in &mut self.by_host {
            if lane.is_closed(now) && lane.aged_at.is_none_or(|at| now - at >= every) {
                lane.aged_at = Some(now);
                aging.push((host.clone(), lane.ready.iter().take(LOOKED_AT).copied().collect()));
            }
        }
        aging
    }

    /// What the last failure of a host was.
    pub fn trouble(&self, host: &str) -> String {
        self.by_host.get(host).and_then(|lane| lane.trouble.clone()).unwrap_or_default()
    }

    pub fn is_idle(&self) -> bool {
        self.by_host.values().all(|lane| lane.known() == 0 && lane.left_out_after.is_none())
    }

    pub fn lanes(&self) -> impl Iterator<Item = (&String, &Lane)> {
        self.by_host.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::clock;
    use super::*;

    const A: &str = "a.example";
    const B: &str = "b.example";

    fn lanes(rows: &[(&str, u64)]) -> Lanes {
        let mut lanes = Lanes::default();
        rows.iter().for_each(|(host, position)| lanes.take(host, Position(*position), None));
        lanes
    }

    fn started(lanes: &mut Lanes, now: Instant) -> Vec<u64> {
        lanes.start(now).into_iter().map(|(_, position)| position.0).collect()
    }

    fn host_failed(again: Option<Instant>) -> End {
        End::HostFailed { again, pause: None, trouble: "refused".into() }
    }

    #[test]
    fn each_host_has_its_turn_in_the_order_of_the_log_and_none_takes_all() {
        let now = clock::started();
        let mut both = lanes(&[(A, 3), (A, 1), (B, 2), (A, 1)]);
        assert_eq!(started(&mut both, now), [1, 2, 3]);
        assert_eq!(started(&mut both, now), [0; 0]);
        let rows: Vec<(&str, u64)> = (1..100).map(|position| (A, position)).collect();
        assert_eq!(started(&mut lanes(&rows), now).len(), AT_ONCE_PER_HOST_MAX);
    }

    #[test]
    fn a_host_that_is_down_is_left_alone_and_then_tried_with_one_request() {
        let now = clock::started();
        let rows: Vec<(&str, u64)> = (1..=40).map(|position| (A, position)).collect();
        let mut lanes = lanes(&rows);
        let under_way = started(&mut lanes, now);
        let again = now + Duration::from_millis(100);
        for position in &under_way {
            lanes.ended(A, Position(*position), host_failed(Some(again)), now);
        }
        lanes.take(B, Position(50), None);
        // Though all of them failed, it is closed for the first and shortest time.
        assert_eq!(started(&mut lanes, again), [50]);
        let open = now + CLOSED_FIRST;
        assert_eq!((lanes.next_moment(), started(&mut lanes, open).len()), (Some(open), 1));
        lanes.ended(A, Position(1), host_failed(None), open);
        assert_eq!(started(&mut lanes, open + CLOSED_FIRST), [0; 0]);
        assert_eq!(started(&mut lanes, open + CLOSED_FIRST * 2), [2]);
        lanes.ended(A, Position(2), End::Done, open + CLOSED_FIRST * 2);
        assert_eq!(started(&mut lanes, open + CLOSED_FIRST * 2).len(), AT_ONCE_PER_HOST_MAX);
    }

    #[test]
    fn what_failed_comes_again_at_its_time_and_what_asks_to_wait_is_waited_for() {
        let now = clock::started();
        let mut lanes = lanes(&[(A, 1), (A, 2)]);
        assert_eq!(started(&mut lanes, now), [1, 2]);
        let at = now + Duration::from_millis(500);
        lanes.ended(A, Position(1), host_failed(Some(at)), now);
        assert_eq!((started(&mut lanes, now), lanes.next_moment()), (vec![], Some(at)));
        let pause = Some(Duration::from_secs(7));
        lanes.ended(A, Position(2), End::HostFailed { again: Some(at), pause, trouble: "429".into() }, now);
        assert_eq!(started(&mut lanes, at), [0; 0]);
        assert_eq!(lanes.next_moment(), Some(now + Duration::from_secs(7)));
        lanes.hurry(A, Position(2));
        assert_eq!(started(&mut lanes, at), [1, 2]);
        lanes.ended(A, Position(1), End::NotNow { pause: Duration::from_secs(1), trouble: "not allowed".into() }, at);
        assert_eq!(started(&mut lanes, at), [0; 0]);
        assert_eq!(started(&mut lanes, at + Duration::from_secs(1)), [1]);
        // What one request lacks holds up no other.
        let now = at + Duration::from_secs(1);
        lanes.ended(A, Position(1), End::Later { at: now + Duration::from_secs(10), trouble: "no secret".into() }, now);
        lanes.take(A, Position(3), None);
        assert_eq!(started(&mut lanes, now), [3]);
    }

    #[test]
    fn a_million_requests_of_a_host_are_known_a_few_thousand_at_a_time() {
        let now = clock::started();
        let rows: Vec<(&str, u64)> = (1..=10_000).map(|position| (A, position)).collect();
        let mut lanes = lanes(&rows);
        assert!(lanes.with_room().is_empty());
        let mut sent = Vec::new();
        while !lanes.is_idle() {
            let under_way = started(&mut lanes, now);
            for position in &under_way {
                lanes.ended(A, Position(*position), End::Done, now);
            }
            sent.extend(under_way);
            for (host, after) in lanes.with_room() {
                lanes.refilling(&host);
                (after.0 + 1..=10_000).for_each(|position| lanes.take(&host, Position(position), None));
            }
        }
        assert_eq!(sent, (1..=10_000).collect::<Vec<_>>());
    }
}

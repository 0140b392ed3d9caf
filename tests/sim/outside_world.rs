//! A namespace whose functions live by timers and requests, with an outside that answers, twice, late or never,
//! and power that goes at any moment.

use std::sync::Arc;

use retold_engine::model::{Digest, Event, Kind, NewEvent, Position, REQUEST_FAILED, REQUEST_REPLIED, Timestamp};
use retold_engine::run::{Clock, Reading, Runner, Settled, Step, Ticket, first_occurrence, next_wave};
use retold_engine::store::{
    Accepted, Append, Attempt, Fate, Options, OutboxFilter, PendingRequest, Proposal, Refused, Reply, Sealed, Store, StoreError,
};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};
use crate::outside_guests::{Desk, FUNCTIONS, Outside, Periods, SECOND, TICK, deploy, schedule};
use crate::outside_oracle::{Pending, check, check_fork};

/// Power was lost.
pub struct PowerLost;

pub struct OutsideWorld {
    pub chance: Chance,
    pub disk: FaultFolder,
    pub now: Timestamp,
    pub outside: Outside,
    /// The last commit that was acknowledged, and the chain up to there.
    acknowledged: (u64, Digest),
    events: u64,
    pub counts: Counts,
    /// Hash of everything that was answered.
    pub trace: Digest,
}

/// What was seen, to know that something was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cuts: u64,
    pub fired: u64,
    pub stale: u64,
    pub early: u64,
    pub replaced: u64,
    pub cancelled: u64,
    pub answered: u64,
    pub answered_again: u64,
    pub sent_again: u64,
    pub ticks: u64,
    pub seals: u64,
    pub commits: u64,
    /// Entries of the log in the end.
    pub entries: u64,
}

/// What lives as long as the power is on.
pub struct OutsideHost {
    pub store: Store,
    runners: Vec<Runner>,
    inbox: Vec<(Proposal, Option<(usize, Ticket)>)>,
    /// Answers that are still under way.
    late: Vec<Reply>,
    written: Option<Sealed>,
}

impl OutsideWorld {
    pub fn new(seed: u64) -> OutsideWorld {
        OutsideWorld {
            chance: Chance::new(seed),
            disk: FaultFolder::new(),
            now: Timestamp(1_767_225_600 * SECOND),
            outside: Outside::default(),
            acknowledged: (0, Digest::ZERO),
            events: 0,
            counts: Counts::default(),
            trace: Digest::ZERO,
        }
    }

    /// Opens what is there, which must be all that was acknowledged, and true.
    pub fn open(&mut self) -> Result<OutsideHost, PowerLost> {
        let store = Store::open(Arc::new(self.disk.clone()), &Options::default());
        let store = self.unless_lost(store)?;
        let (reader, mut chains) = (store.reader(), vec![Digest::ZERO]);
        let read = reader.snapshot().and_then(|snapshot| {
            snapshot.records(0, Position::START, &mut |record| {
                chains.push(record.chain);
                Ok(true)
            })
        });
        self.unless_lost(read)?;
        let (commit, chain) = self.acknowledged;
        assert_eq!(chains.get(commit as usize), Some(&chain), "what was acknowledged is lost");
        self.acknowledged = (chains.len() as u64 - 1, chains[chains.len() - 1]);
        if self.disk.has_power() {
            check(&reader, &self.outside);
        }
        let runners = FUNCTIONS.iter().map(|name| Runner::new(name)).collect();
        Ok(OutsideHost { store, runners, inbox: Vec::new(), late: Vec::new(), written: None })
    }

    #[track_caller]
    fn unless_lost<T>(&self, result: Result<T, StoreError>) -> Result<T, PowerLost> {
        result.map_err(|error| {
            assert!(!self.disk.has_power(), "there is power, and yet: {error}");
            PowerLost
        })
    }

    pub fn append(&mut self, host: &mut OutsideHost, r#type: &str, subject: &str, data: &[u8]) {
        self.events += 1;
        let event = NewEvent {
            id: self.events.to_string(),
            source: "/client".into(),
            r#type: r#type.into(),
            subject: subject.into(),
            content_type: "application/json".into(),
            data: data.to_vec(),
            ..NewEvent::default()
        };
        host.inbox.push((Proposal::Append(Append { events: vec![event], ..Append::default() }), None));
    }

    pub fn propose(&mut self, host: &mut OutsideHost, proposal: Proposal) {
        host.inbox.push((proposal, None));
    }

    pub fn step(&mut self, host: &mut OutsideHost, at: usize) -> Result<bool, PowerLost> {
        let snapshot = self.unless_lost(host.store.reader().snapshot())?;
        let step = host.runners[at].step(&Reading::new(&snapshot, &Desk), self.now, &mut |_, _| {});
        match self.unless_lost(step)? {
            Step::Plan(ticket, plan) => {
                assert!(plan.parked.is_empty() && plan.halted.is_none(), "{plan:?}");
                host.inbox.push((Proposal::Reaction(*plan), Some((at, ticket))));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Puts what is due next into the inbox; it may be there already.
    pub fn fire(&mut self, host: &mut OutsideHost, limit: usize) -> Result<bool, PowerLost> {
        let snapshot = self.unless_lost(host.store.reader().snapshot())?;
        let clock = Clock { now: self.now, late_before: Timestamp(self.now.0 - 5 * SECOND) };
        let wave = self.unless_lost(next_wave(&snapshot, clock, limit, &Periods))?;
        let any = !wave.is_empty();
        if any {
            host.inbox.push((Proposal::Fire(wave), None));
        }
        Ok(any)
    }

    pub fn set_schedule(&mut self, host: &mut OutsideHost) -> Result<(), PowerLost> {
        let snapshot = self.unless_lost(host.store.reader().snapshot())?;
        let known = snapshot.function("keeper").is_none() || !self.unless_lost(snapshot.schedules())?.is_empty();
        if !known {
            let next = first_occurrence(&schedule(), self.now, &Periods);
            host.inbox.push((Proposal::Schedule { function: "keeper".into(), key: TICK.into(), next }, None));
        }
        Ok(())
    }

    /// Commits what waits, and looks at the answers.
    pub fn commit(&mut self, host: &mut OutsideHost) -> Result<(), PowerLost> {
        let (proposals, callers): (Vec<Proposal>, Vec<_>) = std::mem::take(&mut host.inbox).into_iter().unzip();
        let committed = self.unless_lost(host.store.commit(proposals, self.now))?;
        if let Some(last) = committed.changes.records.last() {
            self.acknowledged = (last.commit, last.chain);
        }
        self.counts.commits += 1;
        self.trace = Digest::link(self.trace, format!("{:?}", committed.answers).as_bytes());
        for (answer, caller) in committed.answers.into_iter().zip(callers) {
            if let Some((at, ticket)) = caller {
                host.runners[at].settled(ticket, if answer.is_ok() { Settled::Committed } else { Settled::Refused });
            }
            match answer {
                Ok(Accepted::Fired(fired)) => {
                    let of = |wanted: &dyn Fn(&Fate) -> bool| fired.fates.iter().filter(|fate| wanted(fate)).count() as u64;
                    self.counts.stale += of(&|fate| *fate == Fate::Stale);
                    self.counts.early += of(&|fate| *fate == Fate::Early);
                    assert_eq!(of(&|fate| matches!(fate, Fate::Known(_) | Fate::Skipped)), 0);
                }
                Ok(Accepted::Replied(replied)) => self.counts.answered_again += u64::from(!replied.new),
                Ok(_) | Err(Refused::Stale { .. } | Refused::NoRequest(_)) => {}
                Err(refused) => panic!("{refused}"),
            }
        }
        Ok(())
    }

    /// Sends one request that is ready, as a sender would that knows nothing of those before it.
    pub fn send(&mut self, host: &mut OutsideHost, reliable: bool) -> Result<bool, PowerLost> {
        let snapshot = self.unless_lost(host.store.reader().snapshot())?;
        let filter = OutboxFilter { ready_at: Some(self.now), ..OutboxFilter::default() };
        let requests = self.unless_lost(snapshot.outbox(&filter, Position::START, 100))?.requests;
        if requests.is_empty() {
            return Ok(false);
        }
        let request = if reliable { &requests[0] } else { self.chance.pick(&requests) };
        let seen = self.outside.seen.entry(request.id.clone()).or_default();
        *seen += 1;
        self.counts.sent_again += u64::from(*seen > 1);
        let reply = |r#type: &str, time| Reply { request: request.position, r#type: r#type.into(), data: b"{}".to_vec(), time };
        match if reliable { 0 } else { self.chance.below(10) } {
            0..4 => host.inbox.push((Proposal::Reply(reply(REQUEST_REPLIED, self.now)), None)),
            4 => {
                for _ in 0..2 {
                    host.inbox.push((Proposal::Reply(reply(REQUEST_REPLIED, self.now)), None));
                }
            }
            5 => host.inbox.push((Proposal::Reply(reply(REQUEST_FAILED, self.now)), None)),
            6 | 7 => host.late.push(reply(REQUEST_REPLIED, self.now)),
            8 => host.inbox.push((Proposal::Attempt(self.failed_attempt(request)), None)),
            _ => {}
        }
        Ok(true)
    }

    fn failed_attempt(&self, request: &PendingRequest) -> Attempt {
        Attempt {
            request: request.position,
            attempts: request.row.attempts + 1,
            not_before: Timestamp(self.now.0 + SECOND),
            error: "refused".into(),
        }
    }

    fn housekeep(&mut self, host: &mut OutsideHost) -> Result<(), PowerLost> {
        if let Some(sealed) = host.written.take() {
            self.counts.seals += 1;
            return self.unless_lost(host.store.adopt(sealed));
        }
        host.store.close_tail();
        if let Some(work) = host.store.reader().housekeeping_due() {
            host.written = Some(self.unless_lost(host.store.reader().housekeep(work))?);
        }
        Ok(())
    }

    /// One action, as the seed says.
    pub fn act(&mut self, host: &mut OutsideHost) -> Result<(), PowerLost> {
        match self.chance.below(100) {
            0..18 => {
                let subject = format!("s/{}", self.chance.below(4));
                let data: Vec<u8> = (0..4).map(|_| self.chance.below(30) as u8).collect();
                let r#type = if self.chance.percent(60) { "order.placed" } else { "call.wanted" };
                self.append(host, r#type, &subject, &data);
            }
            18..42 => drop(self.step_any(host)?),
            42..57 => {
                let limit = self.chance.between(1, 6) as usize;
                self.fire(host, limit)?;
            }
            57..75 => self.commit(host)?,
            75..85 => drop(self.send(host, false)?),
            85..89 if !host.late.is_empty() => {
                let reply = host.late.swap_remove(self.chance.index(host.late.len()));
                host.inbox.push((Proposal::Reply(reply), None));
            }
            89 => self.set_schedule(host)?,
            90 | 91 => self.housekeep(host)?,
            92 => self.now = Timestamp(self.now.0 + self.chance.below(3_000) * SECOND),
            93 => self.now = Timestamp(self.now.0 - self.chance.below(60) * SECOND),
            94 => drop(check(&host.store.reader(), &self.outside)),
            _ => self.now = Timestamp(self.now.0 + self.chance.below(9 * SECOND)),
        }
        Ok(())
    }

    fn step_any(&mut self, host: &mut OutsideHost) -> Result<bool, PowerLost> {
        let at = self.chance.index(FUNCTIONS.len());
        self.step(host, at)
    }

    /// Everything is handled, fires and is answered; answers what was pending at no time.
    pub fn drain(&mut self, host: &mut OutsideHost) -> Result<Pending, PowerLost> {
        for _ in 0..10_000 {
            self.commit(host)?;
            let mut busy = false;
            for at in 0..FUNCTIONS.len() {
                busy |= self.step(host, at)?;
            }
            if busy {
                continue;
            }
            self.now = Timestamp(self.now.0 + 7 * SECOND);
            if self.send(host, true)? || self.fire(host, 7)? {
                continue;
            }
            let pending = check(&host.store.reader(), &self.outside);
            match pending.timers.values().map(|(due, _)| *due).min() {
                Some(due) => self.now = self.now.max(Timestamp(due)),
                None if pending.requests.is_empty() => return Ok(pending),
                None => {}
            }
        }
        panic!("it never comes to rest");
    }

    pub fn limit_power(&mut self, most: u64) {
        let operation = self.chance.between(1, most);
        match self.chance.percent(30) {
            true => self.disk.lose_power_at_sync(operation.div_ceil(10)),
            false => self.disk.lose_power_at(operation),
        }
    }

    pub fn cut(&mut self) {
        self.counts.cuts += 1;
        let percent = self.chance.between(5, 95) as u8;
        self.disk = match self.chance.below(5) {
            0 => self.disk.kill(),
            1 => self.disk.crash(Crash::Lost, &mut self.chance),
            2 => self.disk.crash(Crash::Kept, &mut self.chance),
            3 => self.disk.crash(Crash::Torn { percent, garbage: true }, &mut self.chance),
            _ => self.disk.crash(Crash::Reordered { percent }, &mut self.chance),
        };
    }

    /// What is there in the end is whole: each timer that was set has fired, or was replaced or cancelled; each
    /// request has its answer; and a fork makes the same of the log.
    pub fn finish(&mut self, host: &mut OutsideHost) {
        let Ok(pending) = self.drain(host) else { panic!("there is power") };
        let reader = host.store.reader();
        let log = crate::outside_oracle::log_of(&reader.snapshot().expect("a snapshot"));
        let is_set = |event: &&Event| event.kind == Kind::Timer && event.r#type == "reminder.due" || event.r#type == "call.again";
        let set = log.iter().filter(is_set).filter(|event| event.kind == Kind::Timer).count() as u64;
        assert_eq!(set, pending.fired + pending.replaced + pending.cancelled, "timers that were set, and what became of them");
        let head = reader.head();
        check_fork(&reader, head, &self.outside);
        check_fork(&reader, Position(self.chance.between(1, head.0)), &self.outside);
        self.counts.entries = head.0;
        self.counts.fired += pending.fired;
        self.counts.replaced += pending.replaced;
        self.counts.cancelled += pending.cancelled;
        self.counts.answered += pending.answered;
        self.counts.ticks += log.iter().filter(|event| event.r#type == "order.ticked").count() as u64;
    }

    /// The whole story of a seed: some power cuts, then peace.
    pub fn run(&mut self) {
        for _ in 0..self.chance.between(1, 4) {
            self.limit_power(600);
            let _ = self.live();
            if !self.disk.has_power() {
                self.cut();
            }
        }
        self.disk.heal();
        let Ok(mut host) = self.open() else { panic!("there is power") };
        if host.store.head() == Position::START {
            self.propose(&mut host, deploy());
        }
        self.finish(&mut host);
    }

    fn live(&mut self) -> Result<(), PowerLost> {
        let mut host = self.open()?;
        if host.store.head() == Position::START {
            self.propose(&mut host, deploy());
            self.commit(&mut host)?;
        }
        for _ in 0..250 {
            self.act(&mut host)?;
        }
        Ok(())
    }
}

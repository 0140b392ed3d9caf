//! A consumer of a log and its members: they fetch, acknowledge, give back, fall silent and come late, on two
//! clocks of which one jumps, and power goes at any moment. What was acknowledged is never given again; what is
//! out under a lease is given to nobody else; of a subject nothing is given while something earlier is out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retold_engine::model::{ConsumerPlace, ConsumerSettings, Digest, NewEvent, Position, Timestamp};
use retold_engine::run::{Ask, Consumer, ConsumerRefused, Earlier, GiveBack, Moment, Release, Unseen, Which};
use retold_engine::store::{Append, ConsumerFile, Folder, Options, Proposal, Store, StoreError, StoredConsumer};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};
use crate::world::PowerLost;

const NAME: &str = "readers";
const MEMBERS: [&str; 3] = ["one", "two", "three"];
const LEASE_MS: u64 = 20_000;
/// 2026, on both clocks.
const START_MS: u64 = 1_767_225_600_000;

pub struct Shop {
    pub chance: Chance,
    disk: FaultFolder,
    crash: Crash,
    now: Moment,
    /// Subjects by position, as far as they were acknowledged to whoever sent them.
    sent: BTreeMap<Position, String>,
    /// What was acknowledged by members, and they were told so; and what some of them asked to be, in vain.
    done: BTreeSet<Position>,
    perhaps_done: BTreeSet<Position>,
    out: BTreeMap<Position, Out>,
    keys: u8,
    /// Hash of everything that was given and said.
    pub trace: Digest,
    pub counts: Counts,
}

/// What a member has been given, as it was told.
#[derive(Clone, Debug)]
struct Out {
    lease: String,
    member: &'static str,
    /// Before, nobody else is given it.
    ends_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub cuts: u64,
    pub given: u64,
    pub again: u64,
    pub acknowledged: u64,
    pub returned: u64,
    pub parked: u64,
}

struct Life {
    store: Store,
    file: ConsumerFile,
    consumer: Consumer,
}

struct NoEarlier;

impl Earlier for NoEarlier {
    fn unseen(&self, _: ConsumerPlace, _: usize) -> Result<Unseen, StoreError> {
        unreachable!("it reads its own generation")
    }
}

fn settings() -> ConsumerSettings {
    ConsumerSettings {
        types: vec!["*".into()],
        subjects: Vec::new(),
        tags: Vec::new(),
        attempts_max: 4,
        lease_ms: LEASE_MS,
        expires_ms: None,
        endpoint: None,
    }
}

impl Shop {
    pub fn new(seed: u64) -> Shop {
        let mut chance = Chance::new(seed);
        let percent = chance.between(5, 95) as u8;
        let crash = *chance.pick(&[Crash::Lost, Crash::Kept, Crash::Reordered { percent }, Crash::Torn { percent, garbage: true }]);
        Shop {
            chance,
            disk: FaultFolder::new(),
            crash,
            now: Moment { ms: START_MS, time: Timestamp(START_MS * 1_000) },
            sent: BTreeMap::new(),
            done: BTreeSet::new(),
            perhaps_done: BTreeSet::new(),
            out: BTreeMap::new(),
            keys: 0,
            trace: Digest::ZERO,
            counts: Counts::default(),
        }
    }

    /// The whole story of a seed: some power cuts, then peace, in which everything is given and acknowledged.
    pub fn run(&mut self) {
        for _ in 0..self.chance.between(1, 4) {
            self.disk.lose_power_at(self.chance.between(1, 400));
            let _ = self.live();
            if !self.disk.has_power() {
                self.counts.cuts += 1;
                self.disk = self.disk.crash(self.crash, &mut self.chance);
            }
        }
        self.disk.heal();
        let mut life = self.open().unwrap_or_else(|PowerLost| panic!("there is power"));
        self.finish(&mut life);
    }

    fn live(&mut self) -> Result<(), PowerLost> {
        let mut life = self.open()?;
        for _ in 0..150 {
            self.act(&mut life)?;
        }
        Ok(())
    }

    #[track_caller]
    fn unless_lost<T>(&self, result: Result<T, StoreError>) -> Result<T, PowerLost> {
        result.map_err(|error| {
            assert!(!self.disk.has_power(), "there is power, and yet: {error}");
            PowerLost
        })
    }

    fn open(&mut self) -> Result<Life, PowerLost> {
        let folder: Arc<dyn Folder> = Arc::new(self.disk.clone());
        let store = self.unless_lost(Store::open(folder.clone(), &Options::default()))?;
        let place = ConsumerPlace { generation: 1, ..ConsumerPlace::default() };
        let file = match self.unless_lost(ConsumerFile::find(&folder))? {
            Some(file) => file,
            None => {
                assert!(self.done.is_empty() && self.out.is_empty(), "the file of consumers is gone");
                self.unless_lost(ConsumerFile::make(&folder, 1, &BTreeMap::new()))?
            }
        };
        let stored = self.unless_lost(file.all())?.remove(NAME);
        let consumer = match stored {
            Some(stored) => self.found(stored),
            None => {
                assert!(self.done.is_empty() && self.out.is_empty(), "the consumer is gone");
                Consumer::new(settings(), place, 1, self.now)
            }
        };
        let head = store.head();
        assert!(self.sent.keys().next_back().is_none_or(|last| *last <= head), "acknowledged events are lost");
        Ok(Life { store, file, consumer })
    }

    /// Leases go on, and begin anew.
    fn found(&mut self, stored: StoredConsumer) -> Consumer {
        let out_again = self.done.iter().find(|position| stored.entries.contains_key(position));
        assert_eq!(out_again, None, "what was acknowledged is to be given again");
        self.perhaps_done.retain(|position| !stored.entries.contains_key(position));
        // Those whose time was over may have ended, on the disk too.
        for out in self.out.values_mut().filter(|out| out.ends_ms > self.now.ms) {
            out.ends_ms = self.now.ms + LEASE_MS;
        }
        Consumer::stored(stored, 1, self.now)
    }

    fn act(&mut self, life: &mut Life) -> Result<(), PowerLost> {
        match self.chance.below(20) {
            0..3 => self.append(life)?,
            3..9 => drop(self.fetch(life)?),
            9..13 => self.acknowledge(life)?,
            13 => self.give_back(life)?,
            14 => self.now.ms += self.chance.below(LEASE_MS),
            // Somebody sets the clock, or its owner travels.
            15 => self.now.time = Timestamp(self.now.ms * 1_000 + self.chance.below(7_200_000_000) - 3_600_000_000),
            16 if self.chance.percent(20) => drop(self.say(life, |consumer, _, now| consumer.release(&Release::All, false, now))?),
            _ => self.now.ms += self.chance.below(500),
        }
        Ok(())
    }

    fn append(&mut self, life: &mut Life) -> Result<(), PowerLost> {
        let subjects: Vec<String> = (0..self.chance.between(1, 6)).map(|_| ["", "a", "b", "c"][self.chance.index(4)].to_owned()).collect();
        let head = life.store.head();
        let event = |(index, subject): (usize, &String)| NewEvent {
            id: (head.0 + index as u64 + 1).to_string(),
            source: "/t".into(),
            r#type: "t".into(),
            subject: subject.clone(),
            content_type: "text/plain".into(),
            data: vec![b'.'; 9],
            ..NewEvent::default()
        };
        let events: Vec<NewEvent> = subjects.iter().enumerate().map(event).collect();
        let committed = life.store.commit([Proposal::Append(Append { events, ..Append::default() })], self.now.time);
        assert!(self.unless_lost(committed)?.answers.iter().all(Result::is_ok));
        let positions = (head.0 + 1..).map(Position);
        self.sent.extend(positions.zip(subjects));
        Ok(())
    }

    /// Says something to the consumer, and waits until it is on the disk.
    fn say<T>(
        &mut self,
        life: &mut Life,
        what: impl FnOnce(&mut Consumer, &retold_engine::store::Snapshot, Moment) -> Result<T, ConsumerRefused>,
    ) -> Result<Result<T, ConsumerRefused>, PowerLost> {
        let log = self.unless_lost(life.store.reader().snapshot())?;
        let answer = match what(&mut life.consumer, &log, self.now) {
            Err(ConsumerRefused::Store(error)) => self.unless_lost(Err(error))?,
            answer => answer,
        };
        let change = life.consumer.take_change();
        self.trace = Digest::link(self.trace, format!("{change:?}").as_bytes());
        let queued = life.file.queue(NAME, change);
        self.unless_lost(life.file.wait(queued))?;
        Ok(answer)
    }

    fn fetch(&mut self, life: &mut Life) -> Result<usize, PowerLost> {
        self.keys = self.keys.wrapping_add(1);
        let member = *self.chance.pick(&MEMBERS);
        let events = self.chance.between(1, 5) as usize;
        let ask = Ask { member: member.into(), events, bytes: usize::MAX, key: [self.keys; 16], lease_ms: None };
        let fetched = self.say(life, |consumer, log, now| consumer.fetch(&ask, log, &NoEarlier, now))?.expect("there is room");
        let mut before = BTreeSet::new();
        for given in &fetched.events {
            let (at, subject) = (given.position, given.event().subject.to_owned());
            assert!(!self.done.contains(&at), "{at} was acknowledged, and is given again");
            let held = self.out.get(&at).filter(|out| out.ends_ms > self.now.ms);
            assert!(held.is_none(), "{at} is given to {member}, and is out: {held:?}");
            let earlier = self.sent.range(..at).find(|(earlier, of)| {
                **of == subject
                    && !subject.is_empty()
                    && !self.done.contains(earlier)
                    && !self.perhaps_done.contains(earlier)
                    && !before.contains(*earlier)
            });
            assert_eq!(earlier, None, "{at} is given before an earlier one of its subject");
            before.insert(at);
        }
        for at in before {
            let lease = fetched.lease.clone().expect("something was given");
            let again = self.out.insert(at, Out { lease, member, ends_ms: self.now.ms + LEASE_MS });
            self.counts.again += u64::from(again.is_some());
            self.counts.given += 1;
        }
        Ok(fetched.events.len())
    }

    /// What some lease was last given for.
    fn draw_lease(&mut self) -> Option<(String, &'static str, Vec<Position>)> {
        let all: Vec<(String, &'static str)> = self.out.values().map(|out| (out.lease.clone(), out.member)).collect();
        let (lease, member) = (!all.is_empty()).then(|| self.chance.pick(&all).clone())?;
        let positions = self.out.iter().filter(|(_, out)| out.lease == lease).map(|(at, _)| *at).collect();
        Some((lease, member, positions))
    }

    /// A member is done with what it was given, in time or late.
    fn acknowledge(&mut self, life: &mut Life) -> Result<(), PowerLost> {
        let Some((lease, member, positions)) = self.draw_lease() else { return Ok(()) };
        let some: Vec<Position> = positions.into_iter().filter(|_| self.chance.percent(70)).collect();
        let which = Which::These(some.clone());
        self.perhaps_done.extend(some.iter().copied());
        let runs = some.iter().all(|at| self.out[at].ends_ms > self.now.ms);
        let answer = self.say(life, |consumer, log, now| consumer.acknowledge(&lease, Some(member), &which, log, now))?;
        self.perhaps_done.retain(|at| !some.contains(at));
        match answer {
            Ok(_) => {
                some.iter().for_each(|at| drop(self.out.remove(at)));
                self.counts.acknowledged += some.len() as u64;
                self.done.extend(some);
            }
            Err(why) => assert!(!runs || self.counts.parked + self.counts.returned > 0, "{member} holds {some:?}, and hears {why:?}"),
        }
        Ok(())
    }

    fn give_back(&mut self, life: &mut Life) -> Result<(), PowerLost> {
        let Some((lease, member, positions)) = self.draw_lease() else { return Ok(()) };
        let how =
            GiveBack { reason: "not now".into(), delay_ms: Some(self.chance.below(900)), counts: true, park: self.chance.percent(10) };
        // It may be so though nobody hears of it.
        positions.iter().for_each(|at| drop(self.out.remove(at)));
        let answer = self.say(life, |consumer, _, now| consumer.give_back(&lease, Some(member), &Which::All, &how, now))?;
        self.counts.returned += u64::from(answer.is_ok());
        self.counts.parked = self.counts.parked.max(life.consumer.parked_count() as u64);
        Ok(())
    }

    /// With everything working, every event is given and acknowledged, in bounded time.
    fn finish(&mut self, life: &mut Life) {
        for _ in 0..2_000 {
            self.now.ms += LEASE_MS + 1;
            let round = self.say(life, |consumer, _, now| consumer.release(&Release::All, false, now)).and_then(|_| self.fetch(life));
            let given = round.unwrap_or_else(|PowerLost| panic!("there is power"));
            let last = life.consumer.row().place.position >= life.store.head();
            if given == 0 && last {
                break;
            }
            while let Some((lease, member, _)) = self.draw_lease() {
                let answer = self.say(life, |consumer, log, now| consumer.acknowledge(&lease, Some(member), &Which::All, log, now));
                let answer = answer.unwrap_or_else(|PowerLost| panic!("there is power"));
                let positions: Vec<Position> = self.out.iter().filter(|(_, out)| out.lease == lease).map(|(at, _)| *at).collect();
                positions.iter().for_each(|at| drop(self.out.remove(at)));
                self.done.extend(positions.into_iter().filter(|_| answer.is_ok()));
            }
        }
        let log = life.store.reader().snapshot().expect("there is power");
        let status = life.consumer.status(&log, self.now).expect("there is power");
        assert_eq!((status.lag, status.waiting, status.leased, status.parked), (0, 0, 0, 0), "something is left: {status:?}");
    }
}

//! The store alone: appends, repeats, sealing and merging, on a disk that loses power after a few operations,
//! again while it recovers, or fails and goes on. Cheap, so that it loses power by the hundred thousand.

use std::sync::Arc;

use retold_engine::model::{Digest, NewEvent, Position, Timestamp};
use retold_engine::store::{Accepted, Append, Options, Proposal, Sealed, Store, StoreError};

use crate::chance::Chance;
use crate::disk::{Crash, Failure, FaultFolder};
use crate::oracle;

pub struct Storage {
    chance: Chance,
    disk: FaultFolder,
    crash: Crash,
    /// Operations until the power goes, at most.
    fuel: u64,
    /// How many in a hundred lives meet a disk that fails once.
    failing: u64,
    /// The chain after each commit that was acknowledged or found.
    chains: Vec<Digest>,
    /// Events in the order of the log.
    log: Vec<NewEvent>,
    /// What was asked for and not answered.
    in_flight: Vec<NewEvent>,
    next_id: u64,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cuts: u64,
    pub commits: u64,
    pub events: u64,
    /// Groups that nobody acknowledged, and were there.
    pub found: u64,
    pub repeats: u64,
    pub seals: u64,
    pub errors: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        let Counts { cuts, commits, events, found, repeats, seals, errors } = other;
        self.cuts += cuts;
        self.commits += commits;
        self.events += events;
        self.found += found;
        self.repeats += repeats;
        self.seals += seals;
        self.errors += errors;
    }
}

const LIVES: u64 = 8;
/// How many in a hundred crashes are followed by a look at every page.
const LOOKED_INTO: u64 = 10;

impl Storage {
    pub fn new(seed: u64) -> Storage {
        let mut chance = Chance::new(seed);
        let percent = chance.between(5, 95) as u8;
        let crash = match chance.below(6) {
            0 => Crash::Lost,
            1 => Crash::Kept,
            2 => Crash::Reordered { percent },
            _ => Crash::Torn { percent, garbage: chance.percent(50) },
        };
        Storage {
            disk: FaultFolder::new(),
            crash,
            fuel: *chance.pick(&[12, 80, 80, 300]),
            failing: *chance.pick(&[0, 0, 20]),
            chains: Vec::new(),
            log: Vec::new(),
            in_flight: Vec::new(),
            next_id: 0,
            counts: Counts::default(),
            chance,
        }
    }

    /// The whole story of a seed. Answers a hash of what was left.
    pub fn run(&mut self) -> Digest {
        for _ in 0..LIVES {
            self.disk.lose_power_at(self.chance.between(1, self.fuel));
            if self.chance.percent(self.failing) {
                let at = self.chance.between(1, self.fuel);
                self.disk.fail(Failure { at, kind: std::io::ErrorKind::Other, lasting: false });
            }
            let _ = self.live();
            self.counts.errors += self.disk.failed();
            self.counts.cuts += 1;
            self.disk = self.disk.crash(self.crash, &mut self.chance);
            if self.chance.percent(LOOKED_INTO) {
                oracle::check_pages(&self.disk.copy(), &Default::default());
            }
        }
        self.disk.heal();
        let store = self.open().expect("there is power");
        let verified = store.reader().verify().expect("the log is whole");
        assert_eq!((verified.events, verified.commits), (self.log.len() as u64, self.chains.len() as u64));
        drop(store);
        oracle::check_pages(&self.disk, &Default::default());
        self.chains.last().copied().unwrap_or(Digest::ZERO)
    }

    /// An error is the disk's fault, or the test has found something.
    #[track_caller]
    fn lost(&self, error: StoreError) -> StoreError {
        assert!(!self.disk.has_power() || self.disk.failed() > 0, "the disk is well, and yet: {error}");
        error
    }

    /// Opens what is there: all that was acknowledged, and of what was not all or nothing.
    fn open(&mut self) -> Result<Store, StoreError> {
        let store = Store::open(Arc::new(self.disk.clone()), &Options { cache_bytes: 1 << 20, ..Options::default() });
        let store = store.map_err(|error| self.lost(error))?;
        let (mut chains, mut fresh) = (Vec::new(), Vec::new());
        let before = self.log.len() as u64;
        let snapshot = store.reader().snapshot().map_err(|error| self.lost(error))?;
        let read = snapshot.records(0, Position::START, &mut |record| {
            chains.push(record.chain);
            if record.last().0 > before {
                fresh.extend(record.events().map(|event| event.to_event()));
            }
            Ok(true)
        });
        read.map_err(|error| self.lost(error))?;
        let kept = self.chains.len();
        assert!(chains.len() >= kept, "acknowledged commits are lost: {} of {kept} are left", chains.len());
        assert_eq!(chains[..kept], self.chains[..], "what was acknowledged is there no more as it was");
        if chains.len() > kept {
            self.counts.found += 1;
            assert_eq!(fresh.len(), self.in_flight.len(), "a part of what was asked for is there");
            for (found, asked) in fresh.iter().zip(&self.in_flight) {
                assert_eq!((&found.id, &found.subject, &found.data), (&asked.id, &asked.subject, &asked.data));
            }
            self.log.append(&mut self.in_flight);
            self.chains = chains;
        }
        self.in_flight.clear();
        Ok(store)
    }

    fn live(&mut self) -> Result<(), StoreError> {
        let mut store = self.open()?;
        let mut written: Option<Sealed> = None;
        for _ in 0..60 {
            match self.chance.below(12) {
                0 => store.close_tail(),
                1 | 2 => match written.take() {
                    Some(sealed) => store.adopt(sealed).map_err(|error| self.lost(error))?,
                    None => {
                        let Some(due) = store.reader().housekeeping_due() else { continue };
                        self.counts.seals += 1;
                        written = Some(store.reader().housekeep(due).map_err(|error| self.lost(error))?);
                    }
                },
                3 => drop(store.delete_leftover_rows().map_err(|error| self.lost(error))?),
                4 => self.repeat(&mut store)?,
                _ => self.append(&mut store)?,
            }
        }
        Ok(())
    }

    fn append(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let count = *self.chance.pick(&[1, 1, 2, 5, 20]);
        for _ in 0..count {
            self.next_id += 1;
            let length = if self.chance.percent(3) { 20_000 } else { self.chance.below(120) };
            self.in_flight.push(NewEvent {
                id: self.next_id.to_string(),
                source: "/storage".into(),
                r#type: "stored".into(),
                subject: format!("s/{}", self.chance.below(5)),
                content_type: "text/plain".into(),
                data: vec![self.chance.number() as u8; length as usize],
                ..NewEvent::default()
            });
        }
        let append = Append { events: self.in_flight.clone(), ..Append::default() };
        let committed = store.commit([Proposal::Append(append)], Timestamp(self.next_id));
        let committed = committed.map_err(|error| {
            // Nobody knows what reached the disk: nothing is acknowledged any more.
            assert!(store.reader().is_poisoned());
            assert!(store.commit([Proposal::Append(Append::default())], Timestamp(0)).is_err(), "it goes on after an error");
            self.lost(error)
        })?;
        self.counts.commits += 1;
        self.counts.events += count;
        let first = self.log.len() as u64 + 1;
        match &committed.answers[..] {
            [Ok(Accepted::Appended(appended))] => {
                assert_eq!(appended.positions, (first..first + count).map(Position).collect::<Vec<_>>());
            }
            other => panic!("an append was answered {other:?}"),
        }
        self.log.append(&mut self.in_flight);
        self.chains.extend(committed.changes.records.iter().map(|record| record.chain));
        Ok(())
    }

    /// Somebody asks again for what is there already.
    fn repeat(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if self.log.is_empty() {
            return Ok(());
        }
        let at = self.chance.index(self.log.len());
        let append = Append { events: vec![self.log[at].clone()], ..Append::default() };
        let committed = store.commit([Proposal::Append(append)], Timestamp(self.next_id)).map_err(|error| self.lost(error))?;
        self.counts.repeats += 1;
        match &committed.answers[..] {
            [Ok(Accepted::Appended(appended))] => assert_eq!((&appended.positions[..], appended.new), (&[Position(at as u64 + 1)][..], 0)),
            other => panic!("a repeat was answered {other:?}"),
        }
        Ok(())
    }
}

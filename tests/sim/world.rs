//! One simulated namespace: clients, functions, operator, housekeeper and power company, one action
//! at a time, as the seed says.

use std::collections::{BTreeSet, VecDeque};

use retold_engine::model::{Digest, Event, Plan, Position, Timestamp};
use retold_engine::run::{Settled, Step, Ticket};
use retold_engine::store::{Accepted, Control, Deploy, Options as StoreOptions, Proposal, Refused, Sealed, Snapshot, Store, StoreError};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};
use crate::functions::{Functions, Slot};
use crate::guests::{MODULES, Outside, SimGuest};
use crate::judge;
use crate::load::Load;
use crate::model::{Model, Status};
use crate::options::Options;
use crate::oracle;
use crate::waiting::Waiting;

pub struct World {
    pub options: Options,
    pub chance: Chance,
    pub disk: FaultFolder,
    pub model: Model,
    pub outside: Outside,
    load: Load,
    now: Timestamp,
    /// Hash of everything that was answered.
    pub trace: Digest,
    pub counts: Counts,
}

/// What a seed has seen, to know that it saw something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cuts: u64,
    pub commits: u64,
    pub unacknowledged: u64,
    pub seals: u64,
    pub merges: u64,
    pub parked: u64,
    pub released: u64,
    pub rebuilds: u64,
    pub refused: u64,
    pub waits: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        let Counts { cuts, commits, unacknowledged, seals, merges, parked, released, rebuilds, refused, waits } = other;
        self.cuts += cuts;
        self.commits += commits;
        self.unacknowledged += unacknowledged;
        self.seals += seals;
        self.merges += merges;
        self.parked += parked;
        self.released += released;
        self.rebuilds += rebuilds;
        self.refused += refused;
        self.waits += waits;
    }
}

/// Power was lost: whoever was at work is gone.
#[derive(Debug)]
pub struct PowerLost;

/// What lives as long as the power is on.
pub struct Host {
    pub store: Store,
    functions: Functions,
    inbox: VecDeque<Pending>,
    /// Plans whose end their runner has not been told yet.
    unsettled: Vec<(Slot, Ticket, Settled)>,
    /// Files that are written and not named yet: by sealing, by merging.
    written: [Option<Sealed>; 2],
    /// Old snapshots, with the head that each must go on to show.
    held: Vec<Snapshot>,
    waiting: Waiting,
    /// Streams of which a part was refused.
    broken: BTreeSet<u64>,
}

struct Pending {
    proposal: Proposal,
    from: From,
}

enum From {
    Outside,
    Runner(Slot, Ticket),
}

/// A client's clock: 2026, in microseconds.
const START: Timestamp = Timestamp(1_767_225_600_000_000);

impl World {
    pub fn new(seed: u64) -> World {
        let mut chance = Chance::new(seed);
        let options = Options::draw(&mut chance);
        World::with(options, chance)
    }

    /// A world in which nothing fails and nobody acts by chance.
    pub fn quiet() -> World {
        World::with(Options::quiet(), Chance::new(0))
    }

    fn with(options: Options, mut chance: Chance) -> World {
        let outside = Outside::new(chance.split(), options.unavailable, options.one_event_a_call);
        World {
            load: Load::default(),
            disk: FaultFolder::new(),
            model: Model::default(),
            outside,
            now: START,
            trace: Digest::ZERO,
            counts: Counts::default(),
            options,
            chance,
        }
    }

    /// The whole story of a seed: some power cuts, then peace.
    pub fn run(&mut self) {
        for _ in 0..self.options.cuts {
            self.limit_power();
            let _ = self.live();
            // Power may go while the host stops in good order, too.
            if !self.disk.has_power() {
                self.cut();
            }
        }
        self.disk.heal();
        let mut host = self.open(&[]).unwrap_or_else(|PowerLost| panic!("there is power"));
        self.drain(&mut host);
        oracle::check_all(&self.model, &host.store.reader(), &mut self.chance);
        oracle::check_past(&self.model, &host.store.reader());
        drop(host);
        oracle::check_pages(&self.disk);
    }

    /// Decides when the power will go.
    fn limit_power(&mut self) {
        let most = if self.chance.percent(20) { 12 } else { self.options.fuel };
        let fuel = self.chance.between(1, most);
        if self.chance.percent(self.options.at_syncs) {
            // A commit takes some ten operations, and one sync.
            self.disk.lose_power_at_sync(fuel.div_ceil(10));
        } else {
            self.disk.lose_power_at(fuel);
        }
    }

    fn cut(&mut self) {
        self.counts.cuts += 1;
        if self.chance.percent(self.options.kills) {
            self.kill();
        } else {
            self.lose_power(self.options.crash);
        }
    }

    pub fn lose_power(&mut self, crash: Crash) {
        self.disk = self.disk.crash(crash, &mut self.chance);
    }

    /// The process ends; the machine goes on.
    pub fn kill(&mut self) {
        self.disk = self.disk.kill();
    }

    pub fn note(&mut self, what: &impl std::fmt::Debug) {
        self.trace = Digest::link(self.trace, format!("{what:?}").as_bytes());
    }

    /// Opens the store and acts until the power goes, or long enough.
    fn live(&mut self) -> Result<(), PowerLost> {
        let mut host = self.open(&[])?;
        for _ in 0..self.options.actions {
            let done = self.act(&mut host);
            if done.is_err() || !self.disk.has_power() {
                let in_flight = match done {
                    Err(InFlight(proposals)) => proposals,
                    Ok(()) => Vec::new(),
                };
                drop(host);
                self.cut();
                return self.recover(&in_flight);
            }
        }
        // An orderly stop, if the power allows.
        drop(host);
        Ok(())
    }

    /// Opens again and again, as the power allows, until it is known what became of the last group.
    fn recover(&mut self, in_flight: &[Proposal]) -> Result<(), PowerLost> {
        for attempt in 0.. {
            if attempt < 3 && self.chance.percent(60) {
                self.limit_power();
            }
            match self.open(in_flight) {
                Ok(host) => {
                    // What was found is the truth now, even if power is lost again at once.
                    drop(host);
                    break;
                }
                Err(PowerLost) => self.cut(),
            }
        }
        if self.disk.has_power() { Ok(()) } else { Err(PowerLost) }
    }

    /// Opens the store, which must hold all that was acknowledged, and of the group in flight all or
    /// nothing.
    pub fn open(&mut self, in_flight: &[Proposal]) -> Result<Host, PowerLost> {
        let options = StoreOptions { term_key: [7; 16], ..StoreOptions::default() };
        let store = match Store::open(std::sync::Arc::new(self.disk.clone()), &options) {
            Ok(store) => store,
            Err(error) => return self.lost(&error),
        };
        let reader = store.reader();
        let snapshot = reader.snapshot();
        let mut found = Vec::new();
        let read = snapshot.and_then(|snapshot| {
            snapshot.records(0, &mut |record| {
                found.push(record.clone());
                Ok(true)
            })
        });
        if let Err(error) = read {
            return self.lost(&error);
        }
        let kept = self.model.commit as usize;
        assert!(found.len() >= kept, "acknowledged commits are lost: {} of {kept} are left", found.len());
        assert!(kept == 0 || found[kept - 1].chain == self.model.chain.0, "what was acknowledged is there no more as it was");
        if found.len() > kept {
            self.counts.unacknowledged += 1;
            let before = self.model.head();
            for record in &found[kept..] {
                self.model.feed(record);
            }
            let fresh: Vec<Event> = self.model.log[before.0 as usize..].to_vec();
            judge::check_in_flight(&mut self.model, before, in_flight, &fresh);
        }
        if !self.disk.has_power() {
            return Err(PowerLost);
        }
        oracle::check_all(&self.model, &reader, &mut self.chance);
        self.note(&self.model.chain.clone());
        let functions = Functions::new(self.options.rivals);
        let waiting = Waiting::new(self.options.waits);
        Ok(Host {
            store,
            functions,
            inbox: VecDeque::new(),
            unsettled: Vec::new(),
            written: [None, None],
            held: Vec::new(),
            waiting,
            broken: BTreeSet::new(),
        })
    }

    /// An error is the power's fault, or the test has found something.
    #[track_caller]
    pub fn lost<T>(&self, error: &StoreError) -> Result<T, PowerLost> {
        assert!(!self.disk.has_power() || self.disk.failed() > 0, "there is power, and yet: {error}");
        Err(PowerLost)
    }

    fn act(&mut self, host: &mut Host) -> Result<(), InFlight> {
        let options = self.options.clone();
        let weights = [
            options.appends,
            options.steps,
            options.appends + options.steps / 2,
            options.controls,
            options.deploys,
            options.housekeeping,
            3,
        ];
        let mut at = self.chance.below(weights.iter().sum());
        let action = weights.iter().position(|weight| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        self.now = if self.chance.percent(5) {
            Timestamp(self.now.0 - self.chance.below(5_000_000))
        } else {
            Timestamp(self.now.0 + self.chance.below(400_000))
        };
        match action.unwrap_or_default() {
            0 => {
                let append = self.load.append(&self.options, &mut self.chance, &self.model);
                host.inbox.push_back(Pending { proposal: Proposal::Append(append), from: From::Outside });
                Ok(())
            }
            1 => self.step(host).map_err(InFlight::nothing),
            2 => self.commit(host),
            3 => {
                if let Some(proposal) = self.control() {
                    host.inbox.push_back(Pending { proposal, from: From::Outside });
                }
                Ok(())
            }
            4 => {
                let proposal = self.deployment();
                host.inbox.push_back(Pending { proposal, from: From::Outside });
                Ok(())
            }
            5 => self.housekeep(host).map_err(InFlight::nothing),
            _ => self.look(host).map_err(InFlight::nothing),
        }
    }

    /// Some function makes a plan, or is told how its last one ended.
    fn step(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        if !host.unsettled.is_empty() && self.chance.percent(50) {
            let (slot, ticket, how) = host.unsettled.remove(self.chance.index(host.unsettled.len()));
            host.functions.settled(slot, ticket, how);
            return Ok(());
        }
        let Some(slot) = host.functions.draw(&self.model, &mut self.chance) else { return Ok(()) };
        let fresh = match host.store.reader().snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.lost(&error),
        };
        let stale = !host.held.is_empty() && self.chance.percent(self.options.stale_snapshots);
        let snapshot = if stale { self.chance.pick(&host.held) } else { &fresh };
        let name = host.functions.name(slot).to_owned();
        let Some(module) = snapshot.function(&name).map(|row| row.module) else { return Ok(()) };
        let guest = SimGuest { version: self.model.modules[&module].version, outside: &self.outside };
        match host.functions.runner(slot).step(snapshot, &guest, self.now, &mut |_, _| {}) {
            Ok(Step::Plan(ticket, plan)) => self.propose(host, slot, ticket, *plan),
            Ok(Step::Later(at)) if self.chance.percent(50) => self.now = self.now.max(at),
            Ok(step) => {
                self.note(&step);
                host.functions.idle(slot, matches!(step, Step::Idle));
            }
            Err(error) => return self.lost(&error),
        }
        Ok(())
    }

    fn propose(&mut self, host: &mut Host, slot: Slot, ticket: Ticket, plan: Plan) {
        self.note(&plan);
        let pending = Pending { proposal: Proposal::Reaction(plan), from: From::Runner(slot, ticket) };
        // A plan may be lost on its way; its runner is told.
        if self.chance.percent(3) {
            host.unsettled.push((slot, ticket, Settled::Refused));
        } else {
            host.inbox.push_back(pending);
        }
    }

    /// The writer takes some of what waits.
    fn commit(&mut self, host: &mut Host) -> Result<(), InFlight> {
        if self.chance.percent(self.options.shuffled) {
            let mut all: Vec<Pending> = host.inbox.drain(..).collect();
            self.chance.shuffle(&mut all);
            host.inbox = all.into();
        }
        let count = self.chance.between(0, self.options.proposals_per_commit) as usize;
        let group: Vec<Pending> = host.inbox.drain(..count.min(host.inbox.len())).collect();
        self.commit_group(host, group)
    }

    fn commit_group(&mut self, host: &mut Host, group: Vec<Pending>) -> Result<(), InFlight> {
        let proposals: Vec<Proposal> = group.iter().map(|pending| pending.proposal.clone()).collect();
        let committed = match host.store.commit(proposals.clone(), self.now) {
            Ok(committed) => committed,
            Err(error) => {
                assert!(!self.disk.has_power() || self.disk.failed() > 0, "there is power, and yet: {error}");
                assert!(host.store.reader().is_poisoned());
                return Err(InFlight(proposals));
            }
        };
        self.counts.commits += 1;
        self.note(&committed.answers);
        let before = self.model.head();
        let fresh: Vec<Event> =
            committed.changes.records.iter().flat_map(|record| record.events().map(|event| event.to_event()).collect::<Vec<_>>()).collect();
        judge::check_answers(&mut self.model, &mut host.broken, &proposals, &committed.answers, &fresh);
        for record in &committed.changes.records {
            self.model.feed(record);
        }
        judge::check_different(&self.model, &committed.answers);
        assert_eq!(host.store.head(), self.model.head());
        assert_eq!(before.0 + fresh.len() as u64, self.model.head().0);
        for (pending, answer) in group.into_iter().zip(&committed.answers) {
            self.count(answer);
            if let From::Runner(slot, ticket) = pending.from {
                host.unsettled.push((slot, ticket, if answer.is_ok() { Settled::Committed } else { Settled::Refused }));
            }
        }
        let ended = host.waiting.committed(&self.model, &host.store.reader(), &committed, &mut self.chance);
        self.counts.waits += ended;
        Ok(())
    }

    fn count(&mut self, answer: &Result<Accepted, Refused>) {
        match answer {
            Ok(Accepted::Reacted(reacted)) => self.counts.parked += reacted.parked.len() as u64,
            Ok(_) => {}
            Err(_) => self.counts.refused += 1,
        }
    }

    fn control(&mut self) -> Option<Proposal> {
        let names: Vec<&String> = self.model.functions.keys().collect();
        if names.is_empty() {
            return None;
        }
        let function = (*self.chance.pick(&names)).clone();
        let row = &self.model.functions[&function];
        let control = match self.chance.below(10) {
            0 => Control::Pause,
            1..=3 => Control::Resume,
            4 | 5 => {
                self.counts.rebuilds += 1;
                let most = row.cursor.0 + u64::from(self.chance.percent(10));
                Control::Rewind(Position(self.chance.between(row.start.0.min(most), most)))
            }
            _ => {
                self.outside.set_healed(self.chance.percent(50));
                self.counts.released += 1;
                let parked: Vec<&String> = row.parked.values().map(|parked| &parked.subject).collect();
                let subject = (self.chance.percent(60) && !parked.is_empty()).then(|| (*self.chance.pick(&parked)).clone());
                Control::Release { subject }
            }
        };
        Some(Proposal::Control { function, control })
    }

    fn deployment(&mut self) -> Proposal {
        let module = self.chance.pick(MODULES);
        if self.chance.percent(8) {
            return Proposal::Remove { module: module.name.to_owned() };
        }
        deploy(module)
    }

    /// Segments: closes the tail, writes a file, names it. A seal and a merge may be under way at once.
    fn housekeep(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let kind = self.chance.index(2);
        if let Some(sealed) = host.written[kind].take() {
            return host.store.adopt(sealed).or_else(|error| self.lost(&error));
        }
        match self.chance.below(6) {
            0 => host.store.delete_sealed_rows().map(drop).or_else(|error| self.lost(&error)),
            1 | 2 => {
                host.store.close_tail();
                Ok(())
            }
            _ => {
                let reader = host.store.reader();
                let due = if kind == 0 { reader.seal_due() } else { reader.merge_due() };
                let Some(work) = due else {
                    host.store.close_tail();
                    return Ok(());
                };
                self.counts.seals += u64::from(kind == 0);
                self.counts.merges += u64::from(kind == 1);
                host.written[kind] = Some(reader.housekeep(work).or_else(|error| self.lost(&error))?);
                Ok(())
            }
        }
    }

    /// Somebody reads: now, or in a snapshot that was taken long ago.
    fn look(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        match self.chance.below(4) {
            0 => {
                host.held.push(match host.store.reader().snapshot() {
                    Ok(snapshot) => snapshot,
                    Err(error) => return self.lost(&error),
                });
            }
            1 if host.held.len() > 2 => drop(host.held.remove(0)),
            2 => oracle::check_all(&self.model, &host.store.reader(), &mut self.chance),
            _ if !host.held.is_empty() => {
                let snapshot = self.chance.pick(&host.held);
                let log = &self.model.log[..snapshot.head().0 as usize];
                oracle::check_reads(log, snapshot, &mut self.chance.clone(), 3);
            }
            _ => {}
        }
        Ok(())
    }

    /// With everything working, everything is handled.
    pub fn drain(&mut self, host: &mut Host) {
        self.outside.calm();
        let mut rounds = 0;
        while self.unfinished(host) {
            rounds += 1;
            assert!(rounds < 2_000, "functions don't come to rest: {:?}", self.model.functions);
            for name in self.model.functions.keys().cloned().collect::<Vec<_>>() {
                let row = &self.model.functions[&name];
                let control = match row.status {
                    Status::Paused | Status::Halted(_) => Control::Resume,
                    Status::Active if row.parked.values().any(|parked| parked.reason != "hops" && !parked.released && name != "circle") => {
                        Control::Release { subject: None }
                    }
                    _ => continue,
                };
                host.inbox.push_back(Pending { proposal: Proposal::Control { function: name, control }, from: From::Outside });
            }
            self.round(host).unwrap_or_else(|_| panic!("there is power"));
        }
    }

    /// Each function makes one plan, and what waits is committed.
    pub fn round(&mut self, host: &mut Host) -> Result<(), InFlight> {
        self.plan(host).map_err(InFlight::nothing)?;
        self.ask_too(host, Vec::new())
    }

    /// Each function makes one plan.
    pub fn plan(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        for (slot, ticket, how) in std::mem::take(&mut host.unsettled) {
            host.functions.settled(slot, ticket, how);
        }
        for slot in host.functions.all(&self.model) {
            self.step_now(host, slot)?;
        }
        self.pass_ms(40_000);
        Ok(())
    }

    pub fn pass_ms(&mut self, ms: i64) {
        self.now = Timestamp(self.now.0.saturating_add_signed(ms * 1_000));
    }

    /// Commits what waits, and after it what somebody asks for.
    pub fn ask_too(&mut self, host: &mut Host, proposals: Vec<Proposal>) -> Result<(), InFlight> {
        let asked = proposals.into_iter().map(|proposal| Pending { proposal, from: From::Outside });
        let group = host.inbox.drain(..).chain(asked).collect();
        self.commit_group(host, group)
    }

    /// Commits what somebody asks for, at once.
    pub fn ask(&mut self, host: &mut Host, proposals: Vec<Proposal>) -> Result<(), InFlight> {
        self.commit_group(host, proposals.into_iter().map(|proposal| Pending { proposal, from: From::Outside }).collect())
    }

    fn step_now(&mut self, host: &mut Host, slot: Slot) -> Result<(), PowerLost> {
        let snapshot = match host.store.reader().snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return self.lost(&error),
        };
        let module = self.model.functions[host.functions.name(slot)].module;
        let guest = SimGuest { version: self.model.modules[&module].version, outside: &self.outside };
        let step = match host.functions.runner(slot).step(&snapshot, &guest, self.now, &mut |_, _| {}) {
            Ok(step) => step,
            Err(error) => return self.lost(&error),
        };
        self.note(&step);
        if let Step::Plan(ticket, plan) = step {
            host.inbox.push_back(Pending { proposal: Proposal::Reaction(*plan), from: From::Runner(slot, ticket) });
        }
        Ok(())
    }

    fn unfinished(&self, host: &Host) -> bool {
        let model = &self.model;
        !host.inbox.is_empty()
            || !host.unsettled.is_empty()
            || model.functions.iter().any(|(name, row)| match row.status {
                Status::Retired => false,
                Status::Paused | Status::Halted(_) => true,
                Status::Active => {
                    row.rebuilding.is_some()
                        || row.parked.values().any(|parked| parked.released || (parked.reason != "hops" && name != "circle"))
                        || model.log[row.cursor.0 as usize..].iter().any(|event| row.reads(&event.r#type))
                }
            })
    }
}

/// The group that was being committed when the power went.
pub struct InFlight(pub Vec<Proposal>);

impl InFlight {
    pub fn nothing(_: PowerLost) -> InFlight {
        InFlight(Vec::new())
    }
}

pub fn deploy(module: &crate::guests::Module) -> Proposal {
    let component = module.component();
    Proposal::Deploy(Deploy { manifest: module.manifest(), digest: Digest::of(&component), component })
}

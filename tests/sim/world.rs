//! One simulated namespace: clients, functions, operator, housekeeper and power company, one action
//! at a time, as the seed says.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use retold_engine::model::{Digest, Event, Position, Timestamp};
use retold_engine::run::{Settled, Ticket};
use retold_engine::store::{Deploy, Options as StoreOptions, Proposal, Sealed, Snapshot, Store, StoreError};

use crate::chance::Chance;
use crate::desk::{Desk, Hots};
use crate::disk::{Crash, FaultFolder};
use crate::functions::{Functions, Slot};
use crate::guests::{Outside, SimGuests};
use crate::judge;
use crate::load::Load;
use crate::model::Model;
use crate::options::Options;
use crate::oracle;
use crate::upgrades::Upgrade;
use crate::views::{Known, Views};
use crate::waiting::Waiting;

pub struct World {
    pub options: Options,
    pub chance: Chance,
    pub disk: FaultFolder,
    pub model: Model,
    pub outside: Arc<Outside>,
    pub load: Load,
    pub desk: Desk,
    pub now: Timestamp,
    /// Hash of everything that was answered, and whether it is told as it comes.
    pub trace: Digest,
    pub told: bool,
    pub counts: Counts,
    /// What must be in the files of views.
    pub views: Known,
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
    pub skipped: u64,
    pub rebuilds: u64,
    pub refused: u64,
    pub waits: u64,
    /// Commands accepted, known again, and in conflict.
    pub decided: u64,
    pub repeated: u64,
    pub conflicts: u64,
    /// Commands that functions sent, refusals of them, and those that were parked, for going in circles too.
    pub sent: u64,
    pub sent_refused: u64,
    pub sent_parked: u64,
    pub circled: u64,
    /// Portions folded into views, view files that were found and kept, and made new for what was in them.
    pub folds: u64,
    pub views_kept: u64,
    pub views_replaced: u64,
    pub upcast_parked: u64,
    /// Switches to other code with state that was made ready, those back, and refused ones.
    pub switched: u64,
    pub rolled_back: u64,
    pub not_level: u64,
    pub given_up: u64,
    /// Forks that were made, and those of which power was lost first.
    pub forks: u64,
    pub fork_cuts: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        let Counts { cuts, commits, unacknowledged, seals, merges, parked, released, rebuilds, refused, waits, .. } = other;
        self.decided += other.decided;
        self.repeated += other.repeated;
        self.conflicts += other.conflicts;
        self.sent += other.sent;
        self.sent_refused += other.sent_refused;
        self.sent_parked += other.sent_parked;
        self.circled += other.circled;
        self.folds += other.folds;
        self.views_kept += other.views_kept;
        self.views_replaced += other.views_replaced;
        self.upcast_parked += other.upcast_parked;
        self.switched += other.switched;
        self.rolled_back += other.rolled_back;
        self.not_level += other.not_level;
        self.given_up += other.given_up;
        self.forks += other.forks;
        self.fork_cuts += other.fork_cuts;
        self.cuts += cuts;
        self.commits += commits;
        self.unacknowledged += unacknowledged;
        self.seals += seals;
        self.merges += merges;
        self.parked += parked;
        self.released += released;
        self.skipped += other.skipped;
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
    pub functions: Functions,
    pub inbox: VecDeque<Pending>,
    /// Plans whose end their runner has not been told yet.
    pub unsettled: Vec<(Slot, Ticket, Settled)>,
    /// Files that are written and not named yet: by sealing, by merging.
    pub written: [Option<Sealed>; 2],
    /// Old snapshots, with the head that each must go on to show.
    pub held: Vec<Snapshot>,
    pub waiting: Waiting,
    pub hots: Hots,
    pub views: Views,
    /// The one that is under way.
    pub upgrade: Option<Upgrade>,
    /// Streams of which a part was refused.
    pub broken: BTreeSet<u64>,
}

pub struct Pending {
    pub proposal: Proposal,
    pub from: From,
}

pub enum From {
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

    pub fn with(options: Options, mut chance: Chance) -> World {
        let outside = Arc::new(Outside::new(chance.split(), options.unavailable, options.one_event_a_call));
        World {
            load: Load::default(),
            desk: Desk::default(),
            disk: FaultFolder::new(),
            model: Model::default(),
            outside,
            now: START,
            trace: Digest::ZERO,
            told: false,
            counts: Counts::default(),
            views: Known::default(),
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
        self.finish_views(&mut host);
        if self.options.upgraded_all {
            self.finish_upgrades(&mut host);
        }
        if self.options.forked_at_the_end {
            self.fork(&host).unwrap_or_else(|PowerLost| panic!("there is power"));
        }
        oracle::check_all(&self.model, &host.store.reader(), &mut self.chance);
        oracle::check_past(&self.model, &host.store.reader());
        self.check_bounds(&mut host);
        let owned = oracle::owned_slots(&host.store.reader());
        while host.store.delete_leftover_rows().expect("there is power") {}
        drop(host);
        oracle::check_slots(&self.disk, &owned);
        oracle::check_pages(&self.disk, &self.views);
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
        // Nobody may repair it here but whoever opens it in earnest.
        if self.chance.percent(self.options.looked_into) {
            oracle::check_pages(&self.disk.copy(), &self.views);
        }
    }

    pub fn lose_power(&mut self, crash: Crash) {
        self.disk = self.disk.crash(crash, &mut self.chance);
    }

    /// The process ends; the machine goes on.
    pub fn kill(&mut self) {
        self.disk = self.disk.kill();
    }

    pub fn guests(&self) -> SimGuests {
        let versions = self.model.modules.iter().map(|(ordinal, version)| (*ordinal, version.version)).collect();
        SimGuests { versions, outside: self.outside.clone() }
    }

    pub fn note(&mut self, what: &impl std::fmt::Debug) {
        let text = format!("{what:?}");
        if self.told {
            eprintln!("{} {text}", self.model.head());
        }
        self.trace = Digest::link(self.trace, text.as_bytes());
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
            snapshot.records(0, Position::START, &mut |record| {
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
            hots: Hots::new(),
            views: Views::default(),
            upgrade: None,
            broken: BTreeSet::new(),
        })
    }

    /// An error is the power's fault, or the test has found something.
    #[track_caller]
    pub fn lost<T>(&self, error: &StoreError) -> Result<T, PowerLost> {
        assert!(!self.disk.has_power() || self.disk.failed() > 0, "there is power, and yet: {error}");
        Err(PowerLost)
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
    Proposal::Deploy(Deploy {
        manifest: module.manifest(),
        digest: Digest::of(&component),
        component,
        levels: Vec::new(),
        rollback: false,
        // What is held is not this story.
        send: true,
    })
}

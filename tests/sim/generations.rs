//! A namespace that is retold into a second log, which takes its place: three folders of one machine that
//! loses power, a client that repeats what was not acknowledged, and functions at work all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retold_engine::model::{Digest, Event, Guest, NewEvent, Position, Timestamp, TypePattern};
use retold_engine::run::{Comparison, Ending, Guests, RetellPlan, Retelling, Retold, RetoldModule, Rule, Runner, SubjectPattern};
use retold_engine::store::{Catalogue, CursorMap, Deploy, NamespaceRow, Options, Proposal, Role, Store, StoreError};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};
use crate::generation_oracle as oracle;
use crate::guests::{FRAGILE, MODULES, Module, Outside, SimGuest};
use crate::outside_guests::Periods;
use crate::world::PowerLost;

pub const MAIN: &str = "main";
const BASE: &str = "namespaces/main";
const TARGET: &str = "namespaces/better";
pub const FOLDERS: [&str; 2] = [BASE, TARGET];

/// One thing that somebody does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A client appends so many events, first those that it knows nothing of.
    Append(u64),
    /// A client sends a command, first those that it had no answer to.
    Ask,
    /// What is parked is tried again.
    Release,
    /// Each function of what is live makes a plan.
    Work,
    /// The tail of what is live, or of the retelling, is sealed.
    Seal(bool),
    /// About so many units are told, as far as they fill records.
    Tell(usize),
    Compare,
    /// The retelling takes the place of its base, which stands still meanwhile.
    Promote,
}

/// What a client has sent.
pub struct Sent {
    pub event: NewEvent,
    pub acknowledged: bool,
}

/// The folders of one machine, and what is known of what must be in them.
pub struct Land {
    pub base: FaultFolder,
    pub target: FaultFolder,
    pub catalogue: FaultFolder,
    pub crash: Crash,
    pub plan: RetellPlan,
    pub sent: Vec<Sent>,
    /// Commands, and those that the aggregate refused.
    pub asked: Vec<Sent>,
    pub rejected: BTreeSet<String>,
    /// Whether a promotion was acknowledged, or found.
    pub promoted: bool,
    /// Where the base ended when it was last asked for, and the commit of the retelling after which records
    /// end where a promotion was tried.
    pub base_head: Position,
    pub short_after: Option<u64>,
    pub chance: Chance,
    pub trace: Digest,
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cuts: u64,
    pub told: u64,
    pub promoted: u64,
    /// Promotions that nobody acknowledged, and were there.
    pub found: u64,
    pub repeated: u64,
    /// Earlier generations that came back.
    pub back: u64,
    pub decided: u64,
    pub parked: u64,
}

/// What lives as long as the power is on.
pub struct Life {
    pub catalogue: Catalogue,
    pub base: Store,
    pub target: Store,
    pub retelling: Retelling,
    pub comparing: Option<(CursorMap, Comparison)>,
    pub runners: BTreeMap<String, Runner>,
}

/// The code of a log's modules.
pub struct Codes(BTreeMap<u32, u8>);

impl Codes {
    pub fn of(store: &Store) -> Codes {
        let version = |text: &str| text.bytes().next().map_or(0, |digit| digit - b'0');
        Codes(store.reader().modules().iter().map(|(ordinal, module)| (*ordinal, version(&module.version))).collect())
    }
}

impl Guests for Codes {
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>> {
        let outside = Arc::new(Outside::new(Chance::new(0), 0, false));
        Some(Arc::new(SimGuest { version: *self.0.get(&module)?, outside }))
    }
}

/// One that parks what it can't handle.
const PARKING: &[Module] =
    &[Module { name: "parking", version: 1, functions: &[FRAGILE] }, Module { name: "parking", version: 2, functions: &[FRAGILE] }];
/// Handlers with state and without, one that parks, an aggregate, and the upcaster of what it folds.
const NAMES: [&str; 5] = ["plain", "counting", "parking", "stock", "notes"];

fn module(name: &str, version: u8) -> &'static Module {
    MODULES.iter().chain(PARKING).find(|module| module.name == name && module.version == version).expect("there is such a module")
}

fn deploy(module: &Module) -> Deploy {
    let component = module.component();
    Deploy { manifest: module.manifest(), digest: Digest::of(&component), component, levels: Vec::new(), rollback: false, send: false }
}

/// A plan with the second version of each module, and perhaps with events to leave out.
fn plan(chance: &mut Chance) -> RetellPlan {
    let modules = NAMES.into_iter().map(|name| {
        let Deploy { manifest, digest, component, .. } = deploy(module(name, 2));
        RetoldModule { manifest, digest, component }
    });
    let mut plan = RetellPlan { modules: modules.collect(), ..RetellPlan::default() };
    if chance.percent(30) {
        plan.drop.push(Rule { r#type: TypePattern::parse("b.one"), ..Rule::default() });
    }
    if chance.percent(30) {
        plan.forget.push(SubjectPattern::Exact("s/0".into()));
    }
    plan
}

impl Land {
    pub fn new(mut chance: Chance) -> Land {
        Land {
            base: FaultFolder::new(),
            target: FaultFolder::new(),
            catalogue: FaultFolder::new(),
            crash: Crash::Lost,
            plan: plan(&mut chance),
            sent: Vec::new(),
            asked: Vec::new(),
            rejected: BTreeSet::new(),
            promoted: false,
            base_head: Position::START,
            short_after: None,
            chance,
            trace: Digest::ZERO,
            counts: Counts::default(),
        }
    }

    pub fn folders(&self) -> [&FaultFolder; 3] {
        [&self.base, &self.target, &self.catalogue]
    }

    pub fn has_power(&self) -> bool {
        self.folders().iter().all(|folder| folder.has_power())
    }

    /// The machine loses power, with everything on it.
    pub fn cut(&mut self, crash: Crash) {
        self.counts.cuts += 1;
        for folder in [&mut self.base, &mut self.target, &mut self.catalogue] {
            *folder = folder.crash(crash, &mut self.chance);
        }
    }

    #[track_caller]
    pub fn lost<T>(&self, error: &StoreError) -> Result<T, PowerLost> {
        assert!(!self.has_power(), "there is power, and yet: {error}");
        Err(PowerLost)
    }

    /// Opens what there is, and finds one generation live.
    pub fn open(&mut self) -> Result<Life, PowerLost> {
        match self.try_open() {
            Ok(life) => {
                oracle::check_opened(self, &life);
                Ok(life)
            }
            Err(error) => self.lost(&error),
        }
    }

    fn try_open(&mut self) -> Result<Life, StoreError> {
        let catalogue = Catalogue::open(&self.catalogue)?;
        if catalogue.namespaces()?.is_empty() {
            catalogue.set(&NamespaceRow::own(MAIN, BASE, Timestamp(1)))?;
        }
        let mut base = Store::open(Arc::new(self.base.clone()), &Options::default())?;
        if base.head() == Position::START {
            base.commit(NAMES.map(|name| Proposal::Deploy(deploy(module(name, 1)))), Timestamp(1))?;
        }
        let target = Store::open(Arc::new(self.target.clone()), &Options { identity: [1; 16], ..Options::default() })?;
        if catalogue.namespaces()?.len() == 1 {
            let role = Role::Retelling { base: MAIN.into(), base_folder: BASE.into(), plan: self.plan.encode() };
            catalogue.set(&NamespaceRow { role, ..NamespaceRow::own("better", TARGET, Timestamp(1)) })?;
        }
        let rows = catalogue.namespaces()?;
        let live = rows.iter().find(|row| row.name == MAIN).expect("it is always there");
        assert!(live.folder == TARGET || !self.promoted, "a promotion was lost: {rows:?}");
        self.counts.found += u64::from(live.folder == TARGET && !self.promoted);
        self.promoted = live.folder == TARGET;
        let retelling = Retelling::new(self.plan.clone(), std::sync::Arc::new(Periods));
        Ok(Life { catalogue, base, target, retelling, comparing: None, runners: BTreeMap::new() })
    }

    /// With everything working: the retelling is live in the end, and nothing is left to do.
    pub fn finish(&mut self) {
        self.folders().iter().for_each(|folder| folder.heal());
        let mut life = self.open().expect("there is power");
        for act in [Act::Append(3), Act::Ask, Act::Tell(1_000), Act::Promote, Act::Append(3), Act::Ask] {
            self.act(&mut life, act).expect("there is power");
        }
        while self.work(&mut life).expect("there is power") {}
        oracle::check_finished(self, &mut life);
        self.go_back_and_forth(life);
    }

    pub fn note(&mut self, events: &[Event]) {
        self.trace = Digest::link(self.trace, format!("{events:?} {:?}", self.counts).as_bytes());
    }

    /// A retelling of the same base, made at once.
    pub fn retold_afresh(&self, base: &Store) -> Store {
        let mut target = Store::open(Arc::new(FaultFolder::new()), &Options::default()).expect("there is power");
        let mut retelling = Retelling::new(self.plan.clone(), std::sync::Arc::new(Periods));
        loop {
            let snapshot = base.reader().snapshot().expect("there is power");
            let step = retelling.step(&snapshot, &target.reader(), &Codes::of(&target), 10_000, Ending::AtTheHead);
            match step.expect("there is power") {
                Retold::Begin { deployments, recorded } => {
                    target.commit(deployments.into_iter().map(Proposal::Deploy), recorded).expect("there is power");
                }
                Retold::Commits { commits, .. } => drop(target.follow(commits).expect("they are the next ones")),
                Retold::Level => return target,
                other => panic!("the retelling came to {other:?}"),
            }
        }
    }
}

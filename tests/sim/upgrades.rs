//! Upgrades in the simulated namespace, step by step and among everything else: other code is replayed on
//! shadows, its state laid out beside what is live, brought level and switched to; or back to.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use retold_engine::model::{Digest, FunctionKind, FunctionManifest, StateWrite};
use retold_engine::run::{Projector, Reading, Replay, ReplayOptions, Replayed};
use retold_engine::store::{
    Accepted, Deploy, FunctionRow, FunctionStatus, Kept, Level, Portion, Prepare, PreparePart, Proposal, Refused, Snapshot, ViewFile,
};

use crate::guests::{MODULES, Module, SimGuest};
use crate::model::Model;
use crate::oracle;
use crate::world::{From, Host, InFlight, Pending, PowerLost, World, deploy};

pub const ALL: Portion = Portion { events: usize::MAX, bytes: usize::MAX };

/// Other code on its way. It ends with the host; what it left on disk is found by the next one.
pub struct Upgrade {
    pub module: &'static Module,
    /// Who would run what.
    pub then: Rc<Model>,
    pub parts: Vec<Part>,
}

/// One function of it.
pub struct Part {
    pub function: FunctionManifest,
    pub identity: Digest,
    pub way: Way,
}

pub enum Way {
    Replay(Box<Replay>, ViewFile),
    LayOut(LayOut),
    /// From its slot, which is level with the record up to a commit.
    CatchUp {
        slot: u32,
        stands_on: u64,
        level: bool,
    },
    View {
        projector: Box<Projector>,
        file: ViewFile,
        row: Box<FunctionRow>,
        level: bool,
    },
}

/// The rows of a shadow on their way into a slot.
pub struct LayOut {
    pub rows: Vec<StateWrite>,
    pub slot: Option<u32>,
    pub through_commit: u64,
}

/// How a step of a part went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    On,
    /// Nothing can be done now.
    Later,
    /// The code can't take over, or what it stood on is no longer so.
    Over,
}

impl Upgrade {
    /// Whether it works on the rows of a view of this code.
    pub fn holds(&self, identity: Digest) -> bool {
        self.parts.iter().any(|part| part.identity == identity && matches!(part.way, Way::View { .. }))
    }

    /// The files of views that it works on.
    pub fn files(&self) -> impl Iterator<Item = String> + '_ {
        self.parts.iter().filter_map(|part| match &part.way {
            Way::View { file, .. } => Some(file.name().to_owned()),
            _ => None,
        })
    }

    fn shadows(&self) -> BTreeSet<String> {
        let shadow = |part: &Part| match &part.way {
            Way::Replay(_, shadow) => Some(shadow.name().to_owned()),
            _ => None,
        };
        self.parts.iter().filter_map(shadow).collect()
    }
}

impl Part {
    fn is_level(&self) -> bool {
        matches!(self.way, Way::CatchUp { level: true, .. } | Way::View { level: true, .. })
    }
}

/// Functions that must be made ready, with the identity that they get.
fn needed(module: &Module, snapshot: &Snapshot) -> Vec<(Arc<FunctionRow>, FunctionManifest, Digest)> {
    let affected = snapshot.affected(&module.manifest(), Digest::of(&module.component())).into_iter();
    let needed = affected.filter(|affected| match affected.manifest.kind {
        FunctionKind::Handler => affected.stateful && affected.row.rebuild.is_none(),
        FunctionKind::View => affected.row.manifest.kind == FunctionKind::View,
        _ => false,
    });
    needed.map(|affected| (affected.row, affected.manifest, affected.identity)).collect()
}

impl World {
    /// An upgrade begins, or goes on by one step.
    pub fn act_on_upgrade(&mut self, host: &mut Host) -> Result<(), InFlight> {
        let Some(mut upgrade) = host.upgrade.take() else {
            let module = self.draw_module();
            host.upgrade = self.begin_upgrade(host, module).map_err(InFlight::nothing)?;
            return Ok(());
        };
        let snapshot = host.store.reader().snapshot().or_else(|error| self.lost(&error).map_err(InFlight::nothing))?;
        let now: BTreeSet<(String, Digest)> =
            needed(upgrade.module, &snapshot).into_iter().map(|(row, _, identity)| (row.name.clone(), identity)).collect();
        let meant: BTreeSet<(String, Digest)> = upgrade.parts.iter().map(|part| (part.function.name.clone(), part.identity)).collect();
        if now != meant {
            // Something else was deployed meanwhile, or a function has got state.
            return Ok(());
        }
        let behind: Vec<usize> = (0..upgrade.parts.len()).filter(|index| !upgrade.parts[*index].is_level()).collect();
        if behind.is_empty() {
            return self.switch(host, upgrade, &snapshot);
        }
        let index = *self.chance.pick(&behind);
        if self.chance.percent(10) {
            self.deploy_too_early(host, &upgrade, index)?;
        }
        if self.advance(host, &mut upgrade, index, &snapshot)? == Went::Over {
            self.counts.given_up += 1;
            if self.chance.percent(50) {
                let (function, identity) = (upgrade.parts[index].function.name.clone(), upgrade.parts[index].identity);
                let dropping = Proposal::Prepare(Prepare { function, identity, part: PreparePart::Drop });
                host.inbox.push_back(Pending { proposal: dropping, from: From::Outside });
            }
        } else {
            host.upgrade = Some(upgrade);
        }
        Ok(())
    }

    /// Somebody claims that a slot is level whose rows are still on their way.
    fn deploy_too_early(&mut self, host: &mut Host, upgrade: &Upgrade, index: usize) -> Result<(), InFlight> {
        let Part { function, identity, way: Way::LayOut(LayOut { slot: Some(_), .. }) } = &upgrade.parts[index] else { return Ok(()) };
        let functions = host.store.reader().functions();
        let row = &functions[&function.name];
        let Some(kept) = row.kept(*identity) else { return Ok(()) };
        let Proposal::Deploy(deploy) = deploy(upgrade.module) else { unreachable!("it is one") };
        let (function, cursor, epoch, stands_on) = (function.name.clone(), row.cursor, row.epoch, kept.through_commit);
        let level = Level { function, identity: *identity, cursor, epoch, stands_on, writes: Vec::new() };
        let proposal = Proposal::Deploy(Deploy { levels: vec![level], ..deploy });
        let answer = self.commit_and_hear(host, vec![Pending { proposal, from: From::Outside }])?.swap_remove(0);
        assert!(answer.is_err(), "half a state was taken for a whole one: {answer:?}");
        Ok(())
    }

    /// Mostly another version of what is there.
    fn draw_module(&mut self) -> &'static Module {
        let active = |module: &&Module| {
            let version = self.model.modules.values().find(|version| version.active && version.name == module.name);
            version.is_some_and(|version| version.version != module.version)
        };
        let others: Vec<&'static Module> = MODULES.iter().filter(active).collect();
        let all = if others.is_empty() || self.chance.percent(15) { MODULES.iter().collect() } else { others };
        all[self.chance.index(all.len())]
    }

    pub fn begin_upgrade(&mut self, host: &mut Host, module: &'static Module) -> Result<Option<Upgrade>, PowerLost> {
        let snapshot = host.store.reader().snapshot().or_else(|error| self.lost(&error))?;
        let then = Rc::new(self.model.with(module));
        if then.goes_in_circles() {
            // It would be refused, and no event would come to an end.
            return Ok(None);
        }
        let mut upgrade = Upgrade { module, then: then.clone(), parts: Vec::new() };
        for (row, function, identity) in needed(module, &snapshot) {
            self.model.codes.entry((function.name.clone(), identity)).or_insert_with(|| then.clone());
            let way = match row.kept(identity) {
                _ if function.kind == FunctionKind::View => {
                    host.views.close(identity);
                    let file = self.open_file(&row.name, identity, &snapshot)?;
                    let lanes = self.chance.between(1, 3) as usize;
                    let status = FunctionStatus::Active;
                    let row = FunctionRow { manifest: function.clone(), identity, status, ..(*row).clone() };
                    Way::View { projector: Box::new(Projector::new(&row.name, lanes)), file, row: Box::new(row), level: false }
                }
                Some(Kept { whole: true, slot, through_commit, .. }) => {
                    Way::CatchUp { slot: *slot, stands_on: *through_commit, level: false }
                }
                _ => {
                    let opened = host.store.reader().open_shadow(&row.name, identity, 1 << 20);
                    let (shadow, how) = opened.or_else(|error| self.lost(&error))?;
                    self.note(&how);
                    let guests = self.guests();
                    let reading = Reading::with_candidate(&snapshot, &guests, &module.manifest(), self.candidate(module));
                    let lanes = self.chance.between(1, 3) as usize;
                    let options = ReplayOptions { threads: lanes, compare: self.chance.percent(50), ..ReplayOptions::default() };
                    let replayed = Replayed { manifest: function.clone(), follows: Some(row.clone()), identity };
                    let mut replay = Replay::new(&reading, &replayed, options, &shadow).or_else(|error| self.lost(&error))?;
                    if replay.report().failures > 0 {
                        // What failed then may pass now.
                        shadow.clear().or_else(|error| self.lost(&error))?;
                        replay = Replay::new(&reading, &replayed, options, &shadow).or_else(|error| self.lost(&error))?;
                    }
                    Way::Replay(Box::new(replay), shadow)
                }
            };
            upgrade.parts.push(Part { function, identity, way });
        }
        if self.chance.percent(30) {
            let swept = host.store.reader().sweep_shadows(&upgrade.shadows());
            swept.or_else(|error| self.lost(&error))?;
        }
        if self.chance.percent(60) {
            self.outside.set_healed(true);
        }
        Ok(Some(upgrade))
    }

    pub fn candidate(&self, module: &Module) -> Arc<SimGuest> {
        Arc::new(SimGuest { version: module.version, outside: self.outside.clone() })
    }

    /// The last writes are made, and the switch is proposed: at once, or when others have come before.
    fn switch(&mut self, host: &mut Host, mut upgrade: Upgrade, snapshot: &Snapshot) -> Result<(), InFlight> {
        let mut levels = Vec::new();
        for index in 0..upgrade.parts.len() {
            let (name, identity) = (upgrade.parts[index].function.name.clone(), upgrade.parts[index].identity);
            if let Way::View { level, .. } = &mut upgrade.parts[index].way {
                *level = false;
                self.fold_ahead(&mut upgrade, index, snapshot, usize::MAX).map_err(InFlight::nothing)?;
                continue;
            }
            match self.bring_on(&upgrade, index, snapshot, ALL).map_err(InFlight::nothing)? {
                Ok(brought) => {
                    assert!(brought.level, "{name} was brought on without a limit, and is not level");
                    let Way::CatchUp { stands_on, .. } = upgrade.parts[index].way else { unreachable!("views were passed") };
                    let row = snapshot.function(&name).expect("it is needed");
                    let (cursor, epoch, writes) = (row.cursor, row.epoch, brought.writes);
                    levels.push(Level { function: name, identity, cursor, epoch, stands_on, writes });
                }
                Err(Went::Over) => return Ok(()),
                Err(_) => {
                    host.upgrade = Some(upgrade);
                    return Ok(());
                }
            }
        }
        let Proposal::Deploy(deploy) = deploy(upgrade.module) else { unreachable!("it is one") };
        let ran_before = self.model.modules.values().any(|version| version.digest == deploy.digest);
        let rollback = ran_before && self.chance.percent(60);
        let proposal = Proposal::Deploy(Deploy { levels, rollback, ..deploy });
        if self.chance.percent(25) {
            // It is late: somebody may have come first.
            host.inbox.push_back(Pending { proposal, from: From::Outside });
            host.upgrade = Some(upgrade);
            return Ok(());
        }
        match self.propose_among_others(host, proposal)? {
            Ok(_) => {}
            Err(Refused::NotLevel { .. }) if self.chance.percent(80) => host.upgrade = Some(upgrade),
            Err(_) => {}
        }
        Ok(())
    }

    /// With everything working and nobody else about, every upgrade comes to its end, at once; and so does
    /// the way back.
    pub fn finish_upgrades(&mut self, host: &mut Host) {
        host.upgrade = None;
        let before: Vec<(String, u8)> =
            self.model.modules.values().filter(|version| version.active).map(|version| (version.name.clone(), version.version)).collect();
        for (name, version) in before {
            let other = MODULES.iter().find(|module| module.name == name && module.version != version);
            let same = MODULES.iter().find(|module| module.name == name && module.version == version).expect("it runs");
            for module in other.into_iter().chain([same]) {
                if !self.model.with(module).goes_in_circles() {
                    self.check_folds(host, module);
                }
                // What is deployed may not fit together with what else there is.
                if self.upgrade_now(host, module).unwrap_or_else(|_| panic!("there is power")).is_some_and(|answer| answer.is_ok()) {
                    self.drain(host);
                }
            }
            oracle::check_all(&self.model, &host.store.reader(), &mut self.chance);
        }
    }

    /// An upgrade from its beginning to its end, with nobody else about. `None`: it would be refused.
    pub fn upgrade_now(&mut self, host: &mut Host, module: &'static Module) -> Result<Option<Result<Accepted, Refused>>, InFlight> {
        let Some(mut upgrade) = self.begin_upgrade(host, module).map_err(InFlight::nothing)? else { return Ok(None) };
        self.make_ready(host, &mut upgrade)?;
        let snapshot = host.store.reader().snapshot().or_else(|error| self.lost(&error).map_err(InFlight::nothing))?;
        let mut levels = Vec::new();
        for (index, part) in upgrade.parts.iter().enumerate() {
            let Way::CatchUp { stands_on, .. } = part.way else { continue };
            let brought = self.bring_on(&upgrade, index, &snapshot, ALL).map_err(InFlight::nothing)?;
            let Ok(brought) = brought else { panic!("{} was level", part.function.name) };
            let row = snapshot.function(&part.function.name).expect("it is needed");
            let (function, identity, cursor, epoch) = (row.name.clone(), part.identity, row.cursor, row.epoch);
            levels.push(Level { function, identity, cursor, epoch, stands_on, writes: brought.writes });
        }
        drop(upgrade);
        let Proposal::Deploy(deploy) = deploy(module) else { unreachable!("it is one") };
        let rollback = self.model.modules.values().any(|version| version.digest == deploy.digest);
        let proposal = Proposal::Deploy(Deploy { levels, rollback, ..deploy });
        let answer = self.commit_and_hear(host, vec![Pending { proposal, from: From::Outside }])?.swap_remove(0);
        assert!(!matches!(answer, Err(Refused::NotLevel { .. })), "nothing came between: {answer:?}");
        Ok(Some(answer))
    }

    /// Everything is replayed as the log stands, and nothing laid out yet.
    #[track_caller]
    pub fn replay_all(&mut self, host: &mut Host, upgrade: &mut Upgrade) {
        self.advance_while(host, upgrade, |way| matches!(way, Way::Replay(..)));
    }

    /// What was replayed is laid out, and not brought on yet.
    #[track_caller]
    pub fn lay_out_all(&mut self, host: &mut Host, upgrade: &mut Upgrade) {
        self.advance_while(host, upgrade, |way| matches!(way, Way::LayOut(_)));
    }

    fn advance_while(&mut self, host: &mut Host, upgrade: &mut Upgrade, which: fn(&Way) -> bool) {
        for index in 0..upgrade.parts.len() {
            while which(&upgrade.parts[index].way) {
                let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
                let went = self.advance(host, upgrade, index, &snapshot).unwrap_or_else(|_| panic!("there is power"));
                assert_eq!(went, Went::On);
            }
        }
    }

    /// Everything of an upgrade is brought level.
    fn make_ready(&mut self, host: &mut Host, upgrade: &mut Upgrade) -> Result<(), InFlight> {
        for index in 0..upgrade.parts.len() {
            let mut steps = 0;
            while !upgrade.parts[index].is_level() {
                let snapshot = host.store.reader().snapshot().or_else(|error| self.lost(&error).map_err(InFlight::nothing))?;
                let went = self.advance(host, upgrade, index, &snapshot)?;
                assert_ne!(went, Went::Over, "{} can't be upgraded", upgrade.parts[index].function.name);
                steps += 1;
                assert!(steps < 10_000, "{} comes to no end", upgrade.parts[index].function.name);
            }
        }
        Ok(())
    }
}

//! Functions and modules as the log says they stand, in memory. Changed by nothing but the
//! processing entries of commit records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::function::{FunctionRow, FunctionStatus, ModuleRow, Rebuild};
use super::outside::OutsideCounts;
use super::schemas::{SchemaRow, in_force};
use super::shared::View;
use super::slots::{NO_SLOT, Slots};
use super::upcasting::Upcasting;
use crate::model::limits::VERSIONS_KEPT;
use crate::model::{Digest, FunctionKind, Malformed, Manifest, Position, Processing, Start};
use crate::plant::{Bug, planted};

#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub functions: Arc<BTreeMap<String, Arc<FunctionRow>>>,
    pub modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>,
    pub upcasting: Arc<Upcasting>,
    /// JSON Schemas by event type: those uploaded, and those in force, the active modules' too.
    pub uploaded: BTreeMap<String, String>,
    pub schemas: Arc<BTreeMap<String, SchemaRow>>,
    /// Up to where this log retells another; `None` for one that doesn't.
    pub retold: Option<Position>,
    /// Whether any event was ever erased for good.
    pub forgotten: bool,
    /// Whether timers fire and requests leave.
    pub effects: bool,
    /// By function ordinal: what is pending.
    pub outside: Arc<BTreeMap<u32, OutsideCounts>>,
    pub slots: Slots,
    pub versions_kept: VersionsKept,
    /// Rows whose stored form is behind.
    pub dirty: Dirty,
}

/// Versions of a function that ran and are kept, beside the live one. Not a matter of the log.
#[derive(Clone, Copy, Debug)]
pub struct VersionsKept(pub usize);

impl Default for VersionsKept {
    fn default() -> VersionsKept {
        VersionsKept(VERSIONS_KEPT)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Dirty {
    pub functions: BTreeSet<String>,
    /// Functions of which only what is kept beside them changed: nobody who runs them need know.
    pub kept: BTreeSet<String>,
    pub cursors: BTreeSet<String>,
    pub modules: BTreeSet<u32>,
    pub schemas: BTreeSet<String>,
    pub retold: bool,
    /// Functions of which other numbers are pending.
    pub outside: BTreeSet<u32>,
    /// Where the state writes of reactions belong, in the order of the reactions that have any: a later
    /// entry of the same transaction may give the function another slot. `None`: nowhere.
    pub state_slots: Vec<Option<u32>>,
}

impl Mirror {
    /// As a reader sees it. Good to try entries out on; it knows no slots and no uploaded schemas.
    pub fn of(view: &View) -> Mirror {
        Mirror {
            functions: view.functions.clone(),
            modules: view.modules.clone(),
            upcasting: view.upcasting.clone(),
            schemas: view.schemas.clone(),
            ..Mirror::default()
        }
    }

    /// What an entry of a commit would make of it.
    pub fn after(&self, entry: &Processing, commit: u64) -> Mirror {
        let mut after = self.clone();
        after.apply(entry, commit).expect("the entry was made here");
        after
    }

    pub fn function(&self, name: &str) -> Option<&Arc<FunctionRow>> {
        self.functions.get(name)
    }

    pub fn function_mut(&mut self, name: &str) -> Option<&mut FunctionRow> {
        Arc::make_mut(&mut self.functions).get_mut(name).map(Arc::make_mut)
    }

    /// Changes what is kept beside a function. Not a matter of the log: the state there is a cache of it.
    pub fn change_kept(&mut self, name: &str, change: impl FnOnce(&mut FunctionRow, &mut Slots)) {
        if let Some(row) = Arc::make_mut(&mut self.functions).get_mut(name) {
            change(Arc::make_mut(row), &mut self.slots);
            self.dirty.kept.insert(name.to_owned());
        }
    }

    /// The active version of the module with this name.
    pub fn active_module(&self, name: &str) -> Option<&Arc<ModuleRow>> {
        self.modules.values().find(|module| module.active && module.name == name)
    }

    pub fn next_module(&self) -> u32 {
        self.modules.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Takes one entry of the record of this commit into account. Entries about functions that aren't
    /// there change nothing.
    pub fn apply(&mut self, entry: &Processing, commit: u64) -> Result<(), Malformed> {
        match entry {
            Processing::Reaction { function, to, rebuild, state, unparked, parked, halted, from, .. } => {
                let slot = self.function(function).filter(|row| row.rebuild.is_none() || rebuild.is_some()).map(|row| row.slot);
                self.dirty.state_slots.extend(state.map(|_| slot));
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.cursor = *to;
                let curved = row.straight && !(parked.is_empty() && unparked.is_empty());
                row.straight &= !curved;
                let mut whole = curved || (state.is_some() && !row.stateful);
                row.stateful |= state.is_some();
                let plain = rebuild.is_none() && parked.is_empty() && unparked.is_empty() && halted.is_none();
                row.standing = plain.then(|| state.unwrap_or(Digest::ZERO));
                if let Some(through_commit) = rebuild {
                    row.rebuild = row
                        .rebuild
                        .filter(|_| *through_commit != u64::MAX)
                        .map(|rebuild| Rebuild { through_commit: *through_commit, ..rebuild });
                    whole = true;
                } else if let Some(rebuild) = &mut row.rebuild {
                    // It went on where this log comes from, where its state was ready: here it is still to be made.
                    rebuild.until = rebuild.until.max(*to);
                    whole = true;
                }
                // Nothing but the epoch fences what doesn't move the cursor.
                if rebuild.is_some() || (from == to && (!unparked.is_empty() || !parked.is_empty())) {
                    row.epoch += 1;
                }
                if let Some(halted) = halted {
                    row.status = FunctionStatus::Halted {
                        position: halted.position,
                        reason: halted.reason.clone(),
                        message: halted.message.clone(),
                    };
                    whole = true;
                }
                self.dirty.cursors.insert(function.clone());
                if whole {
                    self.dirty.functions.insert(function.clone());
                }
            }
            Processing::Deployed { module, name, version, digest, manifest, at } => {
                let manifest = Manifest::decode(manifest)?;
                let before = self.functions.clone();
                self.retire(name, |function| !manifest.functions.iter().any(|kept| kept.name == function));
                for function in &manifest.functions {
                    let ordinal = self.functions.values().map(|row| row.ordinal + 1).max().unwrap_or(1);
                    let start = match function.start {
                        Start::Now => *at,
                        Start::Beginning => Position::START,
                    };
                    let rows = Arc::make_mut(&mut self.functions);
                    let row = rows.entry(function.name.clone()).or_insert_with(|| {
                        Arc::new(FunctionRow {
                            name: function.name.clone(),
                            ordinal,
                            module: *module,
                            manifest: function.clone(),
                            status: FunctionStatus::Active,
                            start,
                            cursor: start,
                            epoch: 0,
                            rebuild: None,
                            stateful: false,
                            slot: NO_SLOT,
                            identity: Digest::ZERO,
                            kept: Vec::new(),
                            straight: true,
                            // What it makes of the past stays here, unless it is told to go out.
                            held_through: *at,
                            decided: BTreeMap::new(),
                            standing: None,
                            parked: 0,
                            released: 0,
                        })
                    });
                    let row = Arc::make_mut(row);
                    row.module = *module;
                    row.manifest = function.clone();
                    row.find_place(&before);
                    if planted(Bug::CursorNotCarried) {
                        row.cursor = row.start;
                    }
                    row.epoch += 1;
                    // New code gets a new try; a pause is the operator's word and stays.
                    if row.status != FunctionStatus::Paused {
                        row.status = FunctionStatus::Active;
                    }
                    self.dirty.functions.insert(function.name.clone());
                    self.dirty.cursors.insert(function.name.clone());
                }
                let row = ModuleRow {
                    ordinal: *module,
                    name: name.clone(),
                    version: version.clone(),
                    digest: *digest,
                    manifest,
                    deployed_at: *at,
                    active: true,
                };
                Arc::make_mut(&mut self.modules).insert(*module, Arc::new(row));
                self.dirty.modules.insert(*module);
                self.switch(&before, commit);
                self.renew_schemas();
            }
            Processing::Removed { name } => {
                let before = self.functions.clone();
                self.retire(name, |_| true);
                self.switch(&before, commit);
                self.renew_schemas();
            }
            Processing::Ready { function } => {
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.stateful = true;
                self.dirty.functions.insert(function.clone());
            }
            Processing::SchemaSet { r#type, schema } => {
                match schema {
                    Some(schema) => drop(self.uploaded.insert(r#type.clone(), schema.clone())),
                    None => drop(self.uploaded.remove(r#type)),
                }
                self.dirty.schemas.insert(r#type.clone());
                self.renew_schemas();
            }
            Processing::Paused { function } => self.set_status(function, FunctionStatus::Paused),
            Processing::Resumed { function } => self.set_status(function, FunctionStatus::Active),
            Processing::Rewound { function, to, rebuild } => {
                let Some(row) = Arc::make_mut(&mut self.functions).get_mut(function).map(Arc::make_mut) else { return Ok(()) };
                row.epoch += 1;
                if row.manifest.kind == FunctionKind::Aggregate {
                    // What it decided stays decided; what was parked there is tried again.
                    self.dirty.cursors.insert(function.clone());
                    return Ok(());
                }
                row.straight = false;
                // What is kept has events in it that are no longer dealt with.
                row.drop_kept(&mut self.slots, |_| true);
                if *rebuild {
                    self.slots.abandon(row.slot);
                    row.slot = self.slots.fresh();
                    row.cursor = row.start;
                    row.rebuild = Some(Rebuild { until: *to, through_commit: 0 });
                } else {
                    row.cursor = *to;
                    row.rebuild = None;
                }
                self.dirty.functions.insert(function.clone());
                self.dirty.cursors.insert(function.clone());
            }
            Processing::Skipped { function, .. } => {
                // Whoever tries one of them right now must not have the last word.
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.epoch += 1;
                self.dirty.cursors.insert(function.clone());
            }
            Processing::Retold { to } => {
                self.retold = Some(*to);
                self.dirty.retold = true;
            }
            Processing::Began { function, at } => {
                let Some(row) = self.function_mut(function).filter(|row| row.cursor <= *at) else { return Ok(()) };
                (row.start, row.cursor) = (*at, *at);
                self.dirty.functions.insert(function.clone());
                self.dirty.cursors.insert(function.clone());
            }
            Processing::Forgot { hashes } => self.forgotten |= !hashes.is_empty(),
            Processing::Sends { function } => {
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.held_through = Position::START;
                self.dirty.functions.insert(function.clone());
            }
            Processing::Released { .. } | Processing::Scheduled { .. } | Processing::Held { .. } | Processing::Unheld { .. } => {}
        }
        Ok(())
    }

    fn renew_schemas(&mut self) {
        self.schemas = Arc::new(in_force(&self.uploaded, &self.modules));
    }

    fn set_status(&mut self, function: &str, status: FunctionStatus) {
        if let Some(row) = self.function_mut(function) {
            row.status = status;
            row.epoch += 1;
            self.dirty.functions.insert(function.to_owned());
            self.dirty.cursors.insert(function.to_owned());
        }
    }

    /// Retires the functions of the active version of a module, and the version with them.
    fn retire(&mut self, module: &str, which: impl Fn(&str) -> bool) {
        let Some(version) = self.active_module(module).map(|module| module.ordinal) else { return };
        let names: Vec<String> =
            self.functions.values().filter(|row| row.module == version && which(&row.name)).map(|row| row.name.clone()).collect();
        for name in names {
            self.set_status(&name, FunctionStatus::Retired);
        }
        if let Some(row) = Arc::make_mut(&mut self.modules).get_mut(&version) {
            Arc::make_mut(row).active = false;
            self.dirty.modules.insert(version);
        }
    }
}

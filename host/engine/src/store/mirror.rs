//! Functions and modules as the log says they stand, in memory. Changed by nothing but the
//! processing entries of commit records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::function::{FunctionRow, FunctionStatus, ModuleRow, Rebuild};
use super::schemas::{SchemaRow, in_force};
use super::upcasting::Upcasting;
use crate::model::{Digest, Malformed, Manifest, Position, Processing, Start};

#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub functions: Arc<BTreeMap<String, Arc<FunctionRow>>>,
    pub modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>,
    pub upcasting: Arc<Upcasting>,
    /// JSON Schemas by event type: those uploaded, and those in force, the active modules' too.
    pub uploaded: BTreeMap<String, String>,
    pub schemas: Arc<BTreeMap<String, SchemaRow>>,
    /// Rows whose stored form is behind.
    pub dirty: Dirty,
}

#[derive(Clone, Debug, Default)]
pub struct Dirty {
    pub functions: BTreeSet<String>,
    pub cursors: BTreeSet<String>,
    pub modules: BTreeSet<u32>,
    pub schemas: BTreeSet<String>,
}

impl Mirror {
    pub fn function(&self, name: &str) -> Option<&Arc<FunctionRow>> {
        self.functions.get(name)
    }

    pub fn function_mut(&mut self, name: &str) -> Option<&mut FunctionRow> {
        Arc::make_mut(&mut self.functions).get_mut(name).map(Arc::make_mut)
    }

    /// The active version of the module with this name.
    pub fn active_module(&self, name: &str) -> Option<&Arc<ModuleRow>> {
        self.modules.values().find(|module| module.active && module.name == name)
    }

    pub fn next_module(&self) -> u32 {
        self.modules.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Takes one entry of a record into account. Entries about functions that aren't there change nothing.
    pub fn apply(&mut self, entry: &Processing) -> Result<(), Malformed> {
        match entry {
            Processing::Reaction { function, to, rebuild, state, unparked, parked, halted, from, .. } => {
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.cursor = *to;
                let mut whole = state.is_some() && !row.stateful;
                row.stateful |= state.is_some();
                let plain = rebuild.is_none() && parked.is_empty() && unparked.is_empty() && halted.is_none();
                row.standing = plain.then(|| state.unwrap_or(Digest::ZERO));
                if let Some(through_commit) = rebuild {
                    row.rebuild = row
                        .rebuild
                        .filter(|_| *through_commit != u64::MAX)
                        .map(|rebuild| Rebuild { through_commit: *through_commit, ..rebuild });
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
                            standing: None,
                            parked: 0,
                            released: 0,
                        })
                    });
                    let row = Arc::make_mut(row);
                    row.module = *module;
                    row.manifest = function.clone();
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
                self.modules_changed();
                self.renew_schemas();
            }
            Processing::Removed { name } => {
                self.retire(name, |_| true);
                self.modules_changed();
                self.renew_schemas();
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
                let Some(row) = self.function_mut(function) else { return Ok(()) };
                row.epoch += 1;
                if *rebuild {
                    row.cursor = row.start;
                    row.rebuild = Some(Rebuild { until: *to, through_commit: 0 });
                } else {
                    row.cursor = *to;
                    row.rebuild = None;
                }
                self.dirty.functions.insert(function.clone());
                self.dirty.cursors.insert(function.clone());
            }
            Processing::Released { .. } => {}
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

    /// Takes upcasters that came or went into account. What a function reads by others than before is
    /// fenced, as new code is: a plan that was made by the old ones is stale.
    fn modules_changed(&mut self) {
        let upcasting = Upcasting::of(self.functions.values());
        if upcasting == *self.upcasting {
            return;
        }
        let before = std::mem::replace(&mut self.upcasting, Arc::new(upcasting));
        let others: Vec<String> = self
            .functions
            .values()
            .filter(|row| before.identity(row, &self.modules) != self.upcasting.identity(row, &self.modules))
            .map(|row| row.name.clone())
            .collect();
        for name in others {
            if let Some(row) = self.function_mut(&name) {
                row.epoch += 1;
                self.dirty.cursors.insert(name);
            }
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

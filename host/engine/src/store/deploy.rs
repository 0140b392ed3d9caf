//! Deployments, rollbacks and removals of modules: each is one commit, for all functions that it changes.

use super::affected::{Affected, affected, deployment};
use super::error::StoreError;
use super::function::FunctionStatus;
use super::group::{Group, json_text};
use super::mirror::Mirror;
use super::proposal::{Accepted, Deploy, Level, Refused};
use super::upcasting::Upcasting;
use crate::model::{Digest, Manifest, Processing};
use crate::plant::{Bug, planted};

impl Group<'_> {
    pub(super) fn deploy(&mut self, deploy: Deploy) -> Result<Result<Accepted, Refused>, StoreError> {
        let manifest = &deploy.manifest;
        if let Some(active) = self.mirror.active_module(&manifest.name)
            && active.digest == deploy.digest
        {
            return Ok(Ok(Accepted::Deployed { module: active.ordinal, position: active.deployed_at, unchanged: true }));
        }
        if let Err(refused) = self.mirror.check_version(manifest, deploy.digest).and_then(|()| self.mirror.check_names(manifest)) {
            return Ok(Err(refused));
        }
        let module = self.mirror.next_module();
        let after = self.mirror.after(&deployment(manifest, deploy.digest, module, self.builder.next()), self.commit());
        let ready = match self.check_switch(&after, Some(&manifest.name), &deploy.levels)? {
            Ok(ready) => ready,
            Err(refused) => return Ok(Err(refused)),
        };
        self.begin_switch(ready, deploy.levels);
        let r#type = if deploy.rollback { "retold.module.rolledback" } else { "retold.module.deployed" };
        let position = self.add_record(r#type, &deploy.manifest.name, &deployed_json(&deploy.manifest, deploy.digest));
        self.process(&deployment(&deploy.manifest, deploy.digest, module, position));
        if deploy.send {
            for function in deploy.manifest.functions {
                self.process(&Processing::Sends { function: function.name });
            }
        }
        self.state.modules.push((deploy.digest, deploy.component));
        Ok(Ok(Accepted::Deployed { module, position, unchanged: false }))
    }

    pub(super) fn remove(&mut self, module: &str, levels: Vec<Level>) -> Result<Result<Accepted, Refused>, StoreError> {
        if self.mirror.active_module(module).is_none() {
            return Ok(Err(Refused::UnknownModule(module.to_owned())));
        }
        let entry = Processing::Removed { name: module.to_owned() };
        let after = self.mirror.after(&entry, self.commit());
        let ready = match self.check_switch(&after, None, &levels)? {
            Ok(ready) => ready,
            Err(refused) => return Ok(Err(refused)),
        };
        self.begin_switch(ready, levels);
        let position = self.add_record("retold.module.removed", module, &format!("{{\"module\":{}}}", json_text(module)));
        self.process(&entry);
        Ok(Ok(Accepted::Removed { position }))
    }

    /// Whether the upcasters that a deployment or a removal would leave fit together, and whether all state
    /// is level that other code would go on with. Answers the functions whose state was made ready.
    fn check_switch(&self, after: &Mirror, module: Option<&str>, levels: &[Level]) -> Result<Result<Vec<Affected>, Refused>, StoreError> {
        if !(after.upcasting.is_empty() && self.mirror.upcasting.is_empty())
            && let Err(refused) = Upcasting::check(after.functions.values())
        {
            return Ok(Err(refused));
        }
        let mut ready = Vec::new();
        for changed in affected(self.mirror, after, module) {
            let not_level = Refused::NotLevel { function: changed.row.name.clone() };
            let level = levels.iter().find(|level| level.function == changed.row.name);
            if !changed.is_handler() {
                continue;
            }
            if changed.row.rebuild.is_some() {
                // One that has come to a halt on the way won't end it: the new code makes the state anew.
                if matches!(changed.row.status, FunctionStatus::Active | FunctionStatus::Paused) {
                    return Ok(Err(not_level));
                }
            } else if let Some(level) = level {
                if !self.is_level(&changed, level) && !planted(Bug::SwitchBeforeLevel) {
                    return Ok(Err(not_level));
                }
                ready.push(changed);
            } else if self.has_state(changed.row.slot)? && !planted(Bug::SwitchBeforeLevel) {
                return Ok(Err(not_level));
            }
        }
        Ok(Ok(ready))
    }

    fn is_level(&self, changed: &Affected, level: &Level) -> bool {
        let kept = changed.row.kept(level.identity).filter(|kept| kept.whole && kept.through_commit == level.stands_on);
        let durable = self.view.commit;
        level.identity == changed.identity
            && kept.is_some_and(|kept| kept.through_commit <= durable)
            && (level.cursor, level.epoch) == (changed.row.cursor, changed.row.epoch)
    }

    /// Whether there are rows in a slot, those of this group too.
    fn has_state(&self, slot: u32) -> Result<bool, StoreError> {
        let in_group = self.mirror.dirty.state_slots.contains(&Some(slot)) || self.prepared.iter().any(|(other, _)| *other == slot);
        Ok(in_group || self.shared.has_state(slot)?)
    }

    /// Begins a record, so that what the code before did lies in commits before the switch and nothing of
    /// it in the same one; and puts the last writes to the state that was made ready.
    fn begin_switch(&mut self, ready: Vec<Affected>, levels: Vec<Level>) {
        self.finish_record();
        let through_commit = self.commit() - 1;
        for changed in ready {
            let name = &changed.row.name;
            self.process(&Processing::Ready { function: name.clone() });
            let mut slot = None;
            self.mirror.change_kept(name, |row, _| {
                let kept = row.kept_mut(changed.identity).expect("it is level");
                kept.through_commit = through_commit;
                slot = Some(kept.slot);
            });
            let writes = levels.iter().find(|level| level.function == *name).map(|level| level.writes.clone());
            self.prepared.extend(slot.zip(writes));
        }
    }
}

fn deployed_json(manifest: &Manifest, digest: Digest) -> String {
    let functions: Vec<String> = manifest.functions.iter().map(|function| json_text(&function.name)).collect();
    format!(
        "{{\"module\":{},\"version\":{},\"digest\":\"sha256:{digest}\",\"functions\":[{}]}}",
        json_text(&manifest.name),
        json_text(&manifest.version),
        functions.join(",")
    )
}

//! Deployments and removals of modules: what they would change for functions with state.

use super::error::StoreError;
use super::group::{Group, json_text};
use super::mirror::Mirror;
use super::proposal::{Accepted, Deploy, Refused};
use super::upcasting::Upcasting;
use crate::model::{Digest, FunctionKind, Processing, limits};

impl Group<'_> {
    pub(super) fn deploy(&mut self, deploy: Deploy) -> Result<Result<Accepted, Refused>, StoreError> {
        let manifest = &deploy.manifest;
        if let Some(active) = self.mirror.active_module(&manifest.name)
            && active.digest == deploy.digest
        {
            return Ok(Ok(Accepted::Deployed { module: active.ordinal, position: active.deployed_at, unchanged: true }));
        }
        let mut total = self.mirror.functions.len();
        for function in &manifest.functions {
            let Some(row) = self.mirror.function(&function.name) else {
                total += 1;
                continue;
            };
            let owner = self.mirror.modules.get(&row.module);
            if let Some(owner) = owner.filter(|owner| owner.name != manifest.name) {
                return Ok(Err(Refused::NameTaken { function: function.name.clone(), owner: owner.name.clone() }));
            }
            let other_code = owner.is_some_and(|owner| owner.digest != deploy.digest);
            if other_code && self.has_state(row.ordinal, &function.name)? {
                return Ok(Err(Refused::HasState { module: manifest.name.clone(), function: function.name.clone() }));
            }
        }
        if let Some(refused) = self.command_taken(manifest) {
            return Ok(Err(refused));
        }
        if total > limits::FUNCTIONS_PER_NAMESPACE_MAX {
            return Ok(Err(Refused::TooManyFunctions { found: total, max: limits::FUNCTIONS_PER_NAMESPACE_MAX }));
        }
        let module = self.mirror.next_module();
        if let Err(refused) = self.check_upcasting(&Processing::Deployed {
            module,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: deploy.digest,
            manifest: manifest.encode(),
            at: self.builder.next(),
        })? {
            return Ok(Err(refused));
        }
        let position = self.add_record("retold.module.deployed", &manifest.name, &deployed_json(&deploy));
        self.process(&Processing::Deployed {
            module,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: deploy.digest,
            manifest: manifest.encode(),
            at: position,
        });
        self.state.modules.push((deploy.digest, deploy.component));
        Ok(Ok(Accepted::Deployed { module, position, unchanged: false }))
    }

    /// Whether the upcasters that a deployment or a removal would leave fit together, and with the state
    /// that functions have.
    fn check_upcasting(&self, entry: &Processing) -> Result<Result<(), Refused>, StoreError> {
        let mut after = self.mirror.clone();
        after.apply(entry).expect("the entry was made here");
        if after.upcasting.is_empty() && self.mirror.upcasting.is_empty() {
            return Ok(Ok(()));
        }
        if let Err(refused) = Upcasting::check(after.functions.values()) {
            return Ok(Err(refused));
        }
        for row in self.mirror.functions.values().filter(|row| row.manifest.kind == FunctionKind::Handler) {
            let patterns: Vec<_> = row.patterns().collect();
            // Its own module's upcasters come and go with it: other code of it is refused for its state anyway.
            let own = self.mirror.modules.get(&row.module).map(|module| &module.name);
            let passed = |mirror: &Mirror| -> Vec<(String, String, Option<Digest>)> {
                let module = |ordinal: u32| mirror.modules.get(&ordinal);
                let passed = mirror.upcasting.passed(&patterns).into_iter();
                passed
                    .filter(|(_, upcaster)| module(upcaster.module).map(|module| &module.name) != own)
                    .map(|(taken, upcaster)| (taken, upcaster.function.clone(), module(upcaster.module).map(|module| module.digest)))
                    .collect()
            };
            let (before, after) = (passed(self.mirror), passed(&after));
            let differs = after.iter().find(|passed| !before.contains(passed)).or(before.iter().find(|passed| !after.contains(passed)));
            if let Some((_, upcaster, _)) = differs
                && self.has_state(row.ordinal, &row.name)?
            {
                return Ok(Err(Refused::ReadsDifferently { function: row.name.clone(), upcaster: upcaster.clone() }));
            }
        }
        Ok(Ok(()))
    }

    fn has_state(&self, ordinal: u32, function: &str) -> Result<bool, StoreError> {
        let in_group = self
            .finished
            .iter()
            .map(|commit| &commit.state)
            .chain([&self.state])
            .any(|state| state.writes.iter().any(|(name, _)| name == function));
        Ok(in_group || self.shared.has_state(ordinal)?)
    }

    pub(super) fn remove(&mut self, module: &str) -> Result<Result<Accepted, Refused>, StoreError> {
        if self.mirror.active_module(module).is_none() {
            return Ok(Err(Refused::UnknownModule(module.to_owned())));
        }
        if let Err(refused) = self.check_upcasting(&Processing::Removed { name: module.to_owned() })? {
            return Ok(Err(refused));
        }
        let position = self.add_record("retold.module.removed", module, &format!("{{\"module\":{}}}", json_text(module)));
        self.process(&Processing::Removed { name: module.to_owned() });
        Ok(Ok(Accepted::Removed { position }))
    }
}

fn deployed_json(deploy: &Deploy) -> String {
    let functions: Vec<String> = deploy.manifest.functions.iter().map(|function| json_text(&function.name)).collect();
    format!(
        "{{\"module\":{},\"version\":{},\"digest\":\"sha256:{}\",\"functions\":[{}]}}",
        json_text(&deploy.manifest.name),
        json_text(&deploy.manifest.version),
        deploy.digest,
        functions.join(",")
    )
}

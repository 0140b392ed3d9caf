//! What keeps a module from coming into a namespace or going out of it, whatever its code does. Asked before
//! anything is replayed, so that nobody waits for a refusal, and by the writer once more.

use super::affected::deployment;
use super::mirror::Mirror;
use super::proposal::Refused;
use super::snapshot::Snapshot;
use super::upcasting::Upcasting;
use crate::model::{Digest, Manifest, Processing, limits};

impl Mirror {
    /// A version's text stands for one code, for ever.
    pub(super) fn check_version(&self, manifest: &Manifest, digest: Digest) -> Result<(), Refused> {
        let mut versions = self.modules.values().filter(|row| row.name == manifest.name && row.version == manifest.version);
        if versions.any(|row| row.digest != digest) {
            return Err(Refused::VersionTaken { module: manifest.name.clone(), version: manifest.version.clone() });
        }
        Ok(())
    }

    /// Whether functions and commands of these names are somebody else's, or there would be too many.
    pub(super) fn check_names(&self, manifest: &Manifest) -> Result<(), Refused> {
        let mut total = self.functions.len();
        for function in &manifest.functions {
            let Some(row) = self.function(&function.name) else {
                total += 1;
                continue;
            };
            let owner = self.modules.get(&row.module);
            if let Some(owner) = owner.filter(|owner| owner.name != manifest.name) {
                return Err(Refused::NameTaken { function: function.name.clone(), owner: owner.name.clone() });
            }
        }
        let max = limits::FUNCTIONS_PER_NAMESPACE_MAX;
        if total > max {
            return Err(Refused::TooManyFunctions { found: total, max });
        }
        self.check_commands(manifest)
    }

    /// A command has one addressee, among the aggregates of other modules and of this one.
    fn check_commands(&self, manifest: &Manifest) -> Result<(), Refused> {
        let mut own: Vec<(&str, &str)> = Vec::new();
        for function in &manifest.functions {
            for command in &function.decides {
                let taken = |function: &str, module: &str| {
                    Err(Refused::CommandTaken { command: command.clone(), function: function.to_owned(), module: module.to_owned() })
                };
                if let Some((other, _)) = own.iter().find(|(_, decided)| decided == command) {
                    return taken(other, &manifest.name);
                }
                own.push((&function.name, command));
                for row in self.functions.values().filter(|row| row.manifest.decides.contains(command)) {
                    let owner = self.modules.get(&row.module).filter(|owner| owner.active && owner.name != manifest.name);
                    if let Some(owner) = owner {
                        return taken(&row.name, &owner.name);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// Whether the version's text is other code already.
    pub fn check_version(&self, manifest: &Manifest, digest: Digest) -> Result<(), Refused> {
        Mirror::of(&self.view).check_version(manifest, digest)
    }

    /// Whether a deployment's names are free, and the upcasters that it would leave fit together.
    pub fn check_deployment(&self, manifest: &Manifest, digest: Digest) -> Result<(), Refused> {
        let before = Mirror::of(&self.view);
        before.check_names(manifest)?;
        let after = before.after(&deployment(manifest, digest, before.next_module(), self.head.next()), self.view.commit + 1);
        Upcasting::check(after.functions.values())
    }

    /// Whether there is such a module, and the upcasters that its removal would leave fit together.
    pub fn check_removal(&self, module: &str) -> Result<(), Refused> {
        let before = Mirror::of(&self.view);
        if before.active_module(module).is_none() {
            return Err(Refused::UnknownModule(module.to_owned()));
        }
        let after = before.after(&Processing::Removed { name: module.to_owned() }, self.view.commit + 1);
        Upcasting::check(after.functions.values())
    }
}

//! What a deployment or a removal would change for functions that are there: who gets other code.

use std::sync::Arc;

use super::function::{FunctionRow, FunctionStatus};
use super::mirror::Mirror;
use super::snapshot::Snapshot;
use crate::model::{Digest, FunctionKind, FunctionManifest, Manifest, Position, Processing};

/// A function whose code identity would be another.
#[derive(Clone, Debug)]
pub struct Affected {
    /// As it stands.
    pub row: Arc<FunctionRow>,
    /// As it would be.
    pub manifest: FunctionManifest,
    pub identity: Digest,
    /// Whether it belongs to the module itself; else only upcasters on its events come, go or change.
    pub of_module: bool,
    /// Whether it is a handler that ever wrote state, which then must be made ready for the new code.
    pub stateful: bool,
}

impl Affected {
    /// Whether it has a cursor and state of its own, before and after.
    pub fn is_handler(&self) -> bool {
        self.row.manifest.kind == FunctionKind::Handler && self.manifest.kind == FunctionKind::Handler
    }
}

impl Snapshot {
    /// The functions whose identity a deployment would change. New functions aren't among them.
    pub fn affected(&self, manifest: &Manifest, digest: Digest) -> Vec<Affected> {
        let (before, after) = self.around(&self.deployment(manifest, digest));
        affected(&before, &after, Some(&manifest.name))
    }

    /// The functions whose identity a removal would change. Those of the module itself just retire.
    pub fn affected_by_removal(&self, module: &str) -> Vec<Affected> {
        let (before, after) = self.around(&Processing::Removed { name: module.to_owned() });
        affected(&before, &after, None)
    }

    /// Code identity that a function would have after a deployment, a new one too. `None`: it would not run.
    pub fn identity_after(&self, manifest: &Manifest, digest: Digest, function: &str) -> Option<Digest> {
        let (_, after) = self.around(&self.deployment(manifest, digest));
        after.function(function).filter(|row| row.status != FunctionStatus::Retired).map(|row| row.identity)
    }

    pub(super) fn deployment(&self, manifest: &Manifest, digest: Digest) -> Processing {
        deployment(manifest, digest, Mirror::of(&self.view).next_module(), self.head.next())
    }

    pub(super) fn around(&self, entry: &Processing) -> (Mirror, Mirror) {
        let before = Mirror::of(&self.view);
        let after = before.after(entry, self.view.commit + 1);
        (before, after)
    }
}

pub fn deployment(manifest: &Manifest, digest: Digest, module: u32, at: Position) -> Processing {
    Processing::Deployed { module, name: manifest.name.clone(), version: manifest.version.clone(), digest, manifest: manifest.encode(), at }
}

/// The functions that run by other code `after` than `before`, or would, were they active.
pub fn affected(before: &Mirror, after: &Mirror, module: Option<&str>) -> Vec<Affected> {
    let changed = |row: &Arc<FunctionRow>| {
        let then = after.function(&row.name).filter(|then| then.status != FunctionStatus::Retired && then.identity != row.identity)?;
        let owner = after.modules.get(&then.module).map(|module| module.name.as_str());
        let (manifest, of_module) = (then.manifest.clone(), module.is_some() && owner == module);
        let mut changed = Affected { row: row.clone(), manifest, identity: then.identity, of_module, stateful: false };
        changed.stateful = row.stateful && changed.is_handler();
        Some(changed)
    };
    before.functions.values().filter_map(changed).collect()
}

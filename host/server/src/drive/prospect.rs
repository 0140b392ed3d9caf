//! `Prospect`: the code of a namespace as it would be, with a module that is not deployed yet or without one
//! that is. A replay finds out whether it can be so.

use std::sync::Arc;

use retold_engine::model::{Guest, Position};
use retold_engine::run::{Guests, Reading};
use retold_engine::store::{Affected, Deploy, Proposal, Refused, Snapshot, Unread};

use super::candidate::Candidate;
use super::inside::Inside;
use super::modules::Upload;
use super::replay_info::{ReplayKind, ReplayedModule};
use super::types::{DeployRefused, DriveError};

/// What is to become of a module.
pub enum Wanted {
    /// It takes over, or is only rehearsed.
    Upload(Upload),
    /// Its functions retire.
    Removal(ReplayedModule),
    /// Nothing: what runs is looked at, all of it or one function.
    AsItIs { function: Option<String> },
}

impl Wanted {
    /// The module that it is about, if it is about one.
    pub fn module(&self) -> Option<ReplayedModule> {
        match self {
            Wanted::Upload(Upload { manifest, digest, .. }) => {
                Some(ReplayedModule { name: manifest.name.clone(), version: manifest.version.clone(), digest: *digest })
            }
            Wanted::Removal(module) => Some(module.clone()),
            Wanted::AsItIs { .. } => None,
        }
    }

    /// Whether the module has this function then.
    pub fn has(&self, function: &str) -> bool {
        matches!(self, Wanted::Upload(upload) if upload.manifest.functions.iter().any(|kept| kept.name == function))
    }

    /// What has the writer switch, if there is something to switch. `send`: what the functions make of earlier events is not held.
    pub fn proposal(&self, kind: ReplayKind, send: bool) -> Option<Proposal> {
        let levels = Vec::new();
        match self {
            Wanted::Upload(Upload { manifest, digest, component, .. }) => Some(Proposal::Deploy(Deploy {
                manifest: manifest.clone(),
                digest: *digest,
                component: component.clone(),
                levels,
                rollback: kind == ReplayKind::Rollback,
                send,
            })),
            Wanted::Removal(module) => Some(Proposal::Remove { module: module.name.clone(), levels }),
            Wanted::AsItIs { .. } => None,
        }
    }

    /// What the writer would refuse whatever the code does, and what the upgrade would lose: refused where it
    /// can't be meant, else answered as warnings. Asked before anything is replayed.
    pub fn check(&self, inside: &Inside, kind: ReplayKind) -> Result<Vec<String>, DriveError> {
        let snapshot = inside.reader.snapshot()?;
        let prospect = Prospect::of(inside, self)?;
        prospect.check(&snapshot)?;
        let mut warnings = Vec::new();
        // Code that nobody deploys yet may be tried under any version.
        let mut refuse_or_warn = |error: DriveError| {
            if kind != ReplayKind::Rehearsal {
                return Err(error);
            }
            warnings.push(format!("a deployment would be refused: {error}"));
            Ok(())
        };
        if let Wanted::Upload(upload) = self
            && let Err(refused) = snapshot.check_version(&upload.manifest, upload.digest)
        {
            refuse_or_warn(refused.into())?;
        }
        let unread = prospect.unread(&snapshot)?;
        for Unread { function, r#type, count, newer } in &unread {
            if let Some(newer) = newer {
                let (function, stored, wanted) = (function.clone(), r#type.clone(), newer.clone());
                refuse_or_warn(DriveError::DeployRefused(DeployRefused::NoUpcaster { function, stored, count: *count, wanted }))?;
            }
        }
        let lost = unread.iter().filter(|unread| unread.newer.is_none());
        warnings.extend(lost.map(|Unread { function, r#type, count, .. }| {
            format!("{function} no longer reads the {count} events of type {type} that are stored, and what it has of them goes")
        }));
        Ok(warnings)
    }
}

pub enum Prospect {
    With(Candidate),
    Without { module: String },
    AsItIs,
}

impl Prospect {
    /// Refused where the schemas of the module can't be used, or don't go with those of others.
    pub fn of(inside: &Inside, wanted: &Wanted) -> Result<Prospect, DriveError> {
        Ok(match wanted {
            Wanted::Upload(upload) => Prospect::With(Candidate::new(inside, upload)?),
            Wanted::Removal(module) => Prospect::Without { module: module.name.clone() },
            Wanted::AsItIs { .. } => Prospect::AsItIs,
        })
    }

    /// Whether names and upcasters fit those of other modules, as they stand.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Refused> {
        match self {
            Prospect::With(candidate) => snapshot.check_deployment(candidate.manifest(), candidate.digest()),
            Prospect::Without { module } => snapshot.check_removal(module),
            Prospect::AsItIs => Ok(()),
        }
    }

    /// Reads as if it were so. Upcasters are looked at before: through a circle of them, reading would never end.
    pub fn reading<'a>(&self, snapshot: &'a Snapshot, guests: &'a dyn Guests) -> Result<Reading<'a>, DriveError> {
        self.check(snapshot)?;
        Ok(match self {
            Prospect::With(candidate) => Reading::with_candidate(snapshot, guests, candidate.manifest(), candidate.guest()),
            Prospect::Without { module } => Reading::without_module(snapshot, guests, module),
            Prospect::AsItIs => Reading::new(snapshot, guests),
        })
    }

    /// Holds the module against the events after `after`.
    pub fn look(&self, inside: &Inside, snapshot: &Snapshot, after: Position) -> Result<(), DriveError> {
        self.check(snapshot)?;
        match self {
            Prospect::With(candidate) => candidate.check(inside, snapshot, after),
            Prospect::Without { .. } | Prospect::AsItIs => Ok(()),
        }
    }

    /// The functions that would run other code, or read otherwise.
    pub fn affected(&self, snapshot: &Snapshot) -> Vec<Affected> {
        match self {
            Prospect::With(candidate) => snapshot.affected(candidate.manifest(), candidate.digest()),
            Prospect::Without { module } => snapshot.affected_by_removal(module),
            Prospect::AsItIs => Vec::new(),
        }
    }

    fn unread(&self, snapshot: &Snapshot) -> Result<Vec<Unread>, DriveError> {
        Ok(match self {
            Prospect::With(candidate) => snapshot.unread_after(candidate.manifest(), candidate.digest())?,
            Prospect::Without { module } => snapshot.unread_without(module)?,
            Prospect::AsItIs => Vec::new(),
        })
    }

    /// The code of the module itself.
    pub fn guest(&self) -> Option<Arc<dyn Guest>> {
        match self {
            Prospect::With(candidate) => Some(candidate.guest()),
            Prospect::Without { .. } | Prospect::AsItIs => None,
        }
    }

    pub fn imports_state(&self) -> bool {
        matches!(self, Prospect::With(candidate) if candidate.imports_state())
    }
}

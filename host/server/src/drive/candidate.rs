//! A module that may be deployed, held against the history that there is: schemas, upcasters, and
//! whether it answers the same events the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retold_engine::model::{Digest, FunctionKind, Guest, Manifest, Position};
use retold_engine::run::{Reading, audit, check_upcaster};
use retold_engine::store::{Portion, Snapshot};

use super::checked::CheckedGuest;
use super::inside::Inside;
use super::modules::Upload;
use super::schema_changes::{book_with, history_fits, new_schemas};
use super::types::{DeployRefused, DriveError};
use crate::schema::Schema;

/// Events that upcasters are tried on at a time.
const PORTION: Portion = Portion { events: 4_096, bytes: 4 << 20 };
/// The last events that each function is tried on, in several ways.
const AUDITED_EVENTS: usize = 256;

pub struct Candidate {
    manifest: Manifest,
    digest: Digest,
    guest: Arc<dyn Guest>,
    imports_state: bool,
    schemas: BTreeMap<String, Schema>,
}

impl Candidate {
    /// Refused where the schemas can't be used, or don't go with those of others.
    pub fn new(namespace: &Inside, upload: &Upload) -> Result<Candidate, DriveError> {
        let schemas = new_schemas(namespace, &upload.manifest)?;
        let guest = CheckedGuest::around(upload.module.clone(), book_with(namespace, &upload.manifest));
        let (manifest, digest, imports_state) = (upload.manifest.clone(), upload.digest, upload.module.imports_state());
        Ok(Candidate { manifest, digest, guest, imports_state, schemas })
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn imports_state(&self) -> bool {
        self.imports_state
    }

    /// Whether it brings schemas that the other didn't: history was not held against them then.
    pub fn has_more_schemas_than(&self, other: &Candidate) -> bool {
        self.schemas.keys().any(|name| !other.schemas.contains_key(name))
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its code, with the schemas around it that there would be.
    pub fn guest(&self) -> Arc<dyn Guest> {
        self.guest.clone()
    }

    /// Looks at the events after `after`.
    pub fn check(&self, namespace: &Inside, snapshot: &Snapshot, after: Position) -> Result<(), DriveError> {
        let upcasters = self.manifest.functions.iter().filter(|function| function.kind == FunctionKind::Upcaster);
        let taken: BTreeSet<String> = upcasters.flat_map(|function| function.subscribes.iter().cloned()).collect();
        let deployed = snapshot.upcasting().taken();
        history_fits(snapshot, after, &self.schemas, &taken.union(&deployed).cloned().collect())?;
        let guests = namespace.guests_at(snapshot);
        let reading = Reading::new(snapshot, &guests);
        self.try_upcasters(&reading, after)?;
        // What came between two looks was not there to be tried on.
        if after == Position::START { self.try_functions(&reading) } else { Ok(()) }
    }

    fn try_upcasters(&self, reading: &Reading<'_>, after: Position) -> Result<(), DriveError> {
        let upto = reading.snapshot.head();
        let mut seen = after;
        while seen < upto {
            let checked = check_upcaster(reading, &self.manifest, self.guest.clone(), seen, upto, PORTION)?;
            if let Some(failed) = checked.failed {
                return Err(DriveError::DeployRefused(DeployRefused::Upcaster {
                    module: self.manifest.name.clone(),
                    position: failed.position,
                    reason: failed.fault.reason,
                    message: failed.fault.message,
                }));
            }
            if let Some(why) = checked.unavailable {
                return Err(DriveError::Unavailable(why));
            }
            seen = checked.seen;
        }
        Ok(())
    }

    fn try_functions(&self, reading: &Reading<'_>) -> Result<(), DriveError> {
        for function in self.manifest.functions.iter().filter(|function| function.kind != FunctionKind::Upcaster) {
            let latest = reading.latest(function, AUDITED_EVENTS)?;
            let refused = |what| DeployRefused::Nondeterministic { function: function.name.clone(), what };
            audit(reading, function, &*self.guest, &latest.batch).map_err(refused).map_err(DriveError::DeployRefused)?;
        }
        Ok(())
    }
}

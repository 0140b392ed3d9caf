//! What replays make beside the log: new versions of views that will serve, and shadows that go with them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use retold_engine::model::Digest;
use retold_engine::store::{StoreError, ViewFile};

use super::inside::Inside;

/// A view's new version, folded by a replay.
pub(super) struct Prepared {
    replay: String,
    file: Arc<ViewFile>,
}

impl Inside {
    /// Opens the file of a view's new version, which a replay folds: it stays, whatever is deployed. Nothing is
    /// swept meanwhile: it would take what is being made.
    pub fn open_prepared(&self, replay: &str, view: &str, identity: Digest, cache_bytes: usize) -> Result<Arc<ViewFile>, StoreError> {
        let _turn = self.view_files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = Arc::new(self.reader.open_view(view, identity, cache_bytes)?.0);
        let prepared = Prepared { replay: replay.to_owned(), file: file.clone() };
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert((view.to_owned(), identity), prepared);
        Ok(file)
    }

    /// Takes up what was folded for this version of a view.
    pub fn take_prepared(&self, view: &str, identity: Digest) -> Option<Arc<ViewFile>> {
        let taken = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(&(view.to_owned(), identity));
        taken.map(|prepared| prepared.file)
    }

    /// The replay is over: what nobody took up is of no use.
    pub fn forget_prepared(&self, replay: &str) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, prepared| prepared.replay != replay);
    }

    /// Names of the files of views that are being folded.
    pub fn prepared_files(&self) -> Vec<String> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).values().map(|prepared| prepared.file.name().to_owned()).collect()
    }

    /// Opens a shadow for a replay to work on. Nothing is swept meanwhile: it would take what is being made.
    pub fn open_shadow(&self, replay: &str, function: &str, identity: Digest, cache_bytes: usize) -> Result<Arc<ViewFile>, StoreError> {
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        // Two replays of the same code may run at once, each with a file of its own.
        let identity = Digest::of(format!("{replay} {identity}").as_bytes());
        let (file, _) = self.reader.open_shadow(function, identity, cache_bytes)?;
        shadows.entry(replay.to_owned()).or_default().insert(file.name().to_owned());
        Ok(Arc::new(file))
    }

    /// A replay works on this file.
    pub fn note_shadow(&self, replay: &str, file: &str) {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner).entry(replay.to_owned()).or_default().insert(file.to_owned());
    }

    /// Names of the files that replays work on, also those that have not come to them again after a restart.
    pub fn shadow_files(&self) -> Vec<String> {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }

    /// The replay is over: its shadows go, and those that nobody knows.
    pub fn sweep_shadows(&self, replay: &str) {
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        shadows.remove(replay);
        let keep: BTreeSet<String> = shadows.values().flatten().cloned().collect();
        if let Err(error) = self.reader.sweep_shadows(&keep) {
            tracing::warn!(%error, "shadows of replays that are over can't be removed; it is tried again after the next replay");
        }
    }
}

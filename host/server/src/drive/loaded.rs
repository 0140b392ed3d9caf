//! `Loaded`: the code of a namespace's module versions, as the engine asks for it.

use std::sync::Arc;

use retold_engine::model::Guest;
use retold_engine::run::Guests;
use retold_engine::store::Snapshot;

use super::checked::CheckedGuest;
use super::inside::Inside;

pub struct Loaded<'a> {
    namespace: &'a Inside,
    snapshot: &'a Snapshot,
}

impl<'a> Loaded<'a> {
    pub fn new(namespace: &'a Inside, snapshot: &'a Snapshot) -> Loaded<'a> {
        Loaded { namespace, snapshot }
    }
}

impl Guests for Loaded<'_> {
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>> {
        let digest = self.snapshot.module(module)?.digest;
        let guest = self.namespace.guest(digest)?;
        Some(CheckedGuest::around(guest, self.namespace.book()))
    }
}

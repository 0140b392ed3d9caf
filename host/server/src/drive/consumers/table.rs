//! `Consumers`: all of one namespace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retold_engine::store::{ConsumerFile, StoreError};

use super::super::inside::Inside;
use super::super::namespace::{Namespace, Standing};
use super::slot::{Slot, moment};

#[derive(Default)]
pub struct Consumers {
    pub(super) state: Mutex<State>,
    /// Held while consumers are made and dropped.
    pub(super) changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    /// The log's generation as the slots have it; 0: they are not open.
    pub generation: u64,
    /// `None` until there is a first one.
    pub file: Option<Arc<ConsumerFile>>,
    pub slots: BTreeMap<String, Arc<Slot>>,
    /// Why they can't be opened.
    pub failed: Option<StoreError>,
    /// What the namespace is called.
    pub named: Option<(Arc<str>, Arc<Standing>)>,
}

impl Consumers {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn slot(&self, name: &str) -> Option<Arc<Slot>> {
        self.state().slots.get(name).cloned()
    }

    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.state().slots.values().cloned().collect()
    }

    /// Nothing depends on a wake-up: whoever waits for a consumer looks again, now and then.
    pub fn wake_all(&self) {
        self.state().slots.values().filter(|slot| slot.news.receiver_count() > 0).for_each(|slot| slot.tell());
    }
}

impl Inside {
    /// The handle under the name of this moment.
    pub fn handle(self: &Arc<Self>) -> Option<Namespace> {
        let (name, standing) = self.consumers.state().named.clone()?;
        Some(Namespace::new(self.clone(), name, standing))
    }

    /// Drops consumers that nobody has used for as long as they were to be kept.
    pub fn drop_unused_consumers(&self) {
        let now = moment();
        let expired = |slot: &Arc<Slot>| slot.look(|consumer| consumer.is_expired(now)) == Some(true);
        for slot in self.consumers.slots().into_iter().filter(expired) {
            self.consumers.state().slots.retain(|_, known| !Arc::ptr_eq(known, &slot));
            let namespace = self.name.clone();
            self.sending.errand(move || match slot.end(true) {
                Ok(()) => {
                    tracing::info!(%namespace, consumer = %slot.name, "nobody used it for as long as it was to be kept: it is dropped")
                }
                Err(error) => tracing::error!(%namespace, consumer = %slot.name, %error, "it can't be dropped"),
            });
        }
    }
}

//! Consumers open with the log that they read, and go along when another takes its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use retold_engine::run::{Consumer, carry_over};
use retold_engine::store::{ConsumerFile, StoreError, StoredConsumer};

use super::super::inside::Inside;
use super::super::namespace::Namespace;
use super::super::replay_info::NamespaceRole;
use super::super::webhooks;
use super::slot::{Slot, moment};
use super::table::State;

/// Has the consumers of every namespace be where its log is now. Called whenever names change hands: what
/// was stopped by a crash on the way is done at the next start.
pub fn open_consumers(named: &BTreeMap<String, Namespace>) {
    let is_live = |namespace: &&Namespace| matches!(namespace.standing().role, NamespaceRole::Own | NamespaceRole::Fork { .. });
    // Before another log goes on with them, nothing more is said to them here.
    named.values().filter(|namespace| !is_live(namespace)).for_each(|namespace| close_consumers(namespace.inside()));
    for namespace in named.values().filter(is_live) {
        let inside = namespace.inside();
        let generation = namespace.generation();
        {
            let mut state = inside.consumers.state();
            state.named = Some(namespace.named());
            if state.generation == generation && state.failed.is_none() {
                continue;
            }
        }
        match file_of(namespace, named).and_then(|file| Ok((slots(file.as_ref(), generation)?, file))) {
            Ok((slots, file)) => {
                let mut state = inside.consumers.state();
                *state = State { generation, file, slots: slots.clone(), failed: None, named: Some(namespace.named()) };
                drop(state);
                slots.values().for_each(|slot| webhooks::start(inside, slot));
            }
            Err(error) => {
                tracing::error!(namespace = namespace.name(), %error, "what is known of its consumers can't be opened");
                let mut state = inside.consumers.state();
                (state.generation, state.failed) = (generation, Some(error));
            }
        }
    }
}

/// Lets go of the consumers of a log that is not live, or goes. The file stays at hand.
pub fn close_consumers(inside: &Arc<Inside>) {
    let slots = {
        let mut state = inside.consumers.state();
        (state.generation, state.failed) = (0, None);
        std::mem::take(&mut state.slots)
    };
    for slot in slots.values() {
        if let Err(error) = slot.end(false) {
            tracing::error!(namespace = %inside.name, consumer = %slot.name, %error, "its last changes can't be stored");
        }
    }
}

fn open_file(inside: &Inside) -> Result<Option<Arc<ConsumerFile>>, StoreError> {
    let open = inside.consumers.state().file.clone();
    open.map_or_else(|| Ok(inside.reader.find_consumers()?.map(Arc::new)), |file| Ok(Some(file)))
}

/// The file of a log, with the consumers of the log before it if they have not come along yet.
fn file_of(namespace: &Namespace, named: &BTreeMap<String, Namespace>) -> Result<Option<Arc<ConsumerFile>>, StoreError> {
    let (inside, generation) = (namespace.inside(), namespace.generation());
    let file = open_file(inside)?;
    let stamp = file.as_ref().map(|file| file.generation()).transpose()?;
    if generation == 1 || stamp == Some(generation) {
        return Ok(file);
    }
    let previous = namespace.standing().previous.iter().filter_map(|name| named.get(name));
    let before = previous.max_by_key(|previous| previous.generation());
    let carried = before.map_or_else(|| Ok(BTreeMap::new()), |before| carried_from(before, namespace))?;
    if carried.is_empty() && file.is_none() {
        return Ok(None);
    }
    // What an earlier time of this log left of its consumers goes with every byte.
    inside.consumers.state().file = None;
    drop(file);
    Ok(Some(Arc::new(inside.reader.make_consumers(generation, &carried)?)))
}

fn carried_from(before: &Namespace, namespace: &Namespace) -> Result<BTreeMap<String, StoredConsumer>, StoreError> {
    let Some(file) = open_file(before.inside())? else { return Ok(BTreeMap::new()) };
    let generation = file.generation()?;
    let old = before.reader().snapshot()?;
    let mut carried = BTreeMap::new();
    for (name, stored) in file.all()? {
        // A log that another had taken the place of before these came along is of no help.
        let old = (generation == before.generation()).then_some(&old);
        carried.insert(name, carry_over(&stored, generation, old, namespace.reader())?);
    }
    before.inside().consumers.state().file = Some(file);
    Ok(carried)
}

fn slots(file: Option<&Arc<ConsumerFile>>, generation: u64) -> Result<BTreeMap<String, Arc<Slot>>, StoreError> {
    let Some(file) = file else { return Ok(BTreeMap::new()) };
    let mut slots = BTreeMap::new();
    for (name, stored) in file.all()? {
        let mut consumer = Consumer::stored(stored, generation, moment());
        // Whoever sent for the host is gone with it.
        consumer.end_all_of(webhooks::MEMBER, moment());
        slots.insert(name.clone(), Slot::new(&name, file, consumer));
    }
    Ok(slots)
}

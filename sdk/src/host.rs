//! `Host`: what a running function may ask of its host. Answered by the real one in Wasm, and by
//! memory in `testing`.

use crate::bindings::handler::retold::module::{context, state};
use crate::bindings::wire::EventDetails;

/// The host's side of a call. `event` is the index in the batch of the event at hand.
///
/// Methods take `&self`: an input asks for its details while the state is borrowed.
pub trait Host {
    fn details(&self, position: u64) -> EventDetails;
    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>>;
    fn put(&self, event: u32, key: &str, value: &[u8]);
    fn delete(&self, event: u32, key: &str);
    /// Entries whose key begins with `prefix` and comes after `after`, in key order.
    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)>;
}

/// The host that runs this module. Only callable in Wasm.
pub struct Imported;

impl Host for Imported {
    fn details(&self, position: u64) -> EventDetails {
        context::details(position)
    }

    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
        state::get(event, key)
    }

    fn put(&self, event: u32, key: &str, value: &[u8]) {
        state::put(event, key, value);
    }

    fn delete(&self, event: u32, key: &str) {
        state::delete(event, key);
    }

    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        let entries = state::scan(event, prefix, after, limit);
        entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }
}

//! `Host`: what a running function may ask of its host. Answered by the real one in Wasm, and by
//! memory in `testing`.

use crate::bindings::handler::retold::module::{context, state};
use std::any::Any;

use serde::Serialize;

use crate::bindings::wire::{EventDetails, Keys, Values, Writes};
use crate::{Error, Result};

/// The host's side of a call. `event` is the index in the batch of the event at hand.
///
/// Methods take `&self`: an input asks for its details while the state is borrowed.
pub trait Host {
    fn details(&self, position: u64) -> EventDetails;
    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>>;
    /// As `get`, for who only reads the value.
    fn look(&self, event: u32, key: &str, look: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        look(self.get(event, key).as_deref());
        Ok(())
    }
    /// Calls `change` once with what is there, and has what it answers there afterwards.
    fn update(&self, event: u32, key: &str, change: &mut Change<'_>) -> Result<()> {
        if let Some(value) = change(Now::Bytes(self.get(event, key).as_deref()))? {
            let mut bytes = Vec::new();
            value.write(&mut bytes).map_err(|error| unwritten(key, &error))?;
            self.put(event, key, bytes);
        }
        Ok(())
    }
    fn put(&self, event: u32, key: &str, value: Vec<u8>);
    fn delete(&self, event: u32, key: &str);
    /// Entries whose key begins with `prefix` and comes after `after`, in key order.
    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)>;

    /// The values of the first of these keys, at least one.
    fn get_many(&self, keys: &Keys) -> Values {
        let (mut values, mut begin) = (Values { each: Vec::new(), bytes: Vec::new() }, 0);
        for key in &keys.each {
            let name = &keys.names[begin..key.end as usize];
            begin = key.end as usize;
            values.each.push(self.get(key.event, name).map(|value| {
                values.bytes.extend_from_slice(&value);
                values.bytes.len() as u32
            }));
        }
        values
    }

    fn write_many(&self, writes: &Writes) {
        let (mut key_begin, mut value_begin) = (0, 0);
        for write in &writes.each {
            let key = &writes.names[key_begin..write.key_end as usize];
            key_begin = write.key_end as usize;
            match write.value_end {
                Some(end) => {
                    self.put(write.event, key, writes.bytes[value_begin..end as usize].to_vec());
                    value_begin = end as usize;
                }
                None => self.delete(write.event, key),
            }
        }
    }
}

/// Changes a value where it is kept, or answers with the one to keep.
pub type Change<'a> = dyn FnMut(Now<'_>) -> Result<Option<Box<dyn Kept>>> + 'a;

/// What is under a key.
pub enum Now<'a> {
    Bytes(Option<&'a [u8]>),
    Kept(&'a mut dyn Kept),
}

/// A value that becomes JSON when it has to, and not each time that it changes.
pub trait Kept: Any {
    fn write(&self, into: &mut Vec<u8>) -> serde_json::Result<()>;
}

impl<T: Serialize + 'static> Kept for T {
    fn write(&self, into: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(into, self)
    }
}

/// A value of the function's is nothing that JSON can say.
#[cold]
pub fn unwritten(key: &str, error: &serde_json::Error) -> Error {
    Error::reject(format_args!("state {key:?} can't be written: {error}"))
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

    fn put(&self, event: u32, key: &str, value: Vec<u8>) {
        state::put(event, key, &value);
    }

    fn delete(&self, event: u32, key: &str) {
        state::delete(event, key);
    }

    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        let entries = state::scan(event, prefix, after, limit);
        entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    fn get_many(&self, keys: &Keys) -> Values {
        state::get_many(keys)
    }

    fn write_many(&self, writes: &Writes) {
        state::write_many(writes);
    }
}

/// What an ingress function may ask of its host.
pub trait Webhook {
    fn verify_hmac_sha256(&self, secret: &str, message: &[u8], signature: &[u8]) -> bool;
}

impl Webhook for Imported {
    fn verify_hmac_sha256(&self, secret: &str, message: &[u8], signature: &[u8]) -> bool {
        crate::bindings::ingress::retold::module::webhook::verify_hmac_sha256(secret, message, signature)
    }
}

/// What an aggregate has of the host: no keys and values, so that its module doesn't import them.
pub struct WithoutState;

impl Host for WithoutState {
    fn details(&self, position: u64) -> EventDetails {
        context::details(position)
    }

    fn get(&self, _event: u32, _key: &str) -> Option<Vec<u8>> {
        unreachable!("only handlers and views are given keys and values")
    }

    fn put(&self, _event: u32, _key: &str, _value: Vec<u8>) {
        unreachable!("only handlers and views are given keys and values")
    }

    fn delete(&self, _event: u32, _key: &str) {
        unreachable!("only handlers and views are given keys and values")
    }

    fn scan(&self, _event: u32, _prefix: &str, _after: Option<&str>, _limit: u32) -> Vec<(String, Vec<u8>)> {
        unreachable!("only handlers and views are given keys and values")
    }
}

/// What an upcaster has of the host: nothing.
pub struct Alone;

impl Host for Alone {
    fn details(&self, _position: u64) -> EventDetails {
        panic!("an upcaster sees an event's type, subject, time and data, and no details")
    }

    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
        WithoutState.get(event, key)
    }

    fn put(&self, event: u32, key: &str, value: Vec<u8>) {
        WithoutState.put(event, key, value);
    }

    fn delete(&self, event: u32, key: &str) {
        WithoutState.delete(event, key);
    }

    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        WithoutState.scan(event, prefix, after, limit)
    }
}

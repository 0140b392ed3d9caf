//! `Writing`: rows on their way to the host.

use super::ROWS_MAX;
use crate::bindings::wire::{Write, Writes};
use crate::host::{Host, Kept};

/// Bytes of keys and values that go at once.
pub(super) const BYTES_MAX: usize = 256 << 10;

/// Many rows at once.
pub(super) struct Writing<'a> {
    host: &'a dyn Host,
    writes: Writes,
}

impl<'a> Writing<'a> {
    pub fn to(host: &'a dyn Host) -> Writing<'a> {
        Writing { host, writes: Writes { each: Vec::new(), names: String::new(), bytes: Vec::new() } }
    }

    pub fn delete(&mut self, event: u32, key: &str) {
        self.end(event, key, false);
    }

    pub fn put(&mut self, event: u32, key: &str, value: &[u8]) {
        self.writes.bytes.extend_from_slice(value);
        self.end(event, key, true);
    }

    pub fn put_kept(&mut self, event: u32, key: &str, value: &dyn Kept) -> serde_json::Result<()> {
        value.write(&mut self.writes.bytes)?;
        self.end(event, key, true);
        Ok(())
    }

    /// The value, if there is one, is written.
    fn end(&mut self, event: u32, key: &str, has_value: bool) {
        let Writes { each, names, bytes } = &mut self.writes;
        names.push_str(key);
        each.push(Write { event, key_end: names.len() as u32, value_end: has_value.then_some(bytes.len() as u32) });
        if each.len() >= ROWS_MAX || names.len() + bytes.len() >= BYTES_MAX {
            self.send();
        }
    }

    pub fn finish(mut self) {
        if !self.writes.each.is_empty() {
            self.send();
        }
    }

    fn send(&mut self) {
        self.host.write_many(&self.writes);
        let Writes { each, names, bytes } = &mut self.writes;
        each.clear();
        names.clear();
        bytes.clear();
    }
}

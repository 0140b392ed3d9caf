//! `Known`: the rows that a call has read or written.

use std::ops::Range;

use hashbrown::HashTable;

use super::ahead::Ahead;
use super::writing::{self, Writing};
use super::{READ_BYTES_MAX, ROWS_MAX};
use crate::host::{self, Change, Host, Kept, Now};
use crate::texts::{ends, is_same};
use crate::{Error, Result};

/// Rows that were read or written.
#[derive(Default)]
pub(super) struct Known {
    rows: Vec<Row>,
    /// By unit and key.
    places: HashTable<u32>,
    names: String,
    /// What was read.
    bytes: Vec<u8>,
    written_bytes: usize,
    pub ahead: Ahead,
}

struct Row {
    hash: u64,
    /// Of `names`.
    unit: Range<usize>,
    key: Range<usize>,
    /// The event that wrote it last, if one did.
    writer: Option<u32>,
    value: Value,
}

enum Value {
    Unknown,
    /// The host is being asked.
    Asked,
    None,
    /// Of `bytes`.
    Read(Range<usize>),
    Written(Vec<u8>),
    /// Not bytes before it has to be.
    Kept(Box<dyn Kept>),
}

impl Known {
    /// Of a row whose value is known.
    pub fn find(&self, unit: &str, key: &str) -> Option<u32> {
        // The first row of a call is none that is known.
        let place = if self.rows.is_empty() { None } else { self.find_hashed(KeyHash::of(key).in_unit(unit), unit, key) };
        place.filter(|place| !matches!(self.rows[*place as usize].value, Value::Unknown))
    }

    fn find_hashed(&self, hash: u64, unit: &str, key: &str) -> Option<u32> {
        let is = |place: &u32| {
            let row = &self.rows[*place as usize];
            let names = self.names.as_bytes();
            is_same(&names[row.key.clone()], key.as_bytes()) && is_same(&names[row.unit.clone()], unit.as_bytes())
        };
        self.places.find(hash, is).copied()
    }

    /// Of the row, which is made where there is none; about so many are expected.
    pub fn place(&mut self, unit: &str, key: &str, expected: usize) -> u32 {
        self.place_hashed(KeyHash::of(key), unit, key, expected)
    }

    /// As `place`, for who knows the key's hash.
    pub fn place_hashed(&mut self, key_hash: KeyHash, unit: &str, key: &str, expected: usize) -> u32 {
        let hash = key_hash.in_unit(unit);
        if let Some(place) = self.find_hashed(hash, unit, key) {
            return place;
        }
        if self.rows.is_empty() {
            self.rows.reserve(expected);
            self.places.reserve(expected, |_| 0);
        }
        let (begin, place) = (self.names.len(), self.rows.len() as u32);
        self.names.push_str(unit);
        self.names.push_str(key);
        let middle = begin + unit.len();
        self.rows.push(Row { hash, unit: begin..middle, key: middle..self.names.len(), writer: None, value: Value::Unknown });
        let rows = &self.rows;
        self.places.insert_unique(hash, place, |place| rows[*place as usize].hash);
        place
    }

    /// Whether the row has to be asked for: nobody knows it, and nobody is asking.
    pub fn begin_asking(&mut self, place: u32) -> bool {
        let value = &mut self.rows[place as usize].value;
        let is_unknown = matches!(value, Value::Unknown);
        if is_unknown {
            *value = Value::Asked;
        }
        is_unknown
    }

    /// The host hasn't answered.
    pub fn stop_asking(&mut self, place: u32) {
        self.rows[place as usize].value = Value::Unknown;
    }

    /// The host has answered so.
    pub fn read(&mut self, place: u32, value: Option<&[u8]>) {
        self.rows[place as usize].value = value.map_or(Value::None, |value| {
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(value);
            Value::Read(begin..self.bytes.len())
        });
    }

    pub fn look(&self, place: u32, look: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        match &self.rows[place as usize].value {
            Value::Unknown | Value::Asked | Value::None => look(None),
            Value::Read(part) => look(Some(&self.bytes[part.clone()])),
            Value::Written(value) => look(Some(value)),
            Value::Kept(value) => {
                let mut bytes = Vec::new();
                value.write(&mut bytes).map_err(|error| self.unwritten(place, &error))?;
                look(Some(&bytes));
            }
        }
        Ok(())
    }

    /// Without a value the row is deleted.
    pub fn write(&mut self, place: u32, event: u32, value: Option<Vec<u8>>) {
        let row = &mut self.rows[place as usize];
        self.written_bytes += row.key.len() + value.as_ref().map_or(0, Vec::len);
        (row.writer, row.value) = (Some(event), value.map_or(Value::None, Value::Written));
    }

    #[inline(always)]
    pub fn update(&mut self, place: u32, event: u32, change: &mut Change<'_>) -> Result<()> {
        let row = &mut self.rows[place as usize];
        let new = match &mut row.value {
            Value::Unknown | Value::Asked | Value::None => change(Now::Bytes(None))?,
            Value::Read(part) => change(Now::Bytes(Some(&self.bytes[part.clone()])))?,
            Value::Written(value) => change(Now::Bytes(Some(value)))?,
            Value::Kept(value) => change(Now::Kept(&mut **value))?,
        };
        row.writer = Some(event);
        if let Some(new) = new {
            self.written_bytes += row.key.len() + size_of_val(&*new);
            row.value = Value::Kept(new);
        }
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.written_bytes >= writing::BYTES_MAX || self.bytes.len() >= READ_BYTES_MAX
    }

    /// Hands to the host what was written. An error tells by which event.
    pub fn flush(self, host: &dyn Host) -> Result<(), (u32, Error)> {
        let mut writing = Writing::to(host);
        for (place, row) in (0..).zip(&self.rows) {
            let (Some(event), key) = (row.writer, &self.names[row.key.clone()]) else { continue };
            match &row.value {
                Value::None => writing.delete(event, key),
                Value::Written(value) => writing.put(event, key, value),
                Value::Kept(value) => writing.put_kept(event, key, &**value).map_err(|error| (event, self.unwritten(place, &error)))?,
                Value::Unknown | Value::Asked | Value::Read(_) => unreachable!("it was written"),
            }
        }
        writing.finish();
        Ok(())
    }

    #[cold]
    fn unwritten(&self, place: u32, error: &serde_json::Error) -> Error {
        let key = &self.names[self.rows[place as usize].key.clone()];
        host::unwritten(key, error)
    }
}

/// Of a row's key, as FxHash does it. Of no use against somebody who looks for keys that collide; there are few rows, and
/// it is the function's own fuel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub fn of(key: &str) -> KeyHash {
        KeyHash(of_text(0, key))
    }

    /// Of the row.
    fn in_unit(self, unit: &str) -> u64 {
        // The table looks at the uppermost bits too.
        let hash = if unit.is_empty() { self.0 } else { of_text(self.0, unit) };
        hash ^ (hash >> 32)
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

fn of_text(hash: u64, text: &str) -> u64 {
    let (first, last) = ends(text.as_bytes());
    let hash = mix(mix(hash ^ text.len() as u64, first), last);
    // Of what lies between them all whole words, the last of which may count twice.
    let (words, _) = text.as_bytes().as_chunks::<8>();
    words.iter().skip(1).fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(unit: &str, key: &str) -> u64 {
        KeyHash::of(key).in_unit(unit)
    }

    #[test]
    fn every_byte_of_a_unit_and_of_a_key_counts_and_so_does_their_length() {
        let texts = || (0..24).map(|length| "abcdefghijklmnopqrstuvwxyz"[..length].to_owned());
        let changed = |text: &str, at: usize| [&text[..at], "-", &text[at + 1..]].concat();
        let texts: Vec<String> =
            texts().flat_map(|text| (0..text.len()).map(|at| changed(&text, at)).chain([text.clone()]).collect::<Vec<_>>()).collect();
        let hashes: HashSet<u64> = texts.iter().flat_map(|text| [hash(text, "k"), hash("u", text)]).collect();
        assert_eq!(hashes.len(), 2 * texts.len());
        assert_ne!(hash("", "\0"), hash("", "\0\0"));
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
    }
}

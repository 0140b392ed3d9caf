//! `Overlay`: the rows that a fold has touched, over those that lie under it. Each is read from below
//! once and written once a portion; calls can be taken back, one after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use super::rows::Rows;
use crate::store::{RowRef, RowWrite, StoreError};

#[derive(Default)]
pub struct Overlay {
    rows: Vec<Row>,
    places: HashMap<Box<str>, u32, BuildHasherDefault<KeyHasher>>,
    /// The call under way, counted from 1.
    call: u64,
    /// What the call under way replaced, latest last.
    undo: Vec<(u32, State)>,
    /// Rows written since the last portion was, each once or more.
    touched: Vec<u32>,
    /// Places in the order of their keys; of use as long as it has them all.
    order: Vec<u32>,
    /// Keys in order, once somebody has scanned.
    sorted: Option<BTreeSet<Box<str>>>,
    /// The row that was used last: what is read is mostly written next.
    last: Option<u32>,
    /// Values that nobody needs, for their memory.
    spare: Vec<Vec<u8>>,
    bytes: usize,
    /// So many rows, the first, are known to be this lane's.
    claimed: usize,
}

struct Row {
    key: Box<str>,
    state: State,
    /// The call that wrote it last.
    call: u64,
}

#[derive(Default)]
enum State {
    /// Not asked for yet.
    #[default]
    Unknown,
    Stored(Option<Vec<u8>>),
    Written(Option<Vec<u8>>),
}

const SPARE_MAX: usize = 4_096;
/// Larger values are given back at once.
const SPARE_BYTES_MAX: usize = 256;

impl Overlay {
    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows it knows.
    #[cfg(test)]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.call += 1;
    }

    /// The call under way stands.
    pub fn keep(&mut self) {
        let mut undo = std::mem::take(&mut self.undo);
        for (place, state) in undo.drain(..) {
            self.touched.push(place);
            self.spare(state);
        }
        self.undo = undo;
    }

    /// The call under way leaves no trace.
    pub fn take_back(&mut self) {
        while let Some((place, state)) = self.undo.pop() {
            self.rows[place as usize].state = state;
        }
    }

    /// What was written, in key order.
    pub fn writes(&mut self) -> Vec<RowRef<'_>> {
        self.touched.sort_unstable();
        self.touched.dedup();
        let rows = &self.rows;
        let by_key = |one: &u32, other: &u32| rows[*one as usize].key.cmp(&rows[*other as usize].key);
        let row = |place: &u32| {
            let Row { key, state, .. } = &rows[*place as usize];
            match state {
                State::Written(value) => Some((key.as_bytes(), value.as_deref())),
                _ => None,
            }
        };
        if self.touched.len() < rows.len() / 4 {
            self.touched.sort_unstable_by(by_key);
            return self.touched.iter().filter_map(row).collect();
        }
        if self.order.len() != rows.len() {
            self.order = (0..rows.len() as u32).collect();
            self.order.sort_unstable_by(by_key);
        }
        self.order.iter().filter_map(row).collect()
    }

    /// Whether anything was written since the last portion was.
    pub fn is_written(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Whether anybody has asked for rows in order.
    pub fn is_scanned(&self) -> bool {
        self.sorted.is_some()
    }

    /// How many rows are claimed.
    pub fn claimed(&self) -> usize {
        self.claimed
    }

    /// Claims rows anew, from the first.
    pub fn unclaim(&mut self) {
        self.claimed = 0;
    }

    /// Claims all rows that were read or written, ever: shows those that were not claimed yet, each by its key's hash.
    pub fn claim(&mut self, mut show: impl FnMut(u64)) {
        self.rows[self.claimed..].iter().for_each(|row| show(hash_of(&row.key)));
        self.claimed = self.rows.len();
    }

    /// The rows written since the last portion was, each once or more, by their keys' hashes.
    pub fn written_hashes(&self) -> impl Iterator<Item = u64> {
        self.touched.iter().map(|place| hash_of(&self.rows[*place as usize].key))
    }

    pub fn into_writes(mut self) -> Vec<RowWrite> {
        self.writes().into_iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    }

    /// What was written is in the file now.
    pub fn written(&mut self) {
        for place in self.touched.drain(..) {
            let state = &mut self.rows[place as usize].state;
            if let State::Written(value) = state {
                *state = State::Stored(value.take());
            }
        }
    }

    /// What is known of a row; `None` if nothing is.
    fn known(&self, key: &str) -> Option<Option<&[u8]>> {
        match &self.rows[*self.places.get(key)? as usize].state {
            State::Stored(value) | State::Written(value) => Some(value.as_deref()),
            State::Unknown => None,
        }
    }

    /// Rows written, whose key begins with `prefix` and comes after `after`.
    fn written_in(&self, prefix: &str, after: Option<&str>) -> BTreeMap<&str, Option<&[u8]>> {
        let wanted = |row: &&Row| row.key.starts_with(prefix) && after.is_none_or(|after| &*row.key > after);
        let written = |row: &'_ Row| match &row.state {
            State::Written(_) => true,
            State::Stored(_) | State::Unknown => false,
        };
        let rows = self.rows.iter().filter(wanted).filter(|row| written(row));
        rows.map(|row| (&*row.key, self.known(&row.key).flatten())).collect()
    }

    fn place(&mut self, key: &str) -> u32 {
        if let Some(last) = self.last
            && *self.rows[last as usize].key == *key
        {
            return last;
        }
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                let place = self.rows.len() as u32;
                self.rows.push(Row { key: key.into(), state: State::Unknown, call: 0 });
                self.places.insert(key.into(), place);
                self.bytes += 2 * key.len() + size_of::<Row>() + 48;
                if let Some(sorted) = &mut self.sorted {
                    sorted.insert(key.into());
                }
                place
            }
        };
        self.last = Some(place);
        place
    }

    pub fn get(&mut self, base: Option<&dyn Rows>, key: &str) -> Result<Option<&[u8]>, StoreError> {
        let place = self.place(key) as usize;
        let row = &mut self.rows[place];
        if matches!(row.state, State::Unknown) {
            let value = base.map_or(Ok(None), |base| base.get(key))?;
            self.bytes += value.as_ref().map_or(0, Vec::len);
            row.state = State::Stored(value);
        }
        Ok(match &row.state {
            State::Stored(value) | State::Written(value) => value.as_deref(),
            State::Unknown => None,
        })
    }

    pub fn write(&mut self, key: &str, value: Option<&[u8]>) {
        let place = self.place(key);
        self.bytes += value.map_or(0, <[u8]>::len);
        let row = &mut self.rows[place as usize];
        // What this call itself wrote is not gone back to.
        if row.call == self.call
            && let (State::Written(Some(before)), Some(value)) = (&mut row.state, value)
        {
            self.bytes = self.bytes.saturating_sub(before.len());
            before.clear();
            before.extend_from_slice(value);
            return;
        }
        let value = value.map(|value| {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.extend_from_slice(value);
            bytes
        });
        let before = std::mem::replace(&mut row.state, State::Written(value));
        if let State::Stored(Some(value)) | State::Written(Some(value)) = &before {
            self.bytes = self.bytes.saturating_sub(value.len());
        }
        if row.call == self.call {
            self.spare(before);
        } else {
            row.call = self.call;
            self.undo.push((place, before));
        }
    }

    fn spare(&mut self, state: State) {
        if let State::Stored(Some(mut value)) | State::Written(Some(mut value)) = state
            && self.spare.len() < SPARE_MAX
            && value.capacity() <= SPARE_BYTES_MAX
        {
            value.clear();
            self.spare.push(value);
        }
    }

    pub fn scan(
        &mut self,
        base: Option<&dyn Rows>,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let sorted = self.sorted.get_or_insert_with(|| self.rows.iter().map(|row| row.key.clone()).collect());
        let over: BTreeMap<&str, Option<&Vec<u8>>> = sorted
            .range(Box::<str>::from(prefix)..)
            .take_while(|key| key.starts_with(prefix))
            .filter(|key| after.is_none_or(|after| &***key > after))
            .filter_map(|key| match &self.rows[*self.places.get(key)? as usize].state {
                State::Written(value) => Some((&**key, value.as_ref())),
                _ => None,
            })
            .collect();
        let mut found: BTreeMap<String, Vec<u8>> =
            over.iter().filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), value.clone()))).collect();
        let mut stored = 0;
        if let Some(base) = base.filter(|_| limit > 0) {
            base.visit(prefix, after, &mut |key, value| {
                if !over.contains_key(key) {
                    found.insert(key.to_owned(), value.to_vec());
                    stored += 1;
                }
                stored < limit
            })?;
        }
        Ok(found)
    }
}

/// Rows as an overlay makes them, for somebody who writes over them again.
pub struct Over<'a> {
    pub overlay: &'a Overlay,
    pub base: Option<&'a dyn Rows>,
}

impl Rows for Over<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.overlay.known(key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.base.map_or(Ok(None), |base| base.get(key)),
        }
    }

    fn visit(&self, prefix: &str, after: Option<&str>, visit: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<(), StoreError> {
        let mut over = self.overlay.written_in(prefix, after).into_iter().peekable();
        let mut more = true;
        if let Some(base) = self.base {
            base.visit(prefix, after, &mut |key, value| {
                while let Some((key, value)) = over.next_if(|(written, _)| more && *written < key) {
                    more = value.is_none_or(|value| visit(key, value));
                }
                if more {
                    more = match over.next_if(|(written, _)| *written == key) {
                        Some((_, written)) => written.is_none_or(|value| visit(key, value)),
                        None => visit(key, value),
                    };
                }
                more
            })?;
        }
        while let Some((key, value)) = over.next().filter(|_| more) {
            more = value.is_none_or(|value| visit(key, value));
        }
        Ok(())
    }
}

fn hash_of(key: &str) -> u64 {
    BuildHasherDefault::<KeyHasher>::default().hash_one(key)
}

/// Eight bytes at a time, multiplied and folded. Keys are short, and looked up twice an event.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl KeyHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(0x8bb8_4b93_962e_acc9_u64);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let mut rest = [0; 8];
        rest[..words.remainder().len()].copy_from_slice(words.remainder());
        self.mix(u64::from_le_bytes(rest) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, _: u8) {
        // The end of a text, which its length has told.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

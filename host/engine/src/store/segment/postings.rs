//! The index rows of a segment: ids and terms, sorted by hash.
//!
//! Ids: rows of (hash u64, place u32), little-endian, sorted; a row of the table begins with its
//! smallest hash. Terms: per term hash u64, varint count, then varint distances between places, the
//! first from the segment's start; a long list goes on in the next row under the same hash.
//! A place is a position minus the segment's first.

use crate::model::{ByteReader, ByteWriter, Malformed};

/// Rows of up to a page: what fits beside redb's own bytes in 4 KiB.
const ROW_BYTES: usize = 4_096 - 32;
pub const ID_BYTES: usize = 12;

/// Cuts sorted ids into rows.
#[derive(Default)]
pub struct IdRows {
    row: Vec<u8>,
    first: u64,
}

impl IdRows {
    pub fn push<E>(&mut self, hash: u64, place: u32, row: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.row.is_empty() {
            self.first = hash;
        }
        // Equal hashes must not straddle two rows with the same key.
        let full = self.row.len() + ID_BYTES > ROW_BYTES;
        if full && hash != self.first {
            row(self.first, &self.row)?;
            self.row.clear();
            self.first = hash;
        }
        self.row.extend_from_slice(&hash.to_le_bytes());
        self.row.extend_from_slice(&place.to_le_bytes());
        Ok(())
    }

    pub fn finish<E>(self, row: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.row.is_empty() { Ok(()) } else { row(self.first, &self.row) }
    }
}

pub fn ids(row: &[u8]) -> impl Iterator<Item = (u64, u32)> + '_ {
    row.chunks_exact(ID_BYTES).map(id_at)
}

fn id_at(bytes: &[u8]) -> (u64, u32) {
    let mut hash = [0; 8];
    hash.copy_from_slice(&bytes[..8]);
    (u64::from_le_bytes(hash), u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]))
}

/// Places under `hash` in a row of ids.
pub fn find_ids(row: &[u8], hash: u64) -> impl Iterator<Item = u32> + '_ {
    let count = row.len() / ID_BYTES;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        if id_at(&row[middle * ID_BYTES..]).0 < hash {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ids(&row[low * ID_BYTES..]).take_while(move |(found, _)| *found == hash).map(|(_, place)| place)
}

/// Cuts sorted posting lists into rows.
#[derive(Default)]
pub struct TermRows {
    row: ByteWriter,
    first: (u64, u64),
}

impl TermRows {
    /// Adds one term with its places, rising.
    pub fn push<E>(&mut self, hash: u64, places: &[u32], row: &mut impl FnMut((u64, u64), &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut places = places;
        while !places.is_empty() {
            // A place takes at most 5 bytes; a list is cut so that a row stays within a page.
            let room = ROW_BYTES.saturating_sub(self.row.bytes.len() + 13) / 5;
            if room < places.len().min(16) && !self.row.bytes.is_empty() {
                row(self.first, &self.row.bytes)?;
                self.row.bytes.clear();
                continue;
            }
            let (now, later) = places.split_at(room.min(places.len()));
            if self.row.bytes.is_empty() {
                self.first = (hash, u64::from(now[0]));
            }
            self.row.u64(hash);
            self.row.varint(now.len() as u64);
            let mut before = 0;
            for place in now {
                self.row.varint(u64::from(place - before));
                before = *place;
            }
            places = later;
        }
        Ok(())
    }

    pub fn finish<E>(self, row: &mut impl FnMut((u64, u64), &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.row.bytes.is_empty() { Ok(()) } else { row(self.first, &self.row.bytes) }
    }
}

/// Reads a row of posting lists: hash and places, one list after the other.
pub struct Postings<'a> {
    reader: ByteReader<'a>,
}

impl<'a> Postings<'a> {
    pub fn new(row: &'a [u8]) -> Self {
        Postings { reader: ByteReader::new(row) }
    }

    pub fn next(&mut self) -> Result<Option<(u64, Vec<u32>)>, Malformed> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let hash = self.reader.u64("term")?;
        let count = self.reader.length("places")?;
        let mut places = Vec::with_capacity(count);
        let mut place = 0u32;
        for _ in 0..count {
            place = place.wrapping_add(self.reader.varint("place")? as u32);
            places.push(place);
        }
        Ok(Some((hash, places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_long_and_short_come_back_in_order() {
        let lists: Vec<(u64, Vec<u32>)> = vec![
            (1, vec![0]),
            (2, (0..5_000).collect()),
            (3, vec![7, 1_000_000]),
            (u64::MAX, (0..900).map(|place| place * 70_000).collect()),
        ];
        let mut rows = Vec::new();
        let mut keep = |key: (u64, u64), row: &[u8]| -> Result<(), ()> {
            assert!(row.len() <= ROW_BYTES);
            rows.push((key, row.to_vec()));
            Ok(())
        };
        let mut writer = TermRows::default();
        for (hash, places) in &lists {
            writer.push(*hash, places, &mut keep).expect("kept");
        }
        writer.finish(&mut keep).expect("kept");
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "row keys rise");
        let mut found: Vec<(u64, Vec<u32>)> = Vec::new();
        for (_, row) in &rows {
            let mut postings = Postings::new(row);
            while let Some((hash, places)) = postings.next().expect("own bytes") {
                match found.last_mut() {
                    Some((last, all)) if *last == hash => all.extend(places),
                    _ => found.push((hash, places)),
                }
            }
        }
        assert_eq!(found, lists);
    }

    #[test]
    fn an_id_is_found_among_equal_hashes_and_none_where_none_is() {
        let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut keep = |key: u64, row: &[u8]| -> Result<(), ()> {
            rows.push((key, row.to_vec()));
            Ok(())
        };
        let mut writer = IdRows::default();
        for number in 0..2_000u32 {
            writer.push(u64::from(number / 2) * 10, number, &mut keep).expect("kept");
        }
        writer.finish(&mut keep).expect("kept");
        let find = |hash: u64| -> Vec<u32> {
            rows.iter().rfind(|(first, _)| *first <= hash).map(|(_, row)| find_ids(row, hash).collect()).unwrap_or_default()
        };
        assert_eq!(find(0), [0, 1]);
        assert_eq!(find(9_990), [1_998, 1_999]);
        assert_eq!(find(5), [0u32; 0]);
    }
}

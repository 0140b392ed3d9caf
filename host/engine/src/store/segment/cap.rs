//! A segment that a fork shares with its base, up to the place where they part: beyond the cap it shows
//! nothing, and it is never merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::StoreError;
use super::super::types::TypeCount;
use super::read::Segment;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position, Record};

/// Where a shared segment ends for the fork: at the border of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    pub last: Position,
    pub commit_last: u64,
    pub chain_end: Digest,
    /// Length of the stream of records up to here.
    pub stream_bytes: u64,
}

impl Cap {
    /// The rows of the head's list: count, then file, last position, last commit, length, chain.
    pub fn encode_all(caps: &BTreeMap<String, Cap>) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.varint(caps.len() as u64);
        for (file, cap) in caps {
            out.text(file);
            [cap.last.0, cap.commit_last, cap.stream_bytes].into_iter().for_each(|number| out.u64(number));
            out.raw(&cap.chain_end.0);
        }
        out.bytes
    }

    pub fn decode_all(bytes: &[u8]) -> Result<BTreeMap<String, Cap>, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let mut caps = BTreeMap::new();
        for _ in 0..reader.length("caps")? {
            let file = reader.text("segment")?.to_owned();
            let mut number = || reader.u64("cap");
            let (last, commit_last, stream_bytes) = (Position(number()?), number()?, number()?);
            let chain_end = Digest(reader.raw(32, "chain")?.try_into().unwrap_or([0; 32]));
            caps.insert(file, Cap { last, commit_last, chain_end, stream_bytes });
        }
        Ok(caps)
    }
}

impl Segment {
    /// Where the records end that lie wholly at or before `at`, which must be before the last position
    /// here.
    pub fn border(&self, at: Position) -> Result<Cap, StoreError> {
        assert!(at < self.last, "{at} is no place to part before the end of {}", self.file);
        let mut records = self.records_from(at.next())?;
        let stream_bytes = records.offset();
        let chain_end = records.chain_before()?.unwrap_or(self.chain_before);
        let next: Arc<Record> = records.next()?.ok_or_else(|| StoreError::Damaged {
            file: self.file.clone(),
            position: at.next(),
            what: "the record is missing".into(),
        })?;
        Ok(Cap { last: Position(next.first.0 - 1), commit_last: next.commit - 1, chain_end, stream_bytes })
    }

    /// Types of events and commands, with how many there are and where. Of a capped segment they are
    /// counted when they are first asked for.
    pub fn types(&self) -> Result<Vec<TypeCount>, StoreError> {
        if !self.capped {
            return self.types_bound();
        }
        if let Some(counted) = self.counted.get() {
            return Ok(counted.clone());
        }
        let mut counted = self.types_bound()?;
        if counted.iter().any(|seen| seen.last > self.last) {
            counted = self.count_types()?;
        }
        Ok(self.counted.get_or_init(|| counted).clone())
    }

    fn count_types(&self) -> Result<Vec<TypeCount>, StoreError> {
        let mut types: BTreeMap<String, TypeCount> = BTreeMap::new();
        let mut records = self.records();
        while let Some(record) = records.next()? {
            for event in record.events() {
                let key = TypeCount::key(event.kind, event.r#type);
                let here = |count| TypeCount {
                    r#type: event.r#type.to_owned(),
                    kind: event.kind,
                    count,
                    first: event.position,
                    last: event.position,
                };
                match types.get_mut(&*key) {
                    Some(seen) => (seen.count, seen.last) = (seen.count + 1, event.position),
                    None => drop(types.insert(key.into_owned(), here(1))),
                }
            }
        }
        Ok(types.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_caps_has_the_bytes_that_the_page_on_the_data_file_says() {
        let cap = Cap { last: Position(300), commit_last: 7, chain_end: Digest([9; 32]), stream_bytes: 65_536 };
        let caps = BTreeMap::from([("s".to_owned(), cap)]);
        let bytes = Cap::encode_all(&caps);
        let numbers: Vec<u8> = [300u64, 7, 65_536].into_iter().flat_map(u64::to_le_bytes).collect();
        assert_eq!(bytes, [&[1, 1, b's'][..], &numbers, &[9; 32]].concat());
        assert_eq!(Cap::decode_all(&bytes), Ok(caps));
        for end in 0..bytes.len() {
            assert!(Cap::decode_all(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}

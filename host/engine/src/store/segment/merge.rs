//! Merging neighbouring segments into one: the streams are joined as they are, the sorted indexes are
//! merged row by row, so memory doesn't grow with the segments.

use std::sync::Arc;

use super::super::error::StoreError;
use super::super::filter::Filter;
use super::super::folder::Folder;
use super::super::tables;
use super::super::types::TypeCount;
use super::build::{SegmentFile, put_offset, write};
use super::postings::{IdRows, Postings, TermRows, ids};
use super::read::{Facts, Segment};
use super::stream::{CHUNK_BYTES, ChunkWriter};
use crate::model::Position;

/// Writes the segment `name` out of `parts`, which must follow each other.
pub fn merge(folder: &dyn Folder, name: &str, parts: &[Arc<Segment>]) -> Result<(), StoreError> {
    write(folder, name, |file| {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Err(StoreError::Damaged { file: name.to_owned(), position: Position::START, what: "nothing to merge".into() });
        };
        assert!(parts.windows(2).all(|pair| pair[0].last.next() == pair[1].first), "segments to merge must follow each other");
        assert!(!parts.iter().any(|part| part.capped), "what only a fork's base has must not be merged");
        let stream_bytes = join_streams(file, parts)?;
        merge_ids(file, parts)?;
        merge_terms(file, parts)?;
        merge_types(file, parts)?;
        Ok(Facts {
            first: first.first,
            last: last.last,
            commit_first: first.commit_first,
            commit_last: last.commit_last,
            chain_before: first.chain_before,
            chain_end: last.chain_end,
            stream_bytes,
        })
    })
}

fn join_streams(file: &mut SegmentFile, parts: &[Arc<Segment>]) -> Result<u64, StoreError> {
    let mut chunks = ChunkWriter::new();
    let mut offset_chunk = None;
    for part in parts {
        let base = chunks.offset();
        for row in part.offset_rows()? {
            let (first, offset) = row?;
            let offset = base + offset.value();
            if offset_chunk != Some(offset / CHUNK_BYTES as u64) {
                offset_chunk = Some(offset / CHUNK_BYTES as u64);
                put_offset(file, Position(first.value()), offset)?;
            }
        }
        let mut number = 0;
        while let Some(chunk) = part.chunk(number)? {
            chunks.write(chunk.value(), &mut |number, bytes: &[u8]| file.put(tables::SEGMENT_CHUNKS, number, bytes, bytes.len()))?;
            number += 1;
        }
    }
    let end = chunks.offset();
    chunks.finish(&mut |number, bytes: &[u8]| file.put(tables::SEGMENT_CHUNKS, number, bytes, bytes.len()))?;
    Ok(end)
}

fn shift(part: &Segment, parts: &[Arc<Segment>]) -> u32 {
    (part.first.0 - parts[0].first.0) as u32
}

/// The index of the source with the smallest head; the earliest source of equals, so places rise.
fn smallest<T: Ord>(heads: &[Option<T>]) -> Option<usize> {
    heads.iter().enumerate().filter_map(|(index, head)| head.as_ref().map(|head| (head, index))).min().map(|(_, index)| index)
}

fn merge_ids(file: &mut SegmentFile, parts: &[Arc<Segment>]) -> Result<(), StoreError> {
    let count: u64 = parts.iter().map(|part| part.count()).sum();
    let mut filter = Filter::with_capacity(count as usize);
    let mut sources = Vec::new();
    for part in parts {
        let shift = shift(part, parts);
        let mut rows = part.id_rows()?;
        let mut row: std::vec::IntoIter<(u64, u32)> = Vec::new().into_iter();
        sources.push(move || -> Result<Option<(u64, u32)>, StoreError> {
            loop {
                if let Some((hash, place)) = row.next() {
                    return Ok(Some((hash, place + shift)));
                }
                match rows.next() {
                    Some(next) => row = ids(next?.1.value()).collect::<Vec<_>>().into_iter(),
                    None => return Ok(None),
                }
            }
        });
    }
    let mut heads = sources.iter_mut().map(|source| source()).collect::<Result<Vec<_>, _>>()?;
    let mut rows = IdRows::default();
    let put = &mut |first: u64, row: &[u8]| file.put(tables::SEGMENT_IDS, first, row, row.len());
    while let Some(index) = smallest(&heads) {
        if let Some((hash, place)) = heads[index] {
            filter.insert(hash);
            rows.push(hash, place, put)?;
        }
        heads[index] = sources[index]()?;
    }
    rows.finish(put)?;
    file.put_filter(&filter)
}

fn merge_terms(file: &mut SegmentFile, parts: &[Arc<Segment>]) -> Result<(), StoreError> {
    let mut sources = Vec::new();
    for part in parts {
        let shift = shift(part, parts);
        let mut rows = part.term_rows()?;
        let mut lists: std::vec::IntoIter<(u64, Vec<u32>)> = Vec::new().into_iter();
        let file = part.file.clone();
        let first = part.first;
        sources.push(move || -> Result<Option<(u64, Vec<u32>)>, StoreError> {
            loop {
                if let Some((hash, mut places)) = lists.next() {
                    places.iter_mut().for_each(|place| *place += shift);
                    return Ok(Some((hash, places)));
                }
                let Some(next) = rows.next() else { return Ok(None) };
                let row = next?.1;
                let mut postings = Postings::new(row.value());
                let mut read = Vec::new();
                while let Some(list) = postings.next().map_err(StoreError::malformed(&file, first))? {
                    read.push(list);
                }
                lists = read.into_iter();
            }
        });
    }
    let mut heads = sources.iter_mut().map(|source| source()).collect::<Result<Vec<_>, _>>()?;
    let mut rows = TermRows::default();
    let put = &mut |first: (u64, u64), row: &[u8]| file.put(tables::SEGMENT_TERMS, first, row, row.len());
    while let Some(index) = smallest(&heads) {
        let next = sources[index]()?;
        if let Some((hash, places)) = std::mem::replace(&mut heads[index], next) {
            rows.push(hash, &places, put)?;
        }
    }
    rows.finish(put)
}

fn merge_types(file: &mut SegmentFile, parts: &[Arc<Segment>]) -> Result<(), StoreError> {
    let mut types = std::collections::BTreeMap::<String, (u64, u64, u64)>::new();
    for part in parts {
        for part in part.types()? {
            let seen = types.entry(TypeCount::key(part.kind, &part.r#type).into_owned()).or_insert((0, part.first.0, 0));
            seen.0 += part.count;
            seen.2 = part.last.0;
        }
    }
    for (name, facts) in &types {
        file.put(tables::SEGMENT_TYPES, name.as_str(), *facts, name.len() + 24)?;
    }
    Ok(())
}

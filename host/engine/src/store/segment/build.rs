//! Writing a segment: from the tail (`build`), or from segments (`merge`).

use std::sync::Arc;

use redb::{Database, WriteTransaction};

use super::super::create::create;
use super::super::error::StoreError;
use super::super::filter::Filter;
use super::super::folder::{Backend, Folder, Space};
use super::super::tables;
use super::super::terms::{Term, TermHasher};
use super::super::types::TypeCount;
use super::postings::{IdRows, TermRows};
use super::read::Facts;
use super::stream::{CHUNK_BYTES, ChunkWriter};
use crate::model::{Digest, Position, Record};

/// Bytes written before a commit lets redb go of them.
const BYTES_PER_TRANSACTION: usize = 4 << 20;
const CACHE_BYTES: usize = 8 << 20;
/// Parts of the filter, each just filling 64 KiB of pages.
pub const FILTER_PART_BYTES: usize = CHUNK_BYTES / 32 * 32;

/// A segment file while it is written, under another name until it is whole.
pub struct SegmentFile {
    database: Database,
    transaction: Option<WriteTransaction>,
    written: usize,
}

impl SegmentFile {
    fn create(backend: Backend) -> Result<Self, StoreError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        Ok(SegmentFile { database, transaction: None, written: 0 })
    }

    /// The transaction under way, or a new one.
    fn transaction(&mut self) -> Result<WriteTransaction, StoreError> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction),
            None => Ok(self.database.begin_write()?),
        }
    }

    /// Writes one row; a transaction ends when it has written enough.
    pub fn put<K: redb::Key + 'static, V: redb::Value + 'static>(
        &mut self,
        table: redb::TableDefinition<'_, K, V>,
        key: K::SelfType<'_>,
        value: V::SelfType<'_>,
        bytes: usize,
    ) -> Result<(), StoreError> {
        let transaction = self.transaction()?;
        transaction.open_table(table)?.insert(key, value)?;
        self.written += bytes;
        if self.written >= BYTES_PER_TRANSACTION {
            self.written = 0;
            transaction.commit()?;
        } else {
            self.transaction = Some(transaction);
        }
        Ok(())
    }

    pub fn put_filter(&mut self, filter: &Filter) -> Result<(), StoreError> {
        for (number, part) in filter.parts(FILTER_PART_BYTES).enumerate() {
            self.put(tables::SEGMENT_FILTER, number as u64, &*part, part.len())?;
        }
        Ok(())
    }

    fn finish(mut self, facts: &Facts) -> Result<(), StoreError> {
        self.put(tables::SEGMENT_META, "facts", facts.encode().as_slice(), 0)?;
        let transaction = self.transaction()?;
        // Tables without rows must exist too.
        transaction.open_table(tables::SEGMENT_CHUNKS)?;
        transaction.open_table(tables::SEGMENT_OFFSETS)?;
        transaction.open_table(tables::SEGMENT_IDS)?;
        transaction.open_table(tables::SEGMENT_TERMS)?;
        transaction.open_table(tables::SEGMENT_TYPES)?;
        transaction.commit()?;
        // Closing writes redb's own end mark and syncs.
        drop(self.database);
        Ok(())
    }
}

/// Makes a segment file. `fill` writes all rows and answers the facts.
pub fn write(folder: &dyn Folder, name: &str, fill: impl FnOnce(&mut SegmentFile) -> Result<Facts, StoreError>) -> Result<(), StoreError> {
    create(folder, name, Space::Sparse, |backend| {
        let mut file = SegmentFile::create(backend)?;
        let facts = fill(&mut file)?;
        file.finish(&facts)
    })
}

/// Seals records, which must follow each other without a gap, into the segment `name`.
pub fn build(
    folder: &dyn Folder,
    name: &str,
    hasher: &TermHasher,
    chain_before: Digest,
    mut next: impl FnMut() -> Result<Option<Arc<Record>>, StoreError>,
) -> Result<(), StoreError> {
    write(folder, name, |file| {
        let mut chunks = ChunkWriter::new();
        let mut offset_chunk = None;
        let mut ids: Vec<(u64, u32)> = Vec::new();
        let mut terms: Vec<(u64, u32)> = Vec::new();
        let mut types = std::collections::BTreeMap::<String, (u64, u64, u64)>::new();
        let mut facts: Option<Facts> = None;
        while let Some(record) = next()? {
            let facts = facts.get_or_insert_with(|| Facts {
                first: record.first,
                last: record.first,
                commit_first: record.commit,
                commit_last: record.commit,
                chain_before,
                chain_end: chain_before,
                stream_bytes: 0,
            });
            let chunk = chunks.offset() / CHUNK_BYTES as u64;
            if offset_chunk != Some(chunk) {
                offset_chunk = Some(chunk);
                put_offset(file, record.first, chunks.offset())?;
            }
            let put = &mut |number: u64, bytes: &[u8]| file.put(tables::SEGMENT_CHUNKS, number, bytes, bytes.len());
            chunks.write(&(record.bytes().len() as u32).to_le_bytes(), put)?;
            chunks.write(record.bytes(), put)?;
            for event in record.events() {
                let place = (event.position.0 - facts.first.0) as u32;
                ids.push((hasher.id(event.source, event.id), place));
                terms.push((hasher.term(Term::Type(event.r#type)), place));
                terms.push((hasher.term(Term::Subject(event.subject)), place));
                terms.extend(event.tags().map(|tag| (hasher.term(Term::Tag(tag)), place)));
                let key = TypeCount::key(event.kind, event.r#type);
                let seen = match types.get_mut(&*key) {
                    Some(seen) => seen,
                    None => types.entry(key.into_owned()).or_insert((0, event.position.0, 0)),
                };
                seen.0 += 1;
                seen.2 = event.position.0;
            }
            facts.last = record.last();
            facts.commit_last = record.commit;
            facts.chain_end = record.chain;
            facts.stream_bytes = chunks.offset();
        }
        let Some(facts) = facts else {
            return Err(StoreError::Damaged { file: name.to_owned(), position: Position::START, what: "nothing to seal".into() });
        };
        chunks.finish(&mut |number, bytes: &[u8]| file.put(tables::SEGMENT_CHUNKS, number, bytes, bytes.len()))?;
        put_ids(file, &mut ids)?;
        put_terms(file, &mut terms)?;
        for (name, facts) in &types {
            file.put(tables::SEGMENT_TYPES, name.as_str(), *facts, name.len() + 24)?;
        }
        Ok(facts)
    })
}

/// The first record of a chunk; one without events may share its position with an earlier chunk's,
/// which then stays the place to begin at.
pub fn put_offset(file: &mut SegmentFile, first: Position, offset: u64) -> Result<(), StoreError> {
    let transaction = file.transaction()?;
    {
        let mut table = transaction.open_table(tables::SEGMENT_OFFSETS)?;
        if redb::ReadableTable::get(&table, first.0)?.is_none() {
            table.insert(first.0, offset)?;
        }
    }
    file.transaction = Some(transaction);
    Ok(())
}

fn put_ids(file: &mut SegmentFile, ids: &mut [(u64, u32)]) -> Result<(), StoreError> {
    ids.sort_unstable();
    let mut filter = Filter::with_capacity(ids.len());
    let mut rows = IdRows::default();
    let put = &mut |first: u64, row: &[u8]| file.put(tables::SEGMENT_IDS, first, row, row.len());
    for (hash, place) in ids.iter() {
        filter.insert(*hash);
        rows.push(*hash, *place, put)?;
    }
    rows.finish(put)?;
    file.put_filter(&filter)
}

fn put_terms(file: &mut SegmentFile, terms: &mut [(u64, u32)]) -> Result<(), StoreError> {
    terms.sort_unstable();
    let mut rows = TermRows::default();
    let put = &mut |first: (u64, u64), row: &[u8]| file.put(tables::SEGMENT_TERMS, first, row, row.len());
    let mut places = Vec::new();
    for same in terms.chunk_by(|one, other| one.0 == other.0) {
        places.clear();
        places.extend(same.iter().map(|(_, place)| *place));
        // The same tag twice on one event is one place.
        places.dedup();
        rows.push(same[0].0, &places, put)?;
    }
    rows.finish(put)
}

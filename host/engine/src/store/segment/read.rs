//! Reading a segment.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::super::error::StoreError;
use super::super::filter::Filter;
use super::super::folder::Folder;
use super::super::tables::{self, FILE_FORMAT};
use super::super::types::TypeCount;
use super::cap::Cap;
use super::postings::{Postings, find_ids};
use super::stream::RecordStream;
use crate::model::{ByteReader, Digest, Malformed, Position, Record};

/// Seven chunks: a long log has dozens of segments, each with pages of its own in memory, and the file system keeps them too.
const CACHE_BYTES: usize = 512 << 10;

pub struct Segment {
    pub file: String,
    pub first: Position,
    pub last: Position,
    pub commit_first: u64,
    pub commit_last: u64,
    /// Chain end before the segment, and at its end.
    pub chain_before: Digest,
    pub chain_end: Digest,
    /// Length of the stream of records.
    pub stream_bytes: u64,
    /// Whether the file goes on beyond `last`, which only its owner sees.
    pub capped: bool,
    /// The types of a capped segment, once they were asked for.
    pub(super) counted: OnceLock<Vec<TypeCount>>,
    /// Where the log takes new events.
    filter: Mutex<Option<Arc<Filter>>>,
    filter_parts: ReadOnlyTable<u64, &'static [u8]>,
    chunks: ReadOnlyTable<u64, &'static [u8]>,
    offsets: ReadOnlyTable<u64, u64>,
    ids: ReadOnlyTable<u64, &'static [u8]>,
    terms: ReadOnlyTable<(u64, u64), &'static [u8]>,
    types: ReadOnlyTable<&'static str, (u64, u64, u64)>,
    /// Open as long as the tables are.
    _database: Database,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({}: {}..={})", self.file, self.first, self.last)
    }
}

/// The fixed facts of a segment, as its `meta` table and the head's list hold them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub first: Position,
    pub last: Position,
    pub commit_first: u64,
    pub commit_last: u64,
    pub chain_before: Digest,
    pub chain_end: Digest,
    pub stream_bytes: u64,
}

impl Facts {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = crate::model::ByteWriter::default();
        out.u32(FILE_FORMAT);
        for number in [self.first.0, self.last.0, self.commit_first, self.commit_last, self.stream_bytes] {
            out.u64(number);
        }
        out.raw(&self.chain_before.0);
        out.raw(&self.chain_end.0);
        out.bytes
    }

    fn decode(bytes: &[u8]) -> Result<(u32, Facts), Malformed> {
        let mut reader = ByteReader::new(bytes);
        let format = reader.u32("format")?;
        let mut number = || reader.u64("segment facts");
        let (first, last, commit_first, commit_last, stream_bytes) =
            (Position(number()?), Position(number()?), number()?, number()?, number()?);
        let mut digest = || Ok::<_, Malformed>(Digest(reader.raw(32, "chain")?.try_into().unwrap_or([0; 32])));
        let (chain_before, chain_end) = (digest()?, digest()?);
        Ok((format, Facts { first, last, commit_first, commit_last, chain_before, chain_end, stream_bytes }))
    }
}

impl Segment {
    /// Opens a segment; with a cap, as if it ended there.
    pub fn open(folder: &dyn Folder, file: &str, cap: Option<Cap>) -> Result<Segment, StoreError> {
        let backend = folder.open_sealed(file).map_err(StoreError::io(format!("segment {file} can't be opened")))?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let transaction = database.begin_read()?;
        let malformed = |malformed| StoreError::malformed(file, Position::START)(malformed);
        let meta = transaction.open_table(tables::SEGMENT_META)?;
        let facts = meta.get("facts")?.ok_or_else(|| malformed(Malformed { what: "segment facts", at: 0 }))?;
        let (format, facts) = Facts::decode(facts.value()).map_err(malformed)?;
        if format > FILE_FORMAT {
            return Err(StoreError::NewerFormat { file: file.to_owned(), found: format, known: FILE_FORMAT });
        }
        let whole = Cap { last: facts.last, commit_last: facts.commit_last, chain_end: facts.chain_end, stream_bytes: facts.stream_bytes };
        let end = cap.unwrap_or(whole);
        if end.last.next() < facts.first || end.last > facts.last || end.stream_bytes > facts.stream_bytes {
            return Err(malformed(Malformed { what: "cap", at: 0 }));
        }
        Ok(Segment {
            file: file.to_owned(),
            first: facts.first,
            last: end.last,
            commit_first: facts.commit_first,
            commit_last: end.commit_last,
            chain_before: facts.chain_before,
            chain_end: end.chain_end,
            stream_bytes: end.stream_bytes,
            capped: end != whole,
            counted: OnceLock::new(),
            filter: Mutex::default(),
            filter_parts: transaction.open_table(tables::SEGMENT_FILTER)?,
            chunks: transaction.open_table(tables::SEGMENT_CHUNKS)?,
            offsets: transaction.open_table(tables::SEGMENT_OFFSETS)?,
            ids: transaction.open_table(tables::SEGMENT_IDS)?,
            terms: transaction.open_table(tables::SEGMENT_TERMS)?,
            types: transaction.open_table(tables::SEGMENT_TYPES)?,
            _database: database,
        })
    }

    pub fn count(&self) -> u64 {
        self.last.0 + 1 - self.first.0
    }

    /// What tells of most ids that no event here has them. Read when it is first asked for, and then held.
    pub fn filter(&self) -> Result<Arc<Filter>, StoreError> {
        let mut held = self.held();
        if let Some(filter) = &*held {
            return Ok(filter.clone());
        }
        let mut filter = Filter::default();
        for part in self.filter_parts.iter()? {
            filter.extend(part?.1.value()).map_err(StoreError::derived(&self.file, self.first))?;
        }
        if filter.is_empty() {
            return Err(StoreError::derived(&self.file, self.first)(Malformed { what: "filter", at: 0 }));
        }
        Ok(held.insert(Arc::new(filter)).clone())
    }

    /// Gives the filter's memory back until it is asked for again.
    pub fn release_filter(&self) {
        self.held().take();
    }

    #[cfg(test)]
    pub fn holds_filter(&self) -> bool {
        self.held().is_some()
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Filter>>> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places of events whose id has this hash.
    pub fn with_id(&self, hash: u64) -> Result<Vec<Position>, StoreError> {
        // Not read for one question: the rows know it too.
        if self.held().as_ref().is_some_and(|filter| !filter.may_hold(hash)) {
            return Ok(Vec::new());
        }
        let mut rows = self.ids.range(..=hash)?;
        let Some(row) = rows.next_back() else { return Ok(Vec::new()) };
        let row = row?.1;
        let positions = find_ids(row.value(), hash).map(|place| self.position(place));
        Ok(positions.filter(|position| *position <= self.last).collect())
    }

    fn position(&self, place: u32) -> Position {
        Position(self.first.0 + u64::from(place))
    }

    /// Positions under a term that come after `after`, oldest first, at most `limit`.
    pub fn with_term(&self, hash: u64, after: Position, limit: usize) -> Result<Vec<Position>, StoreError> {
        let from = after.0.saturating_add(1).saturating_sub(self.first.0);
        let wanted = from..self.count();
        let mut found = Vec::new();
        if after >= self.last {
            return Ok(found);
        }
        // The row that the first wanted place may lie in begins at or before (hash, from).
        let start = self.terms.range(..=(hash, from))?.next_back().transpose()?.map_or((0, 0), |(key, _)| key.value());
        for row in self.terms.range(start..)? {
            let (key, row) = row?;
            if key.value().0 > hash {
                break;
            }
            let mut postings = Postings::new(row.value());
            while let Some((term, places)) = postings.next().map_err(StoreError::malformed(&self.file, self.first))? {
                if term == hash {
                    found.extend(places.iter().filter(|place| wanted.contains(&u64::from(**place))).map(|place| self.position(*place)));
                }
                if term > hash || found.len() >= limit {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Types of events and commands, with how many there are at most and where; exact, if the segment isn't
    /// capped.
    pub fn types_bound(&self) -> Result<Vec<TypeCount>, StoreError> {
        let mut types = Vec::new();
        for row in self.types.iter()? {
            let (name, facts) = row?;
            let (count, first, last) = facts.value();
            let (kind, r#type) = TypeCount::from_key(name.value());
            if Position(first) > self.last {
                continue;
            }
            types.push(TypeCount { r#type: r#type.to_owned(), kind, count, first: Position(first), last: Position(last) });
        }
        Ok(types)
    }

    /// The records from the one on that holds `position`.
    pub fn records_from(&self, position: Position) -> Result<RecordStream<'_>, StoreError> {
        let mut stream =
            self.stream_at(self.offsets.range(..=position.0)?.next_back().transpose()?.map_or(0, |(_, offset)| offset.value()));
        stream.seek(position)?;
        Ok(stream)
    }

    /// The records after a commit, those without events too.
    pub fn records_after(&self, commit: u64) -> Result<RecordStream<'_>, StoreError> {
        // Commits grow with positions, and by positions there is an index.
        let (mut low, mut high) = (0, self.count());
        while commit >= self.commit_first && high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.records_from(Position(self.first.0 + middle))?.commit()? {
                Some(found) if found <= commit => low = middle,
                _ => high = middle,
            }
        }
        let mut stream = if low == 0 { self.records() } else { self.records_from(Position(self.first.0 + low))? };
        stream.pass(commit)?;
        Ok(stream)
    }

    /// All records, those without events too.
    pub fn records(&self) -> RecordStream<'_> {
        self.stream_at(0)
    }

    /// The records from an offset in the stream on.
    pub fn stream_at(&self, offset: u64) -> RecordStream<'_> {
        RecordStream::new(&self.chunks, &self.file, self.first, offset, self.stream_bytes)
    }

    pub fn record(&self, position: Position) -> Result<Option<Arc<Record>>, StoreError> {
        self.records_from(position)?.next()
    }

    pub(super) fn id_rows(&self) -> Result<redb::Range<'static, u64, &'static [u8]>, StoreError> {
        Ok(self.ids.range(0..)?)
    }

    pub(super) fn term_rows(&self) -> Result<redb::Range<'static, (u64, u64), &'static [u8]>, StoreError> {
        Ok(self.terms.range((0, 0)..)?)
    }

    pub(super) fn offset_rows(&self) -> Result<redb::Range<'static, u64, u64>, StoreError> {
        Ok(self.offsets.range(0..)?)
    }

    pub(super) fn chunk(&self, number: u64) -> Result<Option<redb::AccessGuard<'static, &'static [u8]>>, StoreError> {
        Ok(self.chunks.get(number)?)
    }
}

//! The records of a segment, read without anything in its file that was derived from them.

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::super::error::StoreError;
use super::super::folder::Folder;
use super::super::tables::{self, FILE_FORMAT};
use super::cap::Cap;
use super::last_commit;
use super::stream::{CHUNK_BYTES, RecordStream};
use crate::model::{ByteReader, Malformed, Position};

const CACHE_BYTES: usize = 2 << 20;

pub struct RawSegment {
    file: String,
    chunks: ReadOnlyTable<u64, &'static [u8]>,
    /// Length of the stream of records.
    end: u64,
    /// The last commit that the file must hold, as its name or its cap says.
    pub commit_last: u64,
    /// Open as long as the table is.
    _database: Database,
}

impl RawSegment {
    pub fn open(folder: &dyn Folder, file: &str, cap: Option<Cap>) -> Result<RawSegment, StoreError> {
        let backend = folder.open_sealed(file).map_err(|error| StoreError::Damaged {
            file: file.to_owned(),
            position: Position::START,
            what: format!("it can't be opened ({error})"),
        })?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let transaction = database.begin_read()?;
        check_format(file, &transaction)?;
        let chunks = transaction.open_table(tables::SEGMENT_CHUNKS)?;
        let end = match cap {
            Some(cap) => cap.stream_bytes,
            None => chunks.last()?.map_or(0, |(number, chunk)| number.value() * CHUNK_BYTES as u64 + chunk.value().len() as u64),
        };
        let named = cap.map(|cap| cap.commit_last).or_else(|| last_commit(file));
        let commit_last =
            named.ok_or_else(|| StoreError::malformed(file, Position::START)(Malformed { what: "name of a segment", at: 0 }))?;
        Ok(RawSegment { file: file.to_owned(), chunks, end, commit_last, _database: database })
    }

    pub fn records(&self) -> RecordStream<'_> {
        RecordStream::new(&self.chunks, &self.file, Position::START, 0, self.end)
    }
}

/// Facts that can't be read say nothing of the format; the records do.
fn check_format(file: &str, transaction: &redb::ReadTransaction) -> Result<(), StoreError> {
    let Ok(meta) = transaction.open_table(tables::SEGMENT_META) else { return Ok(()) };
    let Ok(Some(facts)) = meta.get("facts") else { return Ok(()) };
    match ByteReader::new(facts.value()).u32("format") {
        Ok(found) if found > FILE_FORMAT => Err(StoreError::NewerFormat { file: file.to_owned(), found, known: FILE_FORMAT }),
        _ => Ok(()),
    }
}

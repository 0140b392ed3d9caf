//! Segments: sealed stretches of the log, each a redb file of its own that is never written again,
//! with a sorted index of its own and a filter over its ids.

mod build;
mod cap;
mod merge;
mod postings;
mod raw;
mod read;
mod stream;

pub use build::build;
pub use cap::Cap;
pub use merge::merge;
pub use raw::RawSegment;
pub use read::Segment;

/// The file of a segment that holds these commits.
pub fn segment_file(first: u64, last: u64) -> String {
    format!("segment-{first:016}-{last:016}.redb")
}

/// The same, where there is such a file already: `number` is 2 or more.
pub fn segment_file_beside(first: u64, last: u64, number: u32) -> String {
    format!("segment-{first:016}-{last:016}-{number}.redb")
}

/// The last commit of a segment, by the name of its file.
pub fn last_commit(file: &str) -> Option<u64> {
    let commits = file.strip_prefix("segment-")?.strip_suffix(".redb")?;
    commits.split('-').nth(1)?.parse().ok()
}

/// What `store::fuzzing` reaches.
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing {
    pub use super::postings::{IdRows, Postings, TermRows, find_ids, ids};
    pub use super::stream::{CHUNK_BYTES, RecordStream};
}

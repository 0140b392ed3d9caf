//! Sealing the tail into segments and merging segments, beside the writer: files are written by
//! whoever has time, and named by a commit of the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::StoreError;
use super::head::encode_segments;
use super::reader::Reader;
use super::segment::{Segment, build, merge, segment_file};
use super::shared::View;
use super::tables;
use super::writer::Store;
use crate::model::limits::SEGMENTS_PER_TIER;
use crate::model::{Digest, Position, Record};

/// Work on files that is due.
#[derive(Clone, Debug)]
pub enum Housekeeping {
    /// The oldest part of the tail is full.
    Seal { after_commit: u64, through_commit: u64, chain_before: Digest },
    /// These neighbours, by their place in the list, are one tier.
    Merge { parts: Vec<Arc<Segment>> },
}

/// A new segment, not yet named by the head.
#[derive(Debug)]
pub struct Sealed {
    segment: Arc<Segment>,
    /// The segments that it takes the place of; none for a stretch of the tail.
    replaces: Vec<Arc<Segment>>,
}

impl Reader {
    /// What is due, sealing before merging. Of each kind one may be under way.
    pub fn housekeeping_due(&self) -> Option<Housekeeping> {
        self.seal_due().or_else(|| self.merge_due())
    }

    /// The oldest part of the tail, if it is full.
    pub fn seal_due(&self) -> Option<Housekeeping> {
        let view = self.shared.view();
        let through_commit = self.shared.tail().closed().and_then(|part| part.closed_at)?;
        let (after_commit, chain_before) =
            view.segments.last().map_or((0, Digest::ZERO), |segment| (segment.commit_last, segment.chain_end));
        Some(Housekeeping::Seal { after_commit, through_commit, chain_before })
    }

    /// Segments to merge into one, if there are enough of a tier.
    pub fn merge_due(&self) -> Option<Housekeeping> {
        tier_to_merge(&self.shared.view()).map(|parts| Housekeeping::Merge { parts })
    }

    /// Bytes on the disk that a piece of work takes beside the log, until what it takes the place of is gone.
    pub fn bytes_of(&self, work: &Housekeeping) -> u64 {
        match work {
            // Less than the part of the head that it comes from.
            Housekeeping::Seal { .. } => 0,
            Housekeeping::Merge { parts } => parts.iter().map(|part| self.shared.folder.allocated(&part.file).unwrap_or_default()).sum(),
        }
    }

    /// Parts of the tail that wait to be sealed: a bound for memory, should sealing fall behind.
    pub fn parts_to_seal(&self) -> usize {
        self.shared.tail().parts_closed()
    }

    /// Writes the new segment file. Reads a snapshot; never waits for the writer.
    pub fn housekeep(&self, work: Housekeeping) -> Result<Sealed, StoreError> {
        let folder = &*self.shared.folder;
        let (commits, replaces) = match work {
            Housekeeping::Seal { after_commit, through_commit, chain_before } => {
                let snapshot = self.snapshot()?;
                let mut records = LogRows { rows: snapshot.log()?.range((0, 0)..)?, after_commit, through_commit };
                let commits = (after_commit + 1, through_commit);
                build(folder, &segment_file(commits.0, commits.1), &self.shared.hasher, chain_before, || records.next())?;
                (commits, Vec::new())
            }
            Housekeeping::Merge { parts } => {
                let commits = (parts.first().map_or(0, |part| part.commit_first), parts.last().map_or(0, |part| part.commit_last));
                merge(folder, &segment_file(commits.0, commits.1), &parts)?;
                (commits, parts)
            }
        };
        let segment = Segment::open(folder, &segment_file(commits.0, commits.1), None)?;
        // What it takes the place of is deleted soon.
        assert_eq!((segment.commit_first, segment.commit_last), commits, "commits are missing in {}", segment.file);
        if self.shared.holds_filters.load(Ordering::Acquire) {
            segment.filter()?;
        }
        Ok(Sealed { segment: Arc::new(segment), replaces })
    }
}

/// The records of the head's log between two commits.
struct LogRows {
    rows: redb::Range<'static, (u64, u64), &'static [u8]>,
    after_commit: u64,
    through_commit: u64,
}

impl LogRows {
    fn next(&mut self) -> Result<Option<Arc<Record>>, StoreError> {
        for row in self.rows.by_ref() {
            let (key, bytes) = row?;
            let (first, commit) = key.value();
            if commit > self.through_commit {
                return Ok(None);
            }
            if commit > self.after_commit {
                return Ok(Some(Arc::new(
                    Record::parse(bytes.value().into()).map_err(StoreError::malformed("head.redb", Position(first)))?,
                )));
            }
        }
        Ok(None)
    }
}

/// The newest run of neighbours of one tier that is long enough to merge. A segment's tier is how
/// often its bytes hold a full run of the tier below.
fn tier_to_merge(view: &View) -> Option<Vec<Arc<Segment>>> {
    let segments = &view.segments;
    // A capped segment is not merged: it ends in what is not this log's.
    let tier = |segment: &Segment| (!segment.capped).then(|| segment_tier(segment.count(), segment.stream_bytes));
    let mut end = segments.len();
    while end >= SEGMENTS_PER_TIER {
        let wanted = tier(&segments[end - 1]);
        let start = segments[..end].iter().rposition(|segment| tier(segment) != wanted).map_or(0, |before| before + 1);
        if end - start >= SEGMENTS_PER_TIER && wanted.is_some() {
            return Some(segments[start..start + SEGMENTS_PER_TIER].to_vec());
        }
        end = start;
    }
    None
}

/// 0 for one stretch of the tail, 1 for a run of these merged, and so on.
fn segment_tier(count: u64, bytes: u64) -> u32 {
    use crate::model::limits::{TAIL_BYTES_MAX, TAIL_EVENTS_MAX};
    let stretches = (count / TAIL_EVENTS_MAX as u64).max(bytes / TAIL_BYTES_MAX as u64).max(1);
    // A merged run may fall a little short of a full one: half a run counts.
    (stretches * 2).ilog(SEGMENTS_PER_TIER as u64)
}

impl Store {
    /// Names a new segment in the head, in one commit. What it takes the place of is removed.
    pub fn adopt(&mut self, sealed: Sealed) -> Result<(), StoreError> {
        self.unless_poisoned(|store| store.name_segment(sealed))
    }

    fn name_segment(&mut self, sealed: Sealed) -> Result<(), StoreError> {
        let view = self.shared.view();
        let mut segments: Vec<Arc<Segment>> = (*view.segments).clone();
        if sealed.replaces.is_empty() {
            segments.push(sealed.segment.clone());
        } else {
            let start = segments
                .iter()
                .position(|segment| Arc::ptr_eq(segment, &sealed.replaces[0]))
                .expect("only merges remove segments, one at a time");
            segments.splice(start..start + sealed.replaces.len(), [sealed.segment.clone()]);
        }
        let files: Vec<String> = segments.iter().map(|segment| segment.file.clone()).collect();
        let transaction = self.shared.head.begin_write()?;
        transaction.open_table(tables::META)?.insert("segments", encode_segments(&files).as_slice())?;
        transaction.commit()?;
        self.shared.set_view(View { segments: Arc::new(segments), ..(*view).clone() });
        if sealed.replaces.is_empty() {
            self.shared.tail_mut().forget_sealed();
            self.sealed_rows_left = true;
        }
        for old in sealed.replaces {
            // Readers that hold it go on reading; a leftover is removed at the next open.
            let _ = self.shared.folder.remove(&old.file);
        }
        Ok(())
    }

    /// Closes the open part of the tail, so that it is sealed now rather than when it is full.
    pub fn close_tail(&mut self) {
        let view = self.shared.view();
        let mut tail = self.shared.tail_mut();
        if view.commit > view.segments.last().map_or(0, |segment| segment.commit_last) && tail.parts_closed() == 0 {
            tail.close(view.commit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_run_is_one_tier_above_its_parts() {
        let part = crate::model::limits::TAIL_EVENTS_MAX as u64;
        let run = SEGMENTS_PER_TIER as u64;
        assert_eq!(segment_tier(part, 0), 0);
        assert_eq!(segment_tier(part * run, 0), 1);
        assert_eq!(segment_tier(part * run - run, 0), 1);
        assert_eq!(segment_tier(part * run * run, 0), 2);
        assert_eq!(segment_tier(1, 0), 0);
    }
}

//! What a function dealt with, commit by commit, as the log recorded it: replay follows the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::StoreError;
use super::snapshot::Snapshot;
use crate::model::{Position, Processing, Record};

/// What one commit said of a function: read on from `from` to `to` but for what was parked, and deal
/// with what left the parking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub commit: u64,
    pub from: Position,
    pub to: Position,
    pub parked: Vec<Position>,
    pub unparked: Vec<Position>,
}

impl Snapshot {
    /// Shows `visit` every record after `commit`, those without events too, until it says `false`.
    pub fn records(&self, after_commit: u64, visit: &mut dyn FnMut(&Arc<Record>) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        for segment in self.view.segments.iter().filter(|segment| segment.commit_last > after_commit) {
            let mut records = segment.records();
            while let Some(record) = records.next()? {
                if record.commit > after_commit && !visit(&record)? {
                    return Ok(());
                }
            }
        }
        let sealed = self.view.segments.last().map_or(0, |segment| segment.commit_last);
        for row in redb::ReadableTable::iter(self.log()?)? {
            let (key, bytes) = row?;
            let commit = key.value().1;
            if commit <= sealed || commit <= after_commit {
                continue;
            }
            let record = Record::parse(bytes.value().into()).map_err(StoreError::malformed("head.redb", Position(key.value().0)))?;
            if !visit(&Arc::new(record))? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn processing(&self, record: &Record) -> Result<Vec<Processing>, StoreError> {
        record.processing().map_err(StoreError::malformed("the log", record.first))
    }
}

/// The steps of `function` after `after_commit` that lead to the cursor `until`, in order, at most
/// `limit`. What a rewind undid is left out.
pub fn steps(snapshot: &Snapshot, function: &str, after_commit: u64, until: Position, limit: usize) -> Result<Vec<Step>, StoreError> {
    // Rewinds undo everything beyond their place that came before them.
    let mut rewinds: BTreeMap<u64, Position> = BTreeMap::new();
    snapshot.records(after_commit, &mut |record| {
        for entry in snapshot.processing(record)? {
            if let Processing::Rewound { function: name, to, .. } = entry
                && name == function
            {
                rewinds.entry(record.commit).and_modify(|at| *at = (*at).min(to)).or_insert(to);
            }
        }
        Ok(true)
    })?;
    let limit_at = |commit: u64| rewinds.range(commit..).map(|(_, to)| *to).min().unwrap_or(until).min(until);
    let mut steps = Vec::new();
    snapshot.records(after_commit, &mut |record| {
        for entry in snapshot.processing(record)? {
            let Processing::Reaction { function: name, from, to, rebuild: None, parked, unparked, .. } = entry else { continue };
            let upto = limit_at(record.commit);
            if name != function || (from >= upto && unparked.is_empty()) {
                continue;
            }
            steps.push(Step {
                commit: record.commit,
                from: from.min(upto),
                to: to.min(upto),
                parked: parked.iter().map(|parked| parked.position).collect(),
                unparked: unparked.into_iter().filter(|position| *position <= upto).collect(),
            });
        }
        Ok(steps.len() < limit)
    })?;
    Ok(steps)
}

//! What a comparison of two logs tells.

use std::collections::BTreeMap;

use super::comparison::{Comparison, EXAMPLES, Firsts, OUTSIDE, Tally};
use crate::model::Position;
use crate::store::{Snapshot, StoreError};

/// Shown of an event's data.
const DATA_BYTES_SHOWN: usize = 4 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsCompared {
    /// Compared up to here.
    pub old: Position,
    pub new: Position,
    pub sources: SourcesCompared,
    pub derived: DerivedCompared,
    pub functions: BTreeMap<String, DerivedCompared>,
    /// The first of each kind.
    pub changed: Vec<Example>,
    pub dropped: Vec<Example>,
    pub added: Vec<Example>,
    pub different: Vec<Example>,
    pub missing: Vec<Example>,
    pub new_derived: Vec<Example>,
}

/// Source events and commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourcesCompared {
    pub kept: u64,
    pub changed: u64,
    pub dropped: u64,
    /// In the newer log only.
    pub added: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivedCompared {
    pub equal: u64,
    pub different: u64,
    pub new: u64,
    pub missing: u64,
}

/// An event of either log, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub old: Option<Shown>,
    pub new: Option<Shown>,
}

/// An event as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub position: Position,
    pub source: String,
    pub id: String,
    pub r#type: String,
    pub subject: String,
    /// Its beginning, and how long it is.
    pub data: Vec<u8>,
    pub data_bytes: usize,
}

impl Comparison {
    /// What is known by now. What is missing is known for certain once the comparison is level; until then
    /// only what lies far behind is counted.
    pub fn report(&self, old: &Snapshot, new: &Snapshot) -> Result<LogsCompared, StoreError> {
        let missing = |tally: &Tally| tally.gone + if self.level { tally.waiting } else { 0 };
        let outside = self.tallies.first().copied().unwrap_or_default();
        let of = |owner: u32| {
            let tally = self.tallies[owner as usize];
            DerivedCompared { equal: tally.equal, different: tally.different, new: tally.new, missing: missing(&tally) }
        };
        let functions: BTreeMap<String, DerivedCompared> = self.owners.iter().map(|(name, owner)| (name.clone(), of(*owner))).collect();
        let mut derived = DerivedCompared::default();
        for function in functions.values() {
            derived.equal += function.equal;
            derived.different += function.different;
            derived.new += function.new;
            derived.missing += function.missing;
        }
        let [sources, derived_firsts] = &self.firsts;
        Ok(LogsCompared {
            old: self.old,
            new: self.new,
            sources: SourcesCompared { kept: outside.equal, changed: outside.different, dropped: missing(&outside), added: outside.new },
            derived,
            functions,
            changed: both(sources, old, new)?,
            dropped: self.gone(sources, true, old)?,
            added: only_new(sources, new)?,
            different: both(derived_firsts, old, new)?,
            missing: self.gone(derived_firsts, false, old)?,
            new_derived: only_new(derived_firsts, new)?,
        })
    }

    fn gone(&self, firsts: &Firsts, sources: bool, old: &Snapshot) -> Result<Vec<Example>, StoreError> {
        let waiting = self.waiting_old.iter().filter(|(_, entry)| self.level && (entry.owner == OUTSIDE) == sources);
        let mut positions: Vec<u64> = firsts.gone.iter().copied().chain(waiting.map(|(_, entry)| entry.position).take(EXAMPLES)).collect();
        positions.sort_unstable();
        positions.truncate(EXAMPLES);
        positions.into_iter().map(|position| Ok(Example { old: shown(old, position)?, new: None })).collect()
    }
}

fn both(firsts: &Firsts, old: &Snapshot, new: &Snapshot) -> Result<Vec<Example>, StoreError> {
    firsts.different.iter().map(|(at, was)| Ok(Example { old: shown(old, *was)?, new: shown(new, *at)? })).collect()
}

fn only_new(firsts: &Firsts, new: &Snapshot) -> Result<Vec<Example>, StoreError> {
    firsts.new.iter().map(|position| Ok(Example { old: None, new: shown(new, *position)? })).collect()
}

fn shown(log: &Snapshot, position: u64) -> Result<Option<Shown>, StoreError> {
    Ok(log.event(Position(position))?.map(|event| Shown {
        position: event.position,
        source: event.source,
        id: event.id,
        r#type: event.r#type,
        subject: event.subject,
        data_bytes: event.data.len(),
        data: event.data[..event.data.len().min(DATA_BYTES_SHOWN)].to_vec(),
    }))
}

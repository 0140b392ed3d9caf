//! Cursors of earlier generations: where their readers go on in this log.

use std::sync::{Arc, PoisonError};

use retold_engine::model::Position;
use retold_engine::store::CursorMap;

use super::generations::Resume;
use super::inside::Inside;
use super::namespace::Namespace;
use super::types::DriveError;

impl Inside {
    pub fn set_map(&self, generation: u64, map: CursorMap) {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).insert(generation, Arc::new(map));
    }

    pub fn forget_maps(&self) {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn map(&self, generation: u64) -> Option<Arc<CursorMap>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).get(&generation).cloned()
    }
}

/// All of one generation's differences are looked at at once where a reader has missed several.
const FIRST: usize = 1;

impl Namespace {
    /// What a reader that saw an earlier generation up to `position` has to be shown of this one. `from`: the
    /// last of the `first` that it was shown already. At most `limit` of them at once.
    ///
    /// A reader of the generation before this one is shown what it lacks, and goes on; one that has missed
    /// several begins where all of them agree; one that nobody knows the way of begins at the beginning.
    pub fn resume(&self, generation: u64, position: Position, from: Position, limit: usize) -> Result<Resume, DriveError> {
        let Some((before, had)) = self.brought_near(generation, position)? else {
            return Ok(Resume { first: Vec::new(), more: false, after: Position::START });
        };
        let Some(map) = self.inside().map(before) else {
            return Ok(Resume { first: Vec::new(), more: false, after: Position::START });
        };
        let resume = map.resume(had, from, limit)?;
        Ok(Resume { more: resume.more.is_some(), first: resume.first, after: resume.after })
    }

    /// A position of an earlier generation as one of this one, for conditions: never too high.
    pub fn mapped(&self, generation: u64, position: Position) -> Result<Position, DriveError> {
        let Some((before, had)) = self.brought_near(generation, position)? else { return Ok(Position::START) };
        self.inside().map(before).map_or(Ok(Position::START), |map| Ok(map.before(had)?))
    }

    /// The position in the generation just before this one up to which the reader surely has seen all.
    fn brought_near(&self, generation: u64, position: Position) -> Result<Option<(u64, Position)>, DriveError> {
        let last = self.generation() - 1;
        let mut at = position;
        for step in generation..last {
            // Each earlier generation's log holds the map of the cursors of the one before it.
            let Some(map) = self.standing().maps.get(&step).cloned() else { return Ok(None) };
            let resume = map.resume(at, Position::START, FIRST)?;
            at = resume.first.first().map_or(resume.after, |first| Position(first.0 - 1).min(resume.after));
        }
        Ok(Some((last, at)))
    }
}

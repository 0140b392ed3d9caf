//! Asking a view: guest code over one snapshot of its rows, which it may only read.

use super::handler::Fault;
use super::rows::{check, storage};
use crate::model::{
    CallLimits, Calls, Event, Guest, GuestFault, LogLevel, NotAnswered, Payload, Position, Query, Rejection, StateError, limits,
};
use crate::store::{FunctionRow, ViewSnapshot};

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryRefused {
    /// In the view's own words.
    Rejected(Rejection),
    /// The sandbox ended the call.
    Fault(Fault),
    /// The host could not run it: ask again later.
    Unavailable(String),
}

/// Asks the view. It sees all rows by their whole keys, and changes nothing.
pub fn query(
    snapshot: &ViewSnapshot,
    row: &FunctionRow,
    guest: &dyn Guest,
    query: &Query,
    limits: &CallLimits,
    log: &mut dyn FnMut(LogLevel, &str),
) -> Result<Payload, QueryRefused> {
    match guest.query(&row.name, query, limits, &mut QueryCalls { snapshot, log }) {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(rejection)) => Err(QueryRefused::Rejected(rejection)),
        Err(NotAnswered::Unavailable(why) | NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why)))) => {
            Err(QueryRefused::Unavailable(why))
        }
        Err(NotAnswered::Fault(fault)) => Err(QueryRefused::Fault(Fault::of(fault))),
    }
}

struct QueryCalls<'a> {
    snapshot: &'a ViewSnapshot,
    log: &'a mut dyn FnMut(LogLevel, &str),
}

const READ_ONLY: StateError = StateError::NotHere("a query only reads");

impl Calls for QueryCalls<'_> {
    fn state_get(&mut self, _: u32, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.snapshot.get(key).map_err(storage)
    }

    fn state_put(&mut self, _: u32, _: &str, _: &[u8]) -> Result<(), StateError> {
        Err(READ_ONLY)
    }

    fn state_delete(&mut self, _: u32, _: &str) -> Result<(), StateError> {
        Err(READ_ONLY)
    }

    fn state_scan(&mut self, _: u32, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        check("state-scan", limit as usize, limits::STATE_SCAN_MAX)?;
        self.snapshot.scan(prefix, after, limit as usize).map_err(storage)
    }

    fn details(&mut self, _: Position) -> Option<Event> {
        None
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        (self.log)(level, message);
    }
}

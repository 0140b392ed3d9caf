//! How functions stand, as operators see it.

use retold_engine::model::{FunctionKind, Position, limits};
use retold_engine::run::first_unread;
use retold_engine::store::{self, FunctionStatus};

use super::namespace::Namespace;
use super::types::{FunctionCounts, FunctionInfo};

/// Lines of its log that a function shows beside everything else.
const LOG_LINES_SHOWN: usize = 20;

/// Parked events of a function whose reasons are counted, the oldest first.
const PARKED_LOOKED_AT: usize = 10_000;

impl Namespace {
    /// Functions that are not retired, by name.
    pub fn functions(&self) -> Vec<FunctionInfo> {
        let rows = self.inside().reader.functions();
        rows.values().filter(|row| row.status != FunctionStatus::Retired).filter_map(|row| self.function(&row.name)).collect()
    }

    pub fn function(&self, name: &str) -> Option<FunctionInfo> {
        let snapshot = self.inside().reader.snapshot().ok()?;
        let row = snapshot.function(name)?.clone();
        let module = snapshot.module(row.module)?;
        let task = self.inside().task(name);
        let view = self.inside().view(name);
        let (oldest_parked, parked_reasons) = if row.parked > 0 {
            let oldest = snapshot.parked(row.ordinal, Position::START, 1).ok();
            let oldest = oldest.and_then(|page| page.events.first().map(|parked| parked.event.since));
            (oldest, snapshot.parked_reasons(row.ordinal, PARKED_LOOKED_AT).unwrap_or_default())
        } else {
            Default::default()
        };
        let asked = &row.manifest.limits;
        Some(FunctionInfo {
            name: row.name.clone(),
            kind: row.manifest.kind,
            module: module.name.clone(),
            version: module.version.clone(),
            digest: module.digest,
            status: self.status_of(&row),
            rebuilding: row.rebuild.is_some()
                || (row.manifest.kind == FunctionKind::View && view.as_ref().is_none_or(|view| !view.is_level())),
            cursor: view.as_ref().map_or(row.cursor, |view| view.position()),
            lag: match row.manifest.kind {
                FunctionKind::Handler | FunctionKind::Aggregate => self.lag(&snapshot, &row),
                FunctionKind::View => view.as_ref().map_or(snapshot.head().0, |view| snapshot.head().0.saturating_sub(view.position().0)),
                // These read when they are asked.
                FunctionKind::Upcaster | FunctionKind::Ingress => 0,
            },
            subscribes: row.manifest.subscribes.clone(),
            emits: row.manifest.emits.clone(),
            decides: row.manifest.decides.clone(),
            start: row.manifest.start,
            failure_policy: row.manifest.failure_policy,
            fuel_per_call: asked.fuel.unwrap_or(limits::FUEL_PER_CALL_MAX),
            memory_bytes: asked.memory_bytes.unwrap_or(limits::GUEST_MEMORY_BYTES_MAX as u64),
            attempts_max: asked.attempts.unwrap_or(limits::ATTEMPTS_DEFAULT),
            parked: row.parked,
            parked_reasons,
            released: row.released,
            timers: snapshot.outside_counts(row.ordinal).timers,
            oldest_parked,
            requests: snapshot.outside_counts(row.ordinal),
            counts: match (&task, &view) {
                (_, Some(view)) => view.counts(),
                (Some(task), None) => task.counts(),
                (None, None) => FunctionCounts::default(),
            },
            retrying: task.as_ref().and_then(|task| task.retrying()).or_else(|| view.as_ref().and_then(|view| view.retrying())),
            log: self.inside().logs.of(name).latest(LOG_LINES_SHOWN),
        })
    }

    /// How a function stands; the log knows nothing of a view that stands before an event.
    pub(super) fn status_of(&self, row: &store::FunctionRow) -> FunctionStatus {
        match self.inside().view(&row.name).and_then(|view| view.stuck()) {
            Some(stuck) if row.is_active() && stuck.not_before.is_none() => {
                FunctionStatus::Halted { position: stuck.position, reason: stuck.reason, message: stuck.message }
            }
            _ => row.status.clone(),
        }
    }

    /// Events that the function reads, or commands that it decides, and has not dealt with; counted only as far as it is cheap, since
    /// what it doesn't read never moves its cursor.
    fn lag(&self, snapshot: &store::Snapshot, row: &store::FunctionRow) -> u64 {
        match first_unread(snapshot, row) {
            Ok(None) => 0,
            Ok(Some(first)) => snapshot.head().0 + 1 - first.0,
            Err(_) => snapshot.head().0 - row.cursor.0.min(snapshot.head().0),
        }
    }
}

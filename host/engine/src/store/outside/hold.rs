//! What is held: outputs that a function made of events from before its deployment, and requests of a log in
//! which none leave. Each is listed until somebody releases or discards it.

use super::super::error::StoreError;
use super::super::group::{Group, json_text};
use super::super::proposal::{Reacted, Refused};
use super::durable::Durable;
use super::reply::Reply;
use super::rows::{OutboxState, RowChange};
use crate::model::{
    Emitted, Kind, Plan, PlanMode, Position, Processing, REQUEST_FAILED, REQUEST_KEY, REQUEST_METHOD, REQUEST_URL, Timestamp,
    function_source, limits,
};

/// One thing that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A request in the outbox.
    Request(Position),
    /// An output that is no entry yet.
    Output { function: String, cause: Position, id: String },
}

/// What became of each thing that was held, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheld {
    /// Where it is in the log now, or the entry that says that nobody wants it; `None`: it was not held.
    pub positions: Vec<Option<Position>>,
    /// How many were held and are gone without an entry.
    pub discarded: u64,
}

impl Group<'_> {
    /// Whether an output is held rather than appended.
    pub(in super::super) fn holds(&self, plan: &Plan, output: &Emitted) -> bool {
        output.kind != Kind::Event
            && plan.mode != PlanMode::Backfill
            && self.mirror.function(&plan.function).is_some_and(|row| output.cause <= row.held_through)
    }

    pub(in super::super) fn hold(&mut self, plan: &Plan, outputs: Vec<Emitted>, reacted: &mut Reacted) {
        if !outputs.is_empty() {
            reacted.held = outputs.len();
            self.process(&Processing::Held { function: plan.function.clone(), module: plan.module, outputs });
        }
    }

    pub(in super::super) fn release_held(&mut self, all: Vec<Held>) -> Result<Result<Unheld, Refused>, StoreError> {
        if let Err(refused) = check(&all) {
            return Ok(Err(refused));
        }
        let mut unheld = Unheld::default();
        for held in all {
            let position = match held {
                Held::Request(request) => {
                    let is_held = self.pending(request)? == Some(OutboxState::Held) && self.outside.release(request);
                    if is_held {
                        self.outside.rows.push(RowChange::Released { request });
                    }
                    is_held.then_some(request)
                }
                Held::Output { function, cause, id } => self.release_output(&function, cause, id)?,
            };
            unheld.positions.push(position);
        }
        Ok(Ok(unheld))
    }

    fn release_output(&mut self, function: &str, cause: Position, id: String) -> Result<Option<Position>, StoreError> {
        let Some((module, output)) = self.take_held(function, cause, id)? else { return Ok(None) };
        let taken = self.take_output(&function_source(function), module, &output)?;
        Ok(Some(taken.position))
    }

    /// A held output, which is held no longer.
    fn take_held(&mut self, function: &str, cause: Position, id: String) -> Result<Option<(u32, Emitted)>, StoreError> {
        let Some(ordinal) = self.mirror.function(function).map(|row| row.ordinal) else { return Ok(None) };
        let found = Durable::of(self.shared)?.held(ordinal, cause, &id)?;
        if found.is_some() && self.outside.unhold(ordinal, cause, &id) {
            self.process(&Processing::Unheld { function: function.to_owned(), outputs: vec![(cause, id)] });
            return Ok(found);
        }
        Ok(None)
    }

    pub(in super::super) fn discard_held(&mut self, all: Vec<Held>, time: Timestamp) -> Result<Result<Unheld, Refused>, StoreError> {
        if let Err(refused) = check(&all) {
            return Ok(Err(refused));
        }
        let mut unheld = Unheld::default();
        for held in all {
            let position = match held {
                Held::Request(request) => self.discard_request(request, time)?,
                Held::Output { function, cause, id } => {
                    unheld.discarded += u64::from(self.take_held(&function, cause, id)?.is_some());
                    None
                }
            };
            unheld.positions.push(position);
        }
        Ok(Ok(unheld))
    }

    /// A request is an entry of the log, and who made it waits for an answer: that it will never be sent.
    fn discard_request(&mut self, request: Position, time: Timestamp) -> Result<Option<Position>, StoreError> {
        if self.pending(request)? != Some(OutboxState::Held) {
            return Ok(None);
        }
        let request_json = self.with_event(request, |entry| {
            let part = |name: &str| json_text(entry.extension(name).unwrap_or_default());
            let key = entry.extension(REQUEST_KEY).map(|key| format!("\"key\":{},", json_text(key))).unwrap_or_default();
            format!("{{\"id\":{},{key}\"method\":{},\"url\":{}}}", json_text(entry.id), part(REQUEST_METHOD), part(REQUEST_URL))
        })?;
        let data =
            format!("{{\"request\":{request_json},\"reason\":\"discarded\",\"message\":\"an operator discarded it\",\"attempts\":0}}");
        let reply = Reply { request, r#type: REQUEST_FAILED.into(), data: data.into_bytes(), time };
        Ok(self.reply(reply)?.ok().map(|replied| replied.position))
    }
}

fn check(all: &[Held]) -> Result<(), Refused> {
    let (found, max) = (all.len(), limits::EVENTS_PER_APPEND_MAX);
    if found > max { Err(Refused::TooLarge { what: "held outputs", found, max }) } else { Ok(()) }
}

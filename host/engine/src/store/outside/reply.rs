//! Answers from the outside: each request has one, a reply or a failure for good; and attempts before that.

use super::super::error::StoreError;
use super::super::group::Group;
use super::super::proposal::Refused;
use super::durable::Durable;
use super::rows::{OutboxState, RowChange, shortened};
use crate::model::{Class, Position, REQUEST_FAILED, REQUEST_REPLIED, Timestamp, answer, limits, request_source};
use crate::plant::{Bug, planted};

/// What a request ends in.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Position of the request's entry.
    pub request: Position,
    /// `retold.request.replied` or `retold.request.failed`.
    pub r#type: String,
    /// JSON.
    pub data: Vec<u8>,
    /// When it came.
    pub time: Timestamp,
}

/// Where the answer to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replied {
    pub position: Position,
    /// Whether this is it; else there was one already, which stands.
    pub new: bool,
}

/// A request was sent in vain, and will be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub request: Position,
    /// How many there were, with this one.
    pub attempts: u32,
    pub not_before: Timestamp,
    pub error: String,
}

impl Group<'_> {
    pub(in super::super) fn reply(&mut self, reply: Reply) -> Result<Result<Replied, Refused>, StoreError> {
        let wrong = |field, what: String| Ok(Err(Refused::Field { index: 0, field, what }));
        if reply.r#type != REQUEST_REPLIED && reply.r#type != REQUEST_FAILED {
            return wrong("type", format!("is {:?}, which answers no request", reply.r#type));
        }
        if reply.data.len() > limits::EVENT_BYTES_MAX {
            return wrong("data", format!("has {} bytes: at most {}", reply.data.len(), limits::EVENT_BYTES_MAX));
        }
        let request = reply.request;
        if request == Position::START || request >= self.builder.next() {
            return Ok(Err(Refused::NoRequest(request)));
        }
        let made = self.with_event(request, |entry| {
            let event = answer(entry, &reply.r#type, reply.data, reply.time)?;
            let function = crate::model::function_of(entry.source)?;
            Some((request_source(function), event))
        })?;
        let Some((source, event)) = made else { return Ok(Err(Refused::NoRequest(request))) };
        let hash = self.shared.hasher.id(&source, &event.id);
        if let Some(position) = self.known_id(hash, &source, &event.id)?
            && !planted(Bug::ReplyCountedTwice)
        {
            // Somebody may have imported it, and then no entry answers this request.
            self.outside.answered(request);
            self.outside.rows.push(RowChange::Answered { request });
            return Ok(Ok(Replied { position, new: false }));
        }
        let position = self.append_outside(Class::Source, &source, hash, &event);
        Ok(Ok(Replied { position, new: true }))
    }

    pub(in super::super) fn attempt(&mut self, attempt: Attempt) -> Result<Result<(), Refused>, StoreError> {
        let Attempt { request, attempts, not_before, error } = attempt;
        if self.pending(request)?.is_none() {
            return Ok(Err(Refused::NoRequest(request)));
        }
        self.outside.rows.push(RowChange::Attempted { request, attempts, not_before, error: shortened(error) });
        Ok(Ok(()))
    }

    /// Whether a request is held or waits; `None` if it has its answer. One that was made in this group is
    /// not known yet.
    pub(super) fn pending(&self, request: Position) -> Result<Option<OutboxState>, StoreError> {
        if self.outside.is_answered(request) {
            return Ok(None);
        }
        Ok(Durable::of(self.shared)?.request(request)?.map(|row| row.state))
    }
}

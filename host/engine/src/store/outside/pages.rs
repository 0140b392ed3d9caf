//! The outbox and what is held, as a snapshot shows them.

use super::super::error::StoreError;
use super::super::snapshot::Snapshot;
use super::super::tables;
use super::durable::{decode_held, open};
use super::rows::{OutboxRow, OutboxState};
use crate::model::{Emitted, EventRef, Position, REQUEST_HEADERS, REQUEST_KEY, REQUEST_METHOD, REQUEST_URL, Timestamp, function_of};

/// Rows that one page looks at; a page of a rare kind may be empty and yet not the last.
const LOOKED_AT_MAX: usize = 16_384;

/// A request that has no answer yet: all that it takes to send it.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingRequest {
    /// Of its entry.
    pub position: Position,
    /// Its idempotency key, too.
    pub id: String,
    pub function: String,
    /// What the function named it.
    pub key: Option<String>,
    pub method: String,
    pub url: String,
    /// Secrets are not in yet.
    pub headers: Vec<(String, String)>,
    pub content_type: String,
    pub body: Vec<u8>,
    pub subject: String,
    pub time: Timestamp,
    /// When it was made.
    pub recorded: Timestamp,
    pub correlation_id: String,
    /// State, attempts so far, host.
    pub row: OutboxRow,
}

/// Which requests are wanted; what is `None` doesn't matter.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    pub function: Option<String>,
    /// Begins the host, with or without its port.
    pub host: Option<String>,
    pub state: Option<OutboxState>,
    /// May be sent at this time.
    pub ready_at: Option<Timestamp>,
}

/// Requests that wait to be sent, without what they say.
#[derive(Clone, Debug, Default)]
pub struct WaitingPage {
    /// Oldest first.
    pub rows: Vec<(Position, OutboxRow)>,
    /// Where to go on, unless this was all.
    pub more: Option<Position>,
}

#[derive(Clone, Debug, Default)]
pub struct OutboxPage {
    /// Oldest first.
    pub requests: Vec<PendingRequest>,
    /// Where to go on, unless this was all.
    pub more: Option<Position>,
}

/// An output that is held, and is no entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutput {
    pub function: String,
    /// Module version that made it.
    pub module: u32,
    pub output: Emitted,
}

#[derive(Clone, Debug, Default)]
pub struct HeldPage {
    pub outputs: Vec<HeldOutput>,
    pub more: bool,
}

impl PendingRequest {
    fn of(entry: &EventRef<'_>, row: OutboxRow) -> Option<PendingRequest> {
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(PendingRequest {
            position: entry.position,
            id: entry.id.to_owned(),
            function: function_of(entry.source)?.to_owned(),
            key: entry.extension(REQUEST_KEY).map(str::to_owned),
            method: entry.extension(REQUEST_METHOD)?.to_owned(),
            url: entry.extension(REQUEST_URL)?.to_owned(),
            headers: entry.extension(REQUEST_HEADERS).unwrap_or_default().lines().filter_map(header).collect(),
            content_type: entry.content_type.to_owned(),
            body: entry.data.to_vec(),
            subject: entry.subject.to_owned(),
            time: entry.time,
            recorded: entry.recorded,
            correlation_id: entry.correlation().to_owned(),
            row,
        })
    }
}

impl Snapshot {
    /// Requests without an answer that were made after a position, at most `limit`.
    pub fn outbox(&self, filter: &OutboxFilter, after: Position, limit: usize) -> Result<OutboxPage, StoreError> {
        let mut page = OutboxPage::default();
        let Some(table) = open(&self.transaction, tables::OUTBOX)?.filter(|_| after < self.head) else { return Ok(page) };
        let ordinal = match &filter.function {
            Some(name) => match self.view.functions.get(name) {
                Some(row) => Some(row.ordinal),
                None => return Ok(page),
            },
            None => None,
        };
        let mut last = after;
        for (looked_at, row) in table.range(after.0 + 1..=self.head.0)?.enumerate() {
            if page.requests.len() >= limit || looked_at >= LOOKED_AT_MAX {
                page.more = Some(last);
                break;
            }
            let (position, row) = row?;
            last = Position(position.value());
            let row = OutboxRow::decode(row.value()).map_err(StoreError::malformed("head.redb", last))?;
            let wanted = ordinal.is_none_or(|ordinal| ordinal == row.ordinal)
                && filter.host.as_ref().is_none_or(|host| row.host.starts_with(host.as_str()))
                && filter.state.is_none_or(|state| state == row.state)
                && filter.ready_at.is_none_or(|now| row.not_before <= now);
            if wanted {
                page.requests.extend(self.with_request(last, row)?);
            }
        }
        Ok(page)
    }

    /// Requests that wait to be sent and were made after a position, at most `limit`: of one host, or of all.
    pub fn waiting_requests(&self, host: Option<&str>, after: Position, limit: usize) -> Result<WaitingPage, StoreError> {
        let mut page = WaitingPage::default();
        let Some(table) = open(&self.transaction, tables::OUTBOX)?.filter(|_| after < self.head) else { return Ok(page) };
        let mut last = after;
        for (looked_at, row) in table.range(after.0 + 1..=self.head.0)?.enumerate() {
            if page.rows.len() >= limit || looked_at >= LOOKED_AT_MAX {
                page.more = Some(last);
                break;
            }
            let (position, row) = row?;
            last = Position(position.value());
            let row = OutboxRow::decode(row.value()).map_err(StoreError::malformed("head.redb", last))?;
            if row.state == OutboxState::Waiting && host.is_none_or(|host| row.host == host) {
                page.rows.push((last, row));
            }
        }
        Ok(page)
    }

    /// A request, if it has no answer yet.
    pub fn request(&self, position: Position) -> Result<Option<PendingRequest>, StoreError> {
        let Some(table) = open(&self.transaction, tables::OUTBOX)? else { return Ok(None) };
        let Some(row) = table.get(position.0)? else { return Ok(None) };
        let row = OutboxRow::decode(row.value()).map_err(StoreError::malformed("head.redb", position))?;
        self.with_request(position, row)
    }

    fn with_request(&self, position: Position, row: OutboxRow) -> Result<Option<PendingRequest>, StoreError> {
        let record = self.record(position)?;
        Ok(record.and_then(|record| record.event(position).and_then(|entry| PendingRequest::of(&entry, row))))
    }

    /// Outputs of a function that are held, by cause, after the one with this cause and id.
    pub fn held(&self, function: &str, after: (Position, &str), limit: usize) -> Result<HeldPage, StoreError> {
        let mut page = HeldPage::default();
        let (Some(table), Some(row)) = (open(&self.transaction, tables::HELD)?, self.view.functions.get(function)) else {
            return Ok(page);
        };
        for found in table.range((row.ordinal, after.0.0, after.1)..(row.ordinal + 1, 0, ""))? {
            let (key, value) = found?;
            if (key.value().1, key.value().2) == (after.0.0, after.1) {
                continue;
            }
            if page.outputs.len() == limit {
                page.more = true;
                break;
            }
            let (module, output) = decode_held(value.value())?;
            page.outputs.push(HeldOutput { function: function.to_owned(), module, output });
        }
        Ok(page)
    }
}

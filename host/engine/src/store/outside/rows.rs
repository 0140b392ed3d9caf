//! Rows of the outbox, counts of what is pending, and changes of rows that no entry of the log speaks of.

use crate::model::{ByteReader, ByteWriter, Malformed, Position, Timestamp};

/// Of a row of the outbox.
const FORMAT: u8 = 1;
/// Of the last error of a request that is kept.
const ERROR_BYTES_MAX: usize = 1 << 10;

/// What is known of a request beside its entry. Made again from the log, but for the attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Of the function that made it.
    pub ordinal: u32,
    pub state: OutboxState,
    pub attempts: u32,
    /// It isn't sent again before this.
    pub not_before: Timestamp,
    /// With its port, if one is given.
    pub host: String,
    /// Of the last attempt; empty before.
    pub error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    Waiting,
    /// It isn't sent unless somebody releases it.
    Held,
}

impl OutboxRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.u32(self.ordinal);
        out.u8(u8::from(self.state == OutboxState::Held));
        out.u32(self.attempts);
        out.u64(self.not_before.0);
        out.text(&self.host);
        out.text(&self.error);
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<OutboxRow, Malformed> {
        let mut reader = ByteReader::new(bytes);
        if reader.u8("outbox format")? != FORMAT {
            return Err(Malformed { what: "outbox format", at: 0 });
        }
        Ok(OutboxRow {
            ordinal: reader.u32("ordinal")?,
            state: if reader.u8("state")? == 0 { OutboxState::Waiting } else { OutboxState::Held },
            attempts: reader.u32("attempts")?,
            not_before: Timestamp(reader.u64("not before")?),
            host: reader.text("host")?.to_owned(),
            error: reader.text("error")?.to_owned(),
        })
    }
}

/// What of a function is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutsideCounts {
    pub timers: u64,
    /// Requests that wait for a reply.
    pub requests: u64,
    /// Requests that are held back.
    pub requests_held: u64,
    /// Outputs that are held: no entries yet.
    pub outputs_held: u64,
}

impl OutsideCounts {
    pub fn of(self, state: OutboxState) -> u64 {
        match state {
            OutboxState::Waiting => self.requests,
            OutboxState::Held => self.requests_held,
        }
    }

    pub fn of_mut(&mut self, state: OutboxState) -> &mut u64 {
        match state {
            OutboxState::Waiting => &mut self.requests,
            OutboxState::Held => &mut self.requests_held,
        }
    }
}

/// A change that no entry of the log speaks of: a host that made the tables again would find it out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// What the timer makes is in the log already.
    Settled {
        ordinal: u32,
        key: String,
        position: Position,
    },
    /// What answers the request is in the log already.
    Answered {
        request: Position,
    },
    Attempted {
        request: Position,
        attempts: u32,
        not_before: Timestamp,
        error: String,
    },
    Released {
        request: Position,
    },
    /// Whether timers fire and requests leave.
    Effects {
        on: bool,
    },
}

/// As much of an error as is kept.
pub fn shortened(mut error: String) -> String {
    if error.len() > ERROR_BYTES_MAX {
        let end = (0..=ERROR_BYTES_MAX).rev().find(|end| error.is_char_boundary(*end)).unwrap_or_default();
        error.truncate(end);
    }
    error
}

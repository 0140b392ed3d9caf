//! What a function may answer, before the host has looked at it.

use super::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct Reaction {
    /// Index into the batch.
    pub cause: u32,
    pub output: Output,
}

/// What a function may answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Emit(EventDraft),
    Command(CommandDraft),
    Schedule(TimerDraft),
    /// The key of the timer that is not wanted any more.
    Cancel(String),
    Request(RequestDraft),
}

/// A command as a function answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandDraft {
    pub r#type: String,
    pub subject: String,
    /// `application/json` where absent.
    pub content_type: Option<String>,
    pub data: Vec<u8>,
    pub key: Option<String>,
}

/// A timer as a function answers it. It takes the place of the one with the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimerDraft {
    pub key: String,
    pub due: Timestamp,
    /// Of the event that it will make, as are subject and data.
    pub r#type: String,
    pub subject: String,
    pub data: Vec<u8>,
}

/// A request to the outside as a function answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDraft {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub key: Option<String>,
}

/// An event as a function answers it: no id, no time, no cause yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventDraft {
    pub r#type: String,
    pub subject: String,
    pub tags: Vec<String>,
    /// `application/json` where absent.
    pub content_type: Option<String>,
    pub data: Vec<u8>,
    /// Names the output for its id.
    pub key: Option<String>,
    /// When it happened. Only an ingress function says so; elsewhere it is its cause's time.
    pub time: Option<Timestamp>,
}

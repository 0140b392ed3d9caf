//! Trials of a handler.

use std::iter;
use std::time::Duration;

use serde_json::json;

use super::Given;
use super::outside::{SentCommand, SentRequest, SetTimer};
use super::trial::{Output, Trial, error};
use crate::handler::handle_in;
use crate::{Event, Failed, Handler, Refused, Rejection, Reply, Result, State, Timestamp, written};

impl<H: Handler> Trial<H> {
    /// Hands the next event to the handler, and answers the events that it makes of it. Commands, timers
    /// and requests are kept: see [`commands`](Trial::commands), [`timers`](Trial::timers),
    /// [`requests`](Trial::requests). Positions count up from 1. When the handler fails, what it wrote
    /// into its state is undone, as the host does.
    ///
    /// Panics if the handler doesn't subscribe to the event's type: the host would never hand it
    /// over, so the test means something else. Panics if it asks for what its manifest doesn't declare.
    #[track_caller]
    pub fn give(&mut self, given: &Given) -> Result<Vec<Output>> {
        let event = self.record(given);
        let outcome = self.call(|trial| handle_in::<H>(iter::once(event), &trial.memory));
        let written = outcome.map_err(|failure| {
            self.memory.undo();
            error(failure)
        })?;
        let manifest = H::describe();
        let mut events = Vec::new();
        for output in written.into_outputs() {
            match output {
                written::Output::Emit(event) => events.push(event.into()),
                written::Output::Other(other) => self.outside.take(other, &manifest, event.subject),
            }
        }
        Ok(events)
    }

    /// The handler's state as it stands, to look into or to prepare.
    pub fn state<S>(&mut self) -> State<'_, S> {
        State::of(&self.memory, 0)
    }

    /// Lets so much time pass. The timers that are due by then make their events, in the order in which
    /// they are due, also those that are set by what comes before; the first failure ends it. Answers
    /// the events that the handler made.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) -> Result<Vec<Output>> {
        self.now = self.now + duration;
        let mut events = Vec::new();
        while let Some(SetTimer { key, due, event_type, subject, data }) = self.outside.next_due(self.now) {
            let source = format!("/timers/{}", H::NAME);
            let event = Given::json(event_type, data).about(subject).at_time(due).source(source).extension("timerkey", key);
            events.extend(self.give(&event)?);
        }
        Ok(events)
    }

    /// What time it is: that of the last event, and what has passed since.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The commands that the handler sent since the last call.
    pub fn commands(&mut self) -> Vec<SentCommand> {
        std::mem::take(&mut self.outside.commands)
    }

    /// The timers that are set, in the order in which they are due.
    pub fn timers(&self) -> Vec<SetTimer> {
        let mut timers: Vec<_> = self.outside.timers.values().cloned().collect();
        timers.sort_by_key(|timer| timer.due);
        timers
    }

    /// The requests that are not answered, oldest first.
    pub fn requests(&self) -> Vec<SentRequest> {
        self.outside.requests.clone()
    }

    /// The oldest request of this key that is not answered. Panics if there is none.
    #[track_caller]
    pub fn request(&self, key: &str) -> SentRequest {
        let found = self.outside.requests.iter().find(|request| request.key.as_deref() == Some(key));
        found.cloned().unwrap_or_else(|| panic!("{} waits for no answer to a request {key:?}", H::NAME))
    }

    /// The service answers: the handler is handed a [`Reply`]. Panics if the request is answered already.
    #[track_caller]
    pub fn reply(&mut self, request: &SentRequest, status: u16, body: &str) -> Result<Vec<Output>> {
        let data = json!({ "request": told(request), "status": status, "headers": {}, "body": body });
        self.answer(request, Reply::TYPE, &data)
    }

    /// The host gives up: the handler is handed a [`Failed`]. `reason` is `timeout`, `refused` and such.
    #[track_caller]
    pub fn fail(&mut self, request: &SentRequest, reason: &str) -> Result<Vec<Output>> {
        let data = json!({ "request": told(request), "reason": reason, "message": format!("failed in a test: {reason}"), "attempts": 3 });
        self.answer(request, Failed::TYPE, &data)
    }

    #[track_caller]
    fn answer(&mut self, request: &SentRequest, event_type: &str, data: &serde_json::Value) -> Result<Vec<Output>> {
        self.outside.answered(request);
        let given = Given::json(event_type, data.to_string()).about(&request.subject).id(&request.id);
        self.give(&given.source(format!("/requests/{}", H::NAME)).extension("addressee", H::NAME))
    }

    /// The addressee refuses a command: the handler is handed a [`Refused`].
    #[track_caller]
    pub fn refuse(&mut self, command: &SentCommand, rejection: &Rejection) -> Result<Vec<Output>> {
        let mut data = json!({
            "command": { "type": command.command_type, "id": "command" },
            "code": rejection.code(),
            "message": rejection.message(),
        });
        if let (false, Ok(text)) = (rejection.data().is_empty(), str::from_utf8(rejection.data())) {
            data["data"] = text.into();
        }
        let given = Given::json(Refused::TYPE, data.to_string()).about(&command.subject);
        self.give(&given.source("/aggregates/test").extension("addressee", H::NAME))
    }
}

/// As replies tell of their request.
fn told(request: &SentRequest) -> serde_json::Value {
    let SentRequest { id, key, method, url, .. } = request;
    let mut told = json!({ "id": id, "method": method, "url": url });
    if let Some(key) = key {
        told["key"] = key.as_str().into();
    }
    told
}

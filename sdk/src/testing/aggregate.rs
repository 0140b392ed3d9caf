//! Trials of an aggregate: given events, when a command comes, then events or a rejection.

use std::iter;

use serde::Serialize;

use super::Given;
use super::trial::{Output, Trial, error};
use crate::aggregate::{decide_with, evolve_with, read};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::{Aggregate, Command, Rejection, Result};

/// A command to hand to a [`Trial`].
#[derive(Clone, Debug)]
pub struct When {
    command_type: String,
    subject: String,
    data: Vec<u8>,
}

impl When {
    /// A command with these bytes as data, JSON or not.
    pub fn json(command_type: impl Into<String>, data: impl Into<Vec<u8>>) -> When {
        When { command_type: command_type.into(), subject: String::new(), data: data.into() }
    }

    /// A command of a type that can be written.
    pub fn command<C: Command + Serialize>(command: &C) -> When {
        let data = serde_json::to_vec(command).expect("the command can't be written as JSON");
        When::json(C::TYPE, data)
    }

    /// What it is addressed to.
    pub fn to(mut self, subject: impl Into<String>) -> When {
        self.subject = subject.into();
        self
    }
}

impl<A: Aggregate> Trial<A> {
    /// An event of the past, folded into the state of its subject.
    ///
    /// Panics if the aggregate doesn't evolve the event's type: it would never be handed over.
    #[track_caller]
    pub fn given(&mut self, given: &Given) -> Result<()> {
        let event = self.record(given);
        self.fold(event)
    }

    /// Hands over a command. The events that answer it are folded into the state, as far as the
    /// aggregate evolves them, so that another command may follow.
    ///
    /// Panics if the aggregate doesn't decide the command's type.
    #[track_caller]
    pub fn when(&mut self, when: &When) -> Result<Vec<Output>, Rejection> {
        let decides = A::describe().decides;
        let When { command_type, subject, data } = when;
        assert!(decides.contains(command_type), "{} decides {}, not {command_type}", A::NAME, decides.join(", "));
        let command =
            wire::Command { type_: command_type.clone(), subject: subject.clone(), content_type: None, data: data.clone(), key: None };
        let events = self.call(|trial| decide_with::<A>(trial.folded.get(subject).map(Vec::as_slice), &command))?;
        for event in &events {
            if self.subscribes_to(&event.type_) {
                let given = Given::json(&event.type_, event.data.clone()).about(&event.subject);
                self.given(&given)?;
            }
        }
        Ok(events.into_iter().map(Output::from).collect())
    }

    /// The state of a subject as it stands.
    #[track_caller]
    pub fn aggregate(&self, subject: &str) -> A {
        let state = self.folded.get(subject);
        read(state.map(Vec::as_slice)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The state goes through JSON at each step, as it may in the host.
    fn fold(&mut self, event: Envelope<'_>) -> Result<()> {
        let state = self.folded.get(event.subject).cloned();
        let folded = self.call(|trial| evolve_with::<A>(state.as_deref(), iter::once(event), &trial.memory));
        self.folded.insert(event.subject.to_owned(), folded.map_err(error)?);
        Ok(())
    }
}

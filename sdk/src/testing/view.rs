//! Trials of a view and its queries.

use std::iter;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Given;
use super::trial::{Trial, error};
use crate::view::project_in;
use crate::{Json, Query, Rejection, Result, Rows, View};

impl<V: View> Trial<V> {
    /// Hands the next event to the view. When the view fails, what it wrote is undone.
    ///
    /// Panics if the view doesn't subscribe to the event's type: it would never be handed over.
    #[track_caller]
    pub fn project(&mut self, given: &Given) -> Result<()> {
        let event = self.record(given);
        self.memory.lane = V::SPLIT.map_or_else(String::new, |parts| lane(event.subject, parts));
        let outcome = self.call(|trial| project_in::<V>(iter::once(event), &trial.memory));
        self.memory.lane.clear();
        outcome.map_err(|failure| {
            self.memory.undo();
            error(failure)
        })
    }

    /// Asks a query of this view.
    pub fn ask<Q: Query<View = V>>(&mut self, question: &impl Serialize) -> Result<Json, Rejection> {
        let question = serde_json::to_vec(question).expect("the question can't be written as JSON");
        let answer = self.call(|trial| Q::answer(&question, &trial.memory))?;
        Ok(serde_json::from_slice(&answer).expect("the SDK wrote it"))
    }

    /// A row by its key; with `split`, its whole key: `UA/2013-01`. Panics if it can't be read.
    #[track_caller]
    pub fn row(&self, key: &str) -> Option<V::Row>
    where
        V::Row: DeserializeOwned,
    {
        Rows::of(&self.memory, 0).get(key).unwrap_or_else(|error| panic!("{error}"))
    }

    /// All rows as they stand, to look into or to prepare.
    pub fn rows(&mut self) -> Rows<'_, V::Row> {
        Rows::of(&self.memory, 0)
    }
}

/// What the host puts before the keys: the first so many parts of the subject.
fn lane(subject: &str, parts: u32) -> String {
    let parts: Vec<_> = subject.split('/').take(parts as usize).collect();
    format!("{}/", parts.join("/"))
}

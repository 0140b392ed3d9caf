//! `View`: folds events into rows. `Query`: a question to them. What `#[view]` and `#[query]` make of
//! functions, and the calls that the host makes.

use serde::{Deserialize, Serialize};

use crate::batched::{Batched, Units};
use crate::bindings::wire;
use crate::envelope::Envelope;
use crate::function::{Function, failure};
use crate::host::{Host, Imported};
use crate::{Rejection, Result};

/// A view as the host sees it. `#[view]` implements it for a type of the function's name.
pub trait View: Function {
    /// The `T` of its `Rows<T>`.
    type Row;

    /// The first so many parts of the subject are the lane that rows stand in.
    #[doc(hidden)]
    const SPLIT: Option<u32>;

    /// Folds one event into the rows. `index` is its place in the batch.
    fn project(event: Envelope<'_>, index: u32, host: &dyn Host) -> Result<()>;
}

/// A question to a view. `#[query(view = …)]` implements it for a type of the function's name.
pub trait Query {
    /// The function's name in kebab case.
    const NAME: &'static str;

    type View: View;

    /// Answers with JSON.
    fn answer(question: &[u8], host: &dyn Host) -> Result<Vec<u8>, Rejection>;
}

/// Called by the host that runs this module.
pub fn project<'a, V: View>(events: impl Iterator<Item = Envelope<'a>>) -> Result<(), wire::Failure> {
    crate::log::panics_are_logged();
    project_in::<V>(events, &Imported)
}

pub(crate) fn project_in<'a, V: View>(events: impl Iterator<Item = Envelope<'a>>, host: &dyn Host) -> Result<(), wire::Failure> {
    let batched = Batched::new(host, events.collect(), Units::view(V::SPLIT));
    for (index, event) in (0..).zip(batched.events()) {
        V::project(*event, index, &batched).map_err(|error| failure(index, error))?;
    }
    batched.flush().map_err(|(index, error)| failure(index, error))
}

/// Called by the host that runs this module.
pub fn query<Q: Query>(request: &wire::Query) -> Result<wire::Payload, wire::Rejection> {
    crate::log::panics_are_logged();
    let data = Q::answer(&request.data, &Imported)?;
    Ok(wire::Payload { content_type: "application/json".to_owned(), data })
}

/// Reads a question. Nothing at all is the question `null`, so that a query without one needs no data.
pub fn read_question<'a, T: Deserialize<'a>>(query: &str, data: &'a [u8]) -> Result<T, Rejection> {
    let data = if data.is_empty() { b"null" } else { data };
    crate::command::read(data).map_err(|problem| Rejection::new("invalid-query", format_args!("{query}: {problem}")))
}

/// Writes what a `#[query]` function returned.
pub fn write_answer<T: Serialize, E: Into<Rejection>>(query: &str, answer: Result<T, E>) -> Result<Vec<u8>, Rejection> {
    let answer = answer.map_err(Into::into)?;
    serde_json::to_vec(&answer).map_err(|error| Rejection::new("failed", format_args!("the answer of {query} can't be written: {error}")))
}

/// The view has no query of this name; `known` are the module's, each with its view.
#[cold]
pub fn unknown_query(view: &str, name: &str, known: &[(&str, &str)]) -> wire::Rejection {
    let known: Vec<_> = known.iter().filter(|(of, _)| *of == view).map(|(_, name)| *name).collect();
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Rejection::new("unknown-query", format_args!("{view} has no query {name:?}: {known}")).into()
}

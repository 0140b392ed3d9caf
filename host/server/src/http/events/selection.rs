//! What a reader asks for.

use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{Position, TypePattern};
use retold_engine::store::Filter;

use super::super::call::Call;
use super::super::cursor::{Place, parse_cursor};
use super::super::parameters::{PAGE_EVENTS_MAX, WAIT_SECONDS_MAX};
use super::super::problem::Problem;
use super::pages::{Framing, Wanted};
use crate::drive::Namespace;

/// In which form events are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page as a JSON object.
    Page,
    /// A page as a CloudEvents batch.
    Batch,
    Lines,
    Messages,
}

impl Form {
    /// The first media type that is known; a page if none is.
    fn of(accept: &str) -> Form {
        let known = accept.split(',').find_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => Some(Form::Messages),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" | "application/json-lines" => {
                Some(Form::Lines)
            }
            "application/cloudevents-batch+json" => Some(Form::Batch),
            "application/json" => Some(Form::Page),
            _ => None,
        });
        known.unwrap_or(Form::Page)
    }

    fn is_stream(self) -> bool {
        matches!(self, Form::Lines | Form::Messages)
    }
}

#[derive(Debug)]
pub struct Selection {
    pub form: Form,
    pub after: Place,
    pub filter: Arc<Filter>,
    /// At most so many events.
    pub limit: Option<u64>,
    /// How long to wait for a first event.
    pub wait: Duration,
    /// Whether old events are wanted in their newest form.
    pub upcast: bool,
}

impl Selection {
    pub fn of(call: &Call, namespace: &Namespace) -> Result<Selection, Problem> {
        let header = |name: &str| call.headers().get(name).and_then(|value| value.to_str().ok());
        let form = Form::of(header("accept").unwrap_or_default());
        let query = call.query()?;
        let pattern = |text: &String| {
            TypePattern::parse(text).ok_or_else(|| {
                Problem::parameter(
                    "types",
                    format!("holds {text:?}: use a type such as order.placed, or a pattern that ends in *, such as order.*"),
                )
            })
        };
        let filter = Filter {
            types: query.list("types")?.iter().map(pattern).collect::<Result<_, _>>()?,
            subjects: query.list("subjects")?,
            tags: query.list("tags")?,
            kind: None,
        };
        let upcast = query.flag("upcast")?;
        if upcast && form == Form::Messages {
            return Err(Problem::parameter("upcast", "is for pages and lines: a stream to follow tells events as they are recorded"));
        }
        // A reader that comes back tells what it saw last; that is later than where it began.
        let after = match header("last-event-id").filter(|_| form == Form::Messages) {
            Some(id) => {
                let cursor = parse_cursor(id).map_err(|what| Problem::parameter("Last-Event-ID", what))?;
                cursor.place("Last-Event-ID", namespace)?
            }
            None => match query.cursor("after")? {
                Some(cursor) => cursor.place("after", namespace)?,
                None => Place::Here(Position::START),
            },
        };
        let head = namespace.reader().head();
        if let Place::Here(after) = after
            && after > head
        {
            return Err(Problem::parameter(
                "after",
                format!("is {after}, and this log ends at {head}: is the cursor another log's? Position 0 is the beginning"),
            )
            .with("position", head.to_string()));
        }
        let limit = query.number("limit", if form.is_stream() { u64::MAX } else { PAGE_EVENTS_MAX })?;
        let wait = query.duration("wait", Duration::from_secs(WAIT_SECONDS_MAX))?.unwrap_or_default();
        if form == Form::Lines && !wait.is_zero() {
            return Err(Problem::parameter("wait", "is for pages: to follow the log ask for text/event-stream"));
        }
        Ok(Selection { form, after, filter: Arc::new(filter), limit, wait, upcast })
    }

    pub fn wanted(&self, framing: Framing) -> Wanted {
        Wanted { filter: self.filter.clone(), framing, upcast: self.upcast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_answer_is_the_first_known_one_that_the_client_accepts() {
        for (accept, form) in [
            ("", Form::Page),
            ("*/*", Form::Page),
            ("text/html, application/json", Form::Page),
            ("application/x-ndjson", Form::Lines),
            ("text/html, application/ndjson;q=0.9, application/json", Form::Lines),
            ("text/event-stream", Form::Messages),
            ("application/cloudevents-batch+json", Form::Batch),
        ] {
            assert_eq!(Form::of(accept), form, "{accept}");
        }
    }
}

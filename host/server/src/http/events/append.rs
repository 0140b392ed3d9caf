//! `POST …/events`: one event, or several together. A stream of lines goes its own way
//! (`append_lines`).

use std::time::Duration;

use http::HeaderMap;
use retold_engine::model::{NewEvent, limits};
use retold_engine::store::{Append, Condition};

use super::super::call::{Answer, Call};
use super::super::cloudevents::{BadEvent, batch_from_json, event_from_headers, event_from_json, give_trace, json_text, take_trace};
use super::super::cursor::Lineage;
use super::super::parameters::{HANDLED_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::query::Query;
use super::super::traced::{begin_append, end_append};
use super::super::upload;
use super::append_lines::append_lines;
use super::appended;
use super::form::Form;
use crate::drive::WaitFor;

pub async fn append(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let form = Form::of(call.headers())?;
    let query = call.query()?;
    let (wait, condition) = (wait(&query)?, condition(&query, &namespace)?);
    if form == Form::Lines {
        if condition.is_some() || wait != WaitFor::Durable {
            return Err(Problem::parameter(
                if condition.is_some() { "if-none-after" } else { "wait" },
                "can't be promised for a stream of lines, which is many requests: send a batch (application/cloudevents-batch+json)",
            ));
        }
        // In a place of its own: it holds much, and most appends are not streams.
        return Box::pin(append_lines(namespace, call)).await;
    }
    let Call { site, parts, body, .. } = *call;
    let body = upload::whole(body, &parts.headers, limits::APPEND_BYTES_MAX, &site.bodies).await?;
    let mut events = read(form, &parts.headers, &body)?;
    let span = begin_append(&site, namespace.name(), &parts.headers, events.len());
    match &span {
        Some(span) => give_trace(&span.context.text(), &mut events),
        None => take_trace(&parts.headers, &mut events),
    }
    drop(body);
    let appended = namespace.append(Append { events, condition, stream: None }, wait).await;
    end_append(&site, span, &appended);
    Ok(appended::response(&appended?))
}

fn read(form: Form, headers: &HeaderMap, body: &[u8]) -> Result<Vec<NewEvent>, BadEvent> {
    match form {
        Form::Binary => Ok(vec![event_from_headers(headers, body)?]),
        Form::Batch => batch_from_json(json_text(body)?),
        Form::Json if body.trim_ascii_start().starts_with(b"[") => batch_from_json(json_text(body)?),
        Form::Structured | Form::Json | Form::Lines => Ok(vec![event_from_json(json_text(body)?)?]),
    }
}

impl From<BadEvent> for Problem {
    fn from(bad: BadEvent) -> Problem {
        let kind = if bad.field.is_some() { &kinds::INVALID_EVENT } else { &kinds::MALFORMED_REQUEST };
        let mut problem = Problem::new(kind, bad.to_string());
        if let Some(index) = bad.index {
            problem = problem.with("index", index);
        }
        match bad.field {
            Some(field) => problem.with("field", field),
            None => problem,
        }
    }
}

pub fn wait(query: &Query<'_>) -> Result<WaitFor, Problem> {
    let timeout = query.duration("timeout", Duration::from_secs(WAIT_SECONDS_MAX))?;
    match (query.text("wait")?.as_deref(), timeout) {
        (Some("handled"), timeout) => Ok(WaitFor::Handled { timeout: timeout.unwrap_or(Duration::from_secs(HANDLED_SECONDS_DEFAULT)) }),
        (None | Some("durable"), None) => Ok(WaitFor::Durable),
        (None | Some("durable"), Some(_)) => {
            Err(Problem::parameter("timeout", "stands without wait=handled: add that, or leave it out (every append waits for the disk)"))
        }
        (Some(other), _) => Err(Problem::parameter("wait", format!("is {other:?}: use durable or handled"))),
    }
}

fn condition(query: &Query<'_>, lineage: &impl Lineage) -> Result<Option<Condition>, Problem> {
    let (types, subjects, tags) = (query.list("if-none-types")?, query.list("if-none-subjects")?, query.list("if-none-tags")?);
    let Some(after) = query.position("if-none-after", lineage)? else {
        if types.is_empty() && subjects.is_empty() && tags.is_empty() {
            return Ok(None);
        }
        return Err(Problem::parameter(
            "if-none-after",
            "is missing: say behind which position no such event may stand; 0 means in the whole log",
        ));
    };
    if let Some(pattern) = types.iter().find(|name| name.contains('*')) {
        return Err(Problem::parameter("if-none-types", format!("holds the pattern {pattern:?}: conditions take exact types; name each")));
    }
    Ok(Some(Condition { after, types, subjects, tags }))
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Position;

    use super::super::super::cursor::tests::Third;
    use super::super::super::parameters::{IF_NONE_AFTER, IF_NONE_SUBJECTS, IF_NONE_TAGS, IF_NONE_TYPES, TIMEOUT, WAIT};
    use super::*;

    fn query(text: &str) -> Query<'_> {
        let known = &[WAIT, TIMEOUT, IF_NONE_AFTER, IF_NONE_TYPES, IF_NONE_SUBJECTS, IF_NONE_TAGS];
        Query::read(text, known).unwrap_or_else(|problem| panic!("{}", problem.detail))
    }

    #[test]
    fn a_condition_is_read_whole_or_refused_never_dropped() {
        assert_eq!(condition(&query("wait=durable"), &Third).ok(), Some(None));
        let read = condition(&query("if-none-after=3.7&if-none-types=a,b&if-none-tags=eu"), &Third).ok().flatten();
        assert_eq!(
            read,
            Some(Condition { after: Position(7), types: vec!["a".into(), "b".into()], subjects: vec![], tags: vec!["eu".into()] })
        );
        assert!(condition(&query("if-none-subjects=x"), &Third).is_err_and(|problem| problem.detail.contains("0 means")));
        assert!(
            condition(&query("if-none-after=1&if-none-types=order.*"), &Third).is_err_and(|problem| problem.detail.contains("exact types"))
        );
        assert!(condition(&query("if-none-after=4.1"), &Third).is_err());
        let mapped = condition(&query("if-none-after=2.70"), &Third).ok().flatten();
        assert_eq!(mapped.map(|condition| condition.after), Some(Position(7)));
    }

    #[test]
    fn waiting_is_for_the_disk_unless_asked_for_more() {
        let handled = |ms| WaitFor::Handled { timeout: Duration::from_millis(ms) };
        assert_eq!(wait(&query("")).ok(), Some(WaitFor::Durable));
        assert_eq!(wait(&query("wait=handled")).ok(), Some(handled(30_000)));
        assert_eq!(wait(&query("wait=handled&timeout=500ms")).ok(), Some(handled(500)));
        assert!(wait(&query("timeout=5")).is_err());
        assert!(wait(&query("wait=forever")).is_err());
    }
}

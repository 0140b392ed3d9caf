//! `POST …/commands/{type}`: a command to the aggregate that decides its type.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use retold_engine::model::{NewEvent, limits};

use super::body::{Body, answer};
use super::call::{Answer, Call};
use super::cloudevents::{EventWriter, event_from_headers, event_from_json, event_from_parts, json_text, take_trace};
use super::cursor::write_cursor;
use super::events::{wait, write_handled, write_one};
use super::json::{write_number, write_text};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::upload;
use super::values::value_member;
use crate::drive::{CommandAccepted, CommandOutcome, DriveError, Namespace};

/// The source of commands that name none.
const SOURCE_DEFAULT: &str = "/";

pub async fn command(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let name = call.decoded("type")?;
    let query = call.query()?;
    let wait = wait(&query)?;
    let attributes = Attributes {
        subject: query.text("subject")?.map(|text| text.into_owned()),
        id: query.text("id")?.map(|text| text.into_owned()),
        source: query.text("source")?.map(|text| text.into_owned()),
        time: query.text("time")?.map(|text| text.into_owned()),
    };
    let Call { site, parts, body, .. } = *call;
    let body = upload::whole(body, &parts.headers, limits::APPEND_BYTES_MAX, &site.bodies).await?;
    let mut command = read(&parts.headers, &body, &name, attributes)?;
    take_trace(&parts.headers, std::slice::from_mut(&mut command));
    drop(body);
    let id = command.id.clone();
    let mut namespace = namespace;
    let outcome = loop {
        match namespace.command(command.clone(), wait).await {
            // Another log has taken this one's place: it is decided there.
            Err(DriveError::Superseded) => match site.host.namespace(namespace.name()) {
                Some(successor) if successor.generation() != namespace.generation() => namespace = successor,
                _ => break Err(DriveError::Superseded),
            },
            outcome => break outcome,
        }
    };
    match outcome? {
        CommandOutcome::Accepted(accepted) => accepted_response(&namespace, &id, &accepted),
        CommandOutcome::Rejected(rejection) => {
            let mut problem = Problem::new(&kinds::COMMAND_REJECTED, rejection.message).with("code", rejection.code);
            if !rejection.data.is_empty() {
                problem = problem.with("data", value_member(&rejection.data));
            }
            Err(problem)
        }
    }
}

/// What the query string says of the command.
struct Attributes {
    subject: Option<String>,
    id: Option<String>,
    source: Option<String>,
    time: Option<String>,
}

/// A CloudEvent, structured or in headers, whose type is the path's; or the data alone, with the rest in
/// the query string.
fn read(headers: &http::HeaderMap, body: &[u8], name: &str, attributes: Attributes) -> Result<NewEvent, Problem> {
    let Attributes { subject, id, source, time } = attributes;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let whole = if media.eq_ignore_ascii_case("application/cloudevents+json") {
        Some(event_from_json(json_text(body)?)?)
    } else if headers.keys().any(|name| name.as_str().starts_with("ce-")) {
        Some(event_from_headers(headers, body)?)
    } else {
        None
    };
    const FORMS: [&str; 5] = [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/x-ndjson",
        "application/ndjson",
        "application/cloudevents-batch+json",
    ];
    if whole.is_none() && FORMS.iter().any(|form| media.eq_ignore_ascii_case(form)) {
        let what =
            format!("a command is one thing, and {media} is not how its data is sent: add the header Content-Type: application/json");
        return Err(Problem::new(&kinds::UNSUPPORTED_MEDIA, what).with("field", "content-type"));
    }
    let missing = || Problem::parameter("subject", "is missing: say which one the command is about, such as ?subject=cart/1");
    let Some(mut command) = whole else {
        let subject = subject.filter(|subject| !subject.is_empty()).ok_or_else(missing)?;
        let id = id.map_or_else(random_id, Ok)?;
        let source = source.as_deref().unwrap_or(SOURCE_DEFAULT);
        let mut parts = vec![("type", name), ("subject", &subject), ("id", &id), ("source", source), ("datacontenttype", content_type)];
        parts.extend(time.as_deref().map(|time| ("time", time)));
        return Ok(event_from_parts(&parts, body)?);
    };
    if command.r#type != name {
        let what = format!("`type` is {:?}, and the path says {name:?}: use the same in both places", command.r#type);
        return Err(Problem::new(&kinds::INVALID_EVENT, what).with("field", "type"));
    }
    for (given, parameter) in [(&id, "id"), (&source, "source"), (&time, "time")] {
        if given.is_some() {
            return Err(Problem::parameter(parameter, "stands beside a whole CloudEvent, which says it itself: leave it out"));
        }
    }
    match subject {
        Some(subject) if command.subject.is_empty() => command.subject = subject,
        Some(subject) if command.subject != subject => {
            return Err(Problem::parameter("subject", format!("is {subject:?}, and the command says {:?}: say it once", command.subject)));
        }
        _ => {}
    }
    if command.subject.is_empty() { Err(missing()) } else { Ok(command) }
}

/// Without an id from the client each request is a command of its own.
fn random_id() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Problem::new(&kinds::INTERNAL, format!("no random id could be made: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn accepted_response(namespace: &Namespace, id: &str, accepted: &CommandAccepted) -> Answer {
    let snapshot = namespace.reader().snapshot()?;
    let mut writer = EventWriter::new(namespace.reader().modules());
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"id\":");
    write_text(&mut out, id);
    out.extend_from_slice(b",\"position\":\"");
    write_number(&mut out, accepted.command.0);
    out.extend_from_slice(b"\",\"events\":[");
    for (index, position) in accepted.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_one(&snapshot, &mut writer, *position, &mut out)?;
    }
    out.extend_from_slice(b"],\"cursor\":\"");
    write_cursor(&mut out, namespace.generation(), accepted.events.last().copied().unwrap_or(accepted.command));
    out.extend_from_slice(if accepted.new { b"\",\"new\":true" } else { b"\",\"new\":false" });
    let mut status = StatusCode::OK;
    if let Some(handled) = &accepted.handled {
        write_handled(&mut out, handled);
        if !handled.complete {
            status = StatusCode::ACCEPTED;
        }
    }
    out.push(b'}');
    let response: Response<Body> = answer(status, "application/json", Body::full(out));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(subject: Option<&str>, id: Option<&str>) -> Attributes {
        Attributes { subject: subject.map(str::to_owned), id: id.map(str::to_owned), source: None, time: None }
    }

    #[test]
    fn data_alone_is_a_command_with_what_the_query_says_of_it() {
        let command = read(&http::HeaderMap::new(), b"{}", "cart.open", attributes(Some("cart/1"), Some("7"))).expect("a command");
        assert_eq!((command.r#type.as_str(), command.subject.as_str()), ("cart.open", "cart/1"));
        assert_eq!((command.id.as_str(), command.source.as_str(), command.content_type.as_str()), ("7", "/", "application/json"));
        let other = read(&http::HeaderMap::new(), b"{}", "cart.open", attributes(Some("cart/1"), None)).expect("a command");
        assert_eq!(other.id.len(), 32);
    }

    #[test]
    fn a_whole_event_must_say_what_the_path_says() {
        let mut headers = http::HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/cloudevents+json"));
        let event = br#"{"specversion":"1.0","id":"7","source":"/shop","type":"cart.open","subject":"cart/1","data":{}}"#;
        let command = read(&headers, event, "cart.open", attributes(None, None)).expect("a command");
        assert_eq!((command.source.as_str(), command.subject.as_str()), ("/shop", "cart/1"));
        assert!(read(&headers, event, "cart.close", attributes(None, None)).is_err_and(|problem| problem.detail.contains("the path says")));
        assert!(
            read(&headers, event, "cart.open", attributes(Some("cart/2"), None))
                .is_err_and(|problem| problem.detail.contains("say it once"))
        );
        assert!(
            read(&http::HeaderMap::new(), b"{}", "cart.open", attributes(None, None))
                .is_err_and(|problem| problem.detail.contains("subject"))
        );
    }
}

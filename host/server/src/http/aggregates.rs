//! `GET …/aggregates/{name}/{subject}`: what an aggregate has folded of a subject, now or then.

use http::StatusCode;

use super::body::{Body, answer};
use super::call::{Answer, Call};
use super::json::{write_number, write_text};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::values::write_value;

pub async fn state(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let (name, subject) = (call.parameter("name").to_owned(), call.decoded("subject")?);
    let at = call.query()?.position("at", &namespace)?;
    let head = namespace.reader().head();
    if let Some(at) = at.filter(|at| *at > head) {
        let what = format!("is {at}, and the log ends at {head}: ask for an earlier place, or leave it out");
        return Err(Problem::parameter("at", what).with("position", head.to_string()));
    }
    let folded = namespace.aggregate_state(&name, &subject, at).await?;
    let Some(state) = folded.state else {
        let place = at.map_or_else(String::new, |at| format!(" up to position {at}"));
        let detail = format!("no event of {subject:?} that aggregate {name} reads is in the log{place}: check the subject");
        return Err(Problem::new(&kinds::UNKNOWN_SUBJECT, detail).with("subject", subject));
    };
    let mut out = b"{\"aggregate\":".to_vec();
    write_text(&mut out, &name);
    out.extend_from_slice(b",\"subject\":");
    write_text(&mut out, &subject);
    out.push(b',');
    write_value(&mut out, "state", &state);
    out.extend_from_slice(b",\"position\":\"");
    write_number(&mut out, folded.position.0);
    out.extend_from_slice(b"\",\"head\":\"");
    write_number(&mut out, head.0);
    out.extend_from_slice(b"\"}");
    Ok(answer(StatusCode::OK, "application/json", Body::full(out)))
}

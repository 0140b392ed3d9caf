//! `GET …/events`: by `Accept` a page, lines, or a stream to follow.

use http::StatusCode;
use retold_engine::model::Position;
use tokio::time::{Instant, timeout_at};

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cursor::{Place, write_place};
use super::super::json::write_number;
use super::super::parameters::PAGE_EVENTS_DEFAULT;
use super::super::problem::Problem;
use super::super::race::{is_true, race};
use super::follow::follow;
use super::pages::{Framing, Most, Portion, portion};
use super::read_lines::read_lines;
use super::selection::{Form, Selection};
use crate::drive::Namespace;

/// Where a page ends, though it may hold more events.
const PAGE_BYTES: usize = 4 << 20;

pub async fn read(call: Box<Call>) -> Answer {
    let namespace = call.namespace()?;
    let selection = Selection::of(&call, &namespace)?;
    match selection.form {
        Form::Page | Form::Batch => page(&namespace, &selection, &call).await,
        Form::Lines => Ok(read_lines(&namespace, selection)),
        Form::Messages => Ok(follow(&call.site, &namespace, selection)),
    }
}

async fn page(namespace: &Namespace, selection: &Selection, call: &Call) -> Answer {
    let (page, head) = first_page(namespace, selection, call).await?;
    if selection.form == Form::Batch {
        let mut out = Vec::with_capacity(page.bytes.len() + 2);
        out.push(b'[');
        out.extend_from_slice(&page.bytes);
        out.push(b']');
        return Ok(answer(StatusCode::OK, "application/cloudevents-batch+json", Body::full(out)));
    }
    let mut out = Vec::with_capacity(page.bytes.len() + 64);
    out.extend_from_slice(b"{\"events\":[");
    out.extend_from_slice(&page.bytes);
    out.extend_from_slice(b"],\"cursor\":\"");
    write_place(&mut out, namespace.generation(), page.place);
    out.extend_from_slice(b"\",\"head\":\"");
    write_number(&mut out, head.0);
    out.extend_from_slice(b"\"}");
    Ok(answer(StatusCode::OK, "application/json", Body::full(out)))
}

/// The next page, and the head that it was read under. If there is nothing yet, it waits as long as it
/// may, or until another generation has taken the log's place.
async fn first_page(namespace: &Namespace, selection: &Selection, call: &Call) -> Result<(Portion, Position), Problem> {
    let (page, head) = page_behind(namespace, selection, selection.after).await?;
    if page.events > 0 || selection.wait.is_zero() {
        return Ok((page, head));
    }
    // In a place of its own: it holds much, and most readers don't wait.
    Box::pin(awaited(namespace, selection, call, page.place)).await
}

async fn page_behind(namespace: &Namespace, selection: &Selection, place: Place) -> Result<(Portion, Position), Problem> {
    let head = namespace.reader().head();
    let most = Most { upto: head, events: selection.limit.unwrap_or(PAGE_EVENTS_DEFAULT), bytes: PAGE_BYTES };
    Ok((portion(namespace, place, &selection.wanted(Framing::Array), most).await?, head))
}

async fn awaited(namespace: &Namespace, selection: &Selection, call: &Call, mut place: Place) -> Result<(Portion, Position), Problem> {
    let deadline = Instant::now() + selection.wait;
    let mut heads = namespace.head_changes();
    let mut stopping = call.site.host.stopping();
    let mut superseded = namespace.superseded();
    loop {
        heads.mark_unchanged();
        let (page, head) = page_behind(namespace, selection, place).await?;
        if page.events > 0 || *stopping.borrow() || *superseded.borrow() {
            return Ok((page, head));
        }
        place = page.place;
        let news = race(heads.changed(), race(stopping.changed(), is_true(&mut superseded)));
        // A wake-up may be lost: at the end the log itself is asked.
        let waited = timeout_at(deadline, news).await.is_err();
        if waited && namespace.reader().head() == head {
            return Ok((page, head));
        }
    }
}

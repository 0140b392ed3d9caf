//! `GET …/events`: by `Accept` a page, lines, or a stream to follow.

use http::StatusCode;
use retold_engine::model::Position;
use tokio::time::{Instant, timeout_at};

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::cursor::write_cursor;
use super::super::json::write_number;
use super::super::parameters::PAGE_EVENTS_DEFAULT;
use super::super::problem::Problem;
use super::super::race::race;
use super::follow::follow;
use super::pages::{Framing, Most, Portion, portion, read_upcast};
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
    write_cursor(&mut out, page.seen);
    out.extend_from_slice(b"\",\"head\":\"");
    write_number(&mut out, head.0);
    out.extend_from_slice(b"\"}");
    Ok(answer(StatusCode::OK, "application/json", Body::full(out)))
}

/// The next page, and the head that it was read under. If there is nothing yet, it waits as long as it
/// may.
async fn first_page(namespace: &Namespace, selection: &Selection, call: &Call) -> Result<(Portion, Position), Problem> {
    let deadline = Instant::now() + selection.wait;
    let mut heads = namespace.head_changes();
    let mut stopping = call.site.host.stopping();
    let mut after = selection.after;
    loop {
        heads.mark_unchanged();
        let head = namespace.reader().head();
        let most = Most { upto: head, events: selection.limit.unwrap_or(PAGE_EVENTS_DEFAULT), bytes: PAGE_BYTES };
        let page = if selection.upcast {
            let (namespace, filter) = (namespace.clone(), selection.filter.clone());
            let read = move || read_upcast(&namespace, after, &filter, most, Framing::Array);
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?
        } else {
            portion(namespace.reader(), after, &selection.filter, most, Framing::Array).await?
        };
        if page.events > 0 || selection.wait.is_zero() || *stopping.borrow() {
            return Ok((page, head));
        }
        after = page.seen;
        let news = race(heads.changed(), stopping.changed());
        // A wake-up may be lost: at the end the log itself is asked.
        let waited = timeout_at(deadline, news).await.is_err();
        if waited && namespace.reader().head() == head {
            return Ok((page, head));
        }
    }
}

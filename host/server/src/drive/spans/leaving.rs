//! What leaves for the outside, as a span, and the header that says so to whoever is asked.

use http::Uri;
use retold_engine::model::Position;
use retold_engine::store::{Snapshot, StoreError};

use super::super::outside::{OutgoingRequest, Response, SendError};
use super::super::trace::{set_trace, trace_of, trail_of};
use super::span::{Span, SpanKind};
use super::tracer::Tracer;

/// How a request that comes of an entry is traced.
#[derive(Debug, Default)]
pub struct Leaving {
    header: Option<String>,
    /// If anybody is told of it.
    span: Option<Box<Span>>,
}

/// Of what stands at `position`. Without a tracer, or where nobody is told of the trace, it goes along as it came.
pub fn leaving(tracer: Option<&Tracer>, snapshot: &Snapshot, position: Position) -> Result<Leaving, StoreError> {
    let made = match tracer {
        Some(tracer) => trail_of(snapshot, position)?.map(|trail| (tracer, trail)),
        None => None,
    };
    match made.and_then(|(tracer, trail)| tracer.child(trail.context, String::new(), SpanKind::Client)) {
        Some(span) => Ok(Leaving { header: Some(span.context.text()), span: Some(span) }),
        None => Ok(Leaving { header: trace_of(snapshot, position)?, span: None }),
    }
}

impl Leaving {
    /// Puts the header in. The span begins when the request does.
    pub fn begin(self, request: &mut OutgoingRequest) -> Option<Box<Span>> {
        set_trace(&mut request.headers, self.header);
        let begun = self.span?;
        let mut span = Span::begin(begun.context, begun.parent, request.method.to_string(), SpanKind::Client);
        span.text("http.request.method", request.method.as_str());
        // Without the query, which may hold what is nobody's business.
        span.text("url.full", request.url.split(['?', '#']).next().unwrap_or_default());
        if let Some(authority) = request.url.parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority) {
            span.text("server.address", authority.host());
            if let Some(port) = authority.port_u16() {
                span.number("server.port", port.into());
            }
        }
        Some(Box::new(span))
    }
}

/// Tells what came of it.
pub fn ended_leaving(tracer: Option<&Tracer>, span: Option<Box<Span>>, answer: &Result<Response, SendError>) {
    let (Some(tracer), Some(mut span)) = (tracer, span) else { return };
    match answer {
        Ok(answer) => {
            span.number("http.response.status_code", answer.status.into());
            if answer.status >= 400 {
                span.fail(&answer.status.to_string(), "");
            }
        }
        Err(error) => {
            span.fail(error.kind.word(), &error.message);
        }
    }
    tracer.end(*span);
}

//! A request as a span: a part of the trace that its sender names, or the beginning of one.

use std::net::IpAddr;

use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::cloudevents::{TRACE_PARENT, trace_parent};
use super::route::Route;
use super::site::Site;
use crate::drive::{Append, DriveError, Span, SpanContext, SpanKind};

/// The span of a request, if anybody is told of it. From then on the request names that span as its sender's.
pub fn begin(site: &Site, peer: IpAddr, parts: &mut Parts) -> Option<Box<Span>> {
    let tracer = site.host.tracer()?;
    let (name, kind) = (parts.method.to_string(), SpanKind::Server);
    let mut span = match trace_parent(&parts.headers).and_then(SpanContext::parse) {
        Some(sender) => tracer.child(sender, name, kind)?,
        // What looks whether the host is well would be most of all.
        None if !parts.uri.path().starts_with("/v1/") => return None,
        None => tracer.root(name, kind)?,
    };
    span.text("http.request.method", parts.method.as_str()).text("url.path", parts.uri.path());
    span.text("url.scheme", if site.options.tls.is_some() { "https" } else { "http" });
    span.text("client.address", &peer.to_canonical().to_string());
    for (name, header) in [("server.address", HOST), ("user_agent.original", USER_AGENT)] {
        if let Some(value) = parts.headers.get(header).and_then(|value| value.to_str().ok()) {
            span.text(name, value);
        }
    }
    let header = HeaderValue::try_from(span.context.text()).ok()?;
    parts.headers.insert(TRACE_PARENT, header);
    Some(span)
}

/// Its head is about to be sent.
pub fn end(site: &Site, mut span: Span, route: Option<&Route>, status: StatusCode) {
    if let Some(route) = route {
        span.name = format!("{} {}", span.name, route.path);
        span.text("http.route", route.path);
    }
    span.number("http.response.status_code", status.as_u16().into());
    if status.is_server_error() {
        span.fail(status.as_str(), "");
    }
    if let Some(tracer) = site.host.tracer() {
        tracer.end(span);
    }
}

/// The span of an append within the request's. Its events name it, if they name no trace themselves.
pub fn begin_append(site: &Site, namespace: &str, headers: &HeaderMap, events: usize) -> Option<Box<Span>> {
    let tracer = site.host.tracer()?;
    let request = trace_parent(headers).and_then(SpanContext::parse)?;
    let mut span = tracer.child(request, format!("append {namespace}"), SpanKind::Producer)?;
    span.text("messaging.system", "retold").text("messaging.operation.type", "send").text("messaging.operation.name", "append");
    span.text("messaging.destination.name", namespace).number("messaging.batch.message_count", events as u64);
    span.text("retold.namespace", namespace);
    Some(span)
}

pub fn end_append(site: &Site, span: Option<Box<Span>>, appended: &Result<Append, DriveError>) {
    let (Some(tracer), Some(mut span)) = (site.host.tracer(), span) else { return };
    match appended {
        Ok(append) => {
            if let Some(first) = append.positions.first() {
                span.number("retold.position", first.0);
            }
            span.number("retold.events.new", append.new as u64);
        }
        Err(error) => {
            span.fail("refused", &error.to_string());
        }
    }
    tracer.end(*span);
}

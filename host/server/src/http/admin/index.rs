//! `/`: what is here, for whoever opens the address in a browser or with curl.

use std::fmt::Write as _;

use http::StatusCode;

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::super::routes::routes;

pub async fn index(_: Box<Call>) -> Answer {
    let mut text = format!("Retold {}: an event log that runs your functions over it, exactly once.\n\n", env!("CARGO_PKG_VERSION"));
    for route in routes() {
        let _ = writeln!(text, "{:<6} {:<52} {}", route.method.as_str(), route.path, route.summary);
    }
    text.push_str("\nEvery parameter, body and problem is described in /openapi.json.\n");
    Ok(answer(StatusCode::OK, "text/plain; charset=utf-8", Body::full(text)))
}

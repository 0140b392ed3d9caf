//! From a request to its handler by the table of routes, and from what it says to an answer.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::admission::{Pass, admit};
use super::audit::{Act, Said};
use super::body::{Body, StreamBroken, as_data};
use super::call::{Answer, Call};
use super::cloudevents::{TRACE_PARENT, is_trace_parent};
use super::origin::check;
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::race::{First, race};
use super::rates;
use super::route::{Needs, Route};
use super::routes::routes;
use super::site::Site;
use super::traced;
use super::upload::Arriving;
use crate::drive::{Access, DriveError};

/// Answers one request. Never fails: what goes wrong is an answer too.
pub async fn respond(site: Arc<Site>, peer: IpAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    site.host.is_asked();
    let (mut parts, body) = request.into_parts();
    let body = Arriving::new(body);
    let span = traced::begin(&site, peer, &mut parts);
    let trace = parts.headers.get(TRACE_PARENT).cloned();
    let asked = check(&parts, &site.options.names).and_then(|()| admitted(&site, peer, &parts));
    let route = asked.as_ref().ok().map(|(route, _)| *route);
    let answer = match asked {
        Ok((route, pass)) => {
            answered(&site, route, &pass, Box::new(Call { site: site.clone(), route, pass: pass.clone(), parts, body })).await
        }
        Err(problem) => Err(problem),
    };
    let mut response = answer.unwrap_or_else(|problem| {
        // What is busy, behind or without space for a while says so to the client; the log would fill up with it.
        if problem.kind.status >= 500 && !matches!(problem.kind.status, 503 | 507) {
            let trace = trace.as_ref().and_then(|trace| trace.to_str().ok()).filter(|trace| is_trace_parent(trace));
            tracing::warn!(problem = problem.kind.name, detail = %problem.detail, trace, "a request could not be served");
        }
        problem.into_response()
    });
    site.counts.answered(response.status());
    if let Some(span) = span {
        traced::end(&site, *span, route, response.status());
    }
    as_data(&mut response);
    Ok(response)
}

/// The route that a request is for, and what its sender may do. Without a token not even what there is not is told.
fn admitted(site: &Site, peer: IpAddr, parts: &Parts) -> Result<(&'static Route, Pass), Problem> {
    let found = route(&parts.method, parts.uri.path());
    let needs = found.as_ref().map_or(Needs::AnyToken, |route| route.needs);
    let pass = admit(site, peer, parts, needs)?;
    let route = found?;
    pass.check(route, parts.uri.path())?;
    rates::count(site, &pass, route, parts.uri.path())?;
    Ok((route, pass))
}

/// Has the request answered, unless its sender is admitted no more before it is.
async fn answered(site: &Arc<Site>, route: &'static Route, pass: &Pass, call: Box<Call>) -> Answer {
    let handled = if route.changes() { carried_out(site, route, pass, call) } else { (route.handler)(call) };
    let answer = match route.needs {
        // Anybody may ask, or it changes who is admitted, and looks at that itself.
        Needs::Nothing | Needs::Everywhere(_) => handled.await,
        _ => match race(handled, Box::pin(pass.ended(site))).await {
            First::One(answer) => answer,
            First::Other(problem) => Err(problem),
        },
    };
    if !route.changes() {
        pass.log(route, status(&answer));
    }
    let (site, pass) = (site.clone(), pass.clone());
    let end = async move { StreamBroken(pass.ended(&site).await.detail) };
    Ok(answer?.map(|body| body.until(end)))
}

fn status(answer: &Answer) -> u16 {
    answer.as_ref().map_or_else(|problem| problem.kind.status, |response| response.status().as_u16())
}

/// Has a change made to its end, and told, also when whoever asked is gone or admitted no more meanwhile.
fn carried_out(site: &Arc<Site>, route: &'static Route, pass: &Pass, call: Box<Call>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    let handled = match Act::of(pass, route, &call.parts) {
        None => (route.handler)(call),
        Some(act) => Box::pin(told(site.clone(), act, (route.handler)(call))),
    };
    let pass = pass.clone();
    let carried_out = tokio::spawn(async move {
        let answer = handled.await;
        pass.log(route, status(&answer));
        answer
    });
    Box::pin(async move {
        match carried_out.await {
            Ok(answer) => answer,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => Err(DriveError::Stopping.into()),
        }
    })
}

/// Has what was done told by the log that it is about, before it is answered.
async fn told(site: Arc<Site>, act: Act, handled: Pin<Box<dyn Future<Output = Answer> + Send>>) -> Answer {
    let response = handled.await?;
    let act = match response.extensions().get::<Arc<Access>>() {
        Some(token) => act.on_token(token),
        None => act,
    };
    let act = match response.extensions().get::<Said>() {
        Some(said) => act.saying(said),
        None => act,
    };
    act.record(&site).await;
    Ok(response)
}

/// The route of a method and a path, which is compared as it was sent: nothing is unescaped or
/// normalised, so there is one way to write each.
fn route(method: &Method, path: &str) -> Result<&'static Route, Problem> {
    // A HEAD is a GET whose body isn't sent.
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut others: Vec<&str> = Vec::new();
    for route in routes().filter(|route| matches(route.path, path)) {
        if route.method == *asked {
            return Ok(route);
        }
        others.push(route.method.as_str());
    }
    if others.is_empty() {
        let shown: String = path.chars().take(200).collect();
        return Err(Problem::new(&kinds::UNKNOWN_ROUTE, format!("there is nothing at {shown:?}: GET / lists what there is")));
    }
    if others.contains(&"GET") {
        others.push("HEAD");
    }
    let allow = others.join(", ");
    Err(Problem::new(
        &kinds::METHOD_NOT_ALLOWED,
        format!("{} can't be done here: this path takes {allow}", method.as_str().chars().take(20).collect::<String>()),
    )
    .allow(allow))
}

fn matches(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let rest = template.ends_with("+}");
    let fit = template.split('/').all(|wanted| match parts.next() {
        Some(_) if wanted.ends_with("+}") => true,
        Some(part) if wanted.starts_with('{') => !part.is_empty(),
        Some(part) => part == wanted,
        None => false,
    });
    fit && (rest || parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, path: &str, expected: Result<&str, u16>) {
        let found = route(&method, path).map(|route| route.name).map_err(|problem| problem.kind.status);
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn every_route_is_found_by_its_own_method_and_path() {
        for expected in routes() {
            let path = expected
                .path
                .replace("{ns}", "main")
                .replace("{name}", "pricing")
                .replace("{position}", "7")
                .replace("{other}", "main@1")
                .replace("{id}", "7")
                .replace("{type}", "order.placed")
                .replace("{subject+}", "cart/1")
                .replace("{key+}", "a/b/c");
            check(expected.method.clone(), &path, Ok(expected.name));
        }
        check(Method::HEAD, "/healthz", Ok("alive"));
        check(Method::GET, "/v1/namespaces/main@1/events", Ok("readEvents"));
    }

    #[test]
    fn a_known_path_tells_its_methods() {
        check(Method::DELETE, "/v1/namespaces/main/events", Err(405));
        for method in [Method::TRACE, Method::OPTIONS, Method::CONNECT, Method::PATCH] {
            check(method, "/", Err(405));
        }
        let response = route(&Method::PATCH, "/v1/namespaces/main/events").map(|_| ()).map_err(Problem::into_response).expect_err("405");
        assert_eq!(response.headers()["allow"], "POST, GET, HEAD");
    }

    #[test]
    fn there_is_one_way_to_write_a_path() {
        for path in [
            "",
            "*",
            "//",
            "/v1",
            "/v1/namespaces/",
            "/v1//namespaces",
            "/v1/namespaces/main/events/",
            "/v1/namespaces//events",
            "/V1/namespaces",
            "/healthz/",
            "/../healthz",
            "/%68ealthz",
            "/healthz%00",
            "/healthz\\",
            "/v1/namespaces/main/consumers/x/y",
            "/v1/namespaces/main/aggregates/cart",
        ] {
            check(Method::GET, path, Err(404));
        }
    }
}

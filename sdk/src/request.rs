//! `Request`: something to be asked of the outside. The host asks, and the answer comes back as an event.

use serde::Serialize;

use crate::bindings::wire;
use crate::{Error, Result};

/// How a secret is named where the host puts it in.
const SECRET: &str = "{{secret:";

/// An HTTP request that the host sends after the commit, at least once, always with the same
/// `Idempotency-Key`. The answer is a [`Reply`](crate::Reply), or [`Failed`](crate::Failed) when the host
/// has given up; the handler reads both, as events about the subject of the cause.
///
/// The hosts that a handler may ask stand in its attribute: `#[handler(hosts("api.example.com"))]`;
/// `"*.example.com"` are all under it. The operator allows them too, or nothing is sent.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("customer.registered")] struct Registered { name: String }
/// #[handler(hosts("api.example.com"), secrets("credit-token"))]
/// fn credit_check(customer: Recorded<Registered>) -> Result<Request> {
///     let request = Request::post("https://api.example.com/credit-checks").json(&customer.name);
///     Ok(request.secret_header("authorization", "Bearer {{secret:credit-token}}").key("credit"))
/// }
/// ```
///
/// A handler without `hosts` doesn't compile:
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # use retold::Function;
/// # #[derive(Event, Deserialize)] #[event("customer.registered")] struct Registered { name: String }
/// #[handler]
/// fn credit_check(_customer: Recorded<Registered>) -> Result<Request> { Ok(Request::get("https://api.example.com/")) }
/// let _ = credit_check::describe();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    key: Option<String>,
    /// What went wrong while it was made; told when it is answered with.
    wrong: Option<Error>,
}

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), key: None, wrong: None }
    }

    pub fn get(url: impl Into<String>) -> Request {
        Request::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Request {
        Request::new("POST", url)
    }

    pub fn put(url: impl Into<String>) -> Request {
        Request::new("PUT", url)
    }

    pub fn delete(url: impl Into<String>) -> Request {
        Request::new("DELETE", url)
    }

    /// A body, and what it is.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// A body as JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Request {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.fails(format_args!("its body can't be written: {error}"));
                self
            }
        }
    }

    /// Anything but a secret: what looks like one is refused, as it may come from an event.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        let (name, value) = (name.into(), value.into());
        if value.contains(SECRET) {
            self.fails(format_args!("its header {name:?} holds {SECRET}…: only `secret_header` may"));
        }
        self.headers.push((name, value));
        self
    }

    /// A header into which the host puts a secret: `Bearer {{secret:NAME}}`. The function never sees it,
    /// and no event holds it. The name stands in `#[handler(secrets("NAME"))]`.
    ///
    /// The value is written in the code: no event can ask for a secret.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<String>, value: &'static str) -> Request {
        let name = name.into();
        if secrets(value).next().is_none() {
            self.fails(format_args!("its header {name:?} holds no secret: write {SECRET}NAME}}}}"));
        }
        self.headers.push((name, value.to_owned()));
        self
    }

    /// A name for this request, unique among those that the cause's handler makes for it. The reply
    /// tells it.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Request {
        self.key = Some(key.into());
        self
    }

    fn fails(&mut self, what: std::fmt::Arguments<'_>) {
        let error = Error::reject(format_args!("{} {}: {what}", self.method, self.url));
        self.wrong.get_or_insert(error);
    }

    pub(crate) fn into_wire(self) -> Result<wire::HttpRequest> {
        let Request { method, url, headers, body, key, wrong } = self;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let headers = headers.into_iter().map(|(name, value)| wire::Header { name, value }).collect();
        Ok(wire::HttpRequest { method, url, headers, body, key })
    }
}

/// The names of the secrets that a header's value asks for.
pub(crate) fn secrets(value: &str) -> impl Iterator<Item = &str> {
    value.split(SECRET).skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_was_told() {
        let request =
            Request::post("https://example.com/x").json(&[1]).header("x-a", "b").secret_header("authorization", "Bearer {{secret:key}}");
        let made = request.key("k").into_wire().unwrap();
        assert_eq!((made.method.as_str(), made.body.as_slice(), made.key.as_deref()), ("POST", b"[1]".as_slice(), Some("k")));
        let headers: Vec<_> = made.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("content-type", "application/json"), ("x-a", "b"), ("authorization", "Bearer {{secret:key}}")]);
    }

    #[test]
    fn a_secret_is_asked_for_only_where_it_is_meant() {
        let wrong = |request: Request| request.into_wire().unwrap_err().message().to_owned();
        let note = "hello {{secret:key}}".to_owned();
        let message = wrong(Request::get("https://example.com/").header("x-note", note));
        assert_eq!(message, r#"GET https://example.com/: its header "x-note" holds {{secret:…: only `secret_header` may"#);
        assert!(wrong(Request::get("https://example.com/").secret_header("x-key", "key")).contains("holds no secret"));
        assert_eq!(secrets("{{secret:a}}:{{secret:b}} {{secret:c").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_body_that_cannot_be_written_is_told_when_it_is_answered_with() {
        let unwritable = std::collections::BTreeMap::from([(vec![1], 1)]);
        let error = Request::get("https://example.com/").json(&unwritable).header("a", "b").into_wire().unwrap_err();
        assert!(error.message().contains("can't be written"), "{error}");
    }
}

//! Timers, requests and what answers them, as entries of the log: which attributes say what, and what a
//! function may ask for.

use super::event::Kind;
use super::output::{CommandDraft, RequestDraft, TimerDraft};
use super::{Timestamp, limits};

/// The one function that an entry is for, where it answers what that function sent: an extension attribute.
pub const ADDRESSEE: &str = "addressee";
/// Of a timer: its key, and when it is due, in microseconds since 1970; a cancelled one has no due time.
pub const TIMER_KEY: &str = "timerkey";
pub const TIMER_DUE: &str = "timerdue";
/// Of a request: its parts but the body, which is the entry's data. A header a line, `name: value`.
pub const REQUEST_METHOD: &str = "requestmethod";
pub const REQUEST_URL: &str = "requesturl";
pub const REQUEST_HEADERS: &str = "requestheaders";
/// What the function named it, if it did: the answer says so too.
pub const REQUEST_KEY: &str = "requestkey";

/// Types of the entries that the host makes on a function's behalf.
pub const TIMER_CANCELLED: &str = "retold.timer.cancelled";
pub const REQUEST_MADE: &str = "retold.request.made";
/// Types of the events that answer what a function sent. A handler that subscribes to them reads those that
/// are for it; everybody else reads all.
pub const REQUEST_REPLIED: &str = "retold.request.replied";
pub const REQUEST_FAILED: &str = "retold.request.failed";
pub const COMMAND_REFUSED: &str = "retold.command.refused";
/// All of them.
pub const ANSWERS: [&str; 3] = [REQUEST_REPLIED, REQUEST_FAILED, COMMAND_REFUSED];

/// Before the name of a function: the sources of what its timers made, and of the replies to its requests.
const TIMERS: &str = "/timers/";
const REQUESTS: &str = "/requests/";

/// No timer is due beyond the year 9999: nobody could write its time down.
pub const DUE_MAX: Timestamp = Timestamp(253_402_300_799_999_999);

/// The `source` of events that a function's timers and schedules made.
pub fn timer_source(function: &str) -> String {
    format!("{TIMERS}{function}")
}

/// The `source` of the replies to a function's requests.
pub fn request_source(function: &str) -> String {
    format!("{REQUESTS}{function}")
}

/// Whether an entry sets, cancels or fires a timer, makes a request or answers one: the tables of timers and
/// of the outbox follow from these entries.
pub fn is_outside(kind: Kind, source: &str) -> bool {
    match kind {
        Kind::Timer | Kind::Request => true,
        Kind::Command => false,
        Kind::Event => source.starts_with(TIMERS) || source.starts_with(REQUESTS),
    }
}

/// The function of a source such as [`timer_source`] makes.
pub fn function_of(source: &str) -> Option<&str> {
    ["/functions/", TIMERS, REQUESTS].iter().find_map(|prefix| source.strip_prefix(prefix))
}

/// Why an output can't be taken: the field, and what is wrong with it.
pub type Wrong = (&'static str, String);

impl TimerDraft {
    pub fn check(&self) -> Result<(), Wrong> {
        check_key(&self.key)?;
        if self.due > DUE_MAX {
            return Err(("due", format!("is {} µs since 1970, beyond the year 9999", self.due.0)));
        }
        Ok(())
    }

    /// What the entry has beside the event to come.
    pub fn extensions(&self) -> Vec<(String, String)> {
        vec![(TIMER_DUE.into(), self.due.0.to_string()), (TIMER_KEY.into(), self.key.clone())]
    }
}

/// The key of a timer or a request is short and without control characters, as it is an attribute.
pub fn check_key(key: &str) -> Result<(), Wrong> {
    if key.is_empty() || key.len() > limits::TIMER_KEY_BYTES_MAX {
        return Err(("key", format!("has {} bytes: use 1 to {}", key.len(), limits::TIMER_KEY_BYTES_MAX)));
    }
    if key.chars().any(char::is_control) {
        return Err(("key", "holds a control character: remove it".into()));
    }
    Ok(())
}

impl CommandDraft {
    pub fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or("application/json")
    }
}

/// What stands between the scheme of an address and its path.
pub fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next()
}

impl RequestDraft {
    /// The host that it goes to, with its port if one is given.
    pub fn host(&self) -> Result<&str, Wrong> {
        let wrong = |what: &str| ("url", format!("{:?} {what}", self.url));
        let authority = authority(&self.url).ok_or_else(|| wrong("is no address: it begins with https:// or http://"))?;
        if authority.contains('@') {
            return Err(wrong("holds a name or password: use a header with {{secret:NAME}}"));
        }
        if authority.is_empty() || authority.contains(|letter: char| letter.is_whitespace() || letter == '\\') {
            return Err(wrong("names no host"));
        }
        Ok(authority)
    }

    pub fn check(&self) -> Result<(), Wrong> {
        self.host()?;
        self.key.as_deref().map_or(Ok(()), check_key)?;
        if self.url.len() > limits::REQUEST_URL_BYTES_MAX || self.url.chars().any(|letter| letter.is_control() || letter == ' ') {
            return Err(("url", format!("is longer than {} bytes, or holds a space or control character", limits::REQUEST_URL_BYTES_MAX)));
        }
        let token =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !token(&self.method) || self.method.len() > 16 {
            return Err(("method", format!("is {:?}: use one such as GET or POST", self.method)));
        }
        for (name, value) in &self.headers {
            if !token(name) || value.chars().any(char::is_control) {
                return Err(("headers", format!("hold {name:?}, which is no header, or has a control character in its value")));
            }
            let own = ["host", "content-length", "transfer-encoding", "connection", "idempotency-key", "te", "upgrade"];
            if own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Err(("headers", format!("hold {name:?}, which the host sets itself")));
            }
        }
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        if bytes > limits::REQUEST_HEADERS_BYTES_MAX {
            return Err(("headers", format!("have {bytes} bytes: at most {}", limits::REQUEST_HEADERS_BYTES_MAX)));
        }
        Ok(())
    }

    pub fn content_type(&self) -> &str {
        let header = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        header.map_or("application/octet-stream", |(_, value)| value)
    }

    /// What the entry has beside the body.
    pub fn extensions(&self) -> Vec<(String, String)> {
        let lines: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mut extensions = vec![(REQUEST_METHOD.into(), self.method.clone()), (REQUEST_URL.into(), self.url.clone())];
        if let Some(key) = &self.key {
            extensions.insert(0, (REQUEST_KEY.into(), key.clone()));
        }
        if !lines.is_empty() {
            extensions.insert(0, (REQUEST_HEADERS.into(), lines.join("\n")));
        }
        extensions
    }
}

/// Whether a function that may send to `allowed` may send to this host. `example.com` allows every port,
/// `example.com:8443` that one, and `*.example.com` every name under it.
pub fn host_allowed(allowed: &str, host: &str) -> bool {
    let same = |one: &str, other: &str| match one.strip_prefix("*.") {
        Some(parent) => {
            other.len() > parent.len() + 1
                && other.is_char_boundary(other.len() - parent.len())
                && other[other.len() - parent.len()..].eq_ignore_ascii_case(parent)
                && other.as_bytes()[other.len() - parent.len() - 1] == b'.'
        }
        None => one.eq_ignore_ascii_case(other),
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    same(allowed, host) || same(allowed, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str) -> RequestDraft {
        RequestDraft { method: "POST".into(), url: url.into(), ..RequestDraft::default() }
    }

    #[test]
    fn the_host_of_an_address_is_what_stands_between_its_scheme_and_its_path() {
        for (url, host) in [
            ("https://example.com", "example.com"),
            ("http://127.0.0.1:8080/x?y=http://other", "127.0.0.1:8080"),
            ("https://example.com?a", "example.com"),
            ("https://[::1]:99/", "[::1]:99"),
        ] {
            assert_eq!(to(url).host(), Ok(host));
        }
        for url in ["ftp://example.com", "example.com", "https://", "https:///path", "https://user:secret@example.com/", "https://a\\b/"] {
            assert_eq!(to(url).host().expect_err(url).0, "url");
        }
    }

    #[test]
    fn a_host_is_allowed_by_its_name_by_its_name_and_port_and_by_what_it_lies_under() {
        for (allowed, host) in [
            ("example.com", "example.com"),
            ("example.com", "EXAMPLE.com:8443"),
            ("example.com:8443", "example.com:8443"),
            ("*.example.com", "api.example.com"),
            ("*.example.com", "a.b.example.com:1"),
            ("[::1]", "[::1]:99"),
        ] {
            assert!(host_allowed(allowed, host), "{allowed} {host}");
        }
        for (allowed, host) in [
            ("example.com", "notexample.com"),
            ("example.com", "example.com.evil"),
            ("example.com:8443", "example.com"),
            ("example.com:8443", "example.com:443"),
            ("*.example.com", "example.com"),
            ("*.example.com", "evilexample.com"),
            ("*.example.com", ".example.co"),
            ("", "x"),
        ] {
            assert!(!host_allowed(allowed, host), "{allowed} {host}");
        }
    }

    #[test]
    fn what_a_request_may_not_hold_is_named() {
        let header = |name: &str, value: &str| RequestDraft { headers: vec![(name.into(), value.into())], ..to("https://example.com/") };
        assert_eq!(header("x-key", "{{secret:KEY}}").check(), Ok(()));
        for (request, field) in [
            (header("a b", "1"), "headers"),
            (header("a", "1\r\nb: 2"), "headers"),
            (header("Host", "other"), "headers"),
            (header("Idempotency-Key", "mine"), "headers"),
            (header("a", &"x".repeat(limits::REQUEST_HEADERS_BYTES_MAX)), "headers"),
            (RequestDraft { method: "GET /".into(), ..to("https://example.com/") }, "method"),
            (RequestDraft { key: Some("a\nb".into()), ..to("https://example.com/") }, "key"),
            (to("https://example.com/a b"), "url"),
            (to(&format!("https://example.com/{}", "x".repeat(limits::REQUEST_URL_BYTES_MAX))), "url"),
        ] {
            assert_eq!(request.check().expect_err("refused").0, field);
        }
    }
}

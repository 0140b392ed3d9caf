//! What a handler under trial asked of the outside: commands, timers and requests, as the host keeps them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::Timestamp;
use crate::bindings::wire;
use crate::names::equal;
use crate::request::secrets;

/// A command that the handler sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCommand {
    pub command_type: String,
    pub subject: String,
    pub key: Option<String>,
    pub data: Vec<u8>,
}

/// A timer that the handler set and that has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTimer {
    pub key: String,
    pub due: Timestamp,
    pub event_type: String,
    pub subject: String,
    pub data: Vec<u8>,
}

/// A request that the handler made and that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// Stands for the `Idempotency-Key`.
    pub id: String,
    /// The cause's, and so the reply's.
    pub subject: String,
    pub key: Option<String>,
    pub method: String,
    pub url: String,
    /// As made: secrets are still names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

macro_rules! data_of {
    ($name:ident, $field:ident) => {
        impl $name {
            /// The data as text.
            #[track_caller]
            pub fn json(&self) -> &str {
                std::str::from_utf8(&self.$field).expect("the data isn't text")
            }

            /// The data read as a `T`.
            #[track_caller]
            pub fn read<T: DeserializeOwned>(&self) -> T {
                serde_json::from_slice(&self.$field).unwrap_or_else(|error| panic!("{self:?} can't be read: {error}"))
            }
        }
    };
}

data_of! { SentCommand, data }
data_of! { SetTimer, data }
data_of! { SentRequest, body }

#[derive(Default)]
pub struct Outside {
    pub commands: Vec<SentCommand>,
    pub timers: BTreeMap<String, SetTimer>,
    pub requests: Vec<SentRequest>,
    requests_made: u64,
}

impl Outside {
    /// Keeps what isn't an event. Panics at what the host would refuse, as the manifest doesn't declare it.
    #[track_caller]
    pub fn take(&mut self, output: wire::Output, manifest: &wire::Function, cause: &str) {
        match output {
            wire::Output::Emit(_) => unreachable!("an event asks nothing of the outside"),
            wire::Output::Command(wire::Command { type_, subject, data, key, .. }) => {
                assert!(!subject.is_empty(), "the command {type_} has no addressee: `.to(\"stock/apple\")`");
                self.commands.push(SentCommand { command_type: type_, subject, key, data });
            }
            wire::Output::Schedule(wire::Timer { key, due, type_, subject, data }) => {
                let due = Timestamp::from_micros(due);
                self.timers.insert(key.clone(), SetTimer { key, due, event_type: type_, subject, data });
            }
            wire::Output::Cancel(key) => drop(self.timers.remove(&key)),
            wire::Output::Request(wire::HttpRequest { method, url, headers, body, key }) => {
                let headers: Vec<_> = headers.into_iter().map(|header| (header.name, header.value)).collect();
                check(manifest, &url, &headers);
                self.requests_made += 1;
                let id = format!("request-{}", self.requests_made);
                self.requests.push(SentRequest { id, subject: cause.to_owned(), key, method, url, headers, body });
            }
        }
    }

    /// The timer that comes next, if it is due; it is no longer set.
    pub fn next_due(&mut self, now: Timestamp) -> Option<SetTimer> {
        let next = self.timers.values().min_by_key(|timer| (timer.due, timer.key.clone()))?;
        if next.due > now {
            return None;
        }
        let key = next.key.clone();
        self.timers.remove(&key)
    }

    /// A request is answered once.
    #[track_caller]
    pub fn answered(&mut self, request: &SentRequest) {
        let place = self.requests.iter().position(|pending| pending.id == request.id);
        let place = place.unwrap_or_else(|| panic!("{} {} is answered already", request.method, request.url));
        self.requests.remove(place);
    }
}

#[track_caller]
fn check(manifest: &wire::Function, url: &str, headers: &[(String, String)]) {
    let host = host(url).unwrap_or_else(|| panic!("{url:?} is no address: it begins with https:// or http:// and names a host"));
    let allowed = manifest.hosts.iter().any(|allowed| host_allowed(allowed, host));
    assert!(allowed, "{} may ask {}, not {host:?}", manifest.name, manifest.hosts.join(", "));
    for secret in headers.iter().flat_map(|(_, value)| secrets(value)) {
        assert!(manifest.secrets.iter().any(|known| equal(known, secret)), "{} has no secret {secret:?}", manifest.name);
    }
}

fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}

/// `example.com` allows all its ports, `*.example.com` all names under it.
fn host_allowed(allowed: &str, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is = |host: &str| match allowed.strip_prefix('*') {
        Some(end) => host.len() > end.len() && host.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
        None => host.eq_ignore_ascii_case(allowed),
    };
    is(host) || is(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_as_the_real_one_does() {
        for (allowed, url) in [
            ("example.com", "https://example.com:8443/x"),
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("*.example.com", "https://a.Example.com?x"),
        ] {
            assert!(host_allowed(allowed, host(url).unwrap()), "{allowed} {url}");
        }
        for (allowed, url) in
            [("example.com", "https://example.com.evil/"), ("*.example.com", "https://example.com/"), ("a:1", "http://a:2")]
        {
            assert!(!host_allowed(allowed, host(url).unwrap()), "{allowed} {url}");
        }
        assert_eq!((host("ftp://a"), host("https:///x")), (None, None));
    }
}

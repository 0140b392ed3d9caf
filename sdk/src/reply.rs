//! What comes back to a handler: `Reply` and `Failed` answer its requests, `Refused` its commands. They
//! are events of the host's own types, and a handler reads those that are for it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::event::short_name;
use crate::{Error, Event, Result, encoding};

/// What a service answered to a [`Request`](crate::Request) of this handler, whatever its status. It is
/// about the subject of the event that the request was made for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reply {
    pub request: Asked,
    pub status: u16,
    /// Those that the host keeps, by their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    body: Body,
}

impl Event for Reply {
    const TYPE: &'static str = "retold.request.replied";
}

impl Reply {
    /// Whether the status is one of success: 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn body(&self) -> &[u8] {
        &self.body.0
    }

    /// The body read as JSON.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(self.body()).map_err(|error| {
            let Asked { method, url, .. } = &self.request;
            Error::reject(format_args!("the reply to {method} {url} can't be read as {}: {error}", short_name::<T>()))
        })
    }
}

/// The host has given up on a [`Request`](crate::Request) of this handler.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Failed {
    pub request: Asked,
    /// For programs: `timeout`, `refused`, `status` and such.
    pub reason: String,
    /// For people.
    pub message: String,
    /// How often it was sent.
    pub attempts: u32,
}

impl Event for Failed {
    const TYPE: &'static str = "retold.request.failed";
}

/// A request, as its reply tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asked {
    /// The entry's id, sent as `Idempotency-Key`.
    pub id: String,
    /// What [`Request::key`](crate::Request::key) named it.
    #[serde(default)]
    pub key: Option<String>,
    pub method: String,
    pub url: String,
}

impl Asked {
    /// The key; empty if it has none.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }
}

/// An aggregate refused a command that this handler sent. It is about the command's subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refused {
    pub command: Unmet,
    /// For programs, as [`Rejection::code`](crate::Rejection::code).
    pub code: String,
    /// For people.
    pub message: String,
    /// What the rejection was made [`with`](crate::Rejection::with).
    #[serde(default)]
    data: Option<String>,
}

impl Event for Refused {
    const TYPE: &'static str = "retold.command.refused";
}

impl Refused {
    /// What the rejection was made [`with`](crate::Rejection::with), read as JSON.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        let data = self.data.as_deref().unwrap_or("null");
        serde_json::from_str(data).map_err(|error| {
            let wanted = short_name::<T>();
            Error::reject(format_args!("the data of {} can't be read as {wanted}: {error}", self.code))
        })
    }
}

/// A command that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Unmet {
    #[serde(rename = "type")]
    pub command_type: String,
    pub id: String,
}

/// Text as `body`, other bytes as `bodybase64`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Body(Vec<u8>);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(default)]
            body: Option<String>,
            #[serde(default)]
            bodybase64: Option<String>,
        }
        let Written { body, bodybase64 } = Written::deserialize(deserializer)?;
        match (body, bodybase64) {
            (Some(text), _) => Ok(Body(text.into_bytes())),
            (None, Some(text)) => encoding::base64(&text).map(Body).ok_or_else(|| D::Error::custom("bodybase64 is no Base64")),
            (None, None) => Ok(Body(Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Input;

    fn reply(body: &str) -> Result<Reply> {
        let text = format!(
            r#"{{"request":{{"id":"7","key":"credit","method":"POST","url":"https://example.com/"}},"status":204,"headers":{{"retry-after":"3"}}{body}}}"#
        );
        Reply::decode(Reply::TYPE, text.as_str().into())
    }

    #[test]
    fn a_body_comes_as_text_as_base64_or_not_at_all() {
        let read = |body| reply(body).unwrap().body().to_owned();
        assert_eq!(read(r#","body":"{\"score\":7}""#), br#"{"score":7}"#);
        assert_eq!(read(r#","bodybase64":"AP8=""#), [0, 255]);
        assert!(read("").is_empty());
        assert!(reply(r#","bodybase64":"?""#).unwrap_err().message().contains("no Base64"));
    }

    #[test]
    fn a_reply_tells_what_it_answers() {
        let reply = reply(r#","body":"[1]""#).unwrap();
        assert_eq!((reply.request.key(), reply.status, reply.is_success()), ("credit", 204, true));
        assert_eq!(reply.headers["retry-after"], "3");
        assert_eq!(reply.json::<Vec<u8>>(), Ok(vec![1]));
        let message = reply.json::<u8>().unwrap_err().message().to_owned();
        assert!(message.starts_with("the reply to POST https://example.com/ can't be read as u8: "), "{message}");
    }

    #[test]
    fn a_failure_and_a_refusal_are_read_as_the_host_writes_them() {
        let failed =
            r#"{"request":{"id":"7","method":"GET","url":"https://example.com/"},"reason":"timeout","message":"no answer","attempts":5}"#;
        let failed = Failed::decode(Failed::TYPE, failed.into()).unwrap();
        assert_eq!((failed.request.key(), failed.reason.as_str(), failed.attempts), ("", "timeout", 5));
        let refused =
            r#"{"command":{"type":"stock.reserve","id":"abc"},"code":"out-of-stock","message":"3 are left","data":"{\"left\":3}"}"#;
        let refused = Refused::decode(Refused::TYPE, refused.into()).unwrap();
        assert_eq!(refused.command.id, "abc");
        assert_eq!(refused.data::<BTreeMap<String, u32>>().unwrap()["left"], 3);
        let bare = r#"{"command":{"type":"stock.reserve","id":"abc"},"code":"no","message":"no"}"#;
        assert_eq!(Refused::decode(Refused::TYPE, bare.into()).unwrap().data::<Option<u8>>(), Ok(None));
    }
}

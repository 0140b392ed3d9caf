//! `Rejection`: why a command or a query was refused, in the function's own words.

use std::fmt;

use serde::Serialize;

use crate::Error;
use crate::bindings::wire;

/// A refusal, which is an answer like any other: nothing failed, and nothing is tried again.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Serialize)] struct Left { left: u32 }
/// let rejection = Rejection::new("out-of-stock", "only 3 are left").with(&Left { left: 3 });
/// assert_eq!(rejection.code(), "out-of-stock");
/// assert_eq!(rejection.data(), br#"{"left":3}"#);
/// ```
///
/// `?` turns an [`Error`] (a row that can't be read) into one with the code `failed`.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    code: String,
    message: String,
    data: Vec<u8>,
}

impl Rejection {
    /// `code` is for programs and stays the same over versions; `message` is for people.
    pub fn new(code: impl Into<String>, message: impl fmt::Display) -> Rejection {
        Rejection { code: code.into(), message: message.to_string(), data: Vec::new() }
    }

    /// What a program may want to know, as JSON. Panics if it can't be written.
    #[must_use]
    pub fn with(mut self, data: &impl Serialize) -> Rejection {
        self.data = serde_json::to_vec(data).expect("the data of a rejection can't be written as JSON");
        self
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// JSON; empty where nothing was added.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Rejection {
        Rejection::new("failed", error)
    }
}

impl From<Rejection> for wire::Rejection {
    fn from(rejection: Rejection) -> wire::Rejection {
        let Rejection { code, message, data } = rejection;
        wire::Rejection { code, message, data }
    }
}

impl From<wire::Rejection> for Rejection {
    fn from(rejection: wire::Rejection) -> Rejection {
        let wire::Rejection { code, message, data } = rejection;
        Rejection { code, message, data }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

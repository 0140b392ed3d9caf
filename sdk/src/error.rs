//! `Error`: why an event could not be handled, and what the host does about it.

use std::fmt;

/// What a handler returns. `E` is [`Error`] unless you say otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an event could not be handled.
///
/// `?` turns any [`std::error::Error`] into a *reject*: a function is deterministic, so the same
/// event over the same state fails the same way again. Say [`Error::retry`] only where another
/// event may change the state in the meantime.
///
/// It doesn't implement [`std::error::Error`] itself; that is what lets `?` convert all others.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What the host does with an event that could not be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Tried again with growing pauses, then set aside.
    Retry,
    /// Set aside at once.
    Reject,
}

impl Error {
    /// The event may pass later. The host tries again, up to the handler's `attempts`.
    pub fn retry(message: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Retry, message)
    }

    /// The event will never pass. The host sets it aside at once, or halts the handler, by its
    /// policy.
    pub fn reject(message: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Reject, message)
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_message(self) -> String {
        self.message
    }

    fn new(kind: ErrorKind, message: impl fmt::Display) -> Error {
        let message = message.to_string();
        Error { kind, message }
    }
}

impl<E: std::error::Error> From<E> for Error {
    /// A reject that carries the error and its sources, outermost first.
    fn from(error: E) -> Error {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        Error::reject(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            ErrorKind::Retry => "retry",
            ErrorKind::Reject => "reject",
        };
        write!(f, "{verb}: {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bad quantity")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_question_mark_rejects_and_tells_the_whole_chain() {
        fn fails() -> Result<u32> {
            Ok("x".parse().map_err(Outer)?)
        }
        let error = fails().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reject);
        assert_eq!(error.message(), "bad quantity: invalid digit found in string");
    }

    #[test]
    fn retry_is_only_what_the_handler_says_is_one() {
        assert_eq!(Error::retry("not yet").kind(), ErrorKind::Retry);
        assert_eq!(Error::reject("never").kind(), ErrorKind::Reject);
    }
}

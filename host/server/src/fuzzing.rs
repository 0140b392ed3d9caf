//! What this crate promises of any bytes that come from outside. Each target is a function of bytes that panics where
//! a promise is broken: `fuzz/` searches for such bytes, and the test below tries those that it kept.

pub use crate::cloudevents::fuzzing::{event_headers, event_json};
use crate::drive::Token;
pub use crate::http::fuzzing::{cursor, lines};
pub use crate::wasm::fuzzing::{calls, upload};

/// A target's name, which is that of its folder in `fuzz/corpus`; what it is; and how many changed inputs the test tries.
pub type Target = (&'static str, fn(&[u8]), u32);

pub const TARGETS: &[Target] = &[
    ("event_json", event_json, 60_000),
    ("event_headers", event_headers, 60_000),
    ("lines", lines, 60_000),
    ("names", names, 60_000),
    ("upload", upload, 20_000),
    ("calls", calls, 5_000),
];

/// Cursors, times and tokens as clients write them. The first letter chooses.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.split_at_checked(1) {
        Some(("c", text)) => cursor(text),
        Some(("t", text)) => crate::cloudevents::fuzzing::time(text),
        Some(("k", text)) => {
            if let Ok(token) = Token::parse(text) {
                assert!(token.text() == text, "there is one way to write a token");
                assert!(token.has(&token.digest()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_promise_about_what_comes_in_holds_for_the_inputs_that_were_kept_and_for_changed_ones() {
        for (target, promise, rounds) in super::TARGETS {
            retold_tests::inputs::hold(target, *promise, *rounds);
        }
    }
}

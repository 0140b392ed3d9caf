//! A client that reads a log as server-sent events, and comes back by itself where it was cut off.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Web;

/// Attempts to come back, one after the other, before a reader gives up.
const ATTEMPTS_MAX: u32 = 200;

/// Hands every event, from the first on, to `each` as its cursor and its JSON, until that says so or it is
/// `over`. Answers how often it had to come back.
pub fn follow(web: &Web, over: &AtomicBool, mut each: impl FnMut(&str, &str) -> ControlFlow<()>) -> u32 {
    let (mut cursor, mut came_back, mut failed) = (String::new(), 0, 0);
    while !over.load(Ordering::Acquire) {
        let mut headers = vec![("accept", "text/event-stream")];
        if !cursor.is_empty() {
            headers.push(("last-event-id", &cursor));
        }
        let Ok(stream) = web.stream("events", &headers) else {
            failed += 1;
            assert!(failed < ATTEMPTS_MAX, "the host doesn't answer a reader that comes back with {cursor:?}");
            std::thread::park_timeout(Duration::from_millis(20));
            continue;
        };
        failed = 0;
        let mut id = None;
        // An `Err` is a stream that was cut: the last line may be half of one, and is read again.
        for line in BufReader::with_capacity(1 << 20, stream).lines().map_while(Result::ok) {
            if over.load(Ordering::Acquire) {
                return came_back;
            }
            if let Some(place) = line.strip_prefix("id: ") {
                id = Some(place.to_owned());
            } else if let Some((place, data)) = line.strip_prefix("data: ").and_then(|data| Some((id.take()?, data))) {
                cursor = place;
                if each(&cursor, data).is_break() {
                    return came_back;
                }
            }
        }
        came_back += 1;
    }
    came_back
}

/// Tells all threads of a test that it is over, also when it fails.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

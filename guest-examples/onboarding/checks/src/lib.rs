//! The service that onboarding asks. It is as services are: slow, now and then out of order, it does what
//! it was asked and loses the answer, it answers twice. What it has done it does not do again for the same
//! `Idempotency-Key`, also after a kill: effects stand in a journal before they are answered.
//!
//! `GET /effects` tells what it has done.

mod http;
mod journal;
mod verdict;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use http::Asked;
pub use journal::Journal;

/// How bad it is. Chances are in percent of the requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Badness {
    /// Answers come after up to so many milliseconds.
    pub slow_ms: u64,
    /// 503, and nothing is done.
    pub fail: u64,
    /// It is done, and the connection closed without an answer.
    pub lose: u64,
    /// It is done, and answered two times over.
    pub twice: u64,
    pub seed: u64,
}

/// Serves for ever, a thread each connection.
pub fn serve(listener: &TcpListener, badness: Badness, journal: Journal) -> std::io::Result<()> {
    let journal = Arc::new(Mutex::new(journal));
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        let (stream, journal) = (stream?, Arc::clone(&journal));
        std::thread::spawn(move || {
            // Who closes a connection early has said enough.
            let _ = answer(stream, badness, number, &journal);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, badness: Badness, number: u64, journal: &Mutex<Journal>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let Some(asked) = http::read(&mut stream)? else { return Ok(()) };
    let lock = || journal.lock().unwrap_or_else(PoisonError::into_inner);
    if asked.method == "GET" && asked.path == "/effects" {
        return stream.write_all(&http::response(200, &lock().told().to_string()));
    }
    lock().asked();
    let chance = |which: u64| mixed(badness.seed ^ mixed(number * 4 + which)) % 100;
    std::thread::sleep(Duration::from_millis(mixed(badness.seed ^ number) % (badness.slow_ms + 1)));
    if chance(0) < badness.fail {
        return stream.write_all(&http::response(503, r#"{"error":"out of order"}"#));
    }
    let Some(key) = &asked.idempotency_key else {
        return stream.write_all(&http::response(400, r#"{"error":"Idempotency-Key is missing"}"#));
    };
    let Some(verdict) = verdict::of(&asked.path, &asked.body) else {
        return stream.write_all(&http::response(404, r#"{"error":"no such check, or not what it wants"}"#));
    };
    let response = match lock().effect(key, &asked, &verdict)? {
        Some(verdict) => http::response(200, &verdict),
        None => http::response(422, r#"{"error":"the Idempotency-Key was used for something else"}"#),
    };
    if chance(1) < badness.lose {
        return Ok(());
    }
    stream.write_all(&response)?;
    if chance(2) < badness.twice {
        stream.write_all(&response)?;
    }
    Ok(())
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

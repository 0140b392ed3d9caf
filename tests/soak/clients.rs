//! Clients that append as fast as they are answered, each with subjects of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::history::{History, Outcome};
use crate::host::{SOURCE, Web};

const CLIENTS: u64 = 4;
const EVENTS_PER_REQUEST: u64 = 10;

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What clients of one log remember from round to round.
#[derive(Default)]
pub struct Memory {
    pub history: Arc<History>,
    round: AtomicU64,
}

impl Memory {
    /// Sends every second request again that got no answer, as a careful client does. The others stay unknown.
    pub fn repeat(&self, web: &Web) {
        for (number, request) in self.history.snapshot().into_iter().enumerate() {
            if request.outcome == Outcome::Unknown && number.is_multiple_of(2) {
                let _ = send(&self.history, web, number, &request.subject, &request.ids);
            }
        }
    }
}

impl Clients {
    /// They stop when they are told to, or once their host is gone.
    pub fn start(memory: &Memory, web: &Web) -> Clients {
        let round = memory.round.fetch_add(1, Ordering::Relaxed);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..CLIENTS)
            .map(|client| {
                let (history, web, stop) = (memory.history.clone(), web.clone(), stop.clone());
                std::thread::spawn(move || run(&history, &web, &stop, &format!("{round}/{client}")))
            })
            .collect();
        Clients { stop, threads }
    }

    /// Waits until their last requests are answered, or never will be.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn run(history: &History, web: &Web, stop: &AtomicBool, subject: &str) {
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let ids: Vec<String> = (0..EVENTS_PER_REQUEST).map(|index| format!("{subject}/{number}/{index}")).collect();
        let request = history.invoke(subject, ids.clone());
        if send(history, web, request, subject, &ids).is_none() {
            return;
        }
    }
}

/// `None`: the host is gone, or nobody knows what it did.
fn send(history: &History, web: &Web, request: usize, subject: &str, ids: &[String]) -> Option<()> {
    let batch: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "specversion": "1.0", "id": id, "source": "/soak", "type": SOURCE, "subject": subject, "data": {} }))
        .collect();
    let body = Value::from(batch).to_string();
    let (status, answer) = web.send("POST", "events", "application/cloudevents-batch+json", body.as_bytes()).ok()?;
    match status {
        200 | 201 => history.answered(request, Outcome::Acknowledged(positions(&answer))),
        // Storage failed while it was written, or the host stops.
        500.. => return None,
        _ => history.answered(request, Outcome::Refused),
    }
    Some(())
}

fn positions(body: &[u8]) -> Vec<u64> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let number = |position: &Value| position.as_str().and_then(|text| text.parse().ok());
    answer["positions"].as_array().map(|all| all.iter().filter_map(number).collect()).unwrap_or_default()
}

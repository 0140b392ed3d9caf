//! `Exporter`: the thread that sends spans to a collector, as OTLP over HTTP, many at a time. A collector that is down or slow
//! costs spans, and nothing else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::super::clock;
use super::super::outside::{Client, Network, OutgoingRequest, Outside};
use super::super::race::{First, race};
use super::otlp;
use super::span::Span;
use super::tracer::SpanCounts;

/// Spans of one request.
const SPANS_PER_REQUEST_MAX: usize = 512;
/// How long spans wait for others to go with.
const COMPANY_TIME_MAX: Duration = Duration::from_secs(1);
/// For one request, with its answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// Before spans are sent again; after the last pause they are dropped.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Where spans go.
#[derive(Clone, Debug)]
pub struct TracingOptions {
    /// Whole, with its path.
    url: String,
    authority: String,
    /// Sent along with each request, such as what a collector knows its clients by.
    pub headers: HeaderMap,
    /// Attributes of all that this host tells, its name among them.
    pub resource: Vec<(String, String)>,
    /// Of traces that begin here, how many are told of: from 0 to 1.
    pub sample: f64,
}

impl TracingOptions {
    /// `endpoint` is the address to which OTLP's own paths are added. An `Err` says what is wrong with it.
    pub fn to(endpoint: &str) -> Result<TracingOptions, String> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        if endpoint.contains('@') {
            // It is not told: it may be a password.
            return Err("the address holds a name or password: send one along in OTEL_EXPORTER_OTLP_HEADERS".into());
        }
        let uri: Uri = url.parse().map_err(|error| format!("{endpoint:?} is no address ({error})"))?;
        if endpoint.contains(['?', '#']) {
            return Err(format!("{endpoint:?} has more than a path: /v1/traces is added to it"));
        }
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let options = TracingOptions { url, authority, headers: HeaderMap::new(), resource: Vec::new(), sample: 1.0 };
        options.client().check(&options.url).map_err(|error| error.message)?;
        Ok(options)
    }

    /// The operator names the collector, wherever it is: what functions may reach has nothing to do with it.
    fn client(&self) -> Client {
        let addresses: Vec<Network> = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|all| all.parse().ok()).collect();
        Client::new(Arc::new(Outside { hosts: vec![self.authority.clone()], addresses, ..Outside::default() }))
    }
}

pub struct Exporter {
    options: TracingOptions,
    client: Client,
    runtime: Runtime,
    spans: Receiver<Span>,
    counts: Arc<SpanCounts>,
    closing: watch::Receiver<Option<Instant>>,
    /// Whether the last ones were taken.
    is_well: bool,
}

/// Why spans weren't taken.
struct Trouble {
    what: String,
    /// It may go better later.
    passes: bool,
}

impl Exporter {
    pub fn new(
        options: TracingOptions,
        spans: Receiver<Span>,
        counts: Arc<SpanCounts>,
        closing: watch::Receiver<Option<Instant>>,
    ) -> io::Result<Exporter> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = options.client();
        Ok(Exporter { options, client, runtime, spans, counts, closing, is_well: true })
    }

    /// Until nobody has spans to tell of any more, and all that were told are sent or dropped.
    pub fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            self.export(&batch);
        }
        self.runtime.shutdown_background();
    }

    fn next_batch(&self) -> Option<Vec<Span>> {
        let mut batch = vec![self.spans.recv().ok()?];
        let until = clock::started() + COMPANY_TIME_MAX;
        while batch.len() < SPANS_PER_REQUEST_MAX
            && let Ok(span) = self.spans.recv_timeout(until.saturating_duration_since(clock::started()))
        {
            batch.push(span);
        }
        Some(batch)
    }

    fn export(&mut self, batch: &[Span]) {
        let body = Bytes::from(otlp::request(&self.options.resource, batch));
        let mut pauses = PAUSES.into_iter();
        let sent = loop {
            match self.send(body.clone()) {
                Err(Trouble { passes: true, what }) => match pauses.next() {
                    Some(pause) if self.goes_on_after(pause) => {}
                    _ => break Err(what),
                },
                Err(Trouble { what, .. }) => break Err(what),
                Ok(rejected) => break Ok(rejected),
            }
        };
        let all = batch.len() as u64;
        let dropped = match &sent {
            Ok(rejected) => all.min(*rejected),
            Err(_) => all,
        };
        self.counts.exported.fetch_add(all - dropped, Ordering::Relaxed);
        self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.note(sent.err());
    }

    /// Once when it begins to fail, once when it is well again: the log would fill up.
    fn note(&mut self, trouble: Option<String>) {
        match trouble {
            Some(what) if self.is_well => {
                tracing::warn!(to = self.options.url, what, "spans can't be sent; they are dropped until they can, and all else goes on");
            }
            None if !self.is_well => tracing::info!(to = self.options.url, "spans are sent again"),
            trouble => return self.is_well = trouble.is_none(),
        }
        self.is_well = !self.is_well;
    }

    /// Answers how many spans the collector did not take.
    fn send(&self, body: Bytes) -> Result<u64, Trouble> {
        let mut headers = self.options.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = OutgoingRequest { method: Method::POST, url: self.options.url.clone(), headers, body, timeout: REQUEST_TIME_MAX };
        let answered = self.runtime.block_on(race(Box::pin(self.client.send(request)), Box::pin(over(self.closing.clone()))));
        match answered {
            First::Other(()) => Err(Trouble { what: "the host stopped before they were taken".into(), passes: false }),
            First::One(Err(error)) => Err(Trouble { what: error.message, passes: true }),
            First::One(Ok(answer)) if (200..300).contains(&answer.status) => Ok(otlp::rejected(&answer.body)),
            First::One(Ok(answer)) => {
                let what = format!("the collector answered {}", answer.status);
                Err(Trouble { what, passes: matches!(answer.status, 429 | 502 | 503 | 504) })
            }
        }
    }

    /// Waits; answers false, and at once, if the host stops.
    fn goes_on_after(&self, pause: Duration) -> bool {
        let mut closing = self.closing.clone();
        self.runtime.block_on(async { timeout(pause, closing.wait_for(Option::is_some)).await.is_err() })
    }
}

/// Resolves when a stop has begun and its time is up.
async fn over(mut closing: watch::Receiver<Option<Instant>>) {
    let at = closing.wait_for(Option::is_some).await.ok().and_then(|at| *at);
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_where_its_paths_begin_or_it_is_refused() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://otel.example.com/otlp", "https://otel.example.com/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(TracingOptions::to(endpoint).map(|options| options.url).as_deref(), Ok(expected), "{endpoint}");
        }
        for bad in ["", "127.0.0.1:4318", "localhost:4318", "grpc://a:4317", "http://", "http://a b", "http://me:secret@a", "http://a?b=c"]
        {
            assert!(TracingOptions::to(bad).is_err(), "{bad}");
        }
    }
}

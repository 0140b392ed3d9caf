//! `Site`: what all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use super::failures::Failures;
use super::rates::Rates;
use super::shares::Shares;
use super::tls::Certificates;
use super::upload::Budget;
use crate::drive::{Host, Rate};

/// How the host is served. Every bound that a client can meet.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Beyond it new clients wait to be accepted.
    pub connections_max: usize,
    /// Of one client beyond this machine; more are closed as they come.
    pub connections_per_address_max: usize,
    /// Requests of each token that has no rate of its own.
    pub rate_per_token: Option<Rate>,
    /// Requests to each namespace, but for those of who operates it.
    pub rate_per_namespace: Option<Rate>,
    /// For a request's head, and between requests of a connection.
    pub header_time_max: Duration,
    /// For a whole body that has a bound.
    pub body_time_max: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub stall_time_max: Duration,
    /// How long a stream of lines may take for each KiB.
    pub lines_time_max: Duration,
    /// Between two signs of life in a stream of events.
    pub heartbeat: Duration,
    /// How long requests under way may take once a stop began.
    pub grace: Duration,
    /// What bodies of requests may hold in memory, together.
    pub body_bytes_max: usize,
    /// Names under which requests are passed on to it, beside those of this machine's loopback.
    pub names: Vec<String>,
    /// Without it requests come in the clear.
    pub tls: Option<Arc<Certificates>>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            connections_max: 4_096,
            connections_per_address_max: 512,
            rate_per_token: None,
            rate_per_namespace: None,
            header_time_max: Duration::from_secs(10),
            body_time_max: Duration::from_secs(60),
            stall_time_max: Duration::from_secs(30),
            lines_time_max: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(8),
            body_bytes_max: 128 << 20,
            names: Vec::new(),
            tls: None,
        }
    }
}

pub struct Site {
    pub host: Host,
    pub options: ServeOptions,
    pub bodies: Arc<Budget>,
    pub counts: Counts,
    /// Requests that should have shown a token.
    pub failures: Failures,
    pub rates: Rates,
    pub shares: Arc<Shares>,
}

impl Site {
    pub fn new(host: Host, options: ServeOptions) -> Arc<Site> {
        Arc::new(Site {
            host,
            bodies: Budget::new(options.body_bytes_max, options.body_time_max),
            shares: Shares::new(options.connections_per_address_max),
            options,
            counts: Counts::default(),
            failures: Failures::default(),
            rates: Rates::default(),
        })
    }
}

/// Since the host was started.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub connections_open: AtomicU64,
    /// Of addresses that held their share already.
    pub connections_refused: AtomicU64,
    /// Answers by the first digit of their status: 2xx, 3xx, 4xx, 5xx.
    answers: [AtomicU64; 4],
}

impl Counts {
    pub fn answered(&self, status: StatusCode) {
        if let Some(count) = (usize::from(status.as_u16()) / 100).checked_sub(2).and_then(|class| self.answers.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["2xx", "3xx", "4xx", "5xx"].into_iter().zip(self.answers.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

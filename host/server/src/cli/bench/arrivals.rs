//! Appends that arrive at a steady rate, whether the host answers or not: what waits behind a pause is
//! counted from when it should have been sent.

use std::time::Duration;

use anyhow::Result;

use super::load::Load;
use super::session::Session;
use crate::cli::client::Client;

pub const PER_SECOND: u32 = 1_000;
/// So many may wait at once, and a pause of the host is seen by one of them at least.
pub const CLIENTS: usize = 16;

/// How long appends took.
pub struct Arrivals {
    pub p50_us: f64,
    pub p99_us: f64,
    pub most_us: f64,
}

impl Arrivals {
    pub fn during(session: &Session, client: &Client, length: Duration) -> Result<Arrivals> {
        Arrivals::of(&session.load, session, client, length)
    }

    /// The same with load of one's own, so that it can run on another thread.
    pub fn of(load: &Load, session: &Session, client: &Client, length: Duration) -> Result<Arrivals> {
        let path = client.path(&["events"]);
        let mut outcome = load.arrivals(CLIENTS, PER_SECOND, length, |index| session.events.single(&path, index))?;
        let [p50_us, p99_us, most_us] = [50, 99, 100].map(|percent| outcome.latencies.percentile_us(percent));
        Ok(Arrivals { p50_us, p99_us, most_us })
    }
}

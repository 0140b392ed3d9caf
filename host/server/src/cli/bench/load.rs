//! Many clients at once on one thread, for a while.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::connection::Connection;
use super::requests::{Request, stream_head};
use super::samples::Latencies;
use crate::cli::clock;

/// When clients stop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Elapsed(Duration),
    /// All clients together have sent so many events, or a few more.
    Sent(u64),
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Events that were acknowledged.
    pub events: u64,
    pub elapsed: Duration,
    pub latencies: Latencies,
}

impl Outcome {
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends load to one host, with ids that are never used twice.
pub struct Load {
    runtime: Runtime,
    address: SocketAddr,
    next_id: Arc<AtomicU64>,
}

/// Lines of a stream that are sent in one chunk of HTTP.
pub const LINES_PER_CHUNK: usize = 2_000;

impl Load {
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Load { runtime, address, next_id: Arc::new(AtomicU64::new(1)) })
    }

    /// Another, for another thread: it never uses an id that this one does.
    pub fn another(&self) -> io::Result<Self> {
        Ok(Load { next_id: self.next_id.clone(), ..Load::new(self.address)? })
    }

    /// So many requests a second arrive, shared out among the clients, whether they are answered or not. What a
    /// client sends late because its last request was not answered in time counts from when it was due.
    pub fn arrivals(&self, clients: usize, per_second: u32, length: Duration, request: impl Fn(usize) -> Request) -> io::Result<Outcome> {
        self.runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..clients {
                connections.push(Connection::open(self.address).await?);
            }
            let started = clock::now();
            let every = Duration::from_secs(clients as u64) / per_second;
            let tasks: Vec<_> = connections
                .into_iter()
                .zip(0u32..)
                .map(|(connection, index)| {
                    let client = Client { connection, request: request(index as usize), next_id: self.next_id.clone() };
                    tokio::spawn(client.arrive(started + every * index / clients as u32, every, started + length))
                })
                .collect();
            ended(tasks, started).await
        })
    }

    /// Each client sends its request, waits for the answer, and sends the next.
    pub fn requests(&self, clients: usize, until: Until, request: impl Fn(usize) -> Request) -> io::Result<Outcome> {
        self.runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..clients {
                connections.push(Connection::open(self.address).await?);
            }
            let started = clock::now();
            let first_id = self.next_id.load(Ordering::Relaxed);
            let tasks: Vec<_> = connections
                .into_iter()
                .enumerate()
                .map(|(index, connection)| {
                    let client = Client { connection, request: request(index), next_id: self.next_id.clone() };
                    tokio::spawn(client.run(Limit { until, started, first_id }))
                })
                .collect();
            ended(tasks, started).await
        })
    }

    /// One client sends one endless NDJSON body; the time ends with the host's answer.
    pub fn stream(&self, path: &str, mut lines: Request, until: Until) -> io::Result<Outcome> {
        self.runtime.block_on(async {
            let mut connection = Connection::open(self.address).await?;
            let started = clock::now();
            let limit = Limit { until, started, first_id: self.next_id.load(Ordering::Relaxed) };
            connection.send(stream_head(path).as_bytes()).await?;
            let size = format!("{:x}\r\n", lines.bytes.len());
            let mut events = 0;
            while limit.is_open(self.next_id.load(Ordering::Relaxed)) {
                let count = lines.events() as u64;
                lines.set_ids(self.next_id.fetch_add(count, Ordering::Relaxed));
                connection.send(size.as_bytes()).await?;
                connection.send(&lines.bytes).await?;
                connection.send(b"\r\n").await?;
                events += count;
            }
            connection.send(b"0\r\n\r\n").await?;
            connection.answer().await?;
            Ok(Outcome { events, elapsed: started.elapsed(), latencies: Latencies::default() })
        })
    }

    /// One client reads a stream of lines for a while; what it got is counted.
    pub fn read(&self, request: &str, length: Duration) -> io::Result<Outcome> {
        self.runtime.block_on(async {
            let mut connection = Connection::open(self.address).await?;
            let started = clock::now();
            connection.send(request.as_bytes()).await?;
            let events = connection.count_lines(|| started.elapsed() < length).await?;
            Ok(Outcome { events, elapsed: started.elapsed(), latencies: Latencies::default() })
        })
    }
}

/// What all clients came to.
async fn ended(tasks: Vec<JoinHandle<io::Result<(u64, Latencies)>>>, started: Instant) -> io::Result<Outcome> {
    let mut outcome = Outcome { events: 0, elapsed: Duration::ZERO, latencies: Latencies::default() };
    for task in tasks {
        let (events, latencies) = task.await.map_err(io::Error::other)??;
        outcome.events += events;
        outcome.latencies.append(latencies);
    }
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

#[derive(Clone, Copy)]
struct Limit {
    until: Until,
    started: Instant,
    first_id: u64,
}

impl Limit {
    fn is_open(&self, next_id: u64) -> bool {
        match self.until {
            Until::Elapsed(length) => self.started.elapsed() < length,
            Until::Sent(events) => next_id - self.first_id < events,
        }
    }
}

struct Client {
    connection: Connection,
    request: Request,
    next_id: Arc<AtomicU64>,
}

impl Client {
    async fn run(mut self, limit: Limit) -> io::Result<(u64, Latencies)> {
        let count = self.request.events() as u64;
        let mut latencies = Latencies::default();
        while limit.is_open(self.next_id.load(Ordering::Relaxed)) {
            self.request.set_ids(self.next_id.fetch_add(count, Ordering::Relaxed));
            let sent = clock::now();
            self.connection.ask(&self.request.bytes).await?;
            latencies.add(sent.elapsed());
        }
        Ok((latencies.count() as u64 * count, latencies))
    }
    /// Sends a request whenever one is due.
    async fn arrive(mut self, first: Instant, every: Duration, end: Instant) -> io::Result<(u64, Latencies)> {
        let count = self.request.events() as u64;
        let mut latencies = Latencies::default();
        let mut due = first;
        while due < end {
            let mut from = due;
            if clock::now() < due {
                sleep_until(due.into()).await;
                // A timer that is late is nobody's latency.
                from = clock::now();
            }
            self.request.set_ids(self.next_id.fetch_add(count, Ordering::Relaxed));
            self.connection.ask(&self.request.bytes).await?;
            latencies.add(from.elapsed());
            due += every;
        }
        Ok((latencies.count() as u64 * count, latencies))
    }
}

//! `Tracer`: begins spans, decides who is told of them, and hands over those that have ended. Nobody ever waits for it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::clock;
use super::context::SpanContext;
use super::exporter::{Exporter, TracingOptions};
use super::span::{Span, SpanKind};

/// Spans that may wait to be sent; those that come then are dropped and counted.
const SPANS_WAITING_MAX: usize = 8_192;
/// How long a graceful stop waits for what is still to be sent.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(2);

/// Cheap to clone.
#[derive(Clone)]
pub struct Tracer(Arc<Shared>);

struct Shared {
    /// Of traces that begin here, those whose number is below this are told of: out of 2^63.
    sampled_below: u64,
    spans: Mutex<Option<SyncSender<Span>>>,
    counts: Arc<SpanCounts>,
    /// By when the exporter must be done, once a stop has begun.
    closing: watch::Sender<Option<Instant>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Since the host began.
#[derive(Debug, Default)]
pub struct SpanCounts {
    pub exported: AtomicU64,
    /// For want of room, or because nobody took them.
    pub dropped: AtomicU64,
}

impl Tracer {
    /// With a thread of its own, which has the network to itself.
    pub fn start(options: TracingOptions) -> io::Result<Tracer> {
        let (sender, spans) = sync_channel(SPANS_WAITING_MAX);
        let counts: Arc<SpanCounts> = Arc::default();
        let closing = watch::Sender::new(None);
        let sampled_below = below(options.sample);
        let exporter = Exporter::new(options, spans, counts.clone(), closing.subscribe())?;
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(move || exporter.run())?;
        Ok(Tracer(Arc::new(Shared { sampled_below, spans: Mutex::new(Some(sender)), counts, closing, thread: Mutex::new(Some(thread)) })))
    }

    pub fn counts(&self) -> &SpanCounts {
        &self.0.counts
    }

    /// A span that a trace begins with, unless it is one of those that nobody is told of.
    pub fn root(&self, name: String, kind: SpanKind) -> Option<Box<Span>> {
        let mut trace = [0; 16];
        getrandom::fill(&mut trace).ok()?;
        let trace = u128::from_be_bytes(trace).max(1);
        // The low half, as other samplers by trace id take it, so that all of one system choose the same.
        let sampled = (trace as u64) >> 1 < self.0.sampled_below;
        let context = SpanContext { trace, span: number()?, sampled };
        sampled.then(|| Box::new(Span::begin(context, None, name, kind)))
    }

    /// A span within another one, which decides whether anybody is told of it.
    pub fn child(&self, of: SpanContext, name: String, kind: SpanKind) -> Option<Box<Span>> {
        let context = SpanContext { span: number()?, ..of };
        of.sampled.then(|| Box::new(Span::begin(context, Some(of.span), name, kind)))
    }

    /// It has ended now.
    pub fn end(&self, mut span: Span) {
        span.ended_ns = clock::wall_ns().max(span.began_ns);
        self.tell(span);
    }

    /// Hands over a span that ended when it says.
    pub fn tell(&self, span: Span) {
        let spans = self.0.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.as_ref().is_none_or(|spans| spans.try_send(span).is_err()) {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what is still to be sent, for a bounded time. Nothing is taken any more.
    pub fn finish(&self) {
        self.0.closing.send_replace(Some(clock::started() + FLUSH_TIME_MAX));
        drop(self.0.spans.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that sends spans panicked");
        }
        let dropped = self.0.counts.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "spans were dropped since the host began");
        }
    }
}

/// For a span; 0 is none.
fn number() -> Option<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(u64::from_be_bytes(bytes).max(1))
}

fn below(sample: f64) -> u64 {
    (sample.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_the_traces_that_begin_here_are_told_of() {
        assert_eq!((below(0.0), below(0.5), below(1.0)), (0, 1 << 62, 1 << 63));
        assert!(u64::MAX >> 1 < below(1.0), "the last number that there is");
    }
}

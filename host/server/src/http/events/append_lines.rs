//! `POST …/events` with an event a line: a load of any size in constant memory.
//!
//! A stream is many requests. It is committed in portions, a few of them under way at once, in order;
//! the lines before the first bad one stand, and none after it. As appending is idempotent, sending the
//! mended stream again adds what is missing.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body as _;
use retold_engine::model::{NewEvent, limits};
use retold_engine::store::{self, Refused};
use tokio::time::{sleep, timeout};

use super::super::call::{Answer, Call};
use super::super::cursor::cursor_text;
use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::upload::{Arriving, broken, refuse_encodings};
use super::appended::Tally;
use super::line_events::{line_of, parse};
use super::pace::Pace;
use super::splitter::{Splitter, extent};
use crate::drive::{Append, AppendStream, DriveError, Namespace, WaitFor, passed_us};

/// Whole lines that make a portion. The more, the fewer syncs of a slow disk.
const PORTION_BYTES: usize = 256 << 10;
const LINE_BYTES_MAX: usize = 4 << 20;
const PORTIONS_UNDER_WAY: usize = 8;
/// What a stream holds at most, about: counted against the budget of all bodies.
const STREAM_BYTES: usize = 4 << 20;
/// How long lines wait for company when no more come.
const COMPANY_TIME_MAX: Duration = Duration::from_millis(5);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const BUSY_PAUSES_MAX: u32 = 500;

/// A portion's events fit one append, whatever their lines are.
const _: () = assert!(LINE_BYTES_MAX + 2 * PORTION_BYTES + 128 * limits::EVENTS_PER_APPEND_MAX <= limits::APPEND_BYTES_MAX);

pub async fn append_lines(namespace: Namespace, call: Box<Call>) -> Answer {
    refuse_encodings(call.headers())?;
    let _held = call.site.bodies.hold(STREAM_BYTES)?;
    let mut body = call.body;
    let mut load = Load::new(namespace, Pace::new(call.site.options.lines_time_max));
    load.read(&mut body).await?;
    Ok(load.tally.response())
}

struct Load {
    namespace: Namespace,
    stream: AppendStream,
    splitter: Splitter,
    /// The next line's number.
    line: u64,
    under_way: VecDeque<Portion>,
    /// Memory of portions that are done.
    spare: Vec<Vec<u8>>,
    tally: Tally,
    pace: Pace,
}

/// Lines that were submitted, kept until they stand: if one is refused, those before it are read again.
struct Portion {
    text: Vec<u8>,
    first_line: u64,
    answer: Pin<Box<dyn Future<Output = Result<Append, DriveError>> + Send>>,
}

enum Next {
    Data(Bytes),
    Pause,
    End,
}

impl Load {
    fn new(namespace: Namespace, pace: Pace) -> Load {
        let (stream, tally) = (namespace.stream(), Tally::of(namespace.generation()));
        Load { namespace, stream, splitter: Splitter::default(), line: 1, under_way: VecDeque::new(), spare: Vec::new(), tally, pace }
    }

    async fn read(&mut self, body: &mut Arriving) -> Result<(), Problem> {
        loop {
            let next = match next(body, self.splitter.whole_bytes() > 0, &mut self.pace).await {
                Ok(next) => next,
                Err(problem) => return self.stop_at(self.line, problem).await,
            };
            match next {
                Next::Data(data) => {
                    self.splitter.push(&data);
                    if self.splitter.whole_bytes() >= PORTION_BYTES {
                        self.send_whole_lines().await?;
                    }
                    if self.splitter.open_bytes() > LINE_BYTES_MAX {
                        self.send_whole_lines().await?;
                        let way = "send the event by itself, its data as the body and its attributes in ce- headers";
                        let problem = Problem::new(&kinds::TOO_LARGE, format!("has more than {LINE_BYTES_MAX} bytes: {way}"));
                        return self.stop_at(self.line, problem).await;
                    }
                }
                Next::Pause => self.send_whole_lines().await?,
                Next::End => break,
            }
        }
        let rest = self.splitter.take_rest();
        self.send(rest).await?;
        self.settle_all().await
    }

    async fn send_whole_lines(&mut self) -> Result<(), Problem> {
        let spare = self.spare.pop().unwrap_or_default();
        let text = self.splitter.take(spare);
        self.send(text).await
    }

    async fn send(&mut self, mut text: Vec<u8>) -> Result<(), Problem> {
        loop {
            let (bytes, count) = extent(&text, limits::EVENTS_PER_APPEND_MAX);
            let rest = if bytes < text.len() { text.split_off(bytes) } else { Vec::new() };
            let first_line = self.line;
            self.line += count as u64;
            let (events, bad) = parse(&text, count);
            if !events.is_empty() {
                self.submit(text, first_line, events).await?;
            }
            if let Some((offset, bad)) = bad {
                return self.stop_at(first_line + offset, bad.into()).await;
            }
            if rest.is_empty() {
                return Ok(());
            }
            text = rest;
        }
    }

    async fn submit(&mut self, text: Vec<u8>, first_line: u64, events: Vec<NewEvent>) -> Result<(), Problem> {
        let mut events = Some(events);
        for _ in 0..BUSY_PAUSES_MAX {
            while self.under_way.len() >= PORTIONS_UNDER_WAY {
                self.settle_one().await?;
            }
            let events = events.take().unwrap_or_else(|| parse(&text, limits::EVENTS_PER_APPEND_MAX).0);
            let mut answer: Pin<Box<dyn Future<Output = _> + Send>> =
                Box::pin(self.stream.submit(store::Append { events, ..Default::default() }));
            // A portion that wasn't even queued must be noticed before the next one is submitted.
            let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Pending => {
                    self.under_way.push_back(Portion { text, first_line, answer });
                    return Ok(());
                }
                Poll::Ready(Err(DriveError::Busy)) => {
                    self.settle_all().await?;
                    sleep(BUSY_PAUSE).await;
                }
                Poll::Ready(answer) => {
                    self.under_way.push_back(Portion { text, first_line, answer: Box::pin(std::future::ready(answer)) });
                    return Ok(());
                }
            }
        }
        Err(self.at(first_line, Problem::busy()))
    }

    async fn settle_all(&mut self) -> Result<(), Problem> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), Problem> {
        let Some(portion) = self.under_way.pop_front() else { return Ok(()) };
        match portion.answer.await {
            Ok(append) => {
                self.tally.add(&append);
                self.spare.push(portion.text);
                Ok(())
            }
            Err(error) => Err(self.refused(&portion.text, portion.first_line, error).await),
        }
    }

    /// Makes the lines before the refused one stand. What was submitted after them was refused too.
    async fn refused(&mut self, text: &[u8], first_line: u64, mut error: DriveError) -> Problem {
        while let Some(later) = self.under_way.pop_front() {
            if let Ok(append) = later.answer.await {
                self.tally.add(&append);
            }
        }
        while let Some(index) = index(&error) {
            let before = parse(text, index).0;
            let bad_line = first_line + line_of(text, index);
            let problem = Problem::from(error);
            let detail = problem.detail.strip_prefix(&format!("event {index}: ")).unwrap_or(&problem.detail).to_owned();
            let problem = problem.with_detail(detail).without("index");
            if before.is_empty() {
                return self.at(bad_line, problem);
            }
            match self.namespace.append(store::Append { events: before, ..Default::default() }, WaitFor::Durable).await {
                Ok(append) => {
                    self.tally.add(&append);
                    return self.at(bad_line, problem);
                }
                // Another client took an id meanwhile, or the host failed.
                Err(other) => error = other,
            }
        }
        self.at(first_line, error.into())
    }

    /// Ends the stream at a line that is wrong, once those before it stand.
    async fn stop_at(&mut self, line: u64, problem: Problem) -> Result<(), Problem> {
        self.settle_all().await?;
        Err(self.at(line, problem))
    }

    fn at(&self, line: u64, problem: Problem) -> Problem {
        let Tally { events, new, last, generation } = self.tally;
        let detail = format!(
            "line {line}: {}. The {events} events before it stand, {new} of them new; send the mended stream again, what stands is not added twice",
            problem.detail
        );
        problem.with_detail(detail).with("line", line).with("events", events).with("new", new).with("cursor", cursor_text(generation, last))
    }
}

/// What comes next. Whole lines that wait for company don't wait long.
async fn next(body: &mut Arriving, lines_wait: bool, pace: &mut Pace) -> Result<Next, Problem> {
    let left = pace.left();
    let patience = if lines_wait { COMPANY_TIME_MAX.min(left) } else { left };
    let began_us = passed_us();
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let came = timeout(patience, frame).await;
        pace.waited(Duration::from_micros(passed_us() - began_us));
        return match came {
            Ok(None) => Ok(Next::End),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    pace.came(data.len());
                    Ok(Next::Data(data))
                }
                Err(_trailers) => continue,
            },
            Ok(Some(Err(error))) => Err(broken(&error)),
            Err(_) if lines_wait && pace.left() > Duration::ZERO => Ok(Next::Pause),
            Err(_) => Err(Problem::new(
                &kinds::BODY_TIMEOUT,
                "came too slowly: send lines sooner, more of them at once, or end the stream and begin another when there are some",
            )),
        };
    }
}

/// Which event of a portion was refused.
fn index(error: &DriveError) -> Option<usize> {
    match error {
        DriveError::Refused(Refused::Content { index, .. } | Refused::Field { index, .. }) => Some(*index),
        DriveError::Schema(misfit) => Some(misfit.index),
        _ => None,
    }
}

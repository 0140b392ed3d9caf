//! One task a log: it takes note of what waits, has it sent, and has what came of it written down.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use retold_engine::model::{Position, REQUEST_FAILED, REQUEST_REPLIED, Timestamp, limits};
use retold_engine::store::{Accepted, Attempt, OutboxState, PendingRequest, Proposal, Refused, Replied, Reply, Snapshot};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::super::clock;
use super::super::committer::Job;
use super::super::generations::blocking;
use super::super::inside::Inside;
use super::super::outside::{OutgoingRequest, RETRY_PAUSE_MAX, retry_pause};
use super::super::queue::Cost;
use super::super::spans::{Leaving, ended_leaving, leaving};
use super::super::types::DriveError;
use super::answer;
use super::filling::{NotFilled, Used, filled};
use super::lanes::End;
use super::outcome::{Outcome, outcome};

/// It is looked around this often, woken or not.
const POLL: Duration = Duration::from_secs(1);
/// Before something is tried again that the host could not do.
const BREATH: Duration = Duration::from_secs(1);
/// Before it is looked again whether the disk has space.
const SPACE_PAUSE: Duration = Duration::from_millis(500);
/// Before a full queue is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Before it is looked again whether the operator has put a secret there.
const SECRET_PAUSE: Duration = Duration::from_secs(10);
/// How often it is looked for requests that have waited too long.
const AGING: Duration = Duration::from_secs(60);
/// Rows that are taken note of at once.
const PAGE_ROWS: usize = 4_096;

/// Begins to send what a log's functions asked for.
pub fn start(inside: &Arc<Inside>) {
    let (weak, news) = (Arc::downgrade(inside), inside.outbox.news.clone());
    inside.sending.spawn(async move {
        loop {
            // Held only while there is something to do: the log may go.
            let Some(inside) = weak.upgrade() else { return };
            if *inside.stopping.borrow() {
                return;
            }
            let pause = round(&inside).await;
            drop(inside);
            drop(timeout(pause, news.notified()).await);
        }
    });
}

/// Starts what may leave now; answers how long nothing else is known to come.
async fn round(inside: &Arc<Inside>) -> Duration {
    if inside.is_frozen() || inside.sending.client.outside().requests_off {
        return POLL;
    }
    let reading = inside.clone();
    match blocking(move || take_in(&reading)).await {
        Ok(true) => {}
        Ok(false) => return POLL,
        Err(error) => {
            tracing::warn!(namespace = %inside.name, %error, "the outbox can't be read; it is tried again");
            return POLL;
        }
    }
    let now = clock::started();
    let (started, aging, next) = {
        let mut lanes = inside.outbox.lanes();
        (lanes.start(now), lanes.aging(AGING, now), lanes.next_moment())
    };
    for (host, position) in started {
        tokio::spawn(errand(Arc::downgrade(inside), host, position));
    }
    for (host, positions) in aging {
        tokio::spawn(give_up_on_old(Arc::downgrade(inside), host, positions));
    }
    next.filter(|at| *at > now).map_or(POLL, |at| (at - now).min(POLL))
}

/// Takes note of the requests that came, and of those that there was no room for. `false`: none leave here.
fn take_in(inside: &Inside) -> Result<bool, DriveError> {
    let snapshot = inside.reader.snapshot()?;
    if !snapshot.effects() {
        return Ok(false);
    }
    let mut after = {
        let mut lanes = inside.outbox.lanes();
        // Somebody released them, or another log's became this one's.
        if lanes.is_idle() && lanes.seen >= snapshot.head() && waiting(&snapshot) > 0 {
            lanes.seen = Position::START;
        }
        lanes.seen
    };
    while after < snapshot.head() {
        let page = snapshot.waiting_requests(None, after, PAGE_ROWS)?;
        let (now, wall) = (clock::started(), clock::now());
        let mut lanes = inside.outbox.lanes();
        for (position, row) in &page.rows {
            lanes.take(&row.host, *position, not_before(row.not_before, now, wall));
        }
        after = page.more.unwrap_or(snapshot.head());
        lanes.seen = after;
    }
    let with_room = inside.outbox.lanes().with_room();
    for (host, after) in with_room {
        refill(inside, &snapshot, &host, after)?;
    }
    Ok(true)
}

fn refill(inside: &Inside, snapshot: &Snapshot, host: &str, after: Position) -> Result<(), DriveError> {
    let room = inside.outbox.lanes().room(host);
    let page = snapshot.waiting_requests(Some(host), after, room)?;
    let (now, wall) = (clock::started(), clock::now());
    let mut lanes = inside.outbox.lanes();
    lanes.refilling(host);
    for (position, row) in &page.rows {
        lanes.take(host, *position, not_before(row.not_before, now, wall));
    }
    if let Some(more) = page.more {
        lanes.left_out(host, more);
    }
    Ok(())
}

fn waiting(snapshot: &Snapshot) -> u64 {
    snapshot.functions().map(|row| snapshot.outside_counts(row.ordinal).requests).sum()
}

/// By the clock on the wall, which may jump: never later than the longest pause.
fn not_before(at: Timestamp, now: Instant, wall: Timestamp) -> Option<Instant> {
    let pause = Duration::from_micros(at.0.saturating_sub(wall.0)).min(RETRY_PAUSE_MAX);
    (!pause.is_zero()).then(|| now + pause)
}

/// One attempt at one request.
async fn errand(weak: Weak<Inside>, host: String, position: Position) {
    let end = match attempt(&weak, position).await {
        Ok(end) => end,
        Err(DriveError::Superseded | DriveError::Stopping) => End::Done,
        // The host's own trouble: nobody else's attempt.
        Err(error) => End::NotNow { pause: BREATH, trouble: error.to_string() },
    };
    if let Some(inside) = weak.upgrade() {
        inside.outbox.lanes().ended(&host, position, end, clock::started());
        inside.outbox.wake();
    }
}

async fn attempt(weak: &Weak<Inside>, position: Position) -> Result<End, DriveError> {
    let Some(inside) = weak.upgrade() else { return Ok(End::Done) };
    let (reading, sending) = (inside.clone(), inside.sending.clone());
    let prepared = blocking(move || prepare(&reading, position)).await?;
    // It has its answer, or is held by now.
    let Some((request, filled, leaving)) = prepared else { return Ok(End::Done) };
    let (mut outgoing, used) = match filled {
        Ok(filled) => filled,
        Err(NotFilled::Never(reason, message)) => return fail(&inside, &request, reason, &message, request.row.attempts).await,
        Err(NotFilled::Secret(error)) if is_old(&request) => {
            return fail(&inside, &request, "secret", &error.to_string(), request.row.attempts).await;
        }
        Err(NotFilled::Secret(error)) => return Ok(End::Later { at: clock::started() + SECRET_PAUSE, trouble: error.to_string() }),
    };
    inside.outbox.counts.sent.fetch_add(1, Ordering::Relaxed);
    let mut span = leaving.begin(&mut outgoing);
    if let Some(span) = &mut span {
        span.text("retold.namespace", &inside.name).text("retold.function", &request.function);
        span.number("retold.position", position.0).number("http.request.resend_count", request.row.attempts.into());
    }
    let tracer = inside.tracer.clone();
    // An answer may take long, and the log may be dropped meanwhile.
    drop(inside);
    let answer = sending.client.send(outgoing).await;
    ended_leaving(tracer.as_ref(), span, &answer);
    let Some(inside) = weak.upgrade() else { return Ok(End::Done) };
    let wall = i64::try_from(clock::now().0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or_default();
    match outcome(&answer, wall) {
        Outcome::NotNow { pause, message } => Ok(End::NotNow { pause, trouble: used.hidden_text(&message) }),
        Outcome::Failed { reason, message } => fail(&inside, &request, reason, &used.hidden_text(&message), request.row.attempts + 1).await,
        Outcome::Again { reason, message, pause } => again(&inside, &request, reason, &used.hidden_text(&message), pause).await,
        Outcome::Replied => {
            let Ok(response) = &answer else { return Ok(End::Done) };
            if reply(&inside, position, REQUEST_REPLIED, answer::replied(&request, response, &used)).await? {
                inside.outbox.counts.replied.fetch_add(1, Ordering::Relaxed);
            }
            Ok(End::Done)
        }
    }
}

type Prepared = (PendingRequest, Result<(OutgoingRequest, Used), NotFilled>, Leaving);

fn prepare(inside: &Inside, position: Position) -> Result<Option<Prepared>, DriveError> {
    let snapshot = inside.reader.snapshot()?;
    let request = snapshot.request(position)?.filter(|request| request.row.state == OutboxState::Waiting);
    let Some(request) = request.filter(|_| snapshot.effects() && !inside.is_frozen()) else { return Ok(None) };
    let declared = snapshot.function(&request.function).map(|row| row.manifest.secrets.clone()).unwrap_or_default();
    let filled = filled(&request, &inside.sending.client.outside().secrets, &declared);
    let leaving = if filled.is_ok() { leaving(inside.tracer.as_ref(), &snapshot, position)? } else { Leaving::default() };
    Ok(Some((request, filled, leaving)))
}

/// It comes again, unless that was the last attempt.
async fn again(
    inside: &Arc<Inside>,
    request: &PendingRequest,
    reason: &str,
    message: &str,
    pause: Option<Duration>,
) -> Result<End, DriveError> {
    let attempts = request.row.attempts + 1;
    let trouble = format!("{reason}: {message}");
    if attempts >= limits::REQUEST_ATTEMPTS_MAX || is_old(request) {
        fail(inside, request, reason, message, attempts).await?;
        return Ok(End::HostFailed { again: None, pause, trouble });
    }
    let wait = retry_pause(attempts).max(pause.unwrap_or_default());
    let not_before = Timestamp(clock::now().0 + wait.as_micros() as u64);
    let attempt = Attempt { request: request.position, attempts, not_before, error: trouble.clone() };
    let began = clock::started();
    propose(inside, &Proposal::Attempt(attempt)).await?;
    Ok(End::HostFailed { again: Some(began + wait), pause, trouble })
}

async fn fail(inside: &Arc<Inside>, request: &PendingRequest, reason: &str, message: &str, attempts: u32) -> Result<End, DriveError> {
    if reply(inside, request.position, REQUEST_FAILED, answer::failed(request, reason, message, attempts)).await? {
        inside.outbox.counts.failed.fetch_add(1, Ordering::Relaxed);
    }
    Ok(End::Failed)
}

/// Whether this is the answer that counts; else there was one already.
pub async fn reply(inside: &Arc<Inside>, request: Position, r#type: &str, data: Vec<u8>) -> Result<bool, DriveError> {
    let reply = Proposal::Reply(Reply { request, r#type: r#type.to_owned(), data, time: clock::now() });
    Ok(matches!(propose(inside, &reply).await?, Some(Accepted::Replied(Replied { new: true, .. }))))
}

fn is_old(request: &PendingRequest) -> bool {
    clock::now().0.saturating_sub(request.recorded.0) > u64::from(limits::REQUEST_SECONDS_MAX) * 1_000_000
}

/// Nothing is sent to their host: those that have waited too long have waited for nothing.
async fn give_up_on_old(weak: Weak<Inside>, host: String, positions: Vec<Position>) {
    for position in positions {
        let Some(inside) = weak.upgrade() else { return };
        let trouble = inside.outbox.lanes().trouble(&host);
        let reading = inside.clone();
        let request = blocking(move || Ok(reading.reader.snapshot()?.request(position)?)).await;
        let Ok(Some(request)) = request else { continue };
        if !is_old(&request) {
            return;
        }
        let message = format!("nothing could be sent to {host} for too long: {trouble}");
        match fail(&inside, &request, "expired", &message, request.row.attempts).await {
            Ok(_) => inside.outbox.lanes().forget(&host, position),
            Err(error) => tracing::warn!(namespace = %inside.name, %error, "a request that waited too long can't be given up yet"),
        }
    }
}

/// Waits for room in the writer's queue, and for the disk. A request that has its answer needs nothing more.
pub async fn propose(inside: &Arc<Inside>, proposal: &Proposal) -> Result<Option<Accepted>, DriveError> {
    let bytes = match proposal {
        Proposal::Reply(reply) => reply.data.len(),
        _ => 0,
    };
    loop {
        // An answer is kept here meanwhile, and nothing more is sent in its place.
        if matches!(proposal, Proposal::Reply(_)) && !inside.is_frozen() && inside.check_space().is_err() {
            sleep(SPACE_PAUSE).await;
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let job = Job::Change { proposal: Box::new(proposal.clone()), last_look: None, reply };
        match inside.queue.push(job, Cost { events: 1, bytes }) {
            Err(DriveError::Busy) => sleep(BUSY_PAUSE).await,
            Err(error) => return Err(error),
            Ok(()) => {
                return match answer.await.map_err(|_| DriveError::Stopping)? {
                    Ok(accepted) => Ok(Some(accepted)),
                    Err(DriveError::Refused(Refused::NoRequest(_))) => Ok(None),
                    Err(error) => Err(error),
                };
            }
        }
    }
}

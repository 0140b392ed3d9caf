//! `Namespace`: the handle that the rooms above have to one namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use retold_engine::model::{NewEvent, Position, Timestamp};
use retold_engine::store::{self, Accepted, Control, CursorMap, OwnQuota, Proposal, Reader};
use tokio::sync::{oneshot, watch};

use super::committer::{Job, WaitKey};
use super::function_log::FunctionLog;
use super::inside::{Inside, next_number};
use super::queue::Cost;
use super::quota::Quota;
use super::replay_info::NamespaceRole;
use super::retention::Retention;
use super::stream::AppendStream;
use super::types::{Append, DriveError, Handled, ModuleInfo, NamespaceMetrics, WaitFor};

/// Cheap to clone. What it is called and what it is for are as they were when it was asked for.
#[derive(Clone)]
pub struct Namespace {
    inside: Arc<Inside>,
    name: Arc<str>,
    standing: Arc<Standing>,
}

/// What a namespace is at one moment.
#[derive(Clone)]
pub struct Standing {
    /// Its log's generation, which its cursors begin with.
    pub generation: u64,
    pub role: NamespaceRole,
    /// Names of earlier generations that can still be read.
    pub previous: Vec<String>,
    /// How cursors of one generation become cursors of the next, by the former: those of earlier generations
    /// that are still there.
    pub maps: BTreeMap<u64, Arc<CursorMap>>,
    /// What an operator has said of it alone.
    pub own_quota: OwnQuota,
}

/// What an append takes of a commit.
pub fn cost(append: &store::Append) -> Cost {
    Cost { events: append.events.len(), bytes: append.events.iter().map(NewEvent::bytes).sum() }
}

impl Namespace {
    pub(super) fn new(inside: Arc<Inside>, name: Arc<str>, standing: Arc<Standing>) -> Namespace {
        Namespace { inside, name, standing }
    }

    /// What the handle is made of, but the namespace itself.
    pub(super) fn named(&self) -> (Arc<str>, Arc<Standing>) {
        (self.name.clone(), self.standing.clone())
    }

    pub(super) fn inside(&self) -> &Arc<Inside> {
        &self.inside
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether it takes events, commands and modules; else why not.
    pub fn check_writable(&self) -> Result<(), DriveError> {
        let what = match &self.standing.role {
            NamespaceRole::Own | NamespaceRole::Fork { .. } => return Ok(()),
            NamespaceRole::Retelling { base } => format!(
                "{} is a retelling of {base} and takes nothing of its own until it is promoted: send it to {base}, or run `retold promote {}`",
                self.name, self.name
            ),
            NamespaceRole::Old { of } => {
                format!(
                    "{} is an earlier generation of {of} and can only be read: send it to {of}, or run `retold promote --back {of}`",
                    self.name
                )
            }
        };
        Err(DriveError::ReadOnly { namespace: self.name.to_string(), what })
    }

    /// What it may have now.
    pub fn quota(&self) -> Quota {
        self.inside.quota()
    }

    /// How much is kept of what is over.
    pub fn retention(&self) -> Retention {
        self.inside.retention
    }

    /// Has the log itself tell of something, also where nothing new is taken in for want of space.
    pub async fn record(&self, r#type: &str, subject: &str, data: &serde_json::Value) -> Result<(), DriveError> {
        self.check_writable()?;
        let proposal = Proposal::Record { r#type: r#type.to_owned(), subject: subject.to_owned(), data: data.to_string() };
        let (reply, recorded) = oneshot::channel();
        let job = Job::Change { proposal: Box::new(proposal), last_look: None, reply };
        self.inside.queue.push(job, Cost { events: 1, bytes: 0 })?;
        recorded.await.map_err(|_| DriveError::Stopping)?.map(drop)
    }

    pub fn created(&self) -> Timestamp {
        self.inside.created
    }

    pub fn reader(&self) -> &Reader {
        &self.inside.reader
    }

    /// Changes with every commit that has events.
    pub fn head_changes(&self) -> watch::Receiver<Position> {
        self.inside.head.subscribe()
    }

    /// Appends events together or not at all. Once this returns `Ok` they are on disk.
    pub async fn append(&self, append: store::Append, wait: WaitFor) -> Result<Append, DriveError> {
        self.check_writable()?;
        let (reply, mut answer) = oneshot::channel();
        let cost = cost(&append);
        let checked = self.inside.check(&append)?;
        let WaitFor::Handled { timeout } = wait else {
            self.inside.push_append(Job::Append { append, checked, wait: None, reply }, cost)?;
            return answer.await.map_err(|_| DriveError::Stopping)?;
        };
        let key: WaitKey = next_number();
        self.inside.push_append(Job::Append { append, checked, wait: Some(key), reply }, cost)?;
        let answer = match tokio::time::timeout(timeout, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.inside.queue.push_own(Job::GiveUp(key), Cost::default());
                answer.await
            }
        };
        let mut append = answer.map_err(|_| DriveError::Stopping)??;
        if append.new < append.positions.len()
            && let Some(handled) = &mut append.handled
        {
            self.add_known_outputs(&append.positions, handled);
        }
        Ok(append)
    }

    /// A function's log.
    pub fn log(&self, function: &str) -> Arc<FunctionLog> {
        self.inside.logs.of(function)
    }

    /// What events that were known already had given before: looked for in what came soon after them.
    pub(super) fn add_known_outputs(&self, positions: &[Position], handled: &mut Handled) {
        const LOOK_THROUGH: u64 = 4_096;
        let Some(first) = positions.iter().min().copied() else { return };
        let mut causes: BTreeSet<Position> = positions.iter().chain(&handled.derived).copied().collect();
        let found = self.inside.reader.snapshot().and_then(|snapshot| {
            snapshot.scan(first, Position(first.0 + LOOK_THROUGH), &store::Filter::default(), &mut |event| {
                if event.cause.is_some_and(|cause| causes.contains(&cause)) && causes.insert(event.position) {
                    handled.derived.push(event.position);
                }
                ControlFlow::Continue(())
            })
        });
        if let Err(error) = found {
            tracing::warn!(%error, "the outputs of a repeated append can't be listed");
        }
        handled.derived.sort_unstable();
    }

    /// A stream of appends, for loads that are many requests.
    pub fn stream(&self) -> AppendStream {
        AppendStream::new(self.clone(), next_number())
    }

    async fn change(&self, proposal: Proposal) -> Result<Accepted, DriveError> {
        self.check_writable()?;
        let (reply, answer) = oneshot::channel();
        self.inside.queue.push(Job::Change { proposal: Box::new(proposal), last_look: None, reply }, Cost { events: 1, bytes: 0 })?;
        answer.await.map_err(|_| DriveError::Stopping)?
    }

    /// Pauses, resumes, rewinds, releases. Answers how many events were parked.
    pub async fn control(&self, function: &str, control: Control) -> Result<u64, DriveError> {
        // A view that stands before an event is active as far as the log knows.
        let stands = self.inside.view(function).and_then(|view| view.stuck()).is_some();
        if control == Control::Resume && stands {
            self.change(Proposal::Control { function: function.to_owned(), control: Control::Pause }).await?;
        }
        match self.change(Proposal::Control { function: function.to_owned(), control }).await? {
            Accepted::Controlled { parked } => Ok(parked),
            _ => Err(DriveError::Stopping),
        }
    }

    /// Active versions, by name.
    pub fn modules(&self) -> Vec<ModuleInfo> {
        let mut modules: Vec<ModuleInfo> = self.inside.all_modules().into_iter().map(|(_, info)| info).filter(|info| info.active).collect();
        modules.sort_by(|one, other| one.name.cmp(&other.name));
        modules
    }

    pub fn metrics(&self) -> NamespaceMetrics {
        let counts = &self.inside.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let snapshot = self.inside.reader.snapshot().ok();
        NamespaceMetrics {
            head: self.inside.reader.head().0,
            appended_events: of(&counts.appended_events),
            appended_bytes: of(&counts.appended_bytes),
            derived_events: of(&counts.derived_events),
            commands: of(&counts.commands),
            commits: counts.commits.counts(),
            refused: of(&counts.refused),
            requests_sent: of(&self.inside.outbox.counts.sent),
            requests_replied: of(&self.inside.outbox.counts.replied),
            requests_failed: of(&self.inside.outbox.counts.failed),
            hosts_down: self.outbox().hosts.iter().filter(|host| host.closed_for.is_some()).count(),
            timers_fired: of(&self.inside.timers.fired),
            timers_late_us: of(&self.inside.timers.late_us),
            timers: snapshot
                .as_ref()
                .map_or(0, |snapshot| snapshot.functions().map(|row| snapshot.outside_counts(row.ordinal).timers).sum()),
            overdue_us: self.timers_overdue_us(),
            queue_length: self.inside.queue.len(),
            oldest_snapshot_commits: self.inside.reader.oldest_snapshot_commits(),
            segments: snapshot.as_ref().map_or(0, store::Snapshot::segments),
            quota: self.quota(),
            bytes_in_use: snapshot.and_then(|snapshot| snapshot.bytes_in_use().ok()).unwrap_or_default(),
        }
    }

    /// Whether the writer still writes, and there is space for it.
    pub fn is_writable(&self) -> bool {
        !self.inside.reader.is_poisoned() && self.inside.check_space().is_ok()
    }
}

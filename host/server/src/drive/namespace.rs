//! `Namespace`: the handle that the rooms above have to one namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use retold_engine::model::{Digest, NewEvent, Position, Timestamp};
use retold_engine::store::{self, Accepted, Control, Proposal, Reader};
use tokio::sync::{Semaphore, oneshot, watch};

use super::commands::Commands;
use super::committer::{Job, WaitKey};
use super::function::FunctionTask;
use super::function_log::{FunctionLog, FunctionLogs};
use super::housekeeper::Housekeeper;
use super::modules::Modules;
use super::queue::{Cost, Queue};
use super::schemas::Book;
use super::stream::AppendStream;
use super::ticker::Ticker;
use super::types::{Append, DriveError, Handled, ModuleInfo, NamespaceMetrics, WaitFor};
use super::views::ViewTask;
use super::workers::Pool;
use crate::wasm::WasmModule;

/// Cheap to clone.
#[derive(Clone)]
pub struct Namespace(Arc<Inside>);

/// What the handle, the writer and the functions share.
pub struct Inside {
    pub name: String,
    pub created: Timestamp,
    pub reader: Reader,
    pub queue: Queue<Job>,
    pub head: watch::Sender<Position>,
    /// What stopped the writer, if something did.
    pub failed: watch::Sender<Option<String>>,
    pub pool: Arc<Pool>,
    /// Where views are folded.
    pub view_pool: Arc<Pool>,
    pub view_threads: usize,
    pub ticker: Arc<Ticker>,
    pub housekeeper: Arc<Housekeeper>,
    pub counts: Counts,
    pub logs: FunctionLogs,
    pub commands: Commands,
    /// Queries that run or wait to.
    pub queries: Arc<Semaphore>,
    /// Held by the one deployment that is being checked.
    pub deploying: tokio::sync::Mutex<()>,
    pub modules: Arc<Modules>,
    views: RwLock<BTreeMap<Arc<str>, Arc<ViewTask>>>,
    /// Held while files of views are opened and removed: one name stands for one file at a time.
    pub view_files: Mutex<()>,
    pub book: RwLock<Book>,
    /// Loaded code by digest: there before the deployment is committed.
    guests: RwLock<BTreeMap<Digest, Arc<WasmModule>>>,
    tasks: RwLock<BTreeMap<Arc<str>, Arc<FunctionTask>>>,
    pub wait_keys: AtomicU64,
    streams: AtomicU64,
}

#[derive(Default)]
pub struct Counts {
    pub appended_events: AtomicU64,
    pub appended_bytes: AtomicU64,
    pub derived_events: AtomicU64,
    /// Accepted for the first time.
    pub commands: AtomicU64,
    pub commits: AtomicU64,
    pub commit_us: AtomicU64,
    pub refused: AtomicU64,
}

/// Queries that may run or wait for a worker.
const QUERIES_MAX: usize = 1_024;

/// What all namespaces of a host share.
#[derive(Clone)]
pub struct Common {
    pub pool: Arc<Pool>,
    /// Where views are folded.
    pub view_pool: Arc<Pool>,
    pub view_threads: usize,
    pub ticker: Arc<Ticker>,
    pub housekeeper: Arc<Housekeeper>,
    pub modules: Arc<Modules>,
    pub failed: watch::Sender<Option<String>>,
}

impl Inside {
    pub fn new(name: String, created: Timestamp, reader: Reader, common: &Common) -> Inside {
        Inside {
            name,
            created,
            head: watch::Sender::new(reader.head()),
            reader,
            queue: Queue::new(),
            failed: common.failed.clone(),
            pool: common.pool.clone(),
            view_pool: common.view_pool.clone(),
            view_threads: common.view_threads,
            ticker: common.ticker.clone(),
            housekeeper: common.housekeeper.clone(),
            counts: Counts::default(),
            logs: FunctionLogs::default(),
            commands: Commands::default(),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            deploying: tokio::sync::Mutex::default(),
            modules: common.modules.clone(),
            views: RwLock::default(),
            view_files: Mutex::default(),
            book: RwLock::default(),
            guests: RwLock::default(),
            tasks: RwLock::default(),
            wait_keys: AtomicU64::new(0),
            streams: AtomicU64::new(0),
        }
    }

    pub fn guest(&self, digest: Digest) -> Option<Arc<WasmModule>> {
        self.guests.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    pub fn set_guest(&self, digest: Digest, guest: Arc<WasmModule>) {
        self.guests.write().unwrap_or_else(PoisonError::into_inner).insert(digest, guest);
    }

    /// Lets go of the code of module versions that are no longer active.
    pub fn keep_guests(&self, keep: impl Fn(Digest) -> bool) {
        self.guests.write().unwrap_or_else(PoisonError::into_inner).retain(|digest, _| keep(*digest));
    }

    pub fn view(&self, name: &str) -> Option<Arc<ViewTask>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn set_views(&self, views: BTreeMap<Arc<str>, Arc<ViewTask>>) {
        *self.views.write().unwrap_or_else(PoisonError::into_inner) = views;
    }

    pub fn all_views(&self) -> BTreeMap<Arc<str>, Arc<ViewTask>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_tasks(&self, tasks: BTreeMap<Arc<str>, Arc<FunctionTask>>) {
        *self.tasks.write().unwrap_or_else(PoisonError::into_inner) = tasks;
    }

    pub fn task(&self, name: &str) -> Option<Arc<FunctionTask>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Gives back what idle modules hold.
    pub fn trim(&self) {
        self.guests.read().unwrap_or_else(PoisonError::into_inner).values().for_each(|guest| guest.trim());
    }

    pub fn wake_all(&self) {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).values().for_each(FunctionTask::wake);
        self.views.read().unwrap_or_else(PoisonError::into_inner).values().for_each(ViewTask::wake);
    }

    pub fn type_at(&self, position: Position) -> Option<String> {
        let event = self.reader.snapshot().and_then(|snapshot| snapshot.event(position));
        event.ok().flatten().map(|event| event.r#type)
    }

    pub fn push_append(&self, job: Job, cost: Cost) -> Result<(), DriveError> {
        self.counts.appended_bytes.fetch_add(cost.bytes as u64, Ordering::Relaxed);
        self.queue.push(job, cost)
    }
}

/// What an append takes of a commit.
pub fn cost(append: &store::Append) -> Cost {
    Cost { events: append.events.len(), bytes: append.events.iter().map(NewEvent::bytes).sum() }
}

impl Namespace {
    pub(super) fn new(inside: Arc<Inside>) -> Namespace {
        Namespace(inside)
    }

    pub(super) fn inside(&self) -> &Arc<Inside> {
        &self.0
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn created(&self) -> Timestamp {
        self.0.created
    }

    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Changes with every commit that has events.
    pub fn head_changes(&self) -> watch::Receiver<Position> {
        self.0.head.subscribe()
    }

    /// Appends events together or not at all. Once this returns `Ok` they are on disk.
    pub async fn append(&self, append: store::Append, wait: WaitFor) -> Result<Append, DriveError> {
        let (reply, mut answer) = oneshot::channel();
        let cost = cost(&append);
        let checked = self.0.check(&append)?;
        let WaitFor::Handled { timeout } = wait else {
            self.0.push_append(Job::Append { append, checked, wait: None, reply }, cost)?;
            return answer.await.map_err(|_| DriveError::Stopping)?;
        };
        let key: WaitKey = self.0.next_wait_key();
        self.0.push_append(Job::Append { append, checked, wait: Some(key), reply }, cost)?;
        let answer = match tokio::time::timeout(timeout, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.0.queue.push_own(Job::GiveUp(key), Cost::default());
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
        self.0.logs.of(function)
    }

    /// What events that were known already had given before: looked for in what came soon after them.
    pub(super) fn add_known_outputs(&self, positions: &[Position], handled: &mut Handled) {
        const LOOK_THROUGH: u64 = 4_096;
        let Some(first) = positions.iter().min().copied() else { return };
        let mut causes: BTreeSet<Position> = positions.iter().chain(&handled.derived).copied().collect();
        let found = self.0.reader.snapshot().and_then(|snapshot| {
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
        AppendStream::new(self.clone(), self.0.streams.fetch_add(1, Ordering::Relaxed))
    }

    async fn change(&self, proposal: Proposal) -> Result<Accepted, DriveError> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(Job::Change { proposal: Box::new(proposal), check: None, reply }, Cost { events: 1, bytes: 0 })?;
        answer.await.map_err(|_| DriveError::Stopping)?
    }

    /// Retires a module's functions. Answers the position of the record of it.
    pub async fn remove_module(&self, name: &str) -> Result<Position, DriveError> {
        match self.change(Proposal::Remove { module: name.to_owned() }).await? {
            Accepted::Removed { position } => Ok(position),
            _ => Err(DriveError::Stopping),
        }
    }

    /// Pauses, resumes, rewinds, releases. Answers how many events were parked.
    pub async fn control(&self, function: &str, control: Control) -> Result<u64, DriveError> {
        // A view that stands before an event is active as far as the log knows.
        let stands = self.0.view(function).and_then(|view| view.stuck()).is_some();
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
        let mut modules: Vec<ModuleInfo> = self.all_modules().into_iter().map(|(_, info)| info).filter(|info| info.active).collect();
        modules.sort_by(|one, other| one.name.cmp(&other.name));
        modules
    }

    pub(super) fn all_modules(&self) -> Vec<(u32, ModuleInfo)> {
        let rows = self.0.reader.modules();
        let info = |row: &store::ModuleRow| ModuleInfo {
            name: row.name.clone(),
            version: row.version.clone(),
            digest: row.digest,
            deployed_at: row.deployed_at,
            active: row.active,
            functions: row.manifest.functions.iter().map(|function| function.name.clone()).collect(),
        };
        rows.values().map(|row| (row.ordinal, info(row))).collect()
    }

    pub fn metrics(&self) -> NamespaceMetrics {
        let counts = &self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let snapshot = self.0.reader.snapshot().ok();
        NamespaceMetrics {
            head: self.0.reader.head().0,
            appended_events: of(&counts.appended_events),
            appended_bytes: of(&counts.appended_bytes),
            derived_events: of(&counts.derived_events),
            commands: of(&counts.commands),
            commits: of(&counts.commits),
            commit_us: of(&counts.commit_us),
            refused: of(&counts.refused),
            queue_length: self.0.queue.len(),
            segments: snapshot.as_ref().map_or(0, store::Snapshot::segments),
            bytes_in_use: snapshot.and_then(|snapshot| snapshot.bytes_in_use().ok()).unwrap_or_default(),
        }
    }

    /// Whether the writer still writes.
    pub fn is_writable(&self) -> bool {
        !self.0.reader.is_poisoned()
    }
}

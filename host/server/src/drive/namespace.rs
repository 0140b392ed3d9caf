//! `Namespace`: the handle that the rooms above have to one namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use retold_engine::model::{Digest, NewEvent, Position, Timestamp};
use retold_engine::store::{self, Accepted, Control, CursorMap, Proposal, Reader, Store, StoreError, ViewFile};
use tokio::sync::{Semaphore, oneshot, watch};

use super::commands::Commands;
use super::committer::{Job, WaitKey};
use super::function::FunctionTask;
use super::function_log::{FunctionLog, FunctionLogs};
use super::housekeeper::Housekeeper;
use super::modules::Modules;
use super::queue::{Cost, Queue};
use super::replay_files::ReplayFiles;
use super::replay_info::NamespaceRole;
use super::replays::Replays;
use super::schemas::Book;
use super::stream::AppendStream;
use super::ticker::Ticker;
use super::types::{Append, DriveError, Handled, ModuleInfo, NamespaceMetrics, WaitFor};
use super::views::ViewTask;
use super::workers::Pool;
use crate::wasm::WasmModule;

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
}

/// What the handle, the writer and the functions share.
pub struct Inside {
    /// For messages: what it was called when it was opened.
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
    /// Held by the one change of code that is being made.
    pub deploying: tokio::sync::Mutex<()>,
    pub replays: Replays,
    pub replay_files: ReplayFiles,
    /// The store of a retelling until its thread takes it.
    store: Mutex<Option<Store>>,
    /// New versions of views that are folded before they serve.
    prepared: Mutex<BTreeMap<(String, Digest), Prepared>>,
    /// Shadows of replays, by replay.
    shadows: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Where readers with cursors of earlier generations go on, by generation.
    pub maps: Mutex<BTreeMap<u64, Arc<CursorMap>>>,
    /// The log's generation.
    pub generation: AtomicU64,
    /// No function runs, nothing is taken in: a retelling under way, or an old generation.
    pub frozen: AtomicBool,
    /// Turns true when another log has taken this one's place.
    pub superseded: watch::Sender<bool>,
    successor: RwLock<Option<Namespace>>,
    pub modules: Arc<Modules>,
    views: RwLock<BTreeMap<Arc<str>, Arc<ViewTask>>>,
    /// Held while files of views are opened and removed: one name stands for one file at a time.
    pub view_files: Mutex<()>,
    pub book: RwLock<Book>,
    /// Loaded code by digest: there before the deployment is committed.
    guests: RwLock<BTreeMap<Digest, Arc<WasmModule>>>,
    tasks: RwLock<BTreeMap<Arc<str>, Arc<FunctionTask>>>,
}

/// Of waits and streams. One counter for all namespaces: what waits goes along when another log takes a
/// namespace's place.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

pub fn next_number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// A view's new version, folded by a replay.
struct Prepared {
    replay: String,
    file: Arc<ViewFile>,
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
    pub fn new(name: String, created: Timestamp, folder: &Path, reader: Reader, common: &Common) -> Inside {
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
            replays: Replays::default(),
            replay_files: ReplayFiles::new(folder),
            store: Mutex::default(),
            prepared: Mutex::default(),
            shadows: Mutex::default(),
            maps: Mutex::default(),
            generation: AtomicU64::new(1),
            frozen: AtomicBool::new(false),
            superseded: watch::Sender::new(false),
            successor: RwLock::default(),
            modules: common.modules.clone(),
            views: RwLock::default(),
            view_files: Mutex::default(),
            book: RwLock::default(),
            guests: RwLock::default(),
            tasks: RwLock::default(),
        }
    }

    pub fn hold_store(&self, store: Store) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(store);
    }

    pub fn take_store(&self) -> Option<Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Opens the file of a view's new version, which a replay folds: it stays, whatever is deployed. Nothing is
    /// swept meanwhile: it would take what is being made.
    pub fn open_prepared(&self, replay: &str, view: &str, identity: Digest, cache_bytes: usize) -> Result<Arc<ViewFile>, StoreError> {
        let _turn = self.view_files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = Arc::new(self.reader.open_view(view, identity, cache_bytes)?.0);
        let prepared = Prepared { replay: replay.to_owned(), file: file.clone() };
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert((view.to_owned(), identity), prepared);
        Ok(file)
    }

    /// Takes up what was folded for this version of a view.
    pub fn take_prepared(&self, view: &str, identity: Digest) -> Option<Arc<ViewFile>> {
        let taken = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(&(view.to_owned(), identity));
        taken.map(|prepared| prepared.file)
    }

    /// The replay is over: what nobody took up is of no use.
    pub fn forget_prepared(&self, replay: &str) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, prepared| prepared.replay != replay);
    }

    /// Names of the files of views that are being folded.
    pub fn prepared_files(&self) -> Vec<String> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).values().map(|prepared| prepared.file.name().to_owned()).collect()
    }

    /// Opens a shadow for a replay to work on. Nothing is swept meanwhile: it would take what is being made.
    pub fn open_shadow(&self, replay: &str, function: &str, identity: Digest, cache_bytes: usize) -> Result<Arc<ViewFile>, StoreError> {
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        // Two replays of the same code may run at once, each with a file of its own.
        let identity = Digest::of(format!("{replay} {identity}").as_bytes());
        let (file, _) = self.reader.open_shadow(function, identity, cache_bytes)?;
        shadows.entry(replay.to_owned()).or_default().insert(file.name().to_owned());
        Ok(Arc::new(file))
    }

    /// A replay works on this file.
    pub fn note_shadow(&self, replay: &str, file: &str) {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner).entry(replay.to_owned()).or_default().insert(file.to_owned());
    }

    /// Names of the files that replays work on, also those that have not come to them again after a restart.
    pub fn shadow_files(&self) -> Vec<String> {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }

    /// The replay is over: its shadows go, and those that nobody knows.
    pub fn sweep_shadows(&self, replay: &str) {
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        shadows.remove(replay);
        let keep: BTreeSet<String> = shadows.values().flatten().cloned().collect();
        if let Err(error) = self.reader.sweep_shadows(&keep) {
            tracing::warn!(%error, "shadows of replays that are over can't be removed; it is tried again after the next replay");
        }
    }

    /// Lets go of the code of module versions that don't run.
    pub fn keep_active_guests(&self) {
        let modules = self.reader.modules();
        self.keep_guests(|digest| modules.values().any(|module| module.active && module.digest == digest));
    }

    /// Every module version that was ever deployed, by ordinal.
    pub fn all_modules(&self) -> Vec<(u32, ModuleInfo)> {
        let rows = self.reader.modules();
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

    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    /// Who took this one's place.
    pub fn successor(&self) -> Option<Namespace> {
        self.successor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another log has this one's place now. Nothing runs here any more.
    pub fn supersede(&self, successor: Namespace) {
        self.frozen.store(true, Ordering::Release);
        *self.successor.write().unwrap_or_else(PoisonError::into_inner) = Some(successor);
        self.superseded.send_replace(true);
    }

    /// This log has a place again.
    pub fn reinstate(&self) {
        self.successor.write().unwrap_or_else(PoisonError::into_inner).take();
        self.superseded.send_replace(false);
        self.frozen.store(false, Ordering::Release);
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
    pub(super) fn new(inside: Arc<Inside>, name: &str, standing: Standing) -> Namespace {
        Namespace { inside, name: Arc::from(name), standing: Arc::new(standing) }
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
            commits: of(&counts.commits),
            commit_us: of(&counts.commit_us),
            refused: of(&counts.refused),
            queue_length: self.inside.queue.len(),
            segments: snapshot.as_ref().map_or(0, store::Snapshot::segments),
            bytes_in_use: snapshot.and_then(|snapshot| snapshot.bytes_in_use().ok()).unwrap_or_default(),
        }
    }

    /// Whether the writer still writes.
    pub fn is_writable(&self) -> bool {
        !self.inside.reader.is_poisoned()
    }
}

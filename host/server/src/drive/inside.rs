//! `Inside`: what the handle of a namespace, its writer and its functions share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use retold_engine::model::{Digest, Position, Timestamp};
use retold_engine::store::{self, CursorMap, Reader, Store};
use tokio::sync::{Semaphore, watch};

use super::calendar::Zones;
use super::clock::Steady;
use super::commands::Commands;
use super::committer::Job;
use super::consumers::Consumers;
use super::durations::Durations;
use super::flow::FlowCounts;
use super::function::FunctionTask;
use super::function_log::FunctionLogs;
use super::housekeeper::Housekeeper;
use super::modules::Modules;
use super::namespace::Namespace;
use super::outbox::Outbox;
use super::pace::Paces;
use super::queue::{Cost, Queue};
use super::quota::Quota;
use super::replay_files::ReplayFiles;
use super::replay_outputs::Prepared;
use super::replays::Replays;
use super::retention::{NextLook, Retention};
use super::schemas::Book;
use super::sending::Sending;
use super::slots::Slots;
use super::space::DiskSpace;
use super::spans::Tracer;
use super::ticker::Ticker;
use super::timers::TimerTask;
use super::traffic::Traffic;
use super::types::{DriveError, ModuleInfo};
use super::views::ViewTask;
use super::workers::Pool;
use crate::wasm::WasmModule;

/// What the handle, the writer and the functions share.
pub struct Inside {
    /// For messages: what it was called when it was opened.
    pub name: String,
    pub created: Timestamp,
    pub reader: Reader,
    /// What time it is in the log.
    pub clock: Steady,
    pub queue: Queue<Job>,
    pub head: watch::Sender<Position>,
    /// What stopped the writer, if something did.
    pub failed: watch::Sender<Option<String>>,
    pub pool: Arc<Pool>,
    /// Where functions run that take long.
    pub long_pool: Arc<Pool>,
    /// Where functions are asked that take long to answer.
    pub long_answer_pool: Arc<Pool>,
    /// Where views are folded.
    pub view_pool: Arc<Pool>,
    pub view_threads: usize,
    /// Of functions that are asked and waited for.
    pub paces: Paces,
    pub traffic: Arc<Traffic>,
    /// For what can wait.
    pub slots: Arc<Slots>,
    pub ticker: Arc<Ticker>,
    pub housekeeper: Arc<Housekeeper>,
    pub space: Arc<DiskSpace>,
    /// What it may have now.
    pub(super) quota: RwLock<Quota>,
    pub retention: Retention,
    /// When it is looked for parked events that are too old.
    pub parked_look: NextLook,
    pub counts: Counts,
    pub logs: FunctionLogs,
    pub commands: Commands,
    pub consumers: Consumers,
    pub flow: FlowCounts,
    pub sending: Arc<Sending>,
    /// By whom the host tells what it does, if it tells anybody.
    pub tracer: Option<Tracer>,
    /// Turns true when the host stops.
    pub stopping: watch::Sender<bool>,
    /// Requests that leave.
    pub outbox: Outbox,
    pub timers: Arc<TimerTask>,
    pub zones: Arc<Zones>,
    /// Queries that run or wait to.
    pub queries: Arc<Semaphore>,
    /// Held by the one change of code that is being made.
    pub deploying: tokio::sync::Mutex<()>,
    pub replays: Replays,
    pub replay_files: ReplayFiles,
    /// The store of a retelling until its thread takes it.
    store: Mutex<Option<Store>>,
    /// New versions of views that are folded before they serve.
    pub(super) prepared: Mutex<BTreeMap<(String, Digest), Prepared>>,
    /// Shadows of replays, by replay.
    pub(super) shadows: Mutex<BTreeMap<String, BTreeSet<String>>>,
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

#[derive(Default)]
pub struct Counts {
    pub appended_events: AtomicU64,
    pub appended_bytes: AtomicU64,
    pub derived_events: AtomicU64,
    /// Accepted for the first time.
    pub commands: AtomicU64,
    pub commits: Durations,
    pub refused: AtomicU64,
}

/// Queries that may run or wait for a worker.
const QUERIES_MAX: usize = 1_024;

/// What all namespaces of a host share.
#[derive(Clone)]
pub struct Common {
    pub pool: Arc<Pool>,
    /// Where functions run that take long.
    pub long_pool: Arc<Pool>,
    /// Where functions are asked that take long to answer.
    pub long_answer_pool: Arc<Pool>,
    /// Where views are folded.
    pub view_pool: Arc<Pool>,
    pub view_threads: usize,
    pub traffic: Arc<Traffic>,
    pub slots: Arc<Slots>,
    pub ticker: Arc<Ticker>,
    pub housekeeper: Arc<Housekeeper>,
    pub space: Arc<DiskSpace>,
    pub quota: Quota,
    pub retention: Retention,
    pub modules: Arc<Modules>,
    pub failed: watch::Sender<Option<String>>,
    /// What leaves the host.
    pub sending: Arc<Sending>,
    pub tracer: Option<Tracer>,
    pub stopping: watch::Sender<bool>,
}

impl Inside {
    /// The host can't go on as it is, and is told why by the first who knows.
    pub fn fail(&self, why: String) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(why);
            first
        });
    }

    pub fn new(name: String, created: Timestamp, folder: &Path, reader: Reader, common: &Common) -> Inside {
        Inside {
            name,
            created,
            head: watch::Sender::new(reader.head()),
            clock: Steady::new(reader.next_record().recorded),
            reader,
            queue: Queue::new(),
            failed: common.failed.clone(),
            pool: common.pool.clone(),
            long_pool: common.long_pool.clone(),
            long_answer_pool: common.long_answer_pool.clone(),
            view_pool: common.view_pool.clone(),
            view_threads: common.view_threads,
            paces: Paces::default(),
            traffic: common.traffic.clone(),
            slots: common.slots.clone(),
            ticker: common.ticker.clone(),
            housekeeper: common.housekeeper.clone(),
            space: common.space.clone(),
            quota: RwLock::new(common.quota),
            retention: common.retention,
            parked_look: NextLook::default(),
            counts: Counts::default(),
            logs: FunctionLogs::of_lines(common.retention.log_lines),
            commands: Commands::default(),
            consumers: Consumers::default(),
            flow: FlowCounts::default(),
            sending: common.sending.clone(),
            tracer: common.tracer.clone(),
            stopping: common.stopping.clone(),
            outbox: Outbox::default(),
            timers: Arc::default(),
            zones: Arc::default(),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            deploying: tokio::sync::Mutex::default(),
            replays: Replays::keeping(common.retention.replays),
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

    /// Refuses where another log has this one's place.
    pub fn check_in_place(&self) -> Result<(), DriveError> {
        if self.successor().is_some() { Err(DriveError::Superseded) } else { Ok(()) }
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
        let before = std::mem::replace(&mut *self.views.write().unwrap_or_else(PoisonError::into_inner), views.clone());
        let has_place = |name: &Arc<str>, task| views.get(name).is_some_and(|placed| Arc::ptr_eq(placed, task));
        before.iter().filter(|(name, task)| !has_place(name, task)).for_each(|(_, task)| task.make_way());
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
        self.consumers.wake_all();
        self.timers.wake();
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

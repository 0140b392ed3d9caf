//! `Host`: the data directory and all its namespaces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use retold_engine::model::{Timestamp, limits, valid_namespace_name};
use retold_engine::store::{Bound, Catalogue, CursorMap, DiskFolder, NamespaceRow, Options, Role, Store, StoreError};
use tokio::sync::watch;

use super::boundary::caught;
use super::clock;
use super::committer::Committer;
use super::comparing::Comparisons;
use super::consumers::open_consumers;
use super::generations::blocking;
use super::housekeeper::Housekeeper;
use super::inside::{Common, Inside};
use super::memory;
use super::modules::Modules;
use super::namespace::{Namespace, Standing};
use super::outbox;
use super::outside::Outside;
use super::queue::Cost;
use super::quota::Quota;
use super::repairing::telling;
use super::replay_info::NamespaceRole;
use super::retelling::Retelling;
use super::retention::Retention;
use super::sending::Sending;
use super::slots::Slots;
use super::space::{DiskSpace, RESERVE_BYTES};
use super::spans::{Tracer, TracingOptions};
use super::ticker::{Beats, Ticker};
use super::tokens::{Access, By, NewToken, Rate, Token, Tokens};
use super::traffic::Traffic;
use super::types::DriveError;
use super::workers::{Around, Pool, alone};
use crate::wasm::SandboxOptions;

/// How a host is opened.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The data directory; made if it isn't there.
    pub data: PathBuf,
    /// Threads that run functions. There are twice as many for those that take long.
    pub workers: usize,
    /// Memory for pages of each namespace's head.
    pub cache_bytes: usize,
    pub sandbox: SandboxOptions,
    /// What may leave.
    pub outside: Outside,
    /// How much later the host lives than its machine's clock says: to try what timers do.
    pub clock_ahead: Duration,
    /// Bytes of the disk that are kept free; 0: as long as there is space, all of it is used.
    pub reserve_bytes: u64,
    /// What each namespace may have.
    pub quota: Quota,
    /// How much is kept of what is over.
    pub retention: Retention,
    /// Whom the host tells what it does; nobody, if not given.
    pub tracing: Option<TracingOptions>,
    /// The program that compiles modules in a process of its own; this one if not given.
    pub compiler: Option<PathBuf>,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            data: PathBuf::from("retold-data"),
            workers: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            cache_bytes: 16 << 20,
            sandbox: SandboxOptions::default(),
            outside: Outside::default(),
            clock_ahead: Duration::ZERO,
            reserve_bytes: RESERVE_BYTES,
            quota: Quota::default(),
            retention: Retention::default(),
            tracing: None,
            compiler: None,
        }
    }
}

/// Folding views gives way to handling and to writing, and still gets its share of a busy machine.
const VIEWS_NICENESS: i32 = 5;
/// And so do functions that take long. Without any, nothing runs on these threads.
const LONG_NICENESS: i32 = 10;
const LONG_THREADS_EACH_WORKER: usize = 2;

/// The namespace that every host has.
pub const MAIN: &str = "main";

/// Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub options: HostOptions,
    catalogue: Mutex<Catalogue>,
    tokens: Tokens,
    /// Handles by the names of this moment.
    namespaces: Arc<RwLock<BTreeMap<String, Namespace>>>,
    /// What is open, by its folder: names change hands, folders don't.
    open: Mutex<BTreeMap<String, Arc<Inside>>>,
    /// Requests a second to those namespaces of which an operator has said how many, by name; `None` are any number.
    pub rates: RwLock<BTreeMap<String, Option<Rate>>>,
    /// Retellings under way, by their folder.
    pub retellings: Mutex<BTreeMap<String, Arc<Retelling>>>,
    pub comparisons: Comparisons,
    /// Held while a namespace is made, promoted or dropped.
    pub changing: tokio::sync::Mutex<()>,
    pub common: Common,
    stopping: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A file error as the store tells it.
pub fn io(what: &str) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { what: what.to_owned(), source: Arc::new(source) }
}

impl Host {
    /// Opens the data directory, its namespaces and their modules. One host at a time.
    pub fn open(options: HostOptions) -> Result<Host, DriveError> {
        memory::limit_pools();
        clock::go_ahead(options.clock_ahead);
        let folder = DiskFolder::create(&options.data).map_err(io("the data directory can't be made"))?;
        // As with a namespace's head, below.
        let catalogue = caught(|| Catalogue::open(&folder)).map_err(|panic| StoreError::Io {
            what: "catalogue.redb is damaged; restore it from a backup".to_owned(),
            source: Arc::new(std::io::Error::other(panic)),
        })??;
        let modules = Arc::new(Modules::open(&options)?);
        let sandbox = modules.sandbox().clone();
        let traffic = Arc::new(Traffic::new(move || sandbox.interrupt()));
        let slots = Slots::new(traffic.clone());
        let (serving, holding) = (traffic.clone(), slots.clone());
        let serving: Around = Box::new(move |work| {
            let _serving = serving.serve();
            work();
        });
        let holding: Around = Box::new(move |work| holding.hold(work));
        let (pool, mut threads) = Pool::start("worker", options.workers, 0, serving).map_err(io("workers can't be started"))?;
        let (long_threads, traffic_now, workers) = (options.workers * LONG_THREADS_EACH_WORKER, traffic.clone(), options.workers);
        let room = move || if traffic_now.is_quiet() { long_threads } else { traffic_now.threads_left(workers) };
        let (long_pool, slow) = Pool::start_shared("long", long_threads, LONG_NICENESS, holding, room.clone())
            .map_err(io("the workers for what takes long can't be started"))?;
        threads.extend(slow);
        // Somebody waits, and a query's time is that of the clock: they leave a core to others, and don't give way beyond that.
        let (long_answer_pool, answering) = Pool::start_shared("long-answer", long_threads, 0, alone(), room)
            .map_err(io("the workers for answers that take long can't be started"))?;
        threads.extend(answering);
        let (view_pool, folders) =
            Pool::start("view", options.workers, VIEWS_NICENESS, alone()).map_err(io("the threads that fold views can't be started"))?;
        threads.extend(folders);
        let (housekeeper, keepers) = Housekeeper::start().map_err(io("the housekeeper can't be started"))?;
        threads.extend(keepers);
        let ticker = Arc::new(Ticker::default());
        let namespaces: Arc<RwLock<BTreeMap<String, Namespace>>> = Arc::default();
        let (sending, sender) = Sending::start(options.outside.clone()).map_err(io("the thread that sends can't be started"))?;
        threads.push(sender);
        let stopping = watch::Sender::new(false);
        let tracer = options.tracing.clone().map(Tracer::start).transpose().map_err(io("the thread that sends spans can't be started"))?;
        let common = Common {
            pool,
            long_pool,
            long_answer_pool,
            view_pool,
            view_threads: options.workers,
            traffic,
            slots,
            ticker,
            housekeeper,
            space: Arc::new(DiskSpace::of(options.data.clone(), options.reserve_bytes)),
            quota: options.quota,
            retention: options.retention,
            modules,
            failed: watch::Sender::new(None),
            sending,
            tracer,
            stopping: stopping.clone(),
        };
        threads.push(start_ticker(&common, &namespaces, options.sandbox.tick_ms).map_err(io("the ticker can't be started"))?);
        let host = Host(Arc::new(Shared {
            options,
            tokens: Tokens::read(&catalogue)?,
            catalogue: Mutex::new(catalogue),
            namespaces,
            open: Mutex::default(),
            rates: RwLock::default(),
            retellings: Mutex::default(),
            comparisons: Comparisons::default(),
            changing: tokio::sync::Mutex::default(),
            common,
            stopping,
            threads: Mutex::new(threads),
        }));
        let rows = host.catalogue().namespaces()?;
        let rows = host.finish_drops(rows)?;
        host.finish_restores()?;
        for row in &rows {
            let options = Options { holds_filters: takes_events(row), ..host.store_options()? };
            let store = host.open_store(&row.folder, Some(options))?;
            host.start(row, store)?;
        }
        host.name_all()?;
        host.finish_promotions()?;
        // A retelling reads its base, and so begins when all are open.
        for row in rows {
            host.resume_retelling(&row)?;
        }
        if host.namespace(MAIN).is_none() {
            host.create_now(MAIN)?;
        }
        Ok(host)
    }

    pub(super) fn catalogue(&self) -> std::sync::MutexGuard<'_, Catalogue> {
        self.0.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.0.namespaces.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Who may ask, and for what.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Makes an access token, which is whole in this answer only. `by` is who asks, if it took a token to ask.
    pub async fn create_token(&self, by: Option<Arc<Access>>, new: NewToken) -> Result<(Token, Arc<Access>), DriveError> {
        let host = self.clone();
        tokio::task::spawn_blocking(move || host.0.tokens.create(&host.catalogue(), asked_by(&by), new))
            .await
            .map_err(|_| DriveError::Stopping)?
    }

    /// Whoever has it is let in no more, and what it holds open is cut.
    pub async fn revoke_token(&self, by: Option<Arc<Access>>, id: &str) -> Result<Arc<Access>, DriveError> {
        let (host, id) = (self.clone(), id.to_owned());
        tokio::task::spawn_blocking(move || host.0.tokens.revoke(&host.catalogue(), asked_by(&by), &id))
            .await
            .map_err(|_| DriveError::Stopping)?
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.0.namespaces.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes a namespace; answers false beside it if it was there.
    pub async fn create_namespace(&self, name: &str) -> Result<(Namespace, bool), DriveError> {
        if self.namespace(name).is_none() {
            self.check_space()?;
        }
        let name = name.to_owned();
        self.in_turn(move |host| blocking(move || host.create_now(&name))).await
    }

    fn create_now(&self, name: &str) -> Result<(Namespace, bool), DriveError> {
        valid_namespace_name(name).map_err(|error| DriveError::Name(error.to_string()))?;
        let catalogue = self.catalogue();
        if let Some(namespace) = self.namespace(name) {
            return Ok((namespace, false));
        }
        self.check_room()?;
        let row = NamespaceRow::own(name, catalogue.next_folder(name)?, clock::now());
        // The store is made first: an entry in the catalogue always has a folder.
        let store = self.open_store(&row.folder, None)?;
        catalogue.set(&row)?;
        drop(catalogue);
        self.start(&row, store)?;
        self.name_all()?;
        let namespace = self.namespace(name).ok_or_else(|| DriveError::UnknownNamespace(name.to_owned()))?;
        Ok((namespace, true))
    }

    /// Whether a new namespace may have this name.
    pub(super) fn check_new_name(&self, name: &str) -> Result<(), DriveError> {
        valid_namespace_name(name).map_err(|error| DriveError::Name(error.to_string()))?;
        if self.namespace(name).is_some() {
            return Err(DriveError::Generation {
                namespace: name.to_owned(),
                what: format!(
                    "there is a namespace {name:?} already: choose another name, or drop it with `retold namespaces drop {name}`"
                ),
            });
        }
        self.check_room()
    }

    fn check_room(&self) -> Result<(), DriveError> {
        if self.namespaces().len() < limits::NAMESPACES_MAX {
            return Ok(());
        }
        Err(DriveError::Name(format!("there are {} namespaces already, which is the most: drop one first", limits::NAMESPACES_MAX)))
    }

    pub(super) fn folder(&self, folder: &str) -> Result<Arc<DiskFolder>, DriveError> {
        let folder = DiskFolder::create(self.0.options.data.join(folder)).map_err(io("the namespace's folder can't be made"))?;
        Ok(Arc::new(folder.telling(self.0.common.traffic.clone())))
    }

    pub(super) fn store_options(&self) -> Result<Options, DriveError> {
        let random = || {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map(|()| bytes).map_err(|error| StoreError::Io {
                what: "no randomness".into(),
                source: Arc::new(std::io::Error::other(error.to_string())),
            })
        };
        let HostOptions { cache_bytes, retention, .. } = self.0.options;
        let (term_key, forget_key, identity) = (random()?, random()?, random()?);
        Ok(Options { cache_bytes, term_key, forget_key, identity, versions_kept: retention.versions, ..Options::default() })
    }

    /// Opens the store in a folder, making it if there is none.
    pub(super) fn open_store(&self, folder: &str, options: Option<Options>) -> Result<Store, DriveError> {
        let mut options = options.map_or_else(|| self.store_options(), Ok)?;
        options.on_repair = telling(folder);
        let opening = self.folder(folder)?;
        // The database trusts its own pages: where they contradict each other it may panic.
        let opened = caught(|| Store::open(opening, &options)).map_err(|panic| StoreError::Io {
            what: format!("head.redb in {folder} is damaged; restore it from a backup"),
            source: Arc::new(std::io::Error::other(panic)),
        });
        Ok(opened??)
    }

    /// Has a namespace's log opened and its functions run, if they are to. A retelling's store is its
    /// thread's until it is promoted.
    pub(super) fn start(&self, row: &NamespaceRow, store: Store) -> Result<Arc<Inside>, DriveError> {
        let common = &self.0.common;
        let folder = self.0.options.data.join(&row.folder);
        let inside = Arc::new(Inside::new(row.name.clone(), row.created, &folder, store.reader(), common));
        inside.set_quota(self.quota().with(&row.quota));
        common.modules.load_active(&inside)?;
        inside.keep_shadows();
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).insert(row.folder.clone(), inside.clone());
        inside.generation.store(row.generation, Ordering::Release);
        inside.frozen.store(!takes_events(row), Ordering::Release);
        match row.role {
            Role::Retelling { .. } => {
                inside.hold_store(store);
                inside.set_schemas(&inside.reader.schemas());
                inside.open_views();
            }
            Role::Own | Role::Fork { .. } | Role::Old { .. } => self.start_writer(&inside, store)?,
        }
        if row.generation > 1 {
            let (folder, before) = (self.folder(&row.folder)?, row.generation - 1);
            let folder: Arc<dyn retold_engine::store::Folder> = folder;
            if let Some(map) = CursorMap::find(&folder, before, inside.reader.log_identity(), inside.reader.head())? {
                inside.set_map(before, map);
            }
        }
        inside.restore_replays();
        outbox::start(&inside);
        Ok(inside)
    }

    pub(super) fn start_writer(&self, inside: &Arc<Inside>, store: Store) -> Result<(), DriveError> {
        let (committer, writing) = (Committer::new(store, inside.clone()), inside.clone());
        let thread = std::thread::Builder::new()
            .name(format!("writer-{}", inside.name))
            .spawn(move || {
                if let Err(panic) = caught(|| committer.run()) {
                    writing.fail(format!("namespace {}: its writer panicked: {panic}", writing.name));
                    // Nobody waits for it in vain.
                    writing.queue.close();
                    while writing.queue.take(Cost { events: usize::MAX, bytes: usize::MAX }).is_some() {}
                }
            })
            .map_err(io("the writer can't be started"))?;
        self.keep_thread(thread);
        Ok(())
    }

    pub(super) fn keep_thread(&self, thread: JoinHandle<()>) {
        let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// What is open in a folder.
    pub(super) fn open_in(&self, folder: &str) -> Option<Arc<Inside>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).get(folder).cloned()
    }

    pub(super) fn close(&self, folder: &str) -> Option<Arc<Inside>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).remove(folder)
    }

    /// Gives out new handles, under the names that the catalogue has now. Old handles go on to mean what
    /// they meant.
    pub(super) fn name_all(&self) -> Result<(), DriveError> {
        let rows = self.catalogue().namespaces()?;
        let old = |name: &str| -> Vec<String> {
            let of = |row: &&NamespaceRow| matches!(&row.role, Role::Old { of, .. } if of == name);
            rows.iter().filter(of).map(|row| row.name.clone()).collect()
        };
        let mut named = BTreeMap::new();
        let mut rates = BTreeMap::new();
        for row in &rows {
            let Some(inside) = self.open_in(&row.folder) else { continue };
            let role = match &row.role {
                Role::Own => NamespaceRole::Own,
                Role::Fork { base_folder, at } => NamespaceRole::Fork { base: name_of(&rows, base_folder), at: *at },
                Role::Retelling { base, .. } => NamespaceRole::Retelling { base: base.clone() },
                Role::Old { of, .. } => NamespaceRole::Old { of: of.clone() },
            };
            let previous = old(&row.name);
            // The map into a generation lies with that generation's log.
            let into = |name: &String| {
                let row = rows.iter().find(|row| row.name == *name)?;
                let before = row.generation.checked_sub(1)?;
                Some((before, self.open_in(&row.folder)?.map(before)?))
            };
            let maps = previous.iter().filter_map(into).collect();
            // Another log may have the name, or something else have been said of it.
            inside.set_quota(self.quota().with(&row.quota));
            if row.quota.rate != Bound::TheHosts {
                rates.insert(row.name.clone(), Rate::most(row.quota.rate));
            }
            let standing = Standing { generation: row.generation, role, previous, maps, own_quota: row.quota };
            named.insert(row.name.clone(), Namespace::new(inside, Arc::from(row.name.as_str()), Arc::new(standing)));
        }
        *self.0.rates.write().unwrap_or_else(PoisonError::into_inner) = rates;
        *self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner) = named.clone();
        open_consumers(&named);
        Ok(())
    }

    /// Whether there is space for what is new.
    pub fn check_space(&self) -> Result<(), DriveError> {
        self.check_space_for(0)
    }

    /// Whether so much more may be written.
    pub fn check_space_for(&self, bytes: u64) -> Result<(), DriveError> {
        self.0.common.space.check_for(bytes)
    }

    /// Bytes that are free on the disk, if it says so, and those that are kept free.
    pub fn disk_space(&self) -> (Option<u64>, u64) {
        (self.0.common.space.free_bytes(), self.0.common.space.reserve_bytes())
    }

    /// Somebody begins to ask: what can wait gives way at once.
    pub fn is_asked(&self) {
        self.0.common.traffic.ask();
    }

    /// By whom the host tells what it does, if it tells anybody.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.0.common.tracer.as_ref()
    }

    /// Whether every namespace can be written.
    pub fn is_ready(&self) -> bool {
        !*self.0.stopping.borrow() && self.namespaces().iter().all(Namespace::is_writable)
    }

    /// Turns true when a graceful stop begins.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// Says that a stop begins: streams to clients end.
    pub fn begin_stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Resolves when storage has failed, with what happened.
    pub async fn failed(&self) -> String {
        let mut failed = self.0.common.failed.subscribe();
        let what = failed.wait_for(Option::is_some).await.map(|what| what.clone().unwrap_or_default());
        match what {
            Ok(what) => what,
            Err(_) => std::future::pending().await,
        }
    }

    /// What all guests hold of memory, and the most that they may.
    pub fn guest_memory_bytes(&self) -> (usize, usize) {
        let sandbox = self.0.common.modules.sandbox();
        (sandbox.memory_bytes(), sandbox.options().guests_memory_bytes_max)
    }

    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// Finishes what waits for the disk and ends all threads.
    pub fn stop(&self) {
        self.begin_stop();
        self.end_replays();
        let common = &self.0.common;
        common.pool.close();
        common.long_pool.close();
        common.long_answer_pool.close();
        common.view_pool.close();
        common.ticker.stop();
        common.housekeeper.close();
        common.sending.stop();
        let open: Vec<Arc<Inside>> = self.0.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        open.iter().for_each(|inside| inside.queue.close());
        open.iter().for_each(|inside| inside.replays.wait_for_threads());
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the host panicked");
            }
        }
        self.tracer().inspect(|tracer| tracer.finish());
        // Nothing folds any more: what was folded need not be folded again.
        open.iter().for_each(|inside| inside.all_views().values().for_each(|view| view.flush()));
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Whether whoever likes may append to it; other logs are written by the host alone, if at all.
fn takes_events(row: &NamespaceRow) -> bool {
    matches!(row.role, Role::Own | Role::Fork { .. })
}

fn asked_by(holder: &Option<Arc<Access>>) -> By<'_> {
    holder.as_deref().map_or(By::Anybody, By::Holder)
}

/// What the namespace in a folder is called, or the folder where nothing has it any more.
fn name_of(rows: &[NamespaceRow], folder: &str) -> String {
    rows.iter().find(|row| row.folder == folder).map_or_else(|| folder.to_owned(), |row| row.name.clone())
}

fn start_ticker(common: &Common, namespaces: &Arc<RwLock<BTreeMap<String, Namespace>>>, tick_ms: u64) -> std::io::Result<JoinHandle<()>> {
    let all = |namespaces: &RwLock<BTreeMap<String, Namespace>>| -> Vec<Namespace> {
        namespaces.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    };
    let (poll, trim) = (namespaces.clone(), namespaces.clone());
    let sandbox = common.modules.sandbox().clone();
    common.ticker.start(Beats {
        tick_ms,
        tick: Box::new(move || sandbox.tick()),
        poll: Box::new(move || {
            for namespace in all(&poll) {
                namespace.inside().wake_all();
                namespace.inside().drop_unused_consumers();
                namespace.inside().look_after_parked();
            }
        }),
        trim: Box::new(move || {
            all(&trim).iter().for_each(|namespace| namespace.inside().trim());
            memory::give_back();
        }),
    })
}

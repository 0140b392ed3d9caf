//! `Host`: the data directory and all its namespaces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use retold_engine::model::{Timestamp, limits, valid_namespace_name};
use retold_engine::store::{Catalogue, DiskFolder, NamespaceRow, Options, Store, StoreError};
use tokio::sync::watch;

use super::clock;
use super::committer::Committer;
use super::housekeeper::Housekeeper;
use super::memory;
use super::modules::Modules;
use super::namespace::{Common, Inside, Namespace};
use super::ticker::{Beats, Ticker};
use super::types::DriveError;
use super::workers::Pool;
use crate::wasm::SandboxOptions;

/// How a host is opened.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The data directory; made if it isn't there.
    pub data: PathBuf,
    /// Threads that run functions.
    pub workers: usize,
    /// Memory for pages of each namespace's head.
    pub cache_bytes: usize,
    pub sandbox: SandboxOptions,
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
            compiler: None,
        }
    }
}

/// Folding views gives way to handling and to writing, and still gets its share of a busy machine.
const VIEWS_NICENESS: i32 = 5;

/// The namespace that every host has.
pub const MAIN: &str = "main";

/// Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    options: HostOptions,
    catalogue: Mutex<Catalogue>,
    namespaces: Arc<RwLock<BTreeMap<String, Namespace>>>,
    common: Common,
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
        let folder = DiskFolder::create(&options.data).map_err(io("the data directory can't be made"))?;
        let catalogue = Catalogue::open(&folder)?;
        let modules = Arc::new(Modules::open(&options)?);
        let (pool, mut threads) = Pool::start("worker", options.workers, 0).map_err(io("workers can't be started"))?;
        let (view_pool, folders) =
            Pool::start("view", options.workers, VIEWS_NICENESS).map_err(io("the threads that fold views can't be started"))?;
        threads.extend(folders);
        let (housekeeper, keepers) = Housekeeper::start().map_err(io("the housekeeper can't be started"))?;
        threads.extend(keepers);
        let ticker = Arc::new(Ticker::default());
        let namespaces: Arc<RwLock<BTreeMap<String, Namespace>>> = Arc::default();
        let common =
            Common { pool, view_pool, view_threads: options.workers, ticker, housekeeper, modules, failed: watch::Sender::new(None) };
        threads.push(start_ticker(&common, &namespaces, options.sandbox.tick_ms).map_err(io("the ticker can't be started"))?);
        let host = Host(Arc::new(Shared {
            options,
            catalogue: Mutex::new(catalogue),
            namespaces,
            common,
            stopping: watch::Sender::new(false),
            threads: Mutex::new(threads),
        }));
        let rows = host.catalogue().namespaces()?;
        for row in rows {
            host.start_namespace(row)?;
        }
        if host.namespace(MAIN).is_none() {
            host.create_now(MAIN)?;
        }
        Ok(host)
    }

    fn catalogue(&self) -> std::sync::MutexGuard<'_, Catalogue> {
        self.0.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.0.namespaces.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.0.namespaces.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes a namespace; answers false beside it if it was there.
    pub async fn create_namespace(&self, name: &str) -> Result<(Namespace, bool), DriveError> {
        let (host, name) = (self.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || host.create_now(&name)).await.map_err(|_| DriveError::Stopping)?
    }

    fn create_now(&self, name: &str) -> Result<(Namespace, bool), DriveError> {
        valid_namespace_name(name).map_err(|error| DriveError::Name(error.to_string()))?;
        let catalogue = self.catalogue();
        if let Some(namespace) = self.namespace(name) {
            return Ok((namespace, false));
        }
        if self.namespaces().len() >= limits::NAMESPACES_MAX {
            return Err(DriveError::Name(format!(
                "there are {} namespaces already, which is the most: drop one first",
                limits::NAMESPACES_MAX
            )));
        }
        let row = NamespaceRow { name: name.to_owned(), folder: format!("namespaces/{name}"), created: clock::now() };
        // The store is made first: an entry in the catalogue always has a folder.
        let store = self.open_store(&row)?;
        catalogue.add(&row)?;
        drop(catalogue);
        Ok((self.start(row, store)?, true))
    }

    fn open_store(&self, row: &NamespaceRow) -> Result<Store, DriveError> {
        let folder = DiskFolder::create(self.0.options.data.join(&row.folder)).map_err(io("the namespace's folder can't be made"))?;
        let mut term_key = [0; 16];
        getrandom::fill(&mut term_key)
            .map_err(|error| StoreError::Io { what: "no randomness".into(), source: Arc::new(std::io::Error::other(error.to_string())) })?;
        Ok(Store::open(Arc::new(folder), &Options { cache_bytes: self.0.options.cache_bytes, term_key })?)
    }

    fn start_namespace(&self, row: NamespaceRow) -> Result<(), DriveError> {
        let store = self.open_store(&row)?;
        self.start(row, store).map(drop)
    }

    fn start(&self, row: NamespaceRow, store: Store) -> Result<Namespace, DriveError> {
        let common = &self.0.common;
        let inside = Arc::new(Inside::new(row.name.clone(), row.created, store.reader(), common));
        common.modules.load_active(&inside)?;
        let committer = Committer::new(store, inside.clone());
        let thread = std::thread::Builder::new()
            .name(format!("writer-{}", row.name))
            .spawn(move || committer.run())
            .map_err(io("the writer can't be started"))?;
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        let namespace = Namespace::new(inside);
        self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner).insert(row.name, namespace.clone());
        Ok(namespace)
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

    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// Finishes what waits for the disk and ends all threads.
    pub fn stop(&self) {
        self.begin_stop();
        let common = &self.0.common;
        common.pool.close();
        common.view_pool.close();
        common.ticker.stop();
        common.housekeeper.close();
        self.namespaces().iter().for_each(|namespace| namespace.inside().queue.close());
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the host panicked");
            }
        }
        // Nothing folds any more: what was folded need not be folded again.
        self.namespaces().iter().for_each(|namespace| namespace.inside().all_views().values().for_each(|view| view.flush()));
        self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
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
        poll: Box::new(move || all(&poll).iter().for_each(|namespace| namespace.inside().wake_all())),
        trim: Box::new(move || {
            all(&trim).iter().for_each(|namespace| namespace.inside().trim());
            memory::give_back();
        }),
    })
}

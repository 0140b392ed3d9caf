//! A view's task: folds events into its file, on threads of its own, and tells how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use retold_engine::model::{Digest, Guest, LogLevel, Position, Timestamp, limits};
use retold_engine::run::{Folded, Guests, Part, Prepared, Projector, Reading, ViewStep};
use retold_engine::store::{FunctionRow, Portion, StoreError, ViewFile};
use tokio::sync::watch;

use super::clock;
use super::function_log::FunctionLog;
use super::inside::Inside;
use super::turns::Turns;
use super::types::{FunctionCounts, Retrying};
use super::workers::Work;
use crate::wasm::WasmModule;

/// Read and folded in one step: much, as each row is then written once for many events.
const PORTION: Portion = Portion { events: 64 << 10, bytes: 24 << 20 };
/// A view that idles is made durable this often at most.
const FLUSH_MS: u128 = 1_000;
/// A pause where the host itself is in trouble.
const TROUBLE_MS: u64 = 1_000;

/// One version of a view.
pub struct ViewTask {
    pub name: String,
    /// The function as it was when the task began, and the code that folds and is asked.
    pub row: Arc<FunctionRow>,
    guest: Option<Arc<WasmModule>>,
    /// Of the code that folded the rows.
    pub identity: Digest,
    pub file: Arc<ViewFile>,
    /// The head when the task began: until it is there, queries would see an old world.
    pub level_at: Position,
    /// Serves in its place until it is level.
    stand_in: Mutex<Option<Arc<ViewTask>>>,
    namespace: Weak<Inside>,
    folder: Mutex<Folder>,
    turns: Turns,
    /// Everything up to here is in the file.
    position: watch::Sender<Position>,
    stuck: Mutex<Option<Stuck>>,
    log: Arc<FunctionLog>,
    folded: AtomicU64,
    failed: AtomicU64,
    busy_us: AtomicU64,
    /// There was no space for its file, nor for a new one.
    was_full: AtomicBool,
    /// Another task has its place: nobody wakes this one any more.
    has_made_way: AtomicBool,
}

struct Folder {
    projector: Projector,
    flushed: Instant,
}

/// The event that a view can't fold.
#[derive(Clone, Debug)]
pub struct Stuck {
    pub position: Position,
    pub reason: String,
    pub message: String,
    /// When it is tried again; never, without.
    pub not_before: Option<Timestamp>,
    pub attempts: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ViewTask {
    pub fn new(row: &Arc<FunctionRow>, identity: Digest, file: Arc<ViewFile>, threads: usize, namespace: &Arc<Inside>) -> ViewTask {
        let (cursor, name) = (file.cursor(), row.name.as_str());
        let digest = namespace.reader.modules().get(&row.module).map(|module| module.digest);
        ViewTask {
            name: name.to_owned(),
            row: row.clone(),
            guest: digest.and_then(|digest| namespace.guest(digest)),
            identity,
            file,
            level_at: namespace.reader.head(),
            stand_in: Mutex::default(),
            namespace: Arc::downgrade(namespace),
            folder: Mutex::new(Folder { projector: Projector::new(name, threads), flushed: clock::started() }),
            turns: Turns::default(),
            position: watch::Sender::new(cursor),
            stuck: Mutex::default(),
            log: namespace.logs.of(name),
            folded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            was_full: AtomicBool::new(false),
            has_made_way: AtomicBool::new(false),
        }
    }

    /// What of it serves in another's place: rows that were level, its own or its stand-in's.
    pub fn to_stand_in(self: Arc<Self>) -> Arc<ViewTask> {
        self.stand_in().unwrap_or(self)
    }

    /// Who serves in its place now.
    pub fn stand_in(&self) -> Option<Arc<ViewTask>> {
        lock(&self.stand_in).clone()
    }

    pub fn set_stand_in(&self, before: Arc<ViewTask>) {
        if !self.is_level() {
            *lock(&self.stand_in) = Some(before);
        }
    }

    /// The code that made the rows: queries are asked of it, whatever is deployed meanwhile.
    pub fn guest(&self) -> Option<Arc<WasmModule>> {
        self.guest.clone()
    }

    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    pub fn positions(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Who waits for it looks for the one that has its place.
    pub fn make_way(&self) {
        self.has_made_way.store(true, Ordering::Release);
        self.position.send_modify(|_| ());
    }

    pub fn has_made_way(&self) -> bool {
        self.has_made_way.load(Ordering::Acquire)
    }

    pub fn is_level(&self) -> bool {
        self.position() >= self.level_at
    }

    pub fn stuck(&self) -> Option<Stuck> {
        lock(&self.stuck).clone()
    }

    pub fn retrying(&self) -> Option<Retrying> {
        let stuck = self.stuck()?;
        stuck.not_before?;
        Some(Retrying { position: stuck.position, attempts: stuck.attempts, message: stuck.message })
    }

    pub fn counts(&self) -> FunctionCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FunctionCounts {
            handled: of(&self.folded),
            failed_attempts: of(&self.failed),
            busy_us: of(&self.busy_us),
            ..FunctionCounts::default()
        }
    }

    pub fn wake(self: &Arc<Self>) {
        if self.turns.wake() {
            self.queue();
        }
    }

    fn queue(self: &Arc<Self>) {
        if let Some(namespace) = self.namespace.upgrade() {
            namespace.view_pool.push(self.clone());
        }
    }

    fn end_turn(self: &Arc<Self>, again: bool) {
        if self.turns.end(again) {
            self.queue();
        }
    }

    /// Makes durable what is not yet.
    pub fn flush(&self) {
        self.flush_now(&mut lock(&self.folder));
    }

    fn flush_now(&self, folder: &mut Folder) {
        if let Err(error) = folder.projector.flush(&self.file) {
            tracing::error!(view = %self.name, %error, "the view's file can't be made durable; it is folded again after a restart");
        }
        folder.flushed = clock::started();
    }

    /// Reads the next portion and hands its parts out.
    fn turn(self: &Arc<Self>, namespace: &Arc<Inside>) {
        if namespace.space.check(self.file.bytes().unwrap_or_default()).is_err() {
            return self.pause(namespace);
        }
        match self.prepare(namespace) {
            Ok((Prepared::Parts(parts), Some(guest))) => Fold::start(self.clone(), namespace, parts, guest),
            Ok((Prepared::Idle, _)) => {
                let mut folder = lock(&self.folder);
                self.moved(folder.projector.position(&self.file));
                if folder.flushed.elapsed().as_millis() >= FLUSH_MS {
                    self.flush_now(&mut folder);
                }
                drop(folder);
                self.end_turn(false);
            }
            Ok((Prepared::Inactive, _)) => self.end_turn(false),
            Ok((Prepared::Later(time), _)) => {
                namespace.ticker.wake_at(time, self.clone());
                self.end_turn(false);
            }
            Ok((Prepared::Parts(_), None)) => {
                tracing::warn!(view = %self.name, "its module is not loaded");
                self.pause(namespace);
            }
            Err(error) => {
                tracing::error!(view = %self.name, %error, "can't read on");
                self.pause(namespace);
            }
        }
    }

    fn pause(self: &Arc<Self>, namespace: &Inside) {
        namespace.ticker.wake_at(clock::now().plus_ms(TROUBLE_MS), self.clone());
        self.end_turn(false);
    }

    fn prepare(&self, namespace: &Arc<Inside>) -> Result<(Prepared, Option<Arc<dyn Guest>>), StoreError> {
        let snapshot = namespace.reader.snapshot()?;
        let guests = namespace.guests_at(&snapshot);
        let reading = Reading::new(&snapshot, &guests);
        // Other code has a file of its own.
        let row = snapshot.function(&self.name).filter(|row| snapshot.identity(row) == self.identity).cloned();
        let Some(row) = row else { return Ok((Prepared::Inactive, None)) };
        let mut folder = lock(&self.folder);
        let prepared = folder.projector.prepare(&reading, &row, &self.file, PORTION, namespace.clock.now())?;
        if folder.projector.halted().is_none() && !matches!(prepared, Prepared::Later(_)) {
            *lock(&self.stuck) = None;
        }
        Ok((prepared, guests.guest(row.module)))
    }

    fn moved(&self, to: Position) {
        self.position.send_if_modified(|position| {
            let forward = to > *position;
            *position = to.max(*position);
            forward
        });
        if self.is_level() {
            lock(&self.stand_in).take();
        }
    }

    /// Takes the folded parts in.
    fn finish(self: &Arc<Self>, namespace: &Arc<Inside>, parts: Vec<Folded>) {
        let mut folder = lock(&self.folder);
        let step = folder.projector.finish(&self.file, parts, namespace.clock.now());
        self.moved(folder.projector.position(&self.file));
        drop(folder);
        match step {
            Ok(ViewStep::Folded { events, .. }) => {
                self.folded.fetch_add(events, Ordering::Relaxed);
                self.end_turn(true);
            }
            Ok(ViewStep::Failed { position, reason, message, not_before }) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.log.add(LogLevel::Error, &format!("event {position} can't be folded ({reason}): {message}"));
                let mut stuck = lock(&self.stuck);
                let attempts = 1 + stuck.as_ref().filter(|stuck| stuck.position == position).map_or(0, |stuck| stuck.attempts);
                *stuck = Some(Stuck { position, reason: reason.to_owned(), message, not_before, attempts });
                drop(stuck);
                if let Some(time) = not_before {
                    namespace.ticker.wake_at(time, self.clone());
                }
                self.end_turn(false);
            }
            Err(error) => {
                tracing::error!(view = %self.name, %error, "the view's file can't be written");
                // Another process took the space. The database gives such a file up: it is made new, in time.
                if (error.is_for_space() || self.was_full.load(Ordering::Relaxed)) && namespace.remake_view(&self.name).is_err() {
                    self.was_full.store(true, Ordering::Relaxed);
                }
                self.pause(namespace);
            }
        }
    }
}

impl Work for ViewTask {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(self: Arc<Self>) {
        self.turns.begin();
        match self.namespace.upgrade() {
            Some(namespace) => self.turn(&namespace),
            None => drop(self.turns.end(false)),
        }
    }

    fn wake(self: Arc<Self>) {
        ViewTask::wake(&self);
    }
}

/// A portion's parts while they are folded, each on whatever thread is free. The last one ends the turn.
struct Fold {
    task: Arc<ViewTask>,
    namespace: Arc<Inside>,
    began: Instant,
    parts: Mutex<Vec<Part>>,
    left: AtomicUsize,
    folded: Mutex<Vec<Folded>>,
    guest: Arc<dyn Guest>,
}

impl Fold {
    fn start(task: Arc<ViewTask>, namespace: &Arc<Inside>, parts: Vec<Part>, guest: Arc<dyn Guest>) {
        let count = parts.len();
        if count == 0 {
            return task.finish(namespace, Vec::new());
        }
        let fold = Arc::new(Fold {
            task,
            namespace: namespace.clone(),
            began: clock::started(),
            parts: Mutex::new(parts),
            left: AtomicUsize::new(count),
            folded: Mutex::default(),
            guest,
        });
        for _ in 1..count {
            namespace.view_pool.push(fold.clone());
        }
        fold.run();
    }
}

impl Work for Fold {
    fn name(&self) -> &str {
        &self.task.name
    }

    fn run(self: Arc<Self>) {
        let Some(part) = lock(&self.parts).pop() else { return };
        let log = self.task.log.clone();
        let folded = part.fold(&*self.guest, &mut |level, message| log.add(level, message));
        lock(&self.folded).push(folded);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let folded = std::mem::take(&mut *lock(&self.folded));
            self.task.busy_us.fetch_add(self.began.elapsed().as_micros() as u64, Ordering::Relaxed);
            self.task.finish(&self.namespace, folded);
        }
    }
}

const _: () = assert!(PORTION.events >= limits::EVENTS_PER_BATCH_MAX);

//! `Retelling`: a namespace that is being made of another's source events, on a thread of its own. It follows
//! the other's head until it takes its place, or is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use retold_engine::model::{ByteReader, ByteWriter, FunctionKind, Position, Timestamp, TypePattern};
use retold_engine::run::{self, Ending, Guests, RetellPlan, Retold, RetoldModule, Rule, SubjectPattern, Told};
use retold_engine::store::{CursorMap, Folder, NamespaceRow, Proposal, Refused, Role, Store, StoreError};
use tokio::sync::watch;

use super::clock;
use super::comparing::Comparing;
use super::generations::blocking;
use super::host::{Host, io};
use super::namespace::Inside;
use super::replay_files::{RetellingWord, write_whole};
use super::replay_info::{LogDifference, ReplayInfo, ReplayKind, ReplayStatus, RetellRequest, RetellRule, RetellingInfo};
use super::replay_task::{Ended, ReplayTask};
use super::types::DriveError;

/// Source events told in one step, and so in one commit with one sync.
const UNITS_PER_STEP: usize = 4_096;
/// A pause where there is nothing to tell.
const IDLE: Duration = Duration::from_millis(20);
/// A pause where the host could not run a function.
const TROUBLE: Duration = Duration::from_millis(200);
/// How long a promotion waits for the tail to be told.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// A retelling that is so far behind is not promoted: appends would wait too long.
pub const BEHIND_MAX: u64 = 20_000;
/// In the folder of a retelling until it is promoted: what it tells and what not.
const PLAN: &str = "plan";
/// Retelling gives way to everything that lives.
const NICENESS: i32 = 5;

pub struct Retelling {
    pub task: Arc<ReplayTask>,
    pub base: Arc<Inside>,
    pub target: Arc<Inside>,
    orders: std::sync::Mutex<Sender<Order>>,
    comparing: std::sync::Mutex<Comparing>,
    /// Whether nothing is left to compare, for now or for good.
    compared: watch::Sender<bool>,
    /// The base was told to its end when it ended here. What lies behind the last source event is not told
    /// but made anew.
    level_at: AtomicU64,
}

enum Order {
    /// Tell all that there is, and give the store away. The sender is told how it went.
    Finish(Sender<Result<Finished, DriveError>>),
}

/// A retelling that is level with its base, for as long as that stands still.
pub struct Finished {
    pub store: Store,
    pub info: RetellingInfo,
}

impl Retelling {
    /// Has everything told that the base holds by now. The base must stand still meanwhile.
    pub fn finish(&self) -> Result<Finished, DriveError> {
        let (reply, finished) = channel();
        self.task.hurry(true);
        let _hurry = Hurry(&self.task);
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(Order::Finish(reply)).map_err(|_| DriveError::Stopping)?;
        finished.recv_timeout(FINISH_TIME_MAX).map_err(|_| DriveError::Busy)?
    }

    /// How far it is behind its base.
    pub fn behind(&self) -> u64 {
        self.base.reader.head().0.saturating_sub(self.told().0)
    }

    /// Everything of the base up to here is told.
    fn told(&self) -> Position {
        self.target.reader.retold().unwrap_or_default().max(Position(self.level_at.load(Ordering::Acquire)))
    }

    fn comparing(&self) -> MutexGuard<'_, Comparing> {
        self.comparing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the two logs are compared up to where they are, or nobody goes on with it.
    pub fn compared(&self) -> watch::Receiver<bool> {
        self.compared.subscribe()
    }

    /// The two logs side by side, as far as they are compared.
    pub fn difference(&self) -> Result<LogDifference, DriveError> {
        let status = self.task.status();
        let failed = matches!(status, ReplayStatus::Failed { .. }).then_some(status);
        self.comparing().difference(failed)
    }

    /// The map of the base's cursors, complete.
    pub fn take_map(&self) -> Result<Option<CursorMap>, DriveError> {
        self.comparing().end()
    }
}

/// As long as it lives, nothing is paused.
struct Hurry<'a>(&'a ReplayTask);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurry(false);
    }
}

/// What the thread works with.
struct Work {
    shared: Arc<Retelling>,
    store: Store,
    telling: run::Retelling,
    info: RetellingInfo,
    orders: Receiver<Order>,
    /// Somebody waits for the end: no pauses.
    finishing: bool,
}

impl Host {
    /// Begins a retelling. It follows its base until it is promoted or dropped.
    pub async fn retell(&self, request: RetellRequest) -> Result<ReplayInfo, DriveError> {
        let _turn = self.0.changing.lock().await;
        let host = self.clone();
        blocking(move || host.retell_now(request)).await
    }

    fn retell_now(&self, request: RetellRequest) -> Result<ReplayInfo, DriveError> {
        self.check_new_name(&request.name)?;
        let base_row = self.row(&request.base)?;
        if !matches!(base_row.role, Role::Own | Role::Fork { .. }) {
            let what = format!("{} is not live, and only what is live is retold: retell the namespace that it is of", request.base);
            return Err(DriveError::Generation { namespace: request.base, what });
        }
        let base = self.open_in(&base_row.folder).ok_or_else(|| DriveError::UnknownNamespace(request.base.clone()))?;
        let plan = plan(&base, &request)?;
        let folder = self.catalogue().next_folder(&request.name)?;
        // What the base has erased stays erased under the same key.
        let options = retold_engine::store::Options { forget_key: base.reader.forget_key(), ..self.store_options()? };
        let store = self.open_store(&folder, Some(options))?;
        // Not into the catalogue: it may name who is to be forgotten, and what was in a database stays in its
        // free pages.
        write_whole(&self.0.options.data.join(&folder), PLAN, &plan.encode()).map_err(io("the plan can't be written"))?;
        let row = NamespaceRow {
            role: Role::Retelling { base: request.base.clone(), base_folder: base_row.folder, plan: Vec::new() },
            ..NamespaceRow::own(&request.name, folder, clock::now())
        };
        self.catalogue().set(&row)?;
        let word = RetellingWord { stopped: false, budget_percent: request.budget_percent };
        base.replay_files.write_word(&request.name, word).map_err(io("the budget can't be written down"))?;
        self.start(&row, store)?;
        self.name_all()?;
        self.resume_retelling(&row)?;
        let retelling = self.retellings().get(&row.folder).cloned().ok_or(DriveError::Stopping)?;
        Ok(retelling.task.info())
    }

    /// Goes on with a retelling that is in the catalogue.
    pub(super) fn resume_retelling(&self, row: &NamespaceRow) -> Result<(), DriveError> {
        let Role::Retelling { base, base_folder, .. } = &row.role else {
            // A promotion may have been cut off before the plan was gone.
            self.forget_plan(&row.folder);
            return Ok(());
        };
        let (Some(base_inside), Some(target)) = (self.open_in(base_folder), self.open_in(&row.folder)) else { return Ok(()) };
        let task = ReplayTask::new(row.name.clone(), ReplayKind::Retelling, row.created, None, Some(row.name.clone()));
        let Some(store) = target.take_store() else { return Ok(()) };
        let plan = std::fs::read(self.0.options.data.join(&row.folder).join(PLAN)).map_err(io("the plan of a retelling can't be read"))?;
        let plan = RetellPlan::decode(&plan).map_err(StoreError::malformed(PLAN, Position::START))?;
        for module in &plan.modules {
            if target.guest(module.digest).is_none() {
                target.set_guest(module.digest, target.modules.load(&module.component)?);
            }
        }
        let info = noted(base, target.reader.note()?.as_deref());
        task.set_retelling(info.clone());
        let word = base_inside.replay_files.word(&row.name);
        task.set_budget(word.budget_percent);
        if word.stopped {
            task.stop();
        }
        let base_row = self.row(base)?;
        let folder: Arc<dyn Folder> = self.folder(&row.folder)?;
        let comparing = Comparing::mapped([base, &row.name], base_row.generation, &base_inside, &target, folder)?;
        let (orders, received) = channel();
        let shared = Arc::new(Retelling {
            task: task.clone(),
            base: base_inside,
            target,
            orders: std::sync::Mutex::new(orders),
            comparing: std::sync::Mutex::new(comparing),
            compared: watch::Sender::new(false),
            level_at: AtomicU64::new(0),
        });
        shared.base.replays.add_retelling(task.clone());
        self.retellings().insert(row.folder.clone(), shared.clone());
        let work = Work { shared, store, telling: run::Retelling::new(plan), info, orders: received, finishing: false };
        let thread = std::thread::Builder::new().name(format!("retelling-{}", row.name)).spawn(move || {
            // On Linux, of nobody in particular means this thread. Without the right to it, all are equal.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            work.run();
        });
        self.keep_thread(thread.map_err(io("the thread of the retelling can't be started"))?);
        Ok(())
    }

    /// What was told by it is told; it may name who was to be forgotten.
    pub(super) fn forget_plan(&self, folder: &str) {
        match std::fs::remove_file(self.0.options.data.join(folder).join(PLAN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%folder, %error, "the plan of a retelling can't be removed: remove it by hand");
            }
            _ => {}
        }
    }

    pub(super) fn retellings(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<String, Arc<Retelling>>> {
        self.0.retellings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread of a retelling, if there is one in the folder.
    pub(super) fn end_retelling(&self, folder: &str) {
        if let Some(retelling) = self.retellings().remove(folder) {
            retelling.base.replays.remove_retelling(&retelling.task.id);
            retelling.base.replay_files.remove_word(&retelling.task.id);
            retelling.task.drop_it();
        }
    }

    /// Ends all replays' threads, so that the host can stop.
    pub(super) fn end_replays(&self) {
        self.retellings().values().for_each(|retelling| retelling.task.drop_it());
        self.namespaces().iter().for_each(|namespace| namespace.inside().replays.end_all());
    }
}

/// The modules of the new log, and what of the old one goes into it.
fn plan(base: &Inside, request: &RetellRequest) -> Result<RetellPlan, DriveError> {
    let snapshot = base.reader.snapshot()?;
    let mut plan = RetellPlan::default();
    for name in &request.without {
        if !snapshot.modules().any(|module| module.active && module.name == *name) {
            return Err(DriveError::Refused(Refused::UnknownModule(name.clone())));
        }
    }
    let mut uploads = Vec::new();
    for (name, bytes) in &request.modules {
        uploads.push(base.modules.upload(Some(name.as_str()).filter(|name| !name.is_empty()), bytes)?);
    }
    for module in snapshot.modules().filter(|module| module.active && !request.without.contains(&module.name)) {
        if uploads.iter().any(|upload| upload.manifest.name == module.name) {
            continue;
        }
        let component = snapshot.component(module.digest)?.ok_or_else(|| {
            DriveError::Unavailable(format!(
                "the code of module {} is missing: deploy it again, or give it with the retelling",
                module.name
            ))
        })?;
        plan.modules.push(RetoldModule { manifest: module.manifest.clone(), digest: module.digest, component });
    }
    plan.modules.extend(uploads.into_iter().map(|upload| RetoldModule {
        manifest: upload.manifest,
        digest: upload.digest,
        component: upload.component,
    }));
    let told = |name: &str| plan.modules.iter().any(|module| module.manifest.functions.iter().any(|function| function.name == name));
    let late = snapshot.functions().filter(|row| row.start > Position::START && row.manifest.kind == FunctionKind::Handler);
    plan.starts = late.filter(|row| told(&row.name)).map(|row| (row.name.clone(), row.start)).collect();
    plan.drop = request.drop.iter().map(rule).collect::<Result<_, _>>()?;
    plan.keep = request.keep.iter().map(rule).collect::<Result<_, _>>()?;
    plan.forget = request.forget.iter().map(|subject| SubjectPattern::parse(subject)).collect();
    Ok(plan)
}

fn rule(rule: &RetellRule) -> Result<Rule, DriveError> {
    let r#type = match &rule.r#type {
        None => None,
        Some(text) => Some(TypePattern::parse(text).ok_or_else(|| {
            DriveError::Name(format!(
                "{text:?} is no event type: use one such as order.placed, or a pattern that ends in *, such as order.*"
            ))
        })?),
    };
    Ok(Rule {
        r#type,
        subject: rule.subject.as_deref().map(SubjectPattern::parse),
        tag: rule.tag.clone(),
        positions: None,
        times: rule.before.map(|before| (Timestamp::default(), before)),
    })
}

/// How a step went.
enum Step {
    Told,
    Level,
    Trouble,
}

impl Work {
    fn run(mut self) {
        let begun = self.shared.target.reader.retold().unwrap_or_default();
        self.shared.task.begin(begun, self.shared.base.reader.head());
        loop {
            match self.go_on() {
                Ok(()) => {}
                Err(Going::Ended) => {
                    self.shared.compared.send_replace(true);
                    // What is known of the comparison is known after a restart, too.
                    let _ = self.shared.comparing().keep();
                    return;
                }
                Err(Going::GivenAway(reply, finished)) => match reply.send(Ok(finished.into(self.store))) {
                    // Nobody waits any longer: it goes on as it did.
                    Err(SendError(Ok(finished))) => self.store = finished.store,
                    _ => return,
                },
            }
        }
    }

    /// One step, or an order, or a pause.
    fn go_on(&mut self) -> Result<(), Going> {
        self.shared.task.look().map_err(|Ended| Going::Ended)?;
        let over = self.shared.task.is_over();
        let pause = if over {
            self.shared.compared.send_replace(true);
            Some(IDLE * 10)
        } else {
            match self.follow() {
                Ok(Step::Told) => None,
                Ok(Step::Level) => Some(IDLE),
                Ok(Step::Trouble) => Some(TROUBLE),
                Err(Ended) => return Err(Going::Ended),
            }
        };
        let order = match pause {
            None => self.orders.try_recv().ok(),
            Some(pause) => match self.orders.recv_timeout(pause) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Err(Going::Ended),
            },
        };
        match order {
            None => Ok(()),
            Some(Order::Finish(reply)) => match self.finish_all() {
                Ok(()) => Err(Going::GivenAway(reply, GivenAway { info: self.info.clone() })),
                Err(error) => {
                    let _ = reply.send(Err(error));
                    Ok(())
                }
            },
        }
    }

    /// Tells whole records as long as there are any, then what is left at the head.
    fn follow(&mut self) -> Result<Step, Ended> {
        let mut stepped = self.step(Ending::WholeRecords)?;
        if matches!(stepped, Step::Level) && self.shared.behind() > 0 && !self.shared.task.is_over() {
            stepped = self.step(Ending::AtTheHead)?;
        }
        if !self.shared.task.is_over() {
            let level = matches!(stepped, Step::Level);
            self.shared.task.set_status(if level { ReplayStatus::Level } else { ReplayStatus::Running });
        }
        Ok(stepped)
    }

    /// Tells all that there is. Whoever asks holds the base still.
    fn finish_all(&mut self) -> Result<(), DriveError> {
        self.finishing = true;
        let finished = self.finish();
        self.finishing = false;
        finished
    }

    fn finish(&mut self) -> Result<(), DriveError> {
        loop {
            if let ReplayStatus::Failed { message, .. } = self.shared.task.status() {
                return Err(DriveError::Generation { namespace: self.shared.task.id.clone(), what: message });
            }
            match self.step(Ending::AtTheHead) {
                Ok(Step::Told) => {}
                Ok(Step::Level) => return Ok(()),
                Ok(Step::Trouble) => return Err(DriveError::Busy),
                Err(Ended) => return Err(DriveError::Stopping),
            }
        }
    }

    fn step(&mut self, ending: Ending) -> Result<Step, Ended> {
        let began = clock::started();
        let before = self.info.kept + self.info.dropped + self.info.derived;
        let stepped = match self.tell(ending) {
            Ok(stepped) => stepped,
            Err(error) => {
                self.shared.task.fail("storage", error.to_string());
                return Ok(Step::Level);
            }
        };
        let told = self.shared.told();
        let events = self.info.kept + self.info.dropped + self.info.derived - before;
        self.shared.task.set_retelling(self.info.clone());
        if ending == Ending::WholeRecords || !self.finishing {
            self.shared.task.worked(told, self.shared.base.reader.head(), events, began)?;
        }
        Ok(stepped)
    }

    fn tell(&mut self, ending: Ending) -> Result<Step, DriveError> {
        let target = self.shared.target.clone();
        let base = self.shared.base.reader.snapshot()?;
        let retold = {
            let snapshot = target.reader.snapshot()?;
            let guests = target.guests_at(&snapshot);
            self.telling.step(&base, &target.reader, &guests as &dyn Guests, UNITS_PER_STEP, ending)?
        };
        let stepped = match retold {
            Retold::Begin { deployments, recorded } => {
                self.begin(deployments, recorded)?;
                Step::Told
            }
            Retold::Commits { commits, told } => {
                let counted = counted(&self.info, told);
                self.store.follow_noting(commits, note(&counted))?;
                self.info = counted;
                Step::Told
            }
            Retold::Waits | Retold::Level => Step::Level,
            Retold::Halted { function, position, reason, message } => {
                let what = format!(
                    "function {function} can't handle the event at position {position} of the log that is retold ({reason}): {message}; mend the module and retell again"
                );
                self.shared.task.fail("halted", what);
                Step::Level
            }
            Retold::Unavailable(why) => {
                tracing::warn!(retelling = %self.shared.task.id, %why, "a function can't be run; it is tried again");
                Step::Trouble
            }
        };
        self.housekeep()?;
        let head = target.reader.head();
        target.head.send_if_modified(|known| std::mem::replace(known, head) != head);
        target.wake_all();
        let level = matches!(stepped, Step::Level) && ending == Ending::AtTheHead;
        if level && !self.shared.task.is_over() {
            self.shared.level_at.store(base.head().0, Ordering::Release);
        }
        let upto = if level { base.head() } else { self.shared.told() };
        let compared = self.shared.comparing().advance(&base, &target.reader.snapshot()?, upto, ending == Ending::AtTheHead)?;
        self.shared.compared.send_replace(compared && matches!(stepped, Step::Level));
        Ok(if compared { stepped } else { Step::Told })
    }

    /// The modules, and the schemas that operators gave, as of one moment.
    fn begin(&mut self, deployments: Vec<retold_engine::store::Deploy>, recorded: Timestamp) -> Result<(), DriveError> {
        let schemas = self.shared.base.reader.schemas();
        let uploaded = schemas.iter().filter(|(_, row)| row.module.is_none());
        let schemas = uploaded.map(|(r#type, row)| Proposal::SetSchema { r#type: r#type.clone(), schema: Some(row.json.clone()) });
        let proposals: Vec<Proposal> = deployments.into_iter().map(Proposal::Deploy).chain(schemas).collect();
        let committed = self.store.commit(proposals, recorded)?;
        if let Some(refused) = committed.answers.into_iter().find_map(Result::err) {
            return Err(refused.into());
        }
        self.shared.target.set_schemas(&self.shared.target.reader.schemas());
        self.shared.target.open_views();
        Ok(())
    }

    /// Seals and merges on this thread: nobody else writes this log.
    fn housekeep(&mut self) -> Result<(), DriveError> {
        while let Some(due) = self.shared.target.reader.housekeeping_due() {
            let sealed = self.shared.target.reader.housekeep(due)?;
            self.store.adopt(sealed)?;
        }
        self.store.delete_leftover_rows()?;
        Ok(())
    }
}

fn counted(info: &RetellingInfo, told: Told) -> RetellingInfo {
    RetellingInfo {
        base: info.base.clone(),
        kept: info.kept + told.kept,
        dropped: info.dropped + told.dropped,
        forgotten: info.forgotten + told.forgotten,
        derived: info.derived + told.derived,
        parked: info.parked + told.parked,
    }
}

/// What is noted with the log that is made, so that it is known after a restart.
pub fn note(info: &RetellingInfo) -> Vec<u8> {
    let mut note = ByteWriter::default();
    [info.kept, info.dropped, info.forgotten, info.derived, info.parked].into_iter().for_each(|count| note.u64(count));
    note.bytes
}

/// What was noted; nothing of it where there is none.
pub fn noted(base: &str, note: Option<&[u8]>) -> RetellingInfo {
    let mut reader = ByteReader::new(note.unwrap_or_default());
    let [kept, dropped, forgotten, derived, parked] = [(); 5].map(|()| reader.u64("a count").unwrap_or_default());
    RetellingInfo { base: base.to_owned(), kept, dropped, forgotten, derived, parked }
}

/// Why the thread's loop ends.
enum Going {
    Ended,
    GivenAway(Sender<Result<Finished, DriveError>>, GivenAway),
}

/// What goes along with the store.
struct GivenAway {
    info: RetellingInfo,
}

impl GivenAway {
    fn into(self, store: Store) -> Finished {
        Finished { store, info: self.info }
    }
}

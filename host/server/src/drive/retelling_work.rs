//! The thread of a retelling: tells step by step, follows its base, and finishes when it is promoted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender};
use std::time::Duration;

use retold_engine::model::Timestamp;
use retold_engine::run::{self, Ending, Guests, RetellPlan, Retold, Told};
use retold_engine::store::{Proposal, Store};

use super::clock;
use super::replay_info::{ReplayStatus, RetellingInfo};
use super::replay_task::Ended;
use super::retelling::{Finished, Order, Retelling, note};
use super::types::DriveError;

/// Source events told in one step, and so in one commit with one sync.
const UNITS_PER_STEP: usize = 4_096;
/// A pause where there is nothing to tell.
const IDLE: Duration = Duration::from_millis(20);
/// A pause where the host could not run a function.
const TROUBLE: Duration = Duration::from_millis(200);

/// What the thread works with.
pub(super) struct Work {
    shared: Arc<Retelling>,
    store: Store,
    telling: run::Retelling,
    info: RetellingInfo,
    orders: Receiver<Order>,
    /// Somebody waits for the end: no pauses.
    finishing: bool,
}

/// How a step went.
enum Step {
    Told,
    Level,
    Trouble,
}

impl Work {
    pub fn new(shared: Arc<Retelling>, store: Store, plan: RetellPlan, info: RetellingInfo, orders: Receiver<Order>) -> Work {
        let telling = run::Retelling::new(plan, shared.target.zones.clone());
        Work { shared, store, telling, info, orders, finishing: false }
    }

    pub fn run(mut self) {
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
        self.shared.task.wait_for_space(self.shared.target.reader.head_bytes()).map_err(|Ended| Going::Ended)?;
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
        // Requests that are made again are held; nothing leaves before a promotion.
        let quiet = std::iter::once(Proposal::Effects { on: false });
        let proposals: Vec<Proposal> = quiet.chain(deployments.into_iter().map(Proposal::Deploy)).chain(schemas).collect();
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

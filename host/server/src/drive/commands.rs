//! Commands on their way to aggregates: one after the other for each subject, side by side for
//! different ones. A subject's folded state stays in memory until others need the room.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lru::LruCache;
use retold_engine::model::{NewEvent, Position, Rejection};
use retold_engine::run::{self, AggregateFault, FoldedState, Hot, Reading};
use retold_engine::store::{self, Decision, Proposal, Refused};
use tokio::sync::oneshot;

use super::clock;
use super::committer::{Job, WaitKey};
use super::inside::Inside;
use super::queue::Cost;
use super::types::{DriveError, Handled};
use super::workers::Work;

/// Folded states kept in memory, for all aggregates of a namespace together.
const HOT_BYTES_MAX: usize = 32 << 20;
/// Subjects that are known to be hot, or have commands waiting.
const SUBJECTS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// What a subject takes beside its state.
const SUBJECT_BYTES: usize = 512;
/// Commands that may wait for one subject.
const WAITING_MAX: usize = 1_024;
/// Times that a command is decided anew because events of its subject came between.
const ATTEMPTS_MAX: u32 = 16;
/// Commands of a subject that a worker answers before others get it.
const ASKS_PER_TURN: usize = 32;

/// What became of a command.
#[derive(Clone, Debug)]
pub enum CommandOutcome {
    Accepted(CommandAccepted),
    /// In the aggregate's own words. Nothing is recorded.
    Rejected(Rejection),
}

#[derive(Clone, Debug)]
pub struct CommandAccepted {
    /// Where the command itself is.
    pub command: Position,
    pub events: Vec<Position>,
    /// False: it was accepted before, and this is its first answer.
    pub new: bool,
    /// For `WaitFor::Handled`.
    pub handled: Option<Handled>,
}

pub type CommandReply = oneshot::Sender<Result<CommandOutcome, DriveError>>;
pub type StateReply = oneshot::Sender<Result<FoldedState, DriveError>>;

/// What can be asked of a subject.
enum Ask {
    Command {
        command: Box<NewEvent>,
        wait: Option<WaitKey>,
        attempts: u32,
        reply: CommandReply,
    },
    /// The state folded so far.
    State {
        reply: StateReply,
    },
}

type Key = (String, String);

/// The subjects of a namespace that are hot.
pub struct Commands {
    subjects: Mutex<LruCache<Key, Arc<SubjectTask>>>,
    bytes: Arc<AtomicUsize>,
}

impl Default for Commands {
    fn default() -> Self {
        Commands { subjects: Mutex::new(LruCache::new(SUBJECTS_MAX)), bytes: Arc::default() }
    }
}

impl Commands {
    fn task(&self, namespace: &Arc<Inside>, function: &str, subject: &str) -> Arc<SubjectTask> {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            Arc::new(SubjectTask {
                function: function.to_owned(),
                subject: subject.to_owned(),
                namespace: Arc::downgrade(namespace),
                inside: Mutex::default(),
                is_long: AtomicBool::new(false),
                bytes: AtomicUsize::new(0),
                all_bytes: self.bytes.clone(),
            })
        };
        let task = subjects.get_or_insert((function.to_owned(), subject.to_owned()), make).clone();
        // One that is dropped while it works goes on by itself; if it is asked for again meanwhile, the
        // writer has the two decide anew instead of both winning.
        while self.bytes.load(Ordering::Relaxed) + subjects.len() * SUBJECT_BYTES > HOT_BYTES_MAX && subjects.len() > 1 {
            subjects.pop_lru();
        }
        task
    }

    pub fn command(
        &self,
        namespace: &Arc<Inside>,
        function: &str,
        command: NewEvent,
        wait: Option<WaitKey>,
        reply: CommandReply,
    ) -> Result<(), DriveError> {
        let task = self.task(namespace, function, &command.subject);
        task.ask(Ask::Command { command: Box::new(command), wait, attempts: 0, reply })
    }

    pub fn state(&self, namespace: &Arc<Inside>, function: &str, subject: &str, reply: StateReply) -> Result<(), DriveError> {
        self.task(namespace, function, subject).ask(Ask::State { reply })
    }
}

/// One subject of one aggregate.
pub struct SubjectTask {
    function: String,
    subject: String,
    namespace: Weak<Inside>,
    inside: Mutex<Subject>,
    /// It waits or runs where what takes long does.
    is_long: AtomicBool,
    bytes: AtomicUsize,
    all_bytes: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Subject {
    waiting: VecDeque<Ask>,
    /// The command whose decision is on its way to the disk.
    deciding: Option<Ask>,
    /// Queued, on a worker, or waiting for the writer.
    busy: bool,
    hot: Option<Hot>,
}

impl Drop for SubjectTask {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl SubjectTask {
    fn lock(&self) -> MutexGuard<'_, Subject> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, ask: Ask) -> Result<(), DriveError> {
        let mut subject = self.lock();
        if subject.waiting.len() >= WAITING_MAX {
            return Err(DriveError::Busy);
        }
        subject.waiting.push_back(ask);
        if !std::mem::replace(&mut subject.busy, true) {
            drop(subject);
            self.queue();
        }
        Ok(())
    }

    fn queue(self: &Arc<Self>) {
        if let Some(namespace) = self.namespace.upgrade() {
            let is_long = namespace.paces.takes_long(&self.function);
            self.is_long.store(is_long, Ordering::Relaxed);
            let pool = if is_long { &namespace.long_answer_pool } else { &namespace.pool };
            pool.push(self.clone());
        }
    }

    /// Works on what waits, until a decision is on its way to the disk or nothing waits.
    fn turn(self: &Arc<Self>, namespace: &Arc<Inside>) {
        for _ in 0..ASKS_PER_TURN {
            let (ask, mut hot) = {
                let mut subject = self.lock();
                let Some(ask) = subject.waiting.pop_front() else {
                    subject.busy = false;
                    return;
                };
                (ask, subject.hot.take())
            };
            let before_us = clock::thread_us();
            let under_way = self.work_on(namespace, ask, &mut hot);
            namespace.paces.note(&self.function, clock::thread_us() - before_us);
            self.count(hot.as_ref());
            let mut subject = self.lock();
            subject.hot = hot;
            if let Some((ask, decision)) = under_way {
                subject.deciding = Some(ask);
                drop(subject);
                let cost = Cost {
                    events: decision.events.len() + 1,
                    bytes: decision.command.bytes() + decision.events.iter().map(|event| event.data.len() + 200).sum::<usize>(),
                };
                namespace.queue.push_own(Job::Decide { decision, subject: self.clone() }, cost);
                return;
            }
            if self.is_elsewhere(namespace) {
                break;
            }
        }
        self.queue();
    }

    /// Its aggregate was found to take long since it was queued.
    fn is_elsewhere(&self, namespace: &Inside) -> bool {
        !self.is_long.load(Ordering::Relaxed) && namespace.paces.takes_long(&self.function)
    }

    /// Answers, or gives back what is to be decided with the writer's word.
    fn work_on(self: &Arc<Self>, namespace: &Arc<Inside>, ask: Ask, hot: &mut Option<Hot>) -> Option<(Ask, Box<Decision>)> {
        match ask {
            Ask::State { reply } => {
                if !reply.is_closed() {
                    let folded = namespace.folded(&self.function, &self.subject, None, hot);
                    let _ = reply.send(folded);
                }
                None
            }
            Ask::Command { reply, .. } if reply.is_closed() => None,
            Ask::Command { command, wait, attempts, reply } => match self.decide(namespace, &command, hot) {
                Ok(Step::Decide(decision)) => Some((Ask::Command { command, wait, attempts, reply }, decision)),
                Ok(Step::Known { command, events }) => {
                    let accepted = CommandAccepted { command, events, new: false, handled: None };
                    match wait {
                        None => drop(reply.send(Ok(CommandOutcome::Accepted(accepted)))),
                        Some(wait) => namespace.queue.push_own(Job::WaitForKnown { accepted, wait, reply }, Cost::default()),
                    }
                    None
                }
                Ok(Step::Rejected(rejection)) => {
                    // Nothing is recorded; but a long fold need not be done again.
                    if let Some(snapshot) = hot.as_mut().and_then(Hot::snapshot_due) {
                        namespace.queue.push_own(Job::Keep(Box::new(snapshot)), Cost::default());
                    }
                    let _ = reply.send(Ok(CommandOutcome::Rejected(rejection)));
                    None
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                    None
                }
            },
        }
    }

    fn decide(&self, namespace: &Arc<Inside>, command: &NewEvent, hot: &mut Option<Hot>) -> Result<Step, DriveError> {
        if namespace.is_frozen() {
            return Err(DriveError::Superseded);
        }
        let snapshot = namespace.reader.snapshot()?;
        let guests = namespace.guests_at(&snapshot);
        let reading = Reading::new(&snapshot, &guests);
        let log = namespace.logs.of(&self.function);
        let decided = run::decide(&reading, &self.function, command, hot, clock::now(), &mut |level, message| log.add(level, message))?;
        match decided {
            run::Decided::Propose(decision) => Ok(Step::Decide(decision)),
            run::Decided::Known { command, events } => Ok(Step::Known { command, events }),
            run::Decided::Rejected(rejection) => Ok(Step::Rejected(rejection)),
            run::Decided::Failed(fault) => Err(self.failed(fault)),
            run::Decided::Refused(refused) => Err(refused.into()),
            run::Decided::Unavailable(what) => Err(DriveError::Unavailable(what)),
        }
    }

    fn failed(&self, fault: AggregateFault) -> DriveError {
        DriveError::Aggregate { function: self.function.clone(), subject: self.subject.clone(), fault }
    }

    /// Counts what the subject holds in memory.
    fn count(&self, hot: Option<&Hot>) {
        let bytes = hot.map_or(0, Hot::bytes);
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all_bytes.fetch_sub(before, Ordering::Relaxed);
    }

    /// The writer's word. Answers who waits for the command's events to be handled, if somebody does.
    pub fn settled(self: &Arc<Self>, answer: Result<store::Decided, DriveError>) -> Option<(CommandAccepted, WaitKey, CommandReply)> {
        let mut subject = self.lock();
        let asked = subject.deciding.take();
        let mut waits = None;
        if let Some(Ask::Command { command, wait, attempts, reply }) = asked {
            match answer {
                Ok(store::Decided { command, events, new }) => {
                    let accepted = CommandAccepted { command, events, new, handled: None };
                    match wait {
                        Some(wait) => waits = Some((accepted, wait, reply)),
                        None => drop(reply.send(Ok(CommandOutcome::Accepted(accepted)))),
                    }
                }
                // Someone else wrote first: what was folded is folded on.
                Err(DriveError::Refused(Refused::Conflict { .. } | Refused::Stale { .. })) if attempts + 1 < ATTEMPTS_MAX => {
                    subject.waiting.push_front(Ask::Command { command, wait, attempts: attempts + 1, reply });
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        subject.busy = !subject.waiting.is_empty();
        let more = subject.busy;
        drop(subject);
        if more {
            self.queue();
        }
        waits
    }
}

enum Step {
    Decide(Box<Decision>),
    Known { command: Position, events: Vec<Position> },
    Rejected(Rejection),
}

impl Work for SubjectTask {
    fn name(&self) -> &str {
        &self.function
    }

    fn owner(&self) -> usize {
        self.namespace.as_ptr() as usize
    }

    fn run(self: Arc<Self>) {
        match self.namespace.upgrade() {
            Some(namespace) if self.is_elsewhere(&namespace) => self.queue(),
            Some(namespace) => self.turn(&namespace),
            None => {}
        }
    }
}

/// What the writer is asked to do with a decision.
pub fn proposal(decision: Box<Decision>) -> Proposal {
    Proposal::Decide(*decision)
}

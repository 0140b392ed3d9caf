//! The commit loop of one namespace: takes what waits, has the store judge and commit it with one
//! sync, answers everybody, wakes who has something to read. No timer: load itself makes the groups.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use retold_engine::model::{Plan, Position, Timestamp, limits};
use retold_engine::run::{Outcome, Settled, Ticket, WaitId, Waits, Whom, World};
use retold_engine::store::{
    Accepted, Appended, Committed, Decision, Due, Housekeeping, Proposal, Reacted, Refused, Snapshot, Store, StoreError, SubjectSnapshot,
};
use tokio::sync::oneshot;

use super::clock;
use super::commands::{self, CommandAccepted, CommandReply, SubjectTask};
use super::function::FunctionTask;
use super::housekeeper::Ended;
use super::inside::Inside;
use super::queue::Cost;
use super::registry::Registry;
use super::spans::{Ran, Trails};
use super::timers::Wave;
use super::types::{Append, DriveError};
use super::waiting::{Waiting, handled};

/// What can be asked of the writer.
pub enum Job {
    Append {
        append: retold_engine::store::Append,
        /// Version of the schemas that the events were checked with.
        checked: u64,
        wait: Option<WaitKey>,
        reply: oneshot::Sender<Result<Append, DriveError>>,
    },
    /// What follows from a command.
    Decide { decision: Box<Decision>, subject: Arc<SubjectTask> },
    /// A snapshot of a subject, which spares somebody a long fold.
    Keep(Box<SubjectSnapshot>),
    /// A command that was accepted before: wait until its events are handled.
    WaitForKnown { accepted: CommandAccepted, wait: WaitKey, reply: CommandReply },
    Reaction {
        plan: Box<Plan>,
        function: Arc<FunctionTask>,
        ticket: Ticket,
        /// What is told of it, if anybody is told.
        ran: Option<Box<Ran>>,
    },
    /// Timers and schedules that are due.
    Fire { due: Vec<Due>, wave: Wave },
    /// A deployment, removal or an operator's word.
    Change {
        proposal: Box<Proposal>,
        /// Looks at what came since it was last looked, on the log as it is just before the change, and
        /// completes it.
        last_look: Option<LastLook>,
        reply: oneshot::Sender<Result<Accepted, DriveError>>,
    },
    /// Something to do on the writer's thread, while nothing else is written.
    Alone(Box<dyn FnOnce(&mut Store) + Send>),
    /// Whoever waits for this append waits no longer: tell how far it is.
    GiveUp(WaitKey),
    /// Work on files has ended: look what came of it.
    Housekept,
}

/// Names an append or a command that waits to be handled.
pub type WaitKey = u64;

/// The last look before a change is committed: answers what is to be proposed. An `Err` refuses it.
pub type LastLook = Box<dyn FnOnce(&Snapshot, Proposal) -> Result<Proposal, DriveError> + Send>;

/// Parts of the tail that may wait to be sealed before the writer waits for housekeeping.
const PARTS_WAITING_MAX: usize = 8;

pub struct Committer {
    store: Store,
    pub(super) namespace: Arc<Inside>,
    pub(super) registry: Registry,
    pub(super) waits: Waits,
    pub(super) waiting: BTreeMap<WaitId, Waiting>,
    pub(super) keys: BTreeMap<WaitKey, WaitId>,
    pub(super) given_up: VecDeque<WaitKey>,
    /// Work on files under way.
    sealing: Option<Receiver<Ended>>,
    merging: Option<Receiver<Ended>>,
    /// Where what is committed comes from, if anybody is told.
    trails: Option<Trails>,
}

/// Who is answered, in the order of the proposals.
enum Caller {
    Append {
        wait: Option<WaitKey>,
        reply: oneshot::Sender<Result<Append, DriveError>>,
    },
    Subject(Arc<SubjectTask>),
    Nobody,
    Function {
        function: Arc<FunctionTask>,
        ticket: Ticket,
        ran: Option<Box<Ran>>,
    },
    /// When what was fired was due.
    Timers {
        wave: Wave,
        due: Vec<Timestamp>,
    },
    Change {
        reply: oneshot::Sender<Result<Accepted, DriveError>>,
    },
}

impl Committer {
    pub fn new(store: Store, namespace: Arc<Inside>) -> Committer {
        let tracer = namespace.tracer.clone();
        let trails = tracer.map(|tracer| Trails::new(tracer, &namespace.name, namespace.reader.clone()));
        let mut committer = Committer {
            store,
            namespace,
            registry: Registry::default(),
            waits: Waits::default(),
            waiting: BTreeMap::new(),
            keys: BTreeMap::new(),
            given_up: VecDeque::new(),
            sealing: None,
            merging: None,
            trails,
        };
        committer.refresh();
        committer.registry.wake_all();
        committer.namespace.timers.begin(&committer.namespace);
        committer.housekeep();
        committer
    }

    /// Runs until the queue is closed and empty.
    pub fn run(mut self) {
        let most = Cost { events: limits::EVENTS_PER_COMMIT_MAX, bytes: limits::COMMIT_BYTES_MAX };
        let namespace = self.namespace.clone();
        // An earlier process may have left some.
        self.delete_leftover_rows();
        while let Some(jobs) = namespace.queue.take(most) {
            let serving = namespace.traffic.serve();
            self.commit(jobs);
            drop(serving);
            self.delete_leftover_rows();
        }
    }

    /// Later parts of a stream are refused.
    pub(super) fn break_stream(&mut self, stream: u64) {
        self.store.break_stream(stream);
    }

    /// Step by step, until nothing is left or somebody waits. Deleting takes space first.
    fn delete_leftover_rows(&mut self) {
        while self.namespace.queue.is_idle() && self.namespace.check_space().is_ok() {
            match self.store.delete_leftover_rows() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.fail(&error),
            }
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut group = Jobs::default();
        let mut given_up = Vec::new();
        for job in self.with_space(jobs) {
            let Some(job) = self.unless_superseded(job) else { continue };
            match job {
                Job::Alone(work) => {
                    self.commit_group(std::mem::take(&mut group));
                    work(&mut self.store);
                    self.aftermath();
                }
                Job::Append { append, checked, wait, reply } => match self.recheck(&append, checked) {
                    Ok(()) => group.push(Proposal::Append(append), Caller::Append { wait, reply }),
                    Err(error) => {
                        // What came before it in its stream stands, what comes after it is refused too.
                        if let Some(stream) = append.stream {
                            self.commit_group(std::mem::take(&mut group));
                            self.store.break_stream(stream);
                        }
                        let _ = reply.send(Err(error));
                    }
                },
                Job::Decide { decision, subject } => group.push(commands::proposal(decision), Caller::Subject(subject)),
                Job::Keep(snapshot) => group.push(Proposal::Snapshot(*snapshot), Caller::Nobody),
                Job::WaitForKnown { accepted, wait, reply } => self.begin_command_wait(accepted, wait, reply, &|_| None),
                Job::Reaction { plan, function, ticket, ran } => {
                    group.push(Proposal::Reaction(*plan), Caller::Function { function, ticket, ran });
                }
                Job::Fire { due, wave } => {
                    let times = due.iter().map(Due::due).collect();
                    group.push(Proposal::Fire(due), Caller::Timers { wave, due: times });
                }
                Job::Change { proposal, last_look: None, reply } => group.push(*proposal, Caller::Change { reply }),
                Job::Change { proposal, last_look: Some(look), reply } => {
                    // It must see what came before it, and nothing may come between its look and the change.
                    self.commit_group(std::mem::take(&mut group));
                    let snapshot = self.namespace.reader.snapshot().map_err(DriveError::from);
                    match snapshot.and_then(|snapshot| look(&snapshot, *proposal)) {
                        Ok(proposal) => group.push(proposal, Caller::Change { reply }),
                        Err(error) => drop(reply.send(Err(error))),
                    }
                    self.commit_group(std::mem::take(&mut group));
                }
                Job::GiveUp(key) => given_up.push(key),
                // Looked at below, as after every commit.
                Job::Housekept => {}
            }
        }
        self.commit_group(group);
        for key in given_up {
            self.give_up(key);
        }
        self.housekeep();
    }

    /// Schemas may have changed since an append was checked.
    fn recheck(&self, append: &retold_engine::store::Append, checked: u64) -> Result<(), DriveError> {
        let book = self.namespace.book();
        if book.version == checked {
            return Ok(());
        }
        self.namespace.check_events(&book, &append.events)
    }

    fn commit_group(&mut self, Jobs { proposals, callers }: Jobs) {
        if proposals.is_empty() {
            return;
        }
        let began = clock::started();
        let began_ns = self.trails.as_ref().map(|_| clock::wall_ns());
        match self.store.commit(proposals, self.namespace.clock.now()) {
            Ok(committed) => {
                self.namespace.counts.commits.add(began.elapsed());
                // Before anybody reads what is new.
                if let (Some(trails), Some(began_ns)) = (&mut self.trails, began_ns) {
                    trails.committed(&committed.changes.records, began_ns, clock::wall_ns());
                }
                self.answer(committed, callers);
            }
            Err(error) => {
                self.fail(&error);
                callers.into_iter().for_each(|caller| caller.failed(&error));
            }
        }
    }

    fn answer(&mut self, committed: Committed, callers: Vec<Caller>) {
        let Committed { answers, changes } = committed;
        if changes.functions {
            self.refresh();
            self.namespace.timers.functions_changed();
        }
        if changes.records.iter().any(|record| record.is_outside())
            || answers.iter().any(|answer| matches!(answer, Ok(Accepted::Scheduled | Accepted::Noted)))
        {
            self.namespace.timers.wake();
        }
        if callers.iter().any(|caller| matches!(caller, Caller::Append { .. } | Caller::Subject(_))) {
            self.namespace.traffic.note();
        }
        // Readers are woken before anybody is answered, so that whoever was answered finds them at work.
        for record in &changes.records {
            for word in record.words() {
                self.registry.wake_readers(&self.namespace, word);
            }
        }
        if changes.records.iter().any(|record| record.is_outside()) {
            self.namespace.outbox.wake();
        }
        let type_of = |position: Position| -> Option<String> {
            let index = changes.records.partition_point(|record| record.first <= position).checked_sub(1)?;
            changes.records.get(index)?.event(position).map(|event| event.r#type.to_owned())
        };
        let mut ended: Vec<(WaitId, Outcome)> = Vec::new();
        let generation = self.namespace.generation.load(Ordering::Acquire);
        for (answer, caller) in answers.into_iter().zip(callers) {
            match (caller, answer) {
                (Caller::Append { wait, reply }, Ok(Accepted::Appended(appended))) => {
                    self.namespace.counts.appended_events.fetch_add(appended.new as u64, Ordering::Relaxed);
                    match wait {
                        None => drop(reply.send(Ok(answered(generation, appended, None)))),
                        Some(key) => {
                            let positions = appended.positions.clone();
                            let answer = move |outcome| drop(reply.send(Ok(answered(generation, appended, Some(outcome)))));
                            self.begin_wait(key, Whom::All, &positions, Box::new(answer), &type_of);
                        }
                    }
                }
                (Caller::Nobody, _) => {}
                (Caller::Subject(subject), Ok(Accepted::Decided(decided))) => {
                    if decided.new {
                        self.namespace.counts.commands.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Some((accepted, wait, reply)) = subject.settled(Ok(decided)) {
                        self.begin_command_wait(accepted, wait, reply, &type_of);
                    }
                }
                (Caller::Subject(subject), answer) => {
                    let error = answer.err().map_or(DriveError::Stopping, DriveError::from);
                    drop(subject.settled(Err(error)));
                }
                (Caller::Function { function, ticket, ran }, Ok(Accepted::Reacted(reacted))) => {
                    if let (Some(trails), Some(ran)) = (&mut self.trails, ran) {
                        trails.ran(&function.name, &ran);
                    }
                    ended.extend(self.reacted(&function, &reacted));
                    function.settle(ticket, Settled::Committed);
                }
                (Caller::Timers { wave, due }, Ok(Accepted::Fired(fired))) => {
                    let (timers, positions) = (self.namespace.timers.clone(), self.namespace.timers.fired(wave, &due, &fired));
                    if wave.awaited && !positions.is_empty() {
                        self.begin_wait(wave.key, Whom::WhoRuns, &positions, Box::new(move |_| timers.level(wave.key)), &type_of);
                    } else {
                        timers.level(wave.key);
                    }
                }
                (Caller::Timers { wave, .. }, _) => self.namespace.timers.level(wave.key),
                (Caller::Function { function, ticket, .. }, _) => function.settle(ticket, Settled::Refused),
                (Caller::Append { reply, .. }, answer) => {
                    self.namespace.counts.refused.fetch_add(1, Ordering::Relaxed);
                    let error = answer.err().map_or(DriveError::Stopping, DriveError::from);
                    let _ = reply.send(Err(if matches!(error, DriveError::Refused(Refused::StreamBroken)) {
                        DriveError::StreamBroken
                    } else {
                        error
                    }));
                }
                (Caller::Change { reply }, answer) => drop(reply.send(answer.map_err(DriveError::from))),
            }
        }
        self.namespace.head.send_if_modified(|head| {
            let now = self.store.head();
            let moved = *head != now;
            *head = now;
            moved
        });
        if changes.functions {
            let view = self.namespace.reader.functions();
            ended.extend(self.waits.functions_changed(&view));
        }
        for (id, outcome) in ended {
            self.end_wait(id, outcome);
        }
    }

    fn reacted(&mut self, function: &FunctionTask, reacted: &Reacted) -> Vec<(WaitId, Outcome)> {
        function.handled.fetch_add(reacted.handled.len() as u64, Ordering::Relaxed);
        function.emitted.fetch_add(reacted.outputs.len() as u64, Ordering::Relaxed);
        function.parked.fetch_add(reacted.parked.len() as u64, Ordering::Relaxed);
        self.namespace.counts.derived_events.fetch_add(reacted.outputs.len() as u64, Ordering::Relaxed);
        for different in &reacted.different {
            tracing::warn!(function = %function.name, id = %different.id, position = %different.position, "an output differs from the one in the log, which stands");
        }
        if self.waits.is_empty() {
            return Vec::new();
        }
        let functions = self.namespace.reader.functions();
        self.waits.reacted(reacted, &mut World { subscriptions: &mut self.registry.subscriptions, functions: &functions })
    }

    /// Brings tasks and subscriptions up to the functions as they stand.
    pub(super) fn refresh(&mut self) {
        let schemas = self.namespace.reader.schemas();
        self.namespace.set_schemas(&schemas);
        self.registry.refresh(&self.namespace);
    }

    /// Takes in what was done beside the writer and starts what is due. Waits for sealing only if far
    /// too much waits for it.
    fn housekeep(&mut self) {
        let namespace = self.namespace.clone();
        let too_much = namespace.reader.parts_to_seal() > PARTS_WAITING_MAX;
        let space = |work: &Housekeeping| {
            let bytes = namespace.reader.bytes_of(work);
            namespace.check_space().is_ok() && namespace.space.check_for(bytes).is_ok()
        };
        let start = |work| namespace.housekeeper.push(namespace.clone(), work);
        let sealing = self.sealing.take().map_or(Under::Free, |end| self.take_in(end, too_much));
        self.sealing = sealing.or_start(|| namespace.reader.seal_due().filter(space).map(start));
        let merging = self.merging.take().map_or(Under::Free, |end| self.take_in(end, false));
        self.merging = merging.or_start(|| namespace.reader.merge_due().filter(space).map(start));
    }

    /// Names a new segment in the head, if it is written.
    fn take_in(&mut self, end: Receiver<Ended>, wait: bool) -> Under {
        let ended = if wait { end.recv().ok() } else { end.try_recv().ok() };
        match ended {
            None => Under::Way(end),
            Some(Ok(sealed)) => {
                if let Err(error) = self.store.adopt(sealed) {
                    self.fail(&error);
                }
                Under::Free
            }
            Some(Err(error)) => {
                tracing::error!(namespace = %self.namespace.name, %error, "a segment could not be written; it is tried again with the next commit");
                Under::Trouble
            }
        }
    }

    fn fail(&self, error: &StoreError) {
        tracing::error!(namespace = %self.namespace.name, %error, "storage failed; no more writes");
        self.namespace.fail(format!("namespace {}: {error}", self.namespace.name));
    }
}

/// How a kind of work on files stands.
enum Under {
    Way(Receiver<Ended>),
    Free,
    /// It failed just now.
    Trouble,
}

impl Under {
    fn or_start(self, start: impl FnOnce() -> Option<Receiver<Ended>>) -> Option<Receiver<Ended>> {
        match self {
            Under::Way(end) => Some(end),
            Under::Free => start(),
            Under::Trouble => None,
        }
    }
}

impl Caller {
    fn failed(self, error: &StoreError) {
        match self {
            Caller::Append { reply, .. } => drop(reply.send(Err(error.clone().into()))),
            Caller::Change { reply } => drop(reply.send(Err(error.clone().into()))),
            Caller::Nobody => {}
            Caller::Subject(subject) => drop(subject.settled(Err(error.clone().into()))),
            Caller::Function { function, ticket, .. } => function.settle(ticket, Settled::Refused),
            // Nothing is written any more.
            Caller::Timers { .. } => {}
        }
    }
}

fn answered(generation: u64, appended: Appended, outcome: Option<Outcome>) -> Append {
    Append { generation, positions: appended.positions, new: appended.new, handled: outcome.map(handled) }
}

/// Proposals of one transaction, and who is answered for each.
#[derive(Default)]
struct Jobs {
    proposals: Vec<Proposal>,
    callers: Vec<Caller>,
}

impl Jobs {
    fn push(&mut self, proposal: Proposal, caller: Caller) {
        self.proposals.push(proposal);
        self.callers.push(caller);
    }
}

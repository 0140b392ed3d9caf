//! What can be asked of a namespace's functions: commands to aggregates, their state, rows of views and
//! queries.

use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{FunctionKind, NewEvent, Payload, Position, Query};
use retold_engine::run::{self, FoldedState, Hot, QueryRefused, Reading};
use retold_engine::store::{Batch, Filter, FunctionRow, FunctionStatus, Portion, Snapshot, ViewSnapshot};
use tokio::sync::oneshot;

use super::commands::{CommandAccepted, CommandOutcome};
use super::committer::Job;
use super::inside::{Inside, next_number};
use super::loaded::Loaded;
use super::namespace::Namespace;
use super::queue::Cost;
use super::types::{DriveError, WaitFor};
use super::views::ViewTask;
use crate::wasm::WasmModule;

/// How long a command may wait for its subject and for the disk.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(60);

/// A view at one moment.
pub struct ViewRead {
    pub snapshot: ViewSnapshot,
    /// The function as it was when its code made these rows.
    pub row: Arc<FunctionRow>,
    guest: Option<Arc<WasmModule>>,
    /// Everything up to here is in it.
    pub position: Position,
    /// Positions between there and the head.
    pub lag: u64,
}

/// How far a view must be before it is read: never before the head there was when it began.
fn wanted_of(task: &ViewTask, min: Option<Position>) -> Position {
    min.unwrap_or_default().max(if task.is_level() { Position::START } else { task.level_at })
}

impl ViewRead {
    /// As it is now, where the log ended at `head` just before.
    fn now(task: &ViewTask, head: Position) -> Result<ViewRead, DriveError> {
        // Read before the snapshot is taken: the snapshot has at least this.
        ViewRead::of(task, task.position(), head)
    }

    /// `position`: how far the view was before its rows were taken. More may have been folded since: the rows
    /// tell how far they are themselves.
    fn of(task: &ViewTask, position: Position, head: Position) -> Result<ViewRead, DriveError> {
        let snapshot = task.file.snapshot()?;
        let position = position.max(snapshot.cursor());
        let lag = head.0.saturating_sub(position.0);
        Ok(ViewRead { snapshot, row: task.row.clone(), guest: task.guest(), position, lag })
    }
}

/// What a view answered, and how far it was.
#[derive(Clone, Debug)]
pub struct QueryAnswer {
    pub payload: Payload,
    pub position: Position,
    pub lag: u64,
}

impl Namespace {
    /// Has the aggregate that takes this type of command decide it. Once this is `Accepted`, the command
    /// and its events are on disk. `Superseded`: another log has this one's name by now, ask there.
    pub async fn command(&self, command: NewEvent, wait: WaitFor) -> Result<CommandOutcome, DriveError> {
        self.check_writable()?;
        self.inside().check_growth()?;
        let inside = self.inside();
        let function = match inside.decider(&command.r#type) {
            Ok(function) => function,
            // Nobody decides it any more; but what was answered once is answered for ever.
            Err(nobody) => return inside.first_answer(&command)?.map(CommandOutcome::Accepted).ok_or(nobody),
        };
        inside.check_events(&inside.book(), std::slice::from_ref(&command))?;
        let (reply, mut answer) = oneshot::channel();
        let WaitFor::Handled { timeout } = wait else {
            inside.commands.command(inside, &function, command, None, reply)?;
            return match tokio::time::timeout(COMMAND_TIME_MAX, answer).await {
                Ok(answer) => answer.map_err(|_| DriveError::Stopping)?,
                Err(_) => Err(DriveError::Busy),
            };
        };
        let key = next_number();
        inside.commands.command(inside, &function, command, Some(key), reply)?;
        let answer = match tokio::time::timeout(timeout, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                inside.queue.push_own(Job::GiveUp(key), Cost::default());
                tokio::time::timeout(COMMAND_TIME_MAX, answer).await.map_err(|_| DriveError::Busy)?
            }
        };
        let mut outcome = answer.map_err(|_| DriveError::Stopping)??;
        if let CommandOutcome::Accepted(CommandAccepted { new: false, events, handled: Some(handled), .. }) = &mut outcome {
            self.add_known_outputs(events, handled);
        }
        Ok(outcome)
    }

    /// The state that an aggregate has folded of a subject, now or at an earlier position.
    pub async fn aggregate_state(&self, name: &str, subject: &str, at: Option<Position>) -> Result<FoldedState, DriveError> {
        let inside = self.inside().clone();
        inside.of_kind(name, FunctionKind::Aggregate)?;
        let (reply, answer) = oneshot::channel();
        match at {
            None => inside.commands.state(&inside, name, subject, reply)?,
            Some(_) => {
                let (name, subject, at_once) = (name.to_owned(), subject.to_owned(), inside.clone());
                let of = name.clone();
                inside.ask(&of, move || {
                    let _ = reply.send(at_once.folded(&name, &subject, at, &mut None));
                });
            }
        }
        answer.await.map_err(|_| DriveError::Stopping)?
    }

    /// A view once it has come to `min`, as it is then. Waits for that as long as `timeout`.
    pub async fn view(&self, name: &str, min: Option<Position>, timeout: Duration) -> Result<ViewRead, DriveError> {
        if let Ok(read) = tokio::time::timeout(timeout, self.view_at(name, min)).await {
            return read;
        }
        let task = self.view_task(name)?;
        // One that can't go on serves what it has, to who doesn't ask for more.
        if task.stuck().is_some() && min.is_none_or(|min| task.position() >= min) {
            return ViewRead::now(&task, self.reader().head());
        }
        Err(self.behind(&task, min))
    }

    /// The same, however long it takes.
    async fn view_at(&self, name: &str, min: Option<Position>) -> Result<ViewRead, DriveError> {
        loop {
            let task = self.view_task(name)?;
            if let Some(before) = task.stand_in().filter(|before| min.is_none_or(|min| min <= before.position())) {
                return ViewRead::now(&before, self.reader().head());
            }
            let wanted = wanted_of(&task, min);
            if task.position() < wanted {
                task.wake();
                let _ = task.positions().wait_for(|position| *position >= wanted || task.has_made_way()).await;
            }
            // It may have made way for one that is folded anew: nobody brings it further then.
            if task.position() >= wanted {
                return ViewRead::now(&task, self.reader().head());
            }
        }
    }

    fn view_task(&self, name: &str) -> Result<Arc<ViewTask>, DriveError> {
        self.inside().of_kind(name, FunctionKind::View)?;
        self.inside().view(name).ok_or_else(|| DriveError::Unavailable(format!("the file of view {name} is not open")))
    }

    fn behind(&self, task: &ViewTask, min: Option<Position>) -> DriveError {
        let (position, head) = (task.position(), self.reader().head());
        let is_active = self.inside().of_kind(&task.name, FunctionKind::View).is_ok_and(|row| row.is_active());
        let advice = match task.stuck() {
            Some(stuck) => format!(
                "it is stuck at event {} ({}): {}; mend its module and deploy it again",
                stuck.position, stuck.reason, stuck.message
            ),
            None if !is_active => "it is paused; resume it with `retold functions resume`".to_owned(),
            None => "it is still reading; ask again in a moment, or with a longer timeout".to_owned(),
        };
        let (wanted, lag) = (wanted_of(task, min), head.0.saturating_sub(position.0));
        DriveError::ViewBehind { view: task.name.clone(), position, wanted, lag, advice }
    }

    /// Asks a view in its own words, on one snapshot.
    pub async fn query(&self, name: &str, query: Query, min: Option<Position>, timeout: Duration) -> Result<QueryAnswer, DriveError> {
        let ViewRead { snapshot, row, guest, position, lag } = self.view(name, min, timeout).await?;
        let inside = self.inside().clone();
        let _permit = inside.queries.clone().try_acquire_owned().map_err(|_| DriveError::Busy)?;
        let guest = guest.ok_or_else(|| DriveError::Unavailable(format!("the module of {name} is not loaded")))?;
        let (reply, answer) = oneshot::channel();
        let log = inside.logs.of(name);
        inside.ask(name, move || {
            let limits = row.manifest.limits.of_a_call();
            let answer = run::query(&snapshot, &row, &*guest, &query, &limits, &mut |level, message| log.add(level, message));
            let _ = reply.send(answer);
        });
        let answer = answer.await.map_err(|_| DriveError::Stopping)?;
        let payload = answer.map_err(|refused| match refused {
            QueryRefused::Rejected(rejection) => {
                DriveError::QueryRejected { code: rejection.code, message: rejection.message, data: rejection.data }
            }
            QueryRefused::Fault(fault) => DriveError::Query { function: name.to_owned(), reason: fault.reason, message: fault.message },
            QueryRefused::Unavailable(what) => DriveError::Unavailable(what),
        })?;
        Ok(QueryAnswer { payload, position, lag })
    }

    /// Events after `after` in their newest form, and up to where all was seen. Blocks while upcasters run.
    pub fn upcast(&self, after: Position, upto: Position, filter: &Filter, portion: Portion) -> Result<(Batch, Position), DriveError> {
        let snapshot = self.reader().snapshot()?;
        let guests = self.inside().guests_at(&snapshot);
        let taken = Reading::new(&snapshot, &guests).all(after, upto, filter, portion)?;
        if taken.batch.is_empty() && taken.seen <= after {
            if let Some(unreadable) = taken.unreadable {
                return Err(DriveError::Upcast {
                    position: unreadable.position,
                    reason: unreadable.fault.reason,
                    message: unreadable.fault.message,
                });
            }
            if let Some(why) = taken.unavailable {
                return Err(DriveError::Unavailable(why));
            }
        }
        Ok((taken.batch, taken.seen))
    }

    /// Folds a view again from the beginning, into a new file. Answers where it began.
    pub fn rebuild_view(&self, name: &str) -> Result<(), DriveError> {
        self.inside().of_kind(name, FunctionKind::View)?;
        self.inside().reopen_view(name)
    }
}

impl Inside {
    /// The aggregate that decides commands of this type.
    fn decider(&self, command: &str) -> Result<String, DriveError> {
        let functions = self.reader.functions();
        let decides = |row: &FunctionRow| {
            row.status != FunctionStatus::Retired
                && row.manifest.kind == FunctionKind::Aggregate
                && row.manifest.decides.iter().any(|decided| decided == command)
        };
        let row = functions.values().find(|row| decides(row));
        row.map(|row| row.name.clone()).ok_or_else(|| DriveError::UnknownCommand(command.to_owned()))
    }

    /// What a command was answered, if it was accepted before.
    fn first_answer(&self, command: &NewEvent) -> Result<Option<CommandAccepted>, DriveError> {
        let known = self.reader.snapshot()?.find_command(command)?.transpose()?;
        Ok(known.map(|decided| CommandAccepted { command: decided.command, events: decided.events, new: false, handled: None }))
    }

    /// The function with this name, which must be of this kind and not retired.
    pub fn of_kind(&self, name: &str, kind: FunctionKind) -> Result<Arc<FunctionRow>, DriveError> {
        let row = self.reader.functions().get(name).cloned();
        row.filter(|row| row.manifest.kind == kind && row.status != FunctionStatus::Retired).ok_or_else(|| DriveError::UnknownOfKind {
            kind: match kind {
                FunctionKind::Aggregate => "aggregate",
                FunctionKind::View => "view",
                FunctionKind::Handler => "handler",
                FunctionKind::Upcaster => "upcaster",
                FunctionKind::Ingress => "ingress function",
            },
            name: name.to_owned(),
        })
    }

    /// Folds a subject, from what is hot if that is of use.
    pub fn folded(&self, function: &str, subject: &str, at: Option<Position>, hot: &mut Option<Hot>) -> Result<FoldedState, DriveError> {
        let snapshot = self.reader.snapshot()?;
        let guests = self.guests_at(&snapshot);
        let reading = Reading::new(&snapshot, &guests);
        let log = self.logs.of(function);
        let folded = run::fold(&reading, function, subject, at, hot, &mut |level, message| log.add(level, message))?;
        folded.map_err(|fault| DriveError::Aggregate { function: function.to_owned(), subject: subject.to_owned(), fault })
    }

    /// The code of this moment's module versions, with this moment's schemas around it.
    pub fn guests_at<'a>(&'a self, snapshot: &'a Snapshot) -> Loaded<'a> {
        Loaded::new(self, snapshot)
    }
}

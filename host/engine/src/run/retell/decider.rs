//! `Decider`: what an aggregate in a step of a retelling knows of its subjects.

use std::collections::BTreeMap;

use super::teller::Around;
use crate::model::{Emitted, EventRef, Position};
use crate::run::deciding::commands;
use crate::run::emitted_command::{Answered, answer};
use crate::run::fold::{Folding, Hot, Stopped as FoldStopped};
use crate::run::handler::Stopped;
use crate::run::reading::Reading;
use crate::run::upcast::{Wanted, upcast};
use crate::store::{FunctionRow, StoreError};

#[derive(Default)]
pub struct Decider {
    hot: BTreeMap<String, Option<Hot>>,
    /// Events of the step that belong to a subject's state, by subject, oldest first.
    since: BTreeMap<String, Vec<Position>>,
}

impl Decider {
    /// An event that it folds was placed.
    pub fn placed(&mut self, subject: &str, position: Position) {
        if subject.is_empty() {
            return;
        }
        match self.since.get_mut(subject) {
            Some(since) => since.push(position),
            None => drop(self.since.insert(subject.to_owned(), vec![position])),
        }
    }

    /// The events of the step that belong to the subject's state and are not in it yet.
    pub fn since(&self, subject: &str) -> &[Position] {
        let folded = self.hot.get(subject).and_then(Option::as_ref).map_or(Position::START, Hot::position);
        let since = self.since.get(subject).map_or(&[][..], Vec::as_slice);
        &since[since.partition_point(|position| *position <= folded)..]
    }

    /// Commands that stand in the new log and are not decided yet.
    pub fn waiting(around: &Around<'_>, row: &FunctionRow) -> Result<Vec<Position>, StoreError> {
        let (batch, _) = commands(around.snapshot, row, row.cursor, usize::MAX)?;
        Ok(batch.events().iter().map(|command| command.position).collect())
    }

    /// Decides one command. `since` are the events that [`Decider::since`] told; `place` is where the next entry
    /// will stand.
    pub fn decide(
        &mut self,
        around: &Around<'_>,
        (row, wanted): (&FunctionRow, &Wanted),
        command: &EventRef<'_>,
        since: &[EventRef<'_>],
        place: Position,
    ) -> Result<Result<Vec<Emitted>, Stopped>, StoreError> {
        let reading = Reading::new(around.snapshot, around.guests);
        let mut unheard = |_, _: &str| {};
        let mut folding = match Folding::new(&reading, &row.name, command.subject, &mut unheard) {
            Ok(folding) => folding,
            Err(fault) => return Ok(Err(Stopped::Unavailable(fault.message))),
        };
        let hot = self.hot.entry(command.subject.to_owned()).or_default();
        let hot = match folding.bring_level(hot, around.snapshot.head())? {
            Ok(hot) => hot,
            Err(stopped) => return Ok(Err(why(stopped))),
        };
        // One by one: what the next record holds is no matter of how much is told in a step.
        for event in since {
            if let Err(stopped) = fold(&mut folding, hot, around, wanted, event) {
                return Ok(Err(stopped));
            }
        }
        Ok(match answer(&mut folding, command, hot, place) {
            Answered::Made(made) => Ok(made),
            Answered::Stopped(stopped) => Err(stopped),
        })
    }
}

/// Folds one stored event, in the forms that the aggregate reads.
fn fold(folding: &mut Folding<'_>, hot: &mut Hot, around: &Around<'_>, wanted: &Wanted, event: &EventRef<'_>) -> Result<(), Stopped> {
    let made;
    let forms: &[EventRef<'_>] = if wanted.upcasts(event.r#type) {
        let (mut forms, stopped) = upcast(around.guests, around.upcasting, wanted, std::slice::from_ref(event));
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        made = forms.pop().flatten().unwrap_or_default();
        let delivered = made.iter().filter(|part| wanted.delivers(&part.r#type));
        &delivered.map(|part| part.over(event)).collect::<Vec<_>>()
    } else {
        std::slice::from_ref(event)
    };
    folding.run(hot, forms).map_err(why)
}

fn why(stopped: FoldStopped) -> Stopped {
    match stopped {
        FoldStopped::Fault(fault) => Stopped::Failed(fault.into()),
        FoldStopped::Unavailable(why) => Stopped::Unavailable(why),
    }
}

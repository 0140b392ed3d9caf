//! Who waits until what was appended or decided is handled, and how they are answered.

use retold_engine::model::Position;
use retold_engine::run::{Outcome, WaitId, Whom, World};

use super::commands::{CommandAccepted, CommandOutcome, CommandReply};
use super::committer::{Committer, WaitKey};
use super::types::Handled;

/// Waits remembered that were given up before they began; a command may still be decided then.
const GIVEN_UP_MAX: usize = 4_096;

pub struct Waiting {
    key: WaitKey,
    answer: Answering,
}

/// Answers whoever waits.
pub type Answering = Box<dyn FnOnce(Outcome) + Send>;

pub fn handled(outcome: Outcome) -> Handled {
    Handled { complete: outcome.waiting.is_empty(), derived: outcome.derived, parked: outcome.parked, waiting: outcome.waiting }
}

impl Committer {
    pub fn begin_command_wait(
        &mut self,
        accepted: CommandAccepted,
        key: WaitKey,
        reply: CommandReply,
        type_of: &impl Fn(Position) -> Option<String>,
    ) {
        let positions = accepted.events.clone();
        let answer = move |outcome| {
            let accepted = CommandAccepted { handled: Some(handled(outcome)), ..accepted };
            let _ = reply.send(Ok(CommandOutcome::Accepted(accepted)));
        };
        self.begin_wait(key, Whom::All, &positions, Box::new(answer), type_of);
    }

    pub fn begin_wait(
        &mut self,
        key: WaitKey,
        whom: Whom,
        positions: &[Position],
        answer: Answering,
        type_of: &impl Fn(Position) -> Option<String>,
    ) {
        let types: Vec<String> =
            positions.iter().map(|position| type_of(*position).or_else(|| self.namespace.type_at(*position)).unwrap_or_default()).collect();
        let events: Vec<(Position, &str)> = positions.iter().copied().zip(types.iter().map(String::as_str)).collect();
        let functions = self.namespace.reader.functions();
        match self.waits.begin(whom, &events, &mut World { subscriptions: &mut self.registry.subscriptions, functions: &functions }) {
            Ok(id) => {
                self.keys.insert(key, id);
                self.waiting.insert(id, Waiting { key, answer });
                if self.given_up.contains(&key) {
                    self.give_up(key);
                }
            }
            Err(outcome) => answer(outcome),
        }
    }

    pub fn end_wait(&mut self, id: WaitId, outcome: Outcome) {
        if let Some(Waiting { key, answer }) = self.waiting.remove(&id) {
            self.keys.remove(&key);
            answer(outcome);
        }
    }

    /// Tells how far a wait has come, and ends it. One that has not begun yet ends as it begins.
    pub fn give_up(&mut self, key: WaitKey) {
        let Some(id) = self.keys.get(&key).copied() else {
            if self.given_up.len() == GIVEN_UP_MAX {
                self.given_up.pop_front();
            }
            self.given_up.push_back(key);
            return;
        };
        if let Some(outcome) = self.waits.give_up(id) {
            self.end_wait(id, outcome);
        }
    }
}

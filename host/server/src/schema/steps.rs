//! The count that ends a check which would take too long. No clock: the same check ends at the same
//! step on every machine.

use super::error::Violation;

/// Why a check ends early.
pub(super) enum Stop {
    /// `None` while only a yes or no is wanted.
    Violated(Option<Box<Violation>>),
    /// All steps are taken, so that no more of the schema can be asked.
    Spent,
    TooDeep,
}

pub(super) struct Steps {
    left: u64,
}

impl Steps {
    pub(super) fn new(steps: u64) -> Steps {
        Steps { left: steps }
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Stop::Spent)
            }
        }
    }

    /// For walking once over `bytes` of text.
    pub(super) fn spend_on_text(&mut self, bytes: usize) -> Result<(), Stop> {
        self.spend(1 + bytes as u64 / 64)
    }
}

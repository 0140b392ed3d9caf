//! The operator's words to the outbox: send it now, release it, forget it.

use retold_engine::model::{Position, REQUEST_FAILED, Timestamp};
use retold_engine::store::{Accepted, Attempt, Held, OutboxState, PendingRequest, Proposal, Refused, Unheld};

use super::super::clock;
use super::super::namespace::Namespace;
use super::super::types::DriveError;
use super::answer;
use super::sender::{propose, reply};

/// Outputs that are released or discarded in one commit.
const AT_ONCE: usize = 1_000;

impl Namespace {
    fn pending(&self, position: Position) -> Result<PendingRequest, DriveError> {
        let request = self.reader().snapshot()?.request(position)?;
        request.ok_or(DriveError::Refused(Refused::NoRequest(position)))
    }

    /// Sends a request that waits as soon as can be, whatever its host did before.
    pub async fn retry_request(&self, position: Position) -> Result<(), DriveError> {
        self.check_writable()?;
        let request = self.pending(position)?;
        if request.row.state == OutboxState::Held {
            return Err(DriveError::RequestHeld(position));
        }
        // Of its attempts, none is given back; a restart knows that it may go.
        let attempt =
            Attempt { request: position, attempts: request.row.attempts, not_before: Timestamp(0), error: request.row.error.clone() };
        propose(self.inside(), &Proposal::Attempt(attempt)).await?;
        self.inside().outbox.lanes().hurry(&request.row.host, position);
        self.inside().outbox.wake();
        Ok(())
    }

    /// Lets a held request leave.
    pub async fn release_request(&self, position: Position) -> Result<(), DriveError> {
        self.check_writable()?;
        let request = self.pending(position)?;
        if request.row.state == OutboxState::Held {
            propose(self.inside(), &Proposal::Release(vec![Held::Request(position)])).await?;
        }
        self.inside().outbox.lanes().take(&request.row.host, position, None);
        self.inside().outbox.wake();
        Ok(())
    }

    /// Has a request fail for good: who made it hears so.
    pub async fn discard_request(&self, position: Position) -> Result<(), DriveError> {
        self.check_writable()?;
        let request = self.pending(position)?;
        match request.row.state {
            OutboxState::Held => {
                let proposal = Proposal::Discard { held: vec![Held::Request(position)], time: clock::now() };
                propose(self.inside(), &proposal).await?;
            }
            OutboxState::Waiting => {
                self.inside().check_space()?;
                let data = answer::failed(&request, "discarded", "an operator discarded it", request.row.attempts);
                reply(self.inside(), position, REQUEST_FAILED, data).await?;
                self.inside().outbox.lanes().forget(&request.row.host, position);
            }
        }
        Ok(())
    }

    /// Appends outputs of a function that are held: one, by its id, or all. Answers how many.
    pub async fn release_outputs(&self, function: &str, id: Option<&str>) -> Result<u64, DriveError> {
        self.unhold(function, id, Proposal::Release).await
    }

    /// Forgets held outputs of a function: one, by its id, or all. Answers how many.
    pub async fn discard_outputs(&self, function: &str, id: Option<&str>) -> Result<u64, DriveError> {
        self.unhold(function, id, |held| Proposal::Discard { held, time: clock::now() }).await
    }

    async fn unhold(&self, function: &str, id: Option<&str>, proposal: impl Fn(Vec<Held>) -> Proposal) -> Result<u64, DriveError> {
        self.check_writable()?;
        let (mut count, mut after) = (0, (Position::START, String::new()));
        loop {
            let page = self.reader().snapshot()?.held(function, (after.0, &after.1), AT_ONCE)?;
            let wanted = page.outputs.iter().filter(|held| id.is_none_or(|id| held.output.id == id));
            let held: Vec<Held> = wanted
                .map(|held| Held::Output { function: function.to_owned(), cause: held.output.cause, id: held.output.id.clone() })
                .collect();
            if !held.is_empty()
                && let Some(Accepted::Unheld(Unheld { positions, discarded })) = propose(self.inside(), &proposal(held)).await?
            {
                count += positions.iter().flatten().count() as u64 + discarded;
            }
            match page.outputs.last() {
                Some(last) if page.more => after = (last.output.cause, last.output.id.clone()),
                _ => return Ok(count),
            }
        }
    }
}

//! Backfill: what new code makes of history and the log lacks is appended, once: an id that the log knows is
//! not appended again, whoever made it.

use std::sync::Arc;

use retold_engine::model::{Emitted, FunctionKind, Plan, PlanMode};
use retold_engine::run::{Guests, Prepared, Reading, Replay, ReplayOptions, ReplayStep, Replayed};
use retold_engine::store::{Accepted, FunctionRow, Portion, Proposal};

use super::activation::propose;
use super::folding::fold_all;
use super::inside::Inside;
use super::replay_task::ReplayTask;
use super::types::DriveError;
use super::upgrade::{Stop, TROUBLE};

/// Read and run in one step.
const PORTION: Portion = Portion { events: 8 << 10, bytes: 4 << 20 };
/// Outputs of one commit.
const OUTPUTS_PER_COMMIT: usize = 1_024;
const CACHE_BYTES: usize = 8 << 20;

/// Replays a deployed handler over all that it has handled, and appends what is not in the log. Answers how
/// much that was.
pub fn backfill(inside: &Arc<Inside>, task: &ReplayTask, function: &str) -> Result<u64, Stop> {
    let Some(row) = inside.reader.functions().get(function).cloned() else { return Ok(0) };
    if row.manifest.kind != FunctionKind::Handler {
        return Ok(0);
    }
    let shadow = inside.open_shadow(&task.id, function, row.identity, CACHE_BYTES)?;
    let options = ReplayOptions { threads: inside.view_threads, collect_new: true, ..ReplayOptions::default() };
    let mut replay: Option<Replay> = None;
    let mut appended = 0;
    loop {
        task.look()?;
        let snapshot = inside.reader.snapshot()?;
        let guests = inside.guests_at(&snapshot);
        let reading = Reading::new(&snapshot, &guests);
        let Some(row) = snapshot.function(function).filter(|now| now.identity == row.identity).cloned() else { return Ok(appended) };
        let replayed = Replayed { manifest: row.manifest.clone(), follows: Some(row.clone()), identity: row.identity };
        let replay = match &mut replay {
            Some(replay) => replay,
            none => none.insert(Replay::new(&reading, &replayed, options, &shadow)?),
        };
        let Prepared::Parts(parts) = replay.prepare(&reading, &replayed, &shadow, PORTION)? else { return Ok(appended) };
        let guest = guests.guest(row.module).ok_or_else(|| DriveError::Unavailable(format!("the module of {function} is not loaded")))?;
        let folded = fold_all(inside, &parts, &*guest, &|_, _| {});
        let step = replay.finish(&shadow, folded)?;
        let lacking = replay.take_lacking();
        for outputs in lacking.chunks(OUTPUTS_PER_COMMIT) {
            appended += append(inside, &row, outputs.to_vec())?;
        }
        match step {
            ReplayStep::Went { .. } | ReplayStep::StartAgain => {}
            ReplayStep::Level { .. } => return Ok(appended),
            ReplayStep::Unavailable(_) => task.pause(TROUBLE),
            ReplayStep::Failed { position, message, .. } => {
                let what =
                    format!("the backfill of {function} stopped at position {position}: {message}; {appended} outputs were appended");
                return Err(DriveError::Unavailable(what).into());
            }
        }
    }
}

fn append(inside: &Inside, row: &FunctionRow, emitted: Vec<Emitted>) -> Result<u64, DriveError> {
    let plan = Plan {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        from: row.cursor,
        to: row.cursor,
        stands_on: None,
        mode: PlanMode::Backfill,
        handled: Vec::new(),
        folded: Vec::new(),
        emitted,
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
    };
    match propose(inside, Proposal::Reaction(plan), None)? {
        Accepted::Reacted(reacted) => Ok(reacted.new as u64),
        _ => Ok(0),
    }
}

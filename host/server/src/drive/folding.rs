//! Portions of history, folded in parts side by side while the next is read.

use retold_engine::model::{Guest, LogLevel};
use retold_engine::run::{self, Ahead, Folded, Replay, Replayed};
use retold_engine::store::Portion;

use super::inside::Inside;
use super::prospect::Prospect;

/// Read and run in one step.
pub const PORTION: Portion = Portion { events: 32 << 10, bytes: 12 << 20 };

/// Runs the second on a thread of its own, beside the first.
pub fn beside<One, Other: Send>(one: impl FnOnce() -> One, other: impl FnOnce() -> Option<Other> + Send) -> (One, Option<Other>) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The portion after the one that is being folded. What goes wrong is found out when it is its turn.
pub fn read_ahead(replay: &Replay, inside: &Inside, prospect: &Prospect, replayed: &Replayed) -> Option<Ahead> {
    let snapshot = inside.reader.snapshot().ok()?;
    let guests = inside.guests_at(&snapshot);
    let reading = prospect.reading(&snapshot, &guests).ok()?;
    replay.read_ahead(&reading, replayed, PORTION).ok()?
}

/// Runs the parts of a portion side by side.
pub fn fold_all(parts: Vec<run::Part>, guest: &dyn Guest, log: &(dyn Fn(LogLevel, &str) + Sync)) -> Vec<Folded> {
    let fold = |part: &run::Part| part.fold(guest, &mut |level, message| log(level, message));
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|part| scope.spawn(|| fold(part))).collect();
        let mut folded = vec![fold(first)];
        for other in others {
            match other.join() {
                Ok(part) => folded.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        folded
    })
}

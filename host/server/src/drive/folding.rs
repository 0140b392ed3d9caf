//! Portions of history, folded in parts side by side while the next is read.

use std::sync::atomic::{AtomicUsize, Ordering};

use retold_engine::model::{Guest, LogLevel};
use retold_engine::run::{self, Ahead, Folded, Replay, Replayed};
use retold_engine::store::Portion;

use super::inside::Inside;
use super::prospect::Prospect;

/// Read and run in one step.
pub const PORTION: Portion = Portion { events: 24 << 10, bytes: 9 << 20 };

/// Runs the second on a thread of its own beside the first, or after it if there is one thread only.
pub fn beside<One, Other: Send>(
    threads: usize,
    one: impl FnOnce() -> One,
    other: impl FnOnce() -> Option<Other> + Send,
) -> (One, Option<Other>) {
    if threads < 2 {
        return (one(), other());
    }
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

/// As many as a replay may have now.
pub fn threads(inside: &Inside) -> usize {
    inside.traffic.threads_left(inside.view_threads)
}

/// Runs the parts of a portion side by side, each in a slot.
pub fn fold_all(inside: &Inside, parts: &[run::Part], guest: &dyn Guest, log: &(dyn Fn(LogLevel, &str) + Sync)) -> Vec<Folded> {
    let threads = threads(inside).min(parts.iter().filter(|part| !part.is_empty()).count());
    let next = AtomicUsize::new(0);
    let fold = || {
        let taken = std::iter::from_fn(|| parts.get(next.fetch_add(1, Ordering::Relaxed)));
        taken.map(|part| inside.slots.hold(|| part.fold(guest, &mut |level, message| log(level, message)))).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(fold)).collect();
        let mut folded = fold();
        for other in others {
            match other.join() {
                Ok(parts) => folded.extend(parts),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        folded
    })
}

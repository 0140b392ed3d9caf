//! Mistakes that are made on purpose, one at a time, to see that the simulator finds each of them
//! (`tests/sim/planted.rs`). They are there only with the feature `plant`; without it [`planted`] is `false`
//! for the compiler, too, and nothing is left of them.

#[cfg(all(feature = "plant", not(debug_assertions)))]
compile_error!("the feature `plant` makes the engine lose data: it is for tests, never for a release build");

/// What can be got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Clients hear that a commit is done before it is.
    AckBeforeCommit,
    /// Commits are left to the next one that is made durable.
    DurabilityNone,
    /// Files are not synced.
    SyncSkipped,
    /// Names of files are not synced.
    FolderSyncSkipped,
    /// What makes an id known is committed after the event that has it.
    IdInItsOwnTransaction,
    /// A function's cursor is committed before its outputs.
    CursorBeforeOutputs,
    OutputsBeforeCursor,
    /// A plan counts, wherever the cursor is by then.
    RetryWithoutFence,
    /// A position that was given out before a crash is given out again after it.
    PositionReused,
    CommitErrorSwallowed,
    /// Timers that are set are gone after a restart.
    TimerOnlyInMemory,
    /// A file is made under its own name.
    NoRenameAtCreation,
    /// Leases end by the time of day.
    WallClockForLeases,
    /// Code takes over whose state is not level.
    SwitchBeforeLevel,
    /// Other code begins where its function began.
    CursorNotCarried,
    /// Plans of code that was replaced, or of before a rewind, count.
    OldRunnerNotFenced,
    /// A command is decided on a state that others have changed since.
    ConflictNotSeen,
    /// A second answer to a request counts too.
    ReplyCountedTwice,
}

#[cfg(feature = "plant")]
impl Bug {
    pub const ALL: [Bug; 18] = [
        Bug::AckBeforeCommit,
        Bug::DurabilityNone,
        Bug::SyncSkipped,
        Bug::FolderSyncSkipped,
        Bug::IdInItsOwnTransaction,
        Bug::CursorBeforeOutputs,
        Bug::OutputsBeforeCursor,
        Bug::RetryWithoutFence,
        Bug::PositionReused,
        Bug::CommitErrorSwallowed,
        Bug::TimerOnlyInMemory,
        Bug::NoRenameAtCreation,
        Bug::WallClockForLeases,
        Bug::SwitchBeforeLevel,
        Bug::CursorNotCarried,
        Bug::OldRunnerNotFenced,
        Bug::ConflictNotSeen,
        Bug::ReplyCountedTwice,
    ];
}

#[cfg(feature = "plant")]
mod chosen {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// From here on this thread makes this mistake, or none.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    pub fn planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "plant")]
pub use chosen::{plant, planted};

#[cfg(not(feature = "plant"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

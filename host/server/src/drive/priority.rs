//! Which threads go first where cores are few.

/// Puts this thread, and those that it starts, behind the threads that answer somebody: it gets less of a core that
/// both want, and gives it up as soon as one of them wakes. Where the system won't have it, all are equal.
pub fn give_way(niceness: i32) {
    // On Linux, of nobody in particular means this thread.
    let _ = rustix::process::setpriority_process(None, niceness);
    #[cfg(target_os = "linux")]
    let_be_interrupted(niceness);
}

/// Asks for turns of the greatest length. Since 6.12 a thread that wakes takes the core over from one of longer turns
/// at once; without, it may wait some milliseconds for the turn's end.
#[cfg(target_os = "linux")]
fn let_be_interrupted(niceness: i32) {
    const TURN_NANOSECONDS: u64 = 100_000_000;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_BATCH as u32,
        sched_flags: 0,
        sched_nice: niceness,
        sched_priority: 0,
        sched_runtime: TURN_NANOSECONDS,
        sched_deadline: 0,
        sched_period: 0,
    };
    #[expect(unsafe_code, reason = "no crate at hand offers this call of the system")]
    // SAFETY: 0 is this thread; the structure is whole, says how long it is, and is only read.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

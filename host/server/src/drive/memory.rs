//! Keeps the system's allocator from holding on to what a burst once needed.

/// Pools that threads share. glibc makes up to eight a core, and each keeps its own leftovers.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MAX: i32 = 2;

/// Before the host's threads start.
pub fn limit_pools() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc's own interface to its allocator; the call takes two numbers and no pointer")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
    }
}

/// Gives free memory back to the system. Takes some milliseconds after a burst, and next to nothing else.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc's own interface to its allocator; the call takes a number and no pointer")]
    unsafe {
        libc::malloc_trim(0);
    }
}

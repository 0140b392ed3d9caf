//! `static-counter`: counts in a static, which no function may: a fresh instance begins anew.

use std::sync::atomic::{AtomicU64, Ordering};

use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("test.nondeterministic")]
pub struct Nondeterministic {}

#[derive(Event, Serialize, Deserialize)]
#[event("test.nondeterministically-counted")]
pub struct Counted {
    /// Events that this instance has seen.
    pub n: u64,
}

#[handler(start = "beginning")]
pub fn static_counter(_event: Recorded<Nondeterministic>) -> Result<Counted> {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    Ok(Counted { n: SEEN.fetch_add(1, Ordering::Relaxed) + 1 })
}

//! How far the repair of a namespace is that was not closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use retold_engine::store::OnRepair;

/// Each tenth of it is told: a large head takes its time, and nothing is served before.
pub fn telling(folder: &str) -> OnRepair {
    let (folder, told) = (folder.to_owned(), AtomicU64::new(0));
    OnRepair(Arc::new(move |done| {
        let tenths = (done * 10.0) as u64;
        if told.fetch_max(tenths, Ordering::Relaxed) < tenths {
            tracing::info!(folder, percent = tenths * 10, "head.redb was not closed and is being repaired");
        }
    }))
}

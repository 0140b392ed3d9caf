//! Memory and tables of one store, summed. wasmtime's own `StoreLimits` bounds each memory singly.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::memory::GuestMemory;
use super::scan;

/// Counts what a store's instances have, and refuses what would be too much.
pub(super) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    memory_refused: bool,
    /// What all stores have.
    all: Arc<GuestMemory>,
}

impl Limiter {
    pub(super) fn new(memory_bytes_max: usize, all: Arc<GuestMemory>) -> Limiter {
        Limiter { memory_bytes: 0, memory_bytes_max, table_elements: 0, memory_refused: false, all }
    }

    /// Sets the limit for the next call and forgets earlier refusals.
    pub(super) fn start_call(&mut self, memory_bytes_max: usize) {
        self.memory_bytes_max = memory_bytes_max;
        self.memory_refused = false;
    }

    /// What all memories of the store hold now.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether memory was refused in this call: what traps afterwards has run out of memory.
    pub(super) fn memory_refused(&self) -> bool {
        self.memory_refused
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.all.give_back(self.memory_bytes);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max || maximum.is_some_and(|maximum| desired > maximum) {
            self.memory_refused = true;
            return Ok(false);
        }
        // A guest that was told so would answer otherwise than on a host with more memory: the call ends.
        self.all.take(total - self.memory_bytes)?;
        self.memory_bytes = total;
        Ok(true)
    }

    /// The system gave nothing after all. What was granted stays counted: with the system out of
    /// memory, too little is the better guess.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > scan::TABLE_ELEMENTS_MAX as usize {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        scan::INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        scan::MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        scan::TABLES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::memory::NoMemoryNow;

    fn limiter(memory_bytes_max: usize) -> Limiter {
        Limiter::new(memory_bytes_max, Arc::new(GuestMemory::new(usize::MAX)))
    }

    #[test]
    fn memories_of_a_store_are_limited_together() {
        let mut limiter = limiter(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap(), "a second memory is counted with the first");
        assert!(limiter.memory_refused());
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 100);
        limiter.start_call(100);
        assert!(!limiter.memory_refused(), "a new call begins without a refusal");
    }

    #[test]
    fn a_memory_does_not_outgrow_its_own_maximum() {
        let mut limiter = limiter(100);
        assert!(!limiter.memory_growing(0, 60, Some(50)).unwrap());
        assert_eq!(limiter.memory_bytes(), 0, "what was refused isn't counted");
    }

    #[test]
    fn tables_are_limited_together() {
        let mut limiter = limiter(0);
        assert!(limiter.table_growing(0, 15_000, None).unwrap());
        assert!(!limiter.table_growing(0, 15_000, None).unwrap());
    }

    #[test]
    fn all_stores_together_have_so_much_and_give_back_what_they_had() {
        let all = Arc::new(GuestMemory::new(100));
        let mut first = Limiter::new(80, all.clone());
        let mut second = Limiter::new(80, all.clone());
        assert!(first.memory_growing(0, 70, None).unwrap());
        assert!(second.memory_growing(0, 40, None).unwrap_err().is::<NoMemoryNow>(), "and not a refusal that the guest would see");
        assert!(!second.memory_refused());
        drop(first);
        assert!(second.memory_growing(0, 40, None).unwrap());
        assert_eq!(all.bytes(), 40);
        drop(second);
        assert_eq!(all.bytes(), 0);
    }
}

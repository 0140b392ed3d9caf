//! What a store knows during one call: the engine's side of it, and what has been used.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use retold_engine::model::{Calls, LogLevel};
use wasmtime::Store;

use super::limiter::Limiter;
use super::memory::GuestMemory;
use super::quotas::{Quotas, Refusal, log_line};
use super::wasi::Wasi;

/// What is kept of standard error for [`CallData::last_words`].
const LAST_WORDS_BYTES_MAX: usize = 512;

/// The data of a guest's store.
pub(super) struct CallData {
    calls: Lent,
    pub(super) limiter: Limiter,
    pub(super) quotas: Quotas,
    /// Only in modules that import WASI.
    pub(super) wasi: Option<Box<Wasi>>,
    last_words: String,
    pub(super) held: Held,
}

/// Memory for what a guest hands over in a call of its state, used again and again.
#[derive(Default)]
pub(super) struct Held {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

impl CallData {
    pub(super) fn new(memory_bytes_max: usize, all: Arc<GuestMemory>, wasi: Option<Box<Wasi>>) -> CallData {
        CallData {
            calls: Lent(None),
            limiter: Limiter::new(memory_bytes_max, all),
            quotas: Quotas::default(),
            wasi,
            last_words: String::new(),
            held: Held::default(),
        }
    }

    /// The engine's side of the call at hand.
    pub(super) fn calls(&mut self) -> &mut dyn Calls {
        self.calls.0.as_deref_mut().expect("guest code runs inside `lend` only")
    }

    /// What the guest last said was wrong, in the call at hand: if it trapped, that tells why.
    pub(super) fn last_words(&self) -> &str {
        &self.last_words
    }

    /// Writes one line to the function's log, counted.
    pub(super) fn log(&mut self, level: LogLevel, message: &str) -> Result<(), Refusal> {
        self.quotas.log(message.len())?;
        self.calls().log(level, &log_line(message));
        if level == LogLevel::Error {
            self.last_words = log_line(&message.replace('\n', " "));
        }
        Ok(())
    }

    /// Hands what the guest printed to the function's log.
    fn log_output(&mut self) {
        let Some(wasi) = &self.wasi else { return };
        for (level, line) in wasi.output().take() {
            let line = log_line(&line);
            self.calls().log(level, &line);
            // A panic takes two lines, and a third that helps nobody here.
            if level == LogLevel::Warn
                && !line.starts_with("note: run with `RUST_BACKTRACE")
                && self.last_words.len() < LAST_WORDS_BYTES_MAX
            {
                self.last_words.push_str(if self.last_words.is_empty() { "" } else { " " });
                self.last_words.push_str(&line);
            }
        }
    }
}

/// A borrow of the engine's `Calls` that says it lasts for ever. It doesn't: see [`lend`].
struct Lent(Option<&'static mut dyn Calls>);

#[expect(unsafe_code, reason = "a store must be movable between threads while it is idle, and then it holds no borrow")]
// SAFETY: only `lend` puts a borrow in, and it takes it out before it returns. In between the store
// is borrowed by that call, on that thread.
unsafe impl Send for Lent {}

/// Runs `body` with `calls` within reach of the store's host functions. A panic in `body` is its
/// `Err`; the store must then be dropped.
pub(super) fn lend<R>(
    store: &mut Store<CallData>,
    calls: &mut dyn Calls,
    body: impl FnOnce(&mut Store<CallData>) -> R,
) -> thread::Result<R> {
    // A store's data must be 'static, and the engine's borrow is not.
    #[expect(unsafe_code, reason = "the one way to reach a borrow from a host function; it ends with this function")]
    // SAFETY: `calls` is borrowed until this function returns, and the copy is taken out of the store
    // before that, whatever `body` does. Nobody else can reach the copy: `calls()` reborrows it from
    // the store's own exclusive borrow.
    let lent = unsafe { std::mem::transmute::<&mut dyn Calls, &'static mut dyn Calls>(calls) };
    let data = store.data_mut();
    data.calls = Lent(Some(lent));
    data.quotas = Quotas::default();
    data.last_words.clear();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let result = body(store);
        store.data_mut().log_output();
        result
    }));
    store.data_mut().calls = Lent(None);
    result
}

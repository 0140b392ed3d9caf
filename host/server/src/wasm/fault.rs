//! How a call that wasmtime ended is told to the engine: a fault of the guest, or the host's own
//! trouble.

use std::any::Any;

use retold_engine::model::{Answer, CallLimits, GuestFault, StateError, limits};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::SandboxOptions;
use super::call::CallData;
use super::engine::GUEST_STACK_BYTES_MAX;
use super::error::one_line;
use super::quotas::Refusal;

/// Functions of the guest that a trap's message names.
const FRAMES_SHOWN_MAX: usize = 6;
const MESSAGE_BYTES_MAX: usize = 1 << 10;

pub(super) fn answer(error: &wasmtime::Error, data: &CallData, asked: &CallLimits, options: &SandboxOptions) -> Answer {
    if error.is::<PoolConcurrencyLimitError>() {
        return Answer::Unavailable(format!("all {} instances are at work (limit `instances`)", options.instances_max));
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return match refusal {
            Refusal::State(StateError::Storage(what)) => Answer::Unavailable(what.clone()),
            Refusal::State(error) => Answer::Fault(GuestFault::StateRefused(error.clone())),
            refusal => trapped(&format!("{refusal}{}", called_from(error))),
        };
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return trapped(&format!("called exit({}){}", exit.0, called_from(error)));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Answer::Fault(GuestFault::OutOfFuel { fuel: asked.fuel }),
        Some(Trap::Interrupt) => {
            Answer::Unavailable(format!("a call was ended after {} ms of wall time (limit `call-ms`): the machine is overloaded", options.call_ms_max))
        }
        _ if data.limiter.memory_refused() => Answer::Fault(GuestFault::OutOfMemory { bytes_max: asked.memory_bytes }),
        Some(Trap::StackOverflow) => {
            trapped(&format!("call stack exhausted, at most {GUEST_STACK_BYTES_MAX} bytes (limit `stack-bytes`){}", called_from(error)))
        }
        Some(trap) => trapped(&format!("{trap}{}", called_from(error))),
        None => not_a_trap(error),
    }
}

/// What went wrong at the border: in a host call's arguments, or in the call's result.
fn not_a_trap(error: &wasmtime::Error) -> Answer {
    let problem = error.root_cause().to_string();
    let in_host_call = !called_from(error).is_empty();
    // wasmtime keeps the error's type to itself.
    let too_much = problem.contains("fuel allocated for hostcalls");
    match (in_host_call, too_much) {
        (true, true) => trapped(&format!("gave a host call more than {} bytes{}", super::quotas::TRANSFER_BYTES_MAX, called_from(error))),
        (true, false) => trapped(&format!("{problem}{}", called_from(error))),
        (false, true) => bad_output(&format!(
            "returned far more than {} bytes of outputs (limit `output-bytes-per-call`)",
            limits::OUTPUT_BYTES_PER_CALL_MAX
        )),
        (false, false) => bad_output(&format!("returned what the contract doesn't allow: {}", one_line(error))),
    }
}

fn trapped(what: &str) -> Answer {
    Answer::Fault(GuestFault::Trapped(cut(what)))
}

fn bad_output(what: &str) -> Answer {
    Answer::Fault(GuestFault::BadOutput(cut(what)))
}

fn cut(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

/// `" in a, called by b"`, from the innermost function outwards; empty if no guest code was running.
fn called_from(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<String> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).map(readable).collect();
    let interesting = names.iter().filter(|name| !is_panic_machinery(name)).take(FRAMES_SHOWN_MAX);
    let mut text = String::new();
    for (index, name) in interesting.enumerate() {
        text.push_str(if index == 0 { " in " } else { ", called by " });
        text.push_str(name);
    }
    if text.is_empty() && !backtrace.frames().is_empty() { " in a function without a name".to_owned() } else { text }
}

/// Frames that every panic has and that tell nothing.
fn is_panic_machinery(name: &str) -> bool {
    ["std::panicking::", "core::panicking::", "std::sys::backtrace::", "rust_begin_unwind", "__rustc::", "std::alloc::rust_oom", "abort"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// A Rust symbol of the older kind without its lengths and hash; anything else as it is.
fn readable(symbol: &str) -> String {
    symbol.to_owned()
}

/// What a panic of the host says.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Answer {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Answer::Unavailable(format!("the host failed in a guest's call: {}", text.unwrap_or("no message")))
}

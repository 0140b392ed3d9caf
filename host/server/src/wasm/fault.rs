//! How a call that wasmtime ended is told to the engine: a fault of the guest, or the host's own
//! trouble.

use std::any::Any;

use retold_engine::model::{CallLimits, GuestFault, NotAnswered, StateError};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::SandboxOptions;
use super::call::CallData;
use super::engine::GUEST_STACK_BYTES_MAX;
use super::error::one_line;
use super::exports::NotExported;
use super::memory::NoMemoryNow;
use super::question::Question;
use super::quotas::{Refusal, TRANSFER_BYTES_MAX};

/// Functions of the guest that a trap's message names.
const FRAMES_SHOWN_MAX: usize = 6;
const MESSAGE_BYTES_MAX: usize = 1 << 10;

pub(super) fn ended(
    error: &wasmtime::Error,
    question: Question,
    data: &CallData,
    asked: &CallLimits,
    options: &SandboxOptions,
) -> NotAnswered {
    if error.is::<PoolConcurrencyLimitError>() {
        return NotAnswered::Unavailable(format!("all {} instances are at work (limit `instances`)", options.instances_max));
    }
    if let Some(error) = error.downcast_ref::<NoMemoryNow>() {
        return NotAnswered::Unavailable(error.to_string());
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return match refusal {
            Refusal::State(StateError::Storage(what)) => NotAnswered::Unavailable(what.clone()),
            Refusal::State(error) => NotAnswered::Fault(GuestFault::StateRefused(error.clone())),
            refusal => trapped(&refusal.to_string(), error, data),
        };
    }
    if let Some(error) = error.downcast_ref::<NotExported>() {
        return bad_output(&error.to_string());
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return trapped(&format!("called exit({})", exit.0), error, data);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => NotAnswered::Fault(GuestFault::OutOfFuel { fuel: asked.fuel }),
        Some(Trap::Interrupt) => outlasted(question, options),
        _ if data.limiter.memory_refused() => NotAnswered::Fault(GuestFault::OutOfMemory { bytes_max: asked.memory_bytes }),
        Some(Trap::StackOverflow) => {
            trapped(&format!("call stack exhausted, at most {GUEST_STACK_BYTES_MAX} bytes (limit `stack-bytes`)"), error, data)
        }
        // Rust keeps its stack at the lower end of memory: it overflows into nothing.
        Some(Trap::MemoryOutOfBounds) => trapped("out of bounds memory access (in safe Rust: too deep a recursion)", error, data),
        Some(trap) => trapped(trap.to_string().trim_start_matches("wasm trap: "), error, data),
        None => not_a_trap(error, question, data),
    }
}

fn outlasted(question: Question, options: &SandboxOptions) -> NotAnswered {
    let (wall_ms, limit) = question.wall_ms(options);
    NotAnswered::Unavailable(match question {
        // Its fuel may well be more than its time.
        Question::Query => format!("a query was ended after {wall_ms} ms of wall time (limit `{limit}`): ask for less"),
        _ => format!("a call was ended after {wall_ms} ms of wall time (limit `{limit}`): the machine is overloaded"),
    })
}

/// What went wrong at the border: in a host call's arguments, or in the call's result.
fn not_a_trap(error: &wasmtime::Error, question: Question, data: &CallData) -> NotAnswered {
    let problem = error.root_cause().to_string();
    let in_host_call = error.downcast_ref::<WasmBacktrace>().is_some_and(|backtrace| !backtrace.frames().is_empty());
    // wasmtime keeps this error's type to itself.
    let too_much = problem.contains("fuel allocated for hostcalls");
    match (in_host_call, too_much) {
        (true, true) => trapped(&format!("gave a host call more than {TRANSFER_BYTES_MAX} bytes (limit `transfer-bytes`)"), error, data),
        (true, false) => trapped(&problem, error, data),
        (false, true) => {
            let (what, max, limit) = question.answer_bytes_max();
            bad_output(&format!("returned far more than {max} {what} (limit `{limit}`)"))
        }
        (false, false) => bad_output(&format!("returned what the contract doesn't allow: {}", one_line(error))),
    }
}

/// What happened, where, and what the guest last said of it: a panic's message, mostly.
fn trapped(what: &str, error: &wasmtime::Error, data: &CallData) -> NotAnswered {
    let mut text = format!("{what}{}", called_from(error));
    if !data.last_words().is_empty() {
        text.push_str(", after it said: ");
        text.push_str(data.last_words());
    }
    NotAnswered::Fault(GuestFault::Trapped(cut(text)))
}

fn bad_output(what: &str) -> NotAnswered {
    NotAnswered::Fault(GuestFault::BadOutput(cut(what.to_owned())))
}

/// Such messages are kept with each parked event.
pub(super) fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}

/// `" in a, called by b"`, from the innermost function outwards; empty if no guest code was running.
fn called_from(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name());
    let names: Vec<String> = names.map(|symbol| format!("{:#}", rustc_demangle::demangle(symbol))).collect();
    let mut text = String::new();
    for name in names.iter().filter(|name| !is_of_the_standard_library(name)).take(FRAMES_SHOWN_MAX) {
        text.push_str(if text.is_empty() { " in " } else { ", called by " });
        text.push_str(name);
    }
    text
}

/// Where a panic is made and carried on, which tells nothing of whose code is wrong.
fn is_of_the_standard_library(name: &str) -> bool {
    let name = name.trim_start_matches('<');
    ["std::", "core::", "alloc::", "__rustc::"].iter().any(|library| name.starts_with(library))
}

/// What a panic of the host says.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> NotAnswered {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    NotAnswered::Unavailable(format!("the host failed in a guest's call: {}", text.unwrap_or("no message")))
}

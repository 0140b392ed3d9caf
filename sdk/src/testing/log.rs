//! The log of native tests: kept a thread, as each test has its own.

use std::cell::RefCell;

use crate::log::Level;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub fn write(level: Level, message: &str) {
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let line = format!("{level}: {message}");
    eprintln!("{line}");
    LINES.with_borrow_mut(|lines| lines.push(line));
}

/// The lines since the last call.
pub fn take() -> Vec<String> {
    LINES.take()
}

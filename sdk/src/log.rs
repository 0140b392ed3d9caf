//! Lines for the function's own log: `info!("priced {total}")`. Never part of an outcome.

use crate::bindings::handler::retold::module::context;

pub use context::Level;

/// Hands a line to the host; in a native test, to the [`Trial`](crate::testing::Trial).
#[doc(hidden)]
pub fn write(level: Level, message: &str) {
    if cfg!(target_family = "wasm") {
        context::log(level, message);
    } else {
        crate::testing::log::write(level, message);
    }
}

/// Sends a panic's message to the log before the trap, which itself has no words. Once an instance.
pub(crate) fn panics_are_logged() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if cfg!(target_family = "wasm") {
        ONCE.call_once(|| {
            std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
        });
    }
}

#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::__private::log($crate::__private::Level::Trace, &::std::format!($($line)+)) };
}

#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__private::log($crate::__private::Level::Debug, &::std::format!($($line)+)) };
}

#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__private::log($crate::__private::Level::Info, &::std::format!($($line)+)) };
}

#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__private::log($crate::__private::Level::Warn, &::std::format!($($line)+)) };
}

#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__private::log($crate::__private::Level::Error, &::std::format!($($line)+)) };
}

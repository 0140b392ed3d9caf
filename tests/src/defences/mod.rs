//! Each defence of `docs/threats.md`, and what the code is without it. `cargo run -p retold-tests --bin disarm` takes one after
//! the other out, in a copy of the sources, and sees the tests fail that are said to notice (`tests/disarm`).

mod access;
mod crashes;
mod events;
mod http;
mod modules;

/// One defence, and how it is taken out.
#[derive(Debug)]
pub struct Defence {
    /// Cases of `docs/threats.md`.
    pub cases: &'static [&'static str],
    /// From the top of the repository.
    pub file: &'static str,
    /// Stands once in the file.
    pub code: &'static str,
    /// Stands in its place in the copy. `DISARMED` in it is true in processes in which this defence is out.
    pub without: &'static str,
    /// Of the rows of its cases. Each fails without it.
    pub tests: &'static [&'static str],
}

/// Stands for "this defence is out" in [`Defence::without`].
pub const DISARMED: &str = "DISARMED";

/// Names the defence that is out, in the environment of a test.
pub const VARIABLE: &str = "RETOLD_DISARMED";

/// The file, what stands once in it, and what the copy has there: the compiling process has no environment but this.
pub const PREPARED: (&str, &str, &str) = (
    "host/server/src/wasm/compile.rs",
    ".env_clear()",
    ".env_clear().envs(std::env::var_os(\"RETOLD_DISARMED\").map(|out| (\"RETOLD_DISARMED\", out)))",
);

/// Cases without a line of ours that could be taken out, and why.
pub const NOT_TAKEN_OUT: &[(&str, &str)] = &[
    ("W4", "a component can't leave its instance while the host calls its allocator: a rule of wasmtime's, which has no switch"),
    ("W20", "async is not compiled into wasmtime here, so there is nothing to switch on"),
    ("W26", "wasmtime cleans a slot before another has it, whatever it is told"),
    ("H6", "where a request ends is hyper's reading of it, and none of ours"),
    ("H7", "HTTP/2 is not compiled into hyper here"),
    ("C17", "a stream has no snapshot between portions: there is no line that lets go of one"),
];

/// All of them, each with its name: its first case and a number, such as `W5-2`.
pub fn all() -> Vec<(String, &'static Defence)> {
    let mut all: Vec<(String, &'static Defence)> = Vec::new();
    for defence in [modules::ALL, http::ALL, events::ALL, access::ALL, crashes::ALL].into_iter().flatten() {
        let case = defence.cases[0];
        let number = all.iter().filter(|(_, other)| other.cases[0] == case).count() + 1;
        all.push((format!("{case}-{number}"), defence));
    }
    all
}

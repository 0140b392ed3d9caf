//! Why a module is refused. Each message says what was found and what to do about it.

use serde::{Deserialize, Serialize};

/// One upload, refused; or the host's own trouble with it ([`ModuleError::Host`]).
///
/// Travels as JSON from the compiling process to the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ModuleError {
    #[error("the upload is empty: send the bytes of a .wasm file")]
    Empty,
    #[error("the upload has {found} bytes, at most {max} (limit `module-bytes`): build it with lto, opt-level = \"s\" and strip = true")]
    TooLarge { found: usize, max: usize },
    /// Not even the right kind of file.
    #[error("the upload is {what}, not a WebAssembly file: {remedy}")]
    NotWasm { what: String, remedy: String },
    #[error("the WebAssembly is broken at byte {offset} ({problem}): upload the whole file, or build it again")]
    Malformed { offset: u64, problem: String },
    /// Well-formed, but against the rules of WebAssembly or with features that are off here.
    #[error("the WebAssembly is not valid here ({problem}): build it with the Retold SDK for wasm32-unknown-unknown, or for wasm32-wasip2")]
    Invalid { problem: String },
    #[error("the module has {what} {found}, at most {max} (limit `{limit}`)")]
    OverLimit { what: String, limit: String, found: u64, max: u64 },
    #[error("the module imports {imports}, which this host does not grant: {remedy}")]
    ImportNotGranted { imports: String, remedy: String },
    #[error("an import doesn't fit what the host offers ({problem}): build against the `wit` folder of this host's version")]
    ImportMismatch { problem: String },
    #[error("the core module can't be made a component ({problem}): {remedy}")]
    NotComponent { problem: String, remedy: String },
    #[error("the module doesn't export {interface}{needed_by}: {remedy}")]
    ExportMissing { interface: String, needed_by: String, remedy: String },
    #[error(
        "the export {interface} has another type than the contract's ({problem}): build against the `wit` folder of this host's version"
    )]
    ExportMismatch { interface: String, problem: String },
    #[error("the module is too expensive to compile: {what}; make it smaller, or raise the limit")]
    TooExpensive { what: String },
    /// The module's own account of itself can't be had.
    #[error("the module can't say what it is: its `describe` {what}; it must return at once, without state or clock")]
    Describe { what: String },
    /// Not the module's fault.
    #[error("the host can't take the module now: {0}")]
    Host(String),
}

impl ModuleError {
    /// What has to be uploaded instead is another kind of file, not a better module.
    pub fn is_wrong_kind_of_file(&self) -> bool {
        matches!(self, ModuleError::Empty | ModuleError::NotWasm { .. })
    }

    /// `function` is the one whose kind asks for the interface.
    pub(super) fn export_missing(interface: &str, function: Option<&str>) -> ModuleError {
        let needed_by = function.map(|function| format!(", which its function {function:?} needs")).unwrap_or_default();
        ModuleError::ExportMissing { interface: interface.into(), needed_by, remedy: "name the function in `retold::module!(…)`".into() }
    }

    pub(super) fn host(error: impl std::fmt::Display) -> ModuleError {
        ModuleError::Host(error.to_string())
    }
}

/// The message and all that caused it, on one line.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let mut line = String::new();
    for (index, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        if index > 0 && line.contains(&text) {
            continue;
        }
        if index > 0 {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line.replace('\n', " ")
}

//! Every interface that a module may import or export, on one page.

use retold_engine::model::FunctionKind;

use super::ModuleError;

pub(super) const CONTEXT: &str = "retold:module/context@0.1.0";
pub(super) const WEBHOOK: &str = "retold:module/webhook@0.1.0";
pub(super) const STATE: &str = "retold:module/state@0.1.0";
pub(super) const MANIFEST: &str = "retold:module/manifest@0.1.0";
pub(super) const HANDLER: &str = "retold:module/handler@0.1.0";
pub(super) const AGGREGATE: &str = "retold:module/aggregate@0.1.0";
pub(super) const VIEW: &str = "retold:module/view@0.1.0";
pub(super) const UPCASTER: &str = "retold:module/upcaster@0.1.0";
pub(super) const INGRESS: &str = "retold:module/ingress@0.1.0";

/// Interfaces of `retold:module` that a component may import. `types` and `manifest` hold types only.
const IMPORTS: &[&str] = &["retold:module/types@0.1.0", MANIFEST, CONTEXT, STATE, WEBHOOK];

/// WASI 0.2 interfaces that are offered, each in its deterministic form (`wasi`). The sockets answer
/// every call with access-denied: some languages' libraries import them without ever asking.
const WASI_IMPORTS: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What the host says to an import of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Import {
    Granted,
    NotGranted,
}

/// `name` as a component spells it, with its version.
fn import(name: &str) -> Import {
    let is_wasi = |(interface, version): (&str, &str)| version.starts_with("0.2.") && WASI_IMPORTS.contains(&interface);
    if IMPORTS.contains(&name) || name.split_once('@').is_some_and(is_wasi) { Import::Granted } else { Import::NotGranted }
}

/// Names what isn't granted, all of it at once.
pub(super) fn check_imports(imports: &[String]) -> Result<(), ModuleError> {
    let refused: Vec<&str> = imports.iter().filter(|name| import(name) == Import::NotGranted).map(String::as_str).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let remedy = if refused.iter().any(|name| name.starts_with("wasi:http/")) {
        "functions have no network; answer with an output of kind `request` instead"
    } else if refused.iter().any(|name| name.starts_with("retold:module/")) {
        "build against the `wit` folder of this host's version"
    } else if refused.iter().any(|name| name.starts_with("wasi:")) {
        "offered are cli, clocks, filesystem (empty), io, random and sockets (denied) of WASI 0.2"
    } else {
        "offered are retold:module/context, state and webhook, and WASI 0.2"
    };
    Err(ModuleError::ImportNotGranted { imports: refused.join(", "), remedy: remedy.into() })
}

pub(super) fn is_wasi(name: &str) -> bool {
    name.starts_with("wasi:")
}

/// Whether what a function reads from this interface may differ from event to event, so that the
/// border of a batch would show.
pub(super) fn tells_the_event_apart(name: &str) -> bool {
    name.starts_with("wasi:clocks/") || name.starts_with("wasi:random/")
}

/// The interface that functions of this kind are called through.
pub(super) fn export_for(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Handler => HANDLER,
        FunctionKind::Aggregate => AGGREGATE,
        FunctionKind::View => VIEW,
        FunctionKind::Upcaster => UPCASTER,
        FunctionKind::Ingress => INGRESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contract_and_deterministic_wasi_are_granted() {
        assert_eq!(import("retold:module/state@0.1.0"), Import::Granted);
        assert_eq!(import("wasi:clocks/wall-clock@0.2.9"), Import::Granted);
        assert_eq!(import("retold:module/webhook@0.1.0"), Import::Granted);
        for name in ["retold:module/state@0.2.0", "wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock", "wasi:http/types@0.2.0", "env"]
        {
            assert_eq!(import(name), Import::NotGranted, "{name}");
        }
    }
}

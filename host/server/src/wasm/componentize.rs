//! A core module becomes a component, so that `cargo build --target wasm32-unknown-unknown` is all
//! that a Rust author runs. Runs in the compiling process only: wit-component is made for trusted
//! input.

use std::borrow::Cow;

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use super::ModuleError;
use super::scan::{Shape, scan};

/// The component that `upload` is, or is made into. A component passes through untouched.
pub(super) fn componentize(upload: &[u8]) -> Result<Cow<'_, [u8]>, ModuleError> {
    if scan(upload)? == Shape::Component {
        return Ok(Cow::Borrowed(upload));
    }
    check_core_module(upload)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(upload)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| not_component(&format!("{error:#}"), "build it with the Retold SDK of this host's version"))?;
    scan(&component)?;
    Ok(Cow::Owned(component))
}

fn not_component(problem: &str, remedy: &str) -> ModuleError {
    ModuleError::NotComponent { problem: problem.replace('\n', " "), remedy: remedy.into() }
}

/// Tells apart the usual ways in which a module isn't one of ours, which wit-component would all
/// report in its own words.
fn check_core_module(bytes: &[u8]) -> Result<(), ModuleError> {
    let mut described = false;
    let mut foreign = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| not_component(error.message(), "build it again"))? {
            Payload::CustomSection(section) => described |= section.name().starts_with("component-type"),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let module = import.map_err(|error| not_component(error.message(), "build it again"))?.module;
                    if !module.starts_with("retold:module/") && !foreign.contains(&module) {
                        foreign.push(module);
                    }
                }
            }
            _ => {}
        }
    }
    if foreign.is_empty() && !described {
        return Err(not_component(
            "it says nothing about its interfaces",
            "build it with the Retold SDK and end the crate with `retold::module!(…)`",
        ));
    }
    if foreign.iter().all(|module| module.starts_with("wasi:") || *module == "__main_module__") {
        return Ok(());
    }
    let remedy = if foreign.iter().any(|module| module.starts_with("wasi_snapshot")) {
        "build it for wasm32-unknown-unknown, or for wasm32-wasip2"
    } else if foreign.iter().any(|module| module.starts_with("__wbindgen") || module.starts_with("wbg")) {
        "a dependency was built for the browser (wasm-bindgen): switch that feature off"
    } else {
        "a dependency asks for functions that nobody gives it: leave it out, or switch that feature off"
    };
    Err(ModuleError::ImportNotGranted { imports: foreign.join(", "), remedy: remedy.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::tests::guests;

    #[test]
    fn a_core_module_of_the_sdk_becomes_a_component_that_exports_its_manifest() {
        let core = guests::Parts::default().core();
        let component = componentize(&core).expect("a component");
        assert_eq!(scan(&component), Ok(Shape::Component));
        assert!(matches!(componentize(&component), Ok(Cow::Borrowed(_))), "a component passes through");
    }

    #[track_caller]
    fn refused(wat: &str, expected: &str) {
        let message = componentize(&wat::parse_str(wat).unwrap()).expect_err("refused").to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_module_made_for_something_else_is_told_what_to_build() {
        refused("(module)", "says nothing about its interfaces");
        refused(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#, "wasm32-wasip2");
        refused(r#"(module (import "__wbindgen_placeholder__" "now" (func)))"#, "wasm-bindgen");
        refused(r#"(module (import "env" "now" (func)))"#, "a dependency asks for");
    }

    #[test]
    fn a_module_that_lies_about_its_interfaces_is_refused() {
        let mut core = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
        guests::describe_interfaces(&mut core, guests::WIT);
        let message = componentize(&core).expect_err("refused").to_string();
        assert!(message.contains("can't be made a component"), "{message}");
    }
}

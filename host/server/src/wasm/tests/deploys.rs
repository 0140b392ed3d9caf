//! What a module says of itself, and what is refused before it runs.

use retold_engine::model::{FunctionKind, Start};

use super::guests::{Parts, WIT, load, sandbox, try_load};
use crate::wasm::ModuleError;

#[test]
fn a_module_says_what_it_is() {
    let manifest = load(&sandbox(), &Parts::default().core()).describe().unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("echo", "1.0.0"));
    let [function] = &manifest.functions[..] else { panic!("{manifest:?}") };
    assert_eq!((function.name.as_str(), function.kind, function.start), ("echo", FunctionKind::Handler, Start::Beginning));
    assert_eq!(
        (function.subscribes.as_slice(), function.emits.as_slice()),
        (&["order.*".to_owned()][..], &["order.echoed".to_owned()][..])
    );
    manifest.check("echo").unwrap();
}

#[test]
fn a_module_that_can_not_say_what_it_is_is_refused() {
    let describe =
        |body: &str| load(&sandbox(), &Parts { describe: body, ..Parts::default() }.core()).describe().expect_err("refused").to_string();
    assert!(describe("unreachable").contains("trapped"));
    assert!(describe("(loop $for_ever (br $for_ever)) i32.const 0").contains("fuel"));
    assert!(describe("i32.const -8").contains("contract doesn't allow"));
    let calls_state = "(call $get (i32.const 0) (i32.const 64) (i32.const 12) (i32.const 16)) i32.const 4096";
    assert!(describe(calls_state).contains("outside the batch"));
}

#[test]
fn a_module_without_the_export_that_its_manifest_needs_is_refused() {
    // The same manifest, but the function's kind is "view".
    let describe = "(i32.store8 (i32.add (i32.load (i32.const 4112)) (i32.const 8)) (i32.const 2)) i32.const 4096";
    let error = load(&sandbox(), &Parts { describe, ..Parts::default() }.core());
    let error = error.describe().expect_err("refused");
    assert!(matches!(&error, ModuleError::ExportMissing { interface, .. } if interface.contains("view")), "{error}");
}

/// A module built against another contract under the same name.
#[track_caller]
fn built_against(what: &str, instead: &str) -> Vec<u8> {
    let wit = WIT.replace(what, instead);
    assert_ne!(wit, WIT, "{what:?} is no longer in the contract");
    Parts { wit: &wit, ..Parts::default() }.core()
}

#[test]
fn an_export_of_another_type_is_refused_before_it_is_called() {
    let upload = built_against("kind: failure-kind,\n    message: string", "kind: failure-kind,\n    words: string");
    let error = load(&sandbox(), &upload).describe().expect_err("refused");
    assert!(
        matches!(&error, ModuleError::ExportMismatch { interface, problem } if interface.contains("handler") && problem.contains("words")),
        "{error}"
    );
}

#[test]
fn an_import_of_another_type_is_refused_before_anything_runs() {
    let upload = built_against("get: func(event: u32, key: string)", "get: func(event: s32, key: string)");
    let error = try_load(&sandbox(), &upload).err().expect("refused");
    assert!(matches!(&error, ModuleError::ImportMismatch { problem } if problem.contains("state") && problem.contains("get")), "{error}");
}

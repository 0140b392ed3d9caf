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
    for (kind, name) in [(1, "aggregate"), (2, "view"), (3, "upcaster"), (4, "ingress")] {
        // The same manifest, but for the function's kind.
        let describe = format!("(i32.store8 (i32.add (i32.load (i32.const 4112)) (i32.const 8)) (i32.const {kind})) i32.const 4096");
        let error = load(&sandbox(), &Parts { describe: &describe, ..Parts::default() }.core());
        let error = error.describe().expect_err("refused");
        assert!(matches!(&error, ModuleError::ExportMissing { interface, .. } if interface.contains(name)), "{error}");
        let some = Some(("unreachable", "unreachable"));
        let all = Parts { describe: &describe, aggregate: some, view: some, upcast: Some("unreachable"), ..Parts::default() }.core();
        let described = load(&sandbox(), &all).describe();
        assert_eq!(described.is_ok(), name != "ingress", "{described:?}");
    }
}

/// The host's table of handles isn't asked for these: a component makes and keeps them by itself.
#[test]
fn handles_of_a_components_own_kind_are_refused_by_number_w10() {
    let component = r#"(component
        (type $kind (resource (rep i32)))
        (core func $new (canon resource.new $kind))
        (core module $module
            (import "own" "new" (func $new (param i32) (result i32)))
            (func (export "describe"))
            (func $hoard (loop $again (drop (call $new (i32.const 1))) (br $again)))
            (start $hoard))
        (core instance $core (instantiate $module (with "own" (instance (export "new" (func $new))))))
        (func $describe (canon lift (core func $core "describe")))
        (instance $manifest (export "describe" (func $describe)))
        (export "retold:module/manifest@0.1.0" (instance $manifest)))"#;
    let error = load(&sandbox(), &wat::parse_str(component).unwrap()).describe().expect_err("refused").to_string();
    assert!(error.contains("store handle limit"), "{error}");
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

/// What is said of a module of all kinds built against another contract. Only `interface` is exported
/// beside the handler.
#[track_caller]
fn mismatch(interface: &str, what: &str, instead: &str, problem: &str) {
    let wit = WIT.replace(what, instead);
    assert_ne!(wit, WIT, "{what:?} is no longer in the contract");
    let mut parts = Parts { wit: &wit, ..Parts::default() };
    match interface {
        "aggregate" => parts.aggregate = Some(("unreachable", "unreachable")),
        "view" => parts.view = Some(("unreachable", "unreachable")),
        _ => parts.upcast = Some("unreachable"),
    }
    let loaded = try_load(&sandbox(), &parts.core()).and_then(|module| module.describe());
    let error = loaded.expect_err("refused");
    let told = matches!(&error, ModuleError::ExportMismatch { interface: named, problem: found }
        if named == &format!("retold:module/{interface}@0.1.0") && found.contains(problem));
    assert!(told, "{interface}: {error}");
}

#[test]
fn each_interface_is_held_against_the_contract() {
    mismatch("aggregate", "record rejection { code: string", "record rejection { reason: string", "reason");
    mismatch("aggregate", "-> result<list<u8>, failure>", "-> result<string, failure>", "list");
    mismatch("view", "record payload { content-type: string", "record payload { media-type: string", "media-type");
    mismatch("view", "record query { name: string", "record query { question: string", "question");
    mismatch("upcaster", "result<list<list<new-event>>, failure>", "result<list<list<failure>>, failure>", "");
    let evolve = WIT.lines().find(|line| line.contains("evolve: func(")).expect("in the contract");
    mismatch("aggregate", evolve, "", "no function `evolve`");
}

#[test]
fn an_import_of_another_type_is_refused_before_anything_runs() {
    let upload = built_against("get: func(event: u32, key: string)", "get: func(event: s32, key: string)");
    let error = try_load(&sandbox(), &upload).err().expect("refused");
    assert!(matches!(&error, ModuleError::ImportMismatch { problem } if problem.contains("state") && problem.contains("get")), "{error}");
}

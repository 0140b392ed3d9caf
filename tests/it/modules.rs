//! Uploads: what is refused, and that nothing is changed by it.

use serde_json::json;

use crate::appending::event;
use crate::support::{Host, guest};

/// WebAssembly's magic number and version.
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn what_is_no_module_is_refused_and_nothing_is_changed() {
    let host = Host::start();
    host.web.append(&event("1")).expect(201);
    let good = guest("hello");
    host.web.deploy("hello", b"").problem(415, "not-wasm");
    host.web.deploy("hello", b"#!/bin/sh\necho hello").problem(415, "not-wasm");
    host.web.deploy("hello", b"(module)").problem(415, "not-wasm");
    host.web.deploy("hello", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0").problem(415, "not-wasm");
    for archive in [b"PK\x03\x04".as_slice(), b"\x1f\x8b\x08\0", b"../../hello.wasm\0\0", b"\x28\xb5\x2f\xfd"] {
        host.web.deploy("hello", archive).problem(415, "not-wasm");
    }
    host.web.deploy("hello", &good[..good.len() / 2]).problem(422, "module-refused");
    host.web.deploy("hello", EMPTY_MODULE).problem(422, "module-refused");
    let mut flipped = good.clone();
    for at in (1_000..flipped.len()).step_by(997) {
        flipped[at] ^= 0x55;
    }
    host.web.deploy("hello", &flipped).problem(422, "module-refused");
    host.web.deploy("hello", &vec![0; (16 << 20) + 1]).problem(413, "too-large");
    // Named otherwise than it names itself, or by no name at all.
    let problem = host.web.deploy("goodbye", &good).problem(422, "module-refused");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("hello")), "{problem}");
    let modules = host.web.get("modules").expect(200).json();
    assert_eq!(modules["modules"], json!([]), "{modules}");
    assert_eq!(host.web.events("").len(), 1);
}

#[test]
fn an_import_that_is_not_granted_is_named() {
    let host = Host::start();
    // (module (import "env" "now" (func)))
    let imports = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0b\x01\x03env\x03now\0\0";
    let problem = host.web.deploy("hello", imports).problem(422, "module-refused");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("env")), "{problem}");
}

#[test]
fn a_manifest_that_traps_or_never_ends_is_refused() {
    let host = Host::start();
    for name in ["faulty-manifest-trap", "faulty-manifest-loop"] {
        let problem = host.web.deploy(name, &guest(name)).problem(422, "module-refused");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("describe")), "{problem}");
    }
    host.web.get("//readyz").expect(200);
}

#[test]
fn the_same_module_again_changes_nothing_and_removal_retires_its_functions() {
    let host = Host::start();
    let hello = guest("hello");
    let first = host.web.deploy("hello", &hello).expect(201).json();
    let again = host.web.deploy("hello", &hello).expect(200).json();
    assert_eq!(first["digest"], again["digest"]);
    assert_eq!(host.web.events("types=retold.*").len(), 1);
    host.web.send("DELETE", "modules/hello", &[], b"").expect(200);
    host.web.get("modules/hello").problem(404, "unknown-module");
    assert_eq!(host.web.function("pricing")["status"], "retired");
    assert_eq!(host.web.get("functions").expect(200).json()["functions"], json!([]));
    host.web.send("DELETE", "modules/hello", &[], b"").problem(404, "unknown-module");
    // It comes back where it stood.
    host.web.append(&crate::handlers::order("1", 1)).expect(201);
    host.web.deploy("hello", &hello).expect(201);
    host.wait_until_level("pricing");
    assert_eq!(host.web.events("types=order.priced").len(), 1);
}

//! Small modules for this room's tests: core modules in text, with a handler's body to fill in, and
//! the interfaces of `wit/retold.wit` described as the SDK's macros do it. Guests in Rust are tried in
//! `tests/it`, which builds them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use retold_engine::model::Digest;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::wasm::{CompileCache, ModuleError, Sandbox, SandboxOptions, WasmModule, compile_child};

pub(in crate::wasm) const WIT: &str = include_str!("../../../../../wit/retold.wit");
const WORLD: &str = "
package test:guest;
world guest {
  include retold:module/manifest-world@0.1.0;
  include retold:module/handler-world@0.1.0;
  import wasi:clocks/wall-clock@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
  import wasi:cli/environment@0.2.0;
}";
/// What is tried of WASI. Imports that a core module doesn't use aren't in its component.
const WASI: [&str; 3] = [
    "package wasi:clocks@0.2.0;
     interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
     interface monotonic-clock { now: func() -> u64; }",
    "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }",
    "package wasi:cli@0.2.0; interface environment { get-arguments: func() -> list<string>; }",
];

/// A module with one handler, `echo` for `order.*`, and what may differ in it.
pub(in crate::wasm) struct Parts<'a> {
    pub(in crate::wasm) imports: &'a str,
    /// The handler's body: instructions that may use the parameters `$function`, `$function_length`,
    /// `$events` and `$count`, the functions below and the imports, and leave the address of a result.
    pub(in crate::wasm) handle: &'a str,
    /// The body of `describe`.
    pub(in crate::wasm) describe: &'a str,
    pub(in crate::wasm) wit: &'a str,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Parts { imports: "", handle: "call $no_outputs", describe: "i32.const 4096", wit: WIT }
    }
}

/// One whose handler is `handle`.
pub(in crate::wasm) fn core(handle: &str) -> Vec<u8> {
    Parts { handle, ..Parts::default() }.core()
}

/// Adds what tells wit-component the interfaces of a core module.
pub(in crate::wasm) fn describe_interfaces(core: &mut Vec<u8>, wit: &str) {
    let mut resolve = Resolve::default();
    resolve.push_str("retold.wit", wit).unwrap();
    for package in WASI {
        resolve.push_str("wasi.wit", package).unwrap();
    }
    let package = resolve.push_str("guest.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8).unwrap();
}

impl Parts<'_> {
    pub(in crate::wasm) fn core(&self) -> Vec<u8> {
        let Parts { imports, handle, describe, wit } = self;
        let data: String = manifest_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
        let text = format!(
            r#"(module
  (import "retold:module/context@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "retold:module/context@0.1.0" "details" (func $details (param i64 i32)))
  (import "retold:module/state@0.1.0" "get" (func $get (param i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32)))
  {imports}
  (memory (export "memory") 2)
  (data (i32.const {MANIFEST_AT}) "{data}")
  (data (i32.const 64) "order.echoed")
  (global $free (mut i32) (i32.const 65536))
  (func $allocate (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
      unreachable)
    local.get $at)
  ;; The result ok of an empty list.
  (func $no_outputs (result i32)
    (i64.store (i32.const 16) (i64.const 0)) (i32.store (i32.const 24) (i32.const 0)) i32.const 16)
  ;; One `order.echoed` for each event, with its subject and data.
  (func $echo (param $events i32) (param $count i32) (result i32)
    (local $list i32) (local $at i32) (local $index i32)
    (local.set $list (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (i32.const 88))))
    (local.set $at (local.get $list))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $index) (local.get $count)))
      (memory.fill (local.get $at) (i32.const 0) (i32.const 88))
      (i32.store (local.get $at) (local.get $index))
      (i32.store offset=16 (local.get $at) (i32.const 64))
      (i32.store offset=20 (local.get $at) (i32.const 12))
      (i64.store offset=24 align=4 (local.get $at) (i64.load offset=16 align=4 (local.get $events)))
      (i64.store offset=52 align=4 (local.get $at) (i64.load offset=32 align=4 (local.get $events)))
      (local.set $at (i32.add (local.get $at) (i32.const 88)))
      (local.set $events (i32.add (local.get $events) (i32.const 40)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $next)))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $list))
    (i32.store (i32.const 24) (local.get $count))
    i32.const 16)
  (func $describe (export "retold:module/manifest@0.1.0#describe") (result i32) {describe})
  (func $handle (export "retold:module/handler@0.1.0#handle") (param $function i32) (param $function_length i32) (param $events i32) (param $count i32) (result i32)
    {handle}))"#
        );
        let mut core = wat::parse_str(text).expect("the test's own text");
        describe_interfaces(&mut core, wit);
        core
    }
}

const MANIFEST_AT: u32 = 4096;

/// A manifest as the canonical ABI lays it out, with texts and lists behind it.
fn manifest_bytes() -> Vec<u8> {
    let mut tail = Vec::new();
    let mut put = |bytes: &[u8]| -> u32 {
        let at = MANIFEST_AT + 512 + tail.len() as u32;
        tail.extend_from_slice(bytes);
        tail.resize(tail.len().next_multiple_of(8), 0);
        at
    };
    let text = |put: &mut dyn FnMut(&[u8]) -> u32, text: &str| [put(text.as_bytes()), text.len() as u32];
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();

    let pattern = words(&text(&mut put, "order.*"));
    let emitted = words(&text(&mut put, "order.echoed"));
    let (pattern, emitted) = (put(&pattern), put(&emitted));
    let [name, name_length] = text(&mut put, "echo");
    let mut function = words(&[name, name_length, 0, pattern, 1, emitted, 1, 0, 0, 0, 0]);
    // start = beginning, failure-policy = park, no split, no limits, nothing else.
    function.extend_from_slice(&[1, 0]);
    function.resize(128, 0);
    let function = put(&function);
    let [name, name_length] = text(&mut put, "echo");
    let [version, version_length] = text(&mut put, "1.0.0");
    let mut bytes = words(&[name, name_length, version, version_length, function, 1, 0, 0]);
    bytes.resize(512, 0);
    bytes.extend(tail);
    bytes
}

/// A sandbox with little room.
pub(in crate::wasm) fn sandbox() -> Sandbox {
    Sandbox::new(SandboxOptions { instances_max: 4, ..SandboxOptions::default() }).unwrap()
}

/// A module compiled in this process, loaded through a cache of its own.
pub(in crate::wasm) fn try_load(sandbox: &Sandbox, upload: &[u8]) -> Result<WasmModule, ModuleError> {
    let built = compile_child::build(upload)?;
    let folder = Folder::new("module");
    let cache = CompileCache::open(&folder.path().join("code"), &folder.path().join("secret"), sandbox).unwrap();
    let digest = Digest::of(&built.component);
    cache.store(digest, &built.compiled).unwrap();
    WasmModule::load(sandbox, &cache.load(sandbox, digest).unwrap())
}

pub(in crate::wasm) fn load(sandbox: &Sandbox, upload: &[u8]) -> WasmModule {
    try_load(sandbox, upload).unwrap()
}

/// A folder that is gone when the test ends.
pub(in crate::wasm) struct Folder(PathBuf);

impl Folder {
    pub(in crate::wasm) fn new(name: &str) -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("retold-wasm-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(in crate::wasm) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

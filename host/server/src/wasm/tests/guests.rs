//! Small modules for this room's tests: core modules in text, with functions' bodies to fill in, and
//! the interfaces of `wit/retold.wit` described as the SDK's macros do it. Guests in Rust are tried in
//! `tests/it`, which builds them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use retold_engine::model::Digest;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::wasm::{CompileCache, ModuleError, Sandbox, SandboxOptions, WasmModule, compile_child};

pub(in crate::wasm) const WIT: &str = include_str!("../../../../../wit/retold.wit");
/// What is tried of WASI. Imports that a core module doesn't use aren't in its component.
const WASI: [&str; 5] = [
    "package wasi:clocks@0.2.0;
     interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
     interface monotonic-clock { now: func() -> u64; }",
    "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }",
    "package wasi:io@0.2.0;
     interface error { resource error; }
     interface streams {
       use error.{error};
       variant stream-error { last-operation-failed(error), closed }
       resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
     }",
    "package wasi:cli@0.2.0;
     interface environment { get-arguments: func() -> list<string>; get-environment: func() -> list<tuple<string, string>>; }
     interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
     interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }",
    "package wasi:filesystem@0.2.0;
     interface types { resource descriptor; }
     interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }",
];
const WASI_IMPORTS: &str = "
  import wasi:clocks/wall-clock@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
  import wasi:cli/environment@0.2.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:cli/stderr@0.2.0;
  import wasi:io/streams@0.2.0;
  import wasi:filesystem/preopens@0.2.0;";

/// A guest's way from the columns that events come in to a record of each.
const UNPACK: &str = include_str!("../../../../../tests/src/unpack.wat");

/// A module with one handler, `echo` for `order.*`, and what may differ in it. Bodies are
/// instructions that may use their function's parameters (see [`Parts::exports`]), three locals
/// (`$at`, `$list`, `$index`), the functions below and the imports, and leave the address of a result.
pub(in crate::wasm) struct Parts<'a> {
    pub(in crate::wasm) imports: &'a str,
    /// The handler's body.
    pub(in crate::wasm) handle: &'a str,
    /// The bodies of `decide` and `evolve`; of `project` and `query`; of `upcast`.
    pub(in crate::wasm) aggregate: Option<(&'a str, &'a str)>,
    pub(in crate::wasm) view: Option<(&'a str, &'a str)>,
    pub(in crate::wasm) upcast: Option<&'a str>,
    /// The body of `describe`.
    pub(in crate::wasm) describe: &'a str,
    pub(in crate::wasm) wit: &'a str,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        let handle = "call $no_outputs";
        Parts { imports: "", handle, aggregate: None, view: None, upcast: None, describe: "i32.const 4096", wit: WIT }
    }
}

/// A module of all kinds, each of whose functions begins with `body` and then succeeds with nothing.
pub(in crate::wasm) fn every(imports: &str, body: &str) -> Vec<u8> {
    let nothing = format!("{body} call $no_outputs");
    let text = format!("{body} call $no_outputs (i32.store (i32.const 20) (i32.const 64)) (i32.store (i32.const 24) (i32.const 5))");
    let (handle, aggregate, view, upcast) = (&*nothing, Some((&*nothing, &*nothing)), Some((&*nothing, &*text)), Some(&*nothing));
    Parts { imports, handle, aggregate, view, upcast, ..Parts::default() }.core()
}

/// One whose handler is `handle`.
pub(in crate::wasm) fn core(handle: &str) -> Vec<u8> {
    Parts { handle, ..Parts::default() }.core()
}

/// Adds what tells wit-component the interfaces of a core module with a handler.
pub(in crate::wasm) fn describe_interfaces(core: &mut Vec<u8>, wit: &str) {
    describe_worlds(core, wit, &["manifest", "handler"]);
}

fn describe_worlds(core: &mut Vec<u8>, wit: &str, worlds: &[&str]) {
    let mut resolve = Resolve::default();
    resolve.push_str("retold.wit", wit).unwrap();
    for package in WASI {
        resolve.push_str("wasi.wit", package).unwrap();
    }
    let included: String = worlds.iter().map(|world| format!("include retold:module/{world}-world@0.1.0;\n")).collect();
    let world = format!("package test:guest;\nworld guest {{ {included} {WASI_IMPORTS} }}");
    let package = resolve.push_str("guest.wit", &world).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8).unwrap();
}

impl Parts<'_> {
    pub(in crate::wasm) fn core(&self) -> Vec<u8> {
        let Parts { imports, describe, wit, .. } = self;
        let exports = self.exports();
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
{UNPACK}
  ;; The result ok of empty lists.
  (func $no_outputs (result i32)
    (memory.fill (i32.const 16) (i32.const 0) (i32.const 44)) i32.const 16)
  ;; One `order.echoed` for each event, with its subject and data, which lie in the pieces that came in.
  (func $echo (param $events i32) (param $count i32) (result i32)
    (local $list i32) (local $at i32) (local $index i32) (local $subject_end i32) (local $data_end i32)
    (local.set $list (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (i32.const 64))))
    (local.set $at (local.get $list))
    ;; ok({{each, types: ["order.echoed"], subjects, data, tags: []}})
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $list))
    (i32.store (i32.const 24) (local.get $count))
    (i32.store (i32.const 80) (i32.const 64)) (i32.store (i32.const 84) (i32.const 12))
    (i32.store (i32.const 28) (i32.const 80)) (i32.store (i32.const 32) (i32.const 1))
    (i32.store (i32.const 36) (i32.load offset=16 (local.get $events)))
    (i32.store (i32.const 44) (i32.load offset=32 (local.get $events)))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $index) (local.get $count)))
      (memory.fill (local.get $at) (i32.const 0) (i32.const 64))
      (local.set $subject_end (i32.add (local.get $subject_end) (i32.load offset=20 (local.get $events))))
      (local.set $data_end (i32.add (local.get $data_end) (i32.load offset=36 (local.get $events))))
      (i32.store (local.get $at) (local.get $index))
      (i32.store offset=20 (local.get $at) (local.get $subject_end))
      (i32.store offset=24 (local.get $at) (local.get $data_end))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (local.set $events (i32.add (local.get $events) (i32.const 40)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $next)))
    (i32.store (i32.const 40) (local.get $subject_end))
    (i32.store (i32.const 48) (local.get $data_end))
    i32.const 16)
  (func $describe (export "retold:module/manifest@0.1.0#describe") (result i32) {describe})
  {exports})"#
        );
        let mut core = wat::parse_str(text).expect("the test's own text");
        let of = |world, exported| if exported { Some(world) } else { None };
        let worlds = [
            Some("manifest"),
            Some("handler"),
            of("aggregate", self.aggregate.is_some()),
            of("view", self.view.is_some()),
            of("upcaster", self.upcast.is_some()),
        ];
        describe_worlds(&mut core, wit, &worlds.into_iter().flatten().collect::<Vec<_>>());
        core
    }

    /// Parameters as the canonical ABI lays them flat, sixteen at most: a function with more gets the address of them
    /// all, as do all that take events but `upcast`.
    fn exports(&self) -> String {
        const EVENTS: &str = "(param $events i32) (param $count i32)";
        const FUNCTION: &str = "(param $function i32) (param $function_length i32)";
        let mut text = String::new();
        let mut export = |interface: &str, name: &str, params: &str, body: &str| {
            // A test's own contract may lack it.
            if !self.wit.contains(&format!("{name}: func(")) {
                return;
            }
            let exported = format!("(export \"retold:module/{interface}@0.1.0#{name}\")");
            let own = match params.strip_suffix(EVENTS) {
                Some(before) => {
                    text += &unpacked(name, &exported, before);
                    ""
                }
                None => &exported,
            };
            text += &format!("(func ${name} {own} {params} (result i32) (local $at i32) (local $list i32) (local $index i32) {body})\n");
        };
        export("handler", "handle", &format!("{FUNCTION} {EVENTS}"), self.handle);
        if let Some((decide, evolve)) = self.aggregate {
            export("aggregate", "decide", "(param $arguments i32)", decide);
            let subject =
                "(param $subject i32) (param $subject_length i32) (param $has_state i32) (param $state i32) (param $state_length i32)";
            export("aggregate", "evolve", &format!("{FUNCTION} {subject} {EVENTS}"), evolve);
        }
        if let Some((project, query)) = self.view {
            export("view", "project", &format!("{FUNCTION} {EVENTS}"), project);
            let request = "(param $name i32) (param $name_length i32) (param $has_content_type i32) (param $content_type i32)
                (param $content_type_length i32) (param $data i32) (param $data_length i32)";
            export("view", "query", &format!("{FUNCTION} {request}"), query);
        }
        if let Some(upcast) = self.upcast {
            export("upcaster", "upcast", EVENTS, upcast);
        }
        text
    }
}

/// What is exported of a function that takes events: it calls the function with what comes before them and with a record
/// of each.
fn unpacked(name: &str, exported: &str, before: &str) -> String {
    if name == "upcast" {
        let stores: String = (0..16).map(|word| format!("(i32.store offset={} (local.get $at) (local.get {word}))", 4 * word)).collect();
        return format!(
            "(func {exported} (param {words}) (result i32) (local $at i32)
               (local.set $at (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 64))) {stores}
               (call ${name} (call $unpack (local.get $at)) (local.get 1)))\n",
            words = "i32 ".repeat(16),
        );
    }
    // Each is a word, but whether there is a state is a byte.
    let words = before.matches("param").count();
    let before: String = (0..words)
        .map(|word| {
            let load = if word == 4 { "i32.load8_u" } else { "i32.load" };
            format!("({load} offset={} (local.get $arguments))", 4 * word)
        })
        .collect();
    format!(
        "(func {exported} (param $arguments i32) (result i32)
           (call ${name} {before} (call $unpack (i32.add (local.get $arguments) (i32.const {columns})))
             (i32.load offset={count} (local.get $arguments))))\n",
        columns = 4 * words,
        count = 4 * words + 4,
    )
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

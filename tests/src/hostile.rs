//! Modules that no compiler would make: their code is written as text, and what the host is told of them fits.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract, and what is used of WASI.
const WIT: &str = include_str!("../../wit/retold.wit");
const WASI: [&str; 3] = [
    "package wasi:clocks@0.2.0; interface monotonic-clock { now: func() -> u64; }",
    "package wasi:io@0.2.0; interface streams { resource output-stream; }",
    "package wasi:cli@0.2.0; interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }",
];
const WORLD: &str = "package test:guest;
world guest {
  include retold:module/manifest-world@0.1.0;
  include retold:module/handler-world@0.1.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:cli/stdout@0.2.0;
}";
/// A guest's way from the few pieces that events come in to a record of each.
const UNPACK: &str = include_str!("unpack.wat");
/// Where the manifest lies in its memory.
const MANIFEST_AT: u32 = 4096;

/// The events that hostile handlers read, and the one that they answer.
pub const READS: &str = "test.hostile";
pub const EMITS: &str = "test.survived";

/// A core module with one handler.
///
/// `handle` are the instructions of the handler, which leave the address of a result. They may use its parameters
/// (`$events`, `$count`), the locals `$at` and `$n`, the host's functions (`$log`, `$details`, `$get`, `$put`, `$delete`,
/// `$scan`), and `$answer`, which makes one event whose data is a digit, about the subject of the first event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hostile<'a> {
    /// Of the module and its handler.
    pub name: &'a str,
    pub imports: &'a str,
    /// Functions, globals, a start function.
    pub fields: &'a str,
    /// What the guest's allocator does first, each time.
    pub allocate: &'a str,
    pub handle: &'a str,
    /// At one event; 0: as many as the host allows.
    pub attempts: u8,
}

impl Hostile<'_> {
    /// The bytes to upload.
    pub fn module(&self) -> Vec<u8> {
        let Hostile { name, imports, fields, allocate, handle, attempts } = self;
        let data: String = manifest(name, *attempts).iter().map(|byte| format!("\\{byte:02x}")).collect();
        let text = format!(
            r#"(module
  (import "retold:module/context@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "retold:module/context@0.1.0" "details" (func $details (param i64 i32)))
  (import "retold:module/state@0.1.0" "get" (func $get (param i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "retold:module/state@0.1.0" "delete" (func $delete (param i32 i32 i32)))
  (import "retold:module/state@0.1.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32)))
  {imports}
  (memory (export "memory") 2)
  (data (i32.const {MANIFEST_AT}) "{data}")
  (data (i32.const 64) "{EMITS}")
  (global $free (mut i32) (i32.const 65536))
  {fields}
  (func $allocate (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    {allocate}
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
      unreachable)
    local.get $at)
{UNPACK}
  (func $answer (param $events i32) (param $digit i32) (result i32)
    ;; An event of the first type, which has all of the subjects and the data.
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 64))
    (i32.store (i32.const 276) (i32.load offset=20 (local.get $events)))
    (i32.store (i32.const 280) (i32.const 1))
    (i32.store8 (i32.const 128) (i32.add (local.get $digit) (i32.const 48)))
    (i32.store (i32.const 136) (i32.const 64))
    (i32.store (i32.const 140) (i32.const {emits_length}))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 256))
    (i32.store (i32.const 24) (i32.const 1))
    (i32.store (i32.const 28) (i32.const 136))
    (i32.store (i32.const 32) (i32.const 1))
    (i64.store offset=36 align=4 (i32.const 0) (i64.load offset=16 align=4 (local.get $events)))
    (i32.store (i32.const 44) (i32.const 128))
    (i32.store (i32.const 48) (i32.const 1))
    i32.const 16)
  (func (export "retold:module/manifest@0.1.0#describe") (result i32) i32.const {MANIFEST_AT})
  (func (export "retold:module/handler@0.1.0#handle")
    (param $arguments i32) (result i32)
    (local $at i32) (local $n i32) (local $events i32) (local $count i32)
    ;; Behind the function's name.
    (local.set $events (call $unpack (i32.add (local.get $arguments) (i32.const 8))))
    (local.set $count (i32.load offset=12 (local.get $arguments)))
    {handle}))"#,
            emits_length = EMITS.len()
        );
        let mut core = wat::parse_str(text).expect("its text is WebAssembly");
        describe_interfaces(&mut core);
        core
    }
}

/// Adds what tells which interfaces a core module has.
fn describe_interfaces(core: &mut Vec<u8>) {
    let mut resolve = Resolve::default();
    for (name, text) in [("retold.wit", WIT)].into_iter().chain(WASI.map(|text| ("wasi.wit", text))) {
        resolve.push_str(name, text).expect("an interface");
    }
    let package = resolve.push_str("guest.wit", WORLD).expect("a world");
    let world = resolve.select_world(&[package], Some("guest")).expect("it has one");
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8).expect("it fits");
}

/// A manifest as the canonical ABI lays it out, with texts and lists behind it.
fn manifest(name: &str, attempts: u8) -> Vec<u8> {
    let mut tail = Vec::new();
    let mut put = |bytes: &[u8]| -> u32 {
        let at = MANIFEST_AT + 512 + tail.len() as u32;
        tail.extend_from_slice(bytes);
        tail.resize(tail.len().next_multiple_of(8), 0);
        at
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut text = |text: &str| [put(text.as_bytes()), text.len() as u32];
    let ([reads, reads_length], [emits, emits_length]) = (text(READS), text(EMITS));
    let ([name, name_length], [version, version_length]) = (text(name), text("1.0.0"));
    let (reads, emits) = (put(&words(&[reads, reads_length])), put(&words(&[emits, emits_length])));
    let mut function = words(&[name, name_length, 0, reads, 1, emits, 1, 0, 0, 0, 0]);
    // It starts at the beginning, and what it can't handle is parked; of limits, only that of attempts.
    function.extend_from_slice(&[1, 0]);
    function.resize(128, 0);
    (function[88], function[92]) = (u8::from(attempts > 0), attempts);
    let function = put(&function);
    let mut bytes = words(&[name, name_length, version, version_length, function, 1, 0, 0]);
    bytes.resize(512, 0);
    bytes.extend(tail);
    bytes
}

/// Fills 60 MiB again and again.
pub fn fills_memory(name: &str) -> Vec<u8> {
    let handle = "(drop (memory.grow (i32.const 958)))
        (loop $again (memory.fill (i32.const 131072) (i32.const 167) (i32.const 62783488)) (br $again)) unreachable";
    Hostile { name, handle, ..Hostile::default() }.module()
}

/// Its start function never ends, but for when it is asked what it is: the clock stands at the year 2000 then.
pub fn starts_for_ever(name: &str) -> Vec<u8> {
    Hostile {
        name,
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))"#,
        fields: "(func $begin (loop $again (br_if $again (i64.ne (call $now) (i64.const 946684800000000000))))) (start $begin)",
        handle: "(call $answer (local.get $events) (i32.const 1))",
        ..Hostile::default()
    }
    .module()
}

/// Takes standard output into its hands, for ever.
pub fn hoards_handles(name: &str) -> Vec<u8> {
    Hostile {
        name,
        imports: r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))"#,
        handle: "(loop $again (drop (call $stdout)) (br $again)) unreachable",
        ..Hostile::default()
    }
    .module()
}

/// Its allocator, which the host calls to hand over what was asked for, asks the host again.
pub fn recurs_through_the_host(name: &str) -> Vec<u8> {
    Hostile {
        name,
        fields: "(global $again (mut i32) (i32.const 0))",
        allocate: "(if (global.get $again) (then (call $get (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 512))))",
        handle: "(call $put (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 64) (i32.const 4))
            (global.set $again (i32.const 1))
            (call $get (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 512))
            (call $answer (local.get $events) (i32.const 1))",
        ..Hostile::default()
    }
    .module()
}

/// Asks for state without end.
pub fn asks_for_ever(name: &str) -> Vec<u8> {
    let handle = "(loop $again (call $get (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 512)) (br $again)) unreachable";
    Hostile { name, handle, ..Hostile::default() }.module()
}

/// Writes a log line after the other.
pub fn logs_for_ever(name: &str) -> Vec<u8> {
    let handle = "(loop $again (call $log (i32.const 1) (i32.const 64) (i32.const 13)) (br $again)) unreachable";
    Hostile { name, handle, ..Hostile::default() }.module()
}

/// Calls itself until there is no stack.
pub fn recurs_for_ever(name: &str) -> Vec<u8> {
    let fields = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))";
    Hostile { name, fields, handle: "(drop (call $deep (i32.const 0))) unreachable", ..Hostile::default() }.module()
}

/// Writes a large row of state again and again.
pub fn puts_for_ever(name: &str) -> Vec<u8> {
    let handle = "(loop $again
        (call $put (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 60000)) (br $again)) unreachable";
    Hostile { name, handle, ..Hostile::default() }.module()
}

//! Modules written to do harm, uploaded and called as any other: each costs its own events and nobody else's.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use retold_tests::hostile::{EMITS, Hostile, READS, fills_memory, hoards_handles, recurs_through_the_host};
use serde_json::{Value, json};

use crate::support::{Host, Web, guest, retold};

const BATCH: &str = "application/cloudevents-batch+json";
const JSON: &str = "application/json";

fn event(id: &str, subject: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": READS, "subject": subject, "data": {}})
}

/// What the host says of an event of each of these subjects once the handler `name` has dealt with all: a digit that it
/// answered, or why the event was parked.
#[track_caller]
fn outcomes(web: &Web, name: &str, subjects: &[&str]) -> Vec<String> {
    let events: Vec<Value> = subjects.iter().map(|subject| event(&format!("{name}/{subject}"), subject)).collect();
    web.post("events?wait=handled&timeout=100s", BATCH, Value::from(events).to_string()).expect(201);
    let mut parked = web.get(&format!("functions/{name}/parked")).expect(200).json();
    let parked = parked["parked"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let answered = web.events(&format!("types={EMITS}"));
    let of = |subject: &&str| {
        let found = parked.iter().find(|event| event["subject"] == *subject).map(|event| event["message"].to_string());
        found.or_else(|| answered.iter().find(|event| event["subject"] == *subject).map(|event| event["data"].to_string()))
    };
    subjects.iter().map(|subject| of(subject).unwrap_or_default()).collect()
}

/// The event is parked for this reason, and a neighbour is served meanwhile as if nothing were.
#[track_caller]
fn is_parked(name: &str, module: &[u8], why: &str) {
    let host = Host::start();
    let neighbour = host.web.namespace("neighbour");
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"neighbour"}"#).expect(201);
    let harmless = Hostile { name: "harmless", handle: "(call $answer (local.get $events) (i32.const 7))", ..Hostile::default() };
    neighbour.deploy("harmless", &harmless.module()).expect(201);
    host.web.deploy(name, module).expect(201);
    let outcome = outcomes(&host.web, name, &["a"]).remove(0);
    assert!(outcome.contains(why), "{outcome}");
    assert_eq!(outcomes(&neighbour, "harmless", &["a"]), ["7"]);
}

#[test]
fn a_start_function_without_end_is_ended_at_the_upload_w2() {
    let host = Host::start();
    let fields = "(func $begin (loop $again (br $again))) (start $begin)";
    let module = Hostile { name: "begins", fields, handle: "unreachable", ..Hostile::default() }.module();
    let problem = host.web.deploy("begins", &module).problem(422, "module-refused");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("fuel")), "{problem}");
}

#[test]
fn recursion_by_way_of_the_host_is_a_trap_w4() {
    is_parked("recursive", &recurs_through_the_host("recursive"), "cannot leave component instance");
}

#[test]
fn handles_without_end_are_refused_by_number_w10() {
    is_parked("hoarder", &hoards_handles("hoarder"), "no free keys");
}

#[test]
fn filling_memory_again_and_again_costs_fuel_by_the_byte_w12() {
    is_parked("filler", &fills_memory("filler"), "limit `fuel`");
}

/// Functions that are as costly as the limits of a module's form allow.
fn bomb(functions: usize) -> Vec<u8> {
    let locals = "(local i64)".repeat(4_990);
    let table = (0..2_000).map(|depth| format!(" {}", depth % 40)).collect::<String>();
    let blocks = "block ".repeat(40);
    let branch = format!("local.get 0 br_table {table} ");
    let mut body = format!("{blocks} {}", branch.clone());
    for depth in 0..40 {
        body += "end ";
        for local in 0..60 {
            let (from, to) = (1 + (local * 7 + depth) % 4_990, 1 + (local * 13 + depth * 3) % 4_990);
            body += &format!("local.get {from} i64.const {local} i64.add local.tee {to} i64.popcnt local.set {from} ");
        }
    }
    let function = format!("(func (param i32) {locals} {body})");
    Hostile { name: "bomb", fields: &function.repeat(functions), handle: "unreachable", ..Hostile::default() }.module()
}

/// What becomes of the compiling process under these limits, which it is started with.
fn compiled(module: &[u8], memory_bytes: u64, cpu_seconds: u64) -> (std::process::ExitStatus, String) {
    let mut child = Command::new(retold())
        .args(["__compile", &memory_bytes.to_string(), &cpu_seconds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It may end before it has read all.
    let _ = child.stdin.take().expect("piped").write_all(module);
    let output = child.wait_with_output().expect("it ends");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_module_that_is_made_to_be_costly_is_compiled_within_limits_of_memory_and_processor_time_w16() {
    let bomb = bomb(60);
    let (status, said) = compiled(&bomb, 2 << 30, 1);
    assert!(matches!(status.signal(), Some(9 | 24)), "after a second of processor time: {status}, {said}");
    let (status, said) = compiled(&bomb, 64 << 20, 60);
    assert!(!status.success() && (said.contains("memory allocation of") || said.contains("out of memory")), "{status}, {said}");
}

#[test]
fn components_with_async_streams_and_futures_are_refused_w20() {
    let host = Host::start();
    for what in ["(type (stream u8))", "(type (future u8))", "(core func (canon task.return))", "(core func (canon backpressure.inc))"] {
        let text = format!(r#"(component {what} (instance $said) (export "retold:module/manifest@0.1.0" (instance $said)))"#);
        let problem = host.web.deploy("young", &wat::parse_str(text).expect("WebAssembly")).problem(422, "module-refused");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("async")), "{what}: {problem}");
    }
    host.web.get("//readyz").expect(200);
}

#[test]
fn nothing_of_an_earlier_tenant_is_left_in_memory_w26() {
    const GROW: &str = "(drop (memory.grow (i32.const 958)))";
    const FILL: &str = "(memory.fill (i32.const 131072) (i32.const 167) (i32.const 62783488))";
    const LOOK: &str = "(local.set $at (i32.const 131072))
        (block $end (loop $next
          (br_if $end (i32.ge_u (local.get $at) (i32.mul (memory.size) (i32.const 65536))))
          (if (i64.eq (i64.load (local.get $at)) (i64.const 0xA7A7A7A7A7A7A7A7)) (then (local.set $n (i32.const 1))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
        (call $answer (local.get $events) (local.get $n))";
    let host = Host::start();
    let spy = host.web.namespace("spy");
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"spy"}"#).expect(201);
    let deploy = |web: &Web, name: &str, handle: String| {
        web.deploy(name, &Hostile { name, handle: &handle, ..Hostile::default() }.module()).expect(201);
    };
    // It would find what there is to find.
    deploy(&host.web, "both", format!("{GROW} {FILL} {LOOK}"));
    assert_eq!(outcomes(&host.web, "both", &["own"]), ["1"]);
    host.web.delete("modules/both").expect(200);
    deploy(&host.web, "tenant", format!("{GROW} {FILL} (call $answer (local.get $events) (i32.const 1))"));
    deploy(&spy, "spy", format!("{GROW} {LOOK}"));
    for round in ["1", "2", "3", "4", "5", "6"] {
        assert_eq!(outcomes(&host.web, "tenant", &[round]), ["1"]);
        assert_eq!(outcomes(&spy, "spy", &[round]), ["0"], "round {round}");
    }
}

#[test]
fn not_a_number_has_the_same_bits_wherever_it_is_made_w30() {
    let same = |what: &str| {
        format!(
            "(local.set $n (i32.and (local.get $n) (i64.eq (i64.and (i64.reinterpret_f64 {what}) (i64.const -1)) (i64.const 0x7ff8000000000000))))"
        )
    };
    // Of values that no compiler knows: they come out of memory.
    let (zero, odd) = ("(f64.load (i32.const 2048))", "(f64.load (i32.const 2056))");
    let handle = [
        "(f64.store (i32.const 2048) (f64.const 0)) (i64.store (i32.const 2056) (i64.const 0xfff4dead0000beef)) (local.set $n (i32.const 1))".to_owned(),
        same(&format!("(f64.div {zero} {zero})")),
        same(&format!("(f64.mul {zero} {odd})")),
        same(&format!("(f64.add {odd} {zero})")),
        same(&format!("(f64.sub {odd} {odd})")),
        same("(f64.sqrt (f64.const -1))"),
        same(&format!("(f64.min {odd} {zero})")),
        same(&format!("(f64.promote_f32 (f32.demote_f64 {odd}))")),
        "(call $answer (local.get $events) (local.get $n))".to_owned(),
    ];
    let host = Host::start();
    host.web.deploy("nan", &Hostile { name: "nan", handle: &handle.join("\n"), ..Hostile::default() }.module()).expect(201);
    assert_eq!(outcomes(&host.web, "nan", &["a"]), ["1"]);
}

/// What a guest hands to the host that it should not, and a word of what is said of it.
const ARGUMENTS: &[(&str, &str)] = &[
    ("(call $log (i32.const 99) (i32.const 64) (i32.const 4))", "discriminant"),
    ("(call $log (i32.const 0) (i32.const -1) (i32.const -1))", "out of bounds"),
    ("(i32.store (i32.const 512) (i32.const 0xfeff)) (call $log (i32.const 0) (i32.const 512) (i32.const 2))", "utf-8"),
    ("(call $log (i32.const 0) (i32.const 64) (i32.const 0x40000000))", "out of bounds"),
    ("(call $details (i64.const -1) (i32.const 1024))", "not in the batch"),
    ("(call $details (i64.load (local.get $events)) (i32.const -4))", "aligned"),
    ("(call $details (i64.load (local.get $events)) (i32.const 1025))", "aligned"),
    ("(call $get (i32.const -1) (i32.const 64) (i32.const 4) (i32.const 512))", "outside the batch"),
    ("(call $get (i32.const 0) (i32.const -16) (i32.const 32) (i32.const 512))", "out of bounds"),
    ("(call $get (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 513))", "aligned"),
    ("(call $get (i32.const 0) (i32.const 1024) (i32.const 60000) (i32.const 512))", "key"),
    ("(call $put (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 64) (i32.const 0x04000000))", "out of bounds"),
    (
        "(call $put (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 64) (i32.const 4)) (return (call $answer (local.get $events) (i32.const 5)))",
        "5",
    ),
    (
        "(i32.store8 (i32.const 512) (i32.const 0xc3)) (call $put (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 64) (i32.const 4))",
        "utf-8",
    ),
    ("(call $delete (i32.const 4096) (i32.const 64) (i32.const 4))", "outside the batch"),
    (
        "(call $scan (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 2) (i32.const 64) (i32.const 4) (i32.const 10) (i32.const 512))",
        "discriminant",
    ),
    (
        "(call $scan (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 1) (i32.const -8) (i32.const 16) (i32.const 10) (i32.const 512))",
        "out of bounds",
    ),
    (
        "(i32.store8 (i32.const 512) (i32.const 0xe2)) (call $scan (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 512))",
        "utf-8",
    ),
    ("(memory.fill (i32.const 16) (i32.const 7) (i32.const 12)) (return (i32.const 16))", "discriminant"),
    (
        "(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 256)) (i32.store (i32.const 24) (i32.const -1)) (return (i32.const 16))",
        "",
    ),
    (
        "(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 257)) (i32.store (i32.const 24) (i32.const 1)) (return (i32.const 16))",
        "aligned",
    ),
    ("(return (i32.const -16))", "out of bounds"),
    (
        "(drop (call $answer (local.get $events) (i32.const 5))) (i32.store (i32.const 272) (i32.const 7)) (return (i32.const 16))",
        "the type number 7",
    ),
    (
        "(drop (call $answer (local.get $events) (i32.const 5))) (i32.store (i32.const 276) (i32.const 9)) (return (i32.const 16))",
        "9 in `subjects`",
    ),
    (
        "(drop (call $answer (local.get $events) (i32.const 5))) (i32.store (i32.const 280) (i32.const -1)) (return (i32.const 16))",
        "4294967295 in `data`",
    ),
    (
        "(call $scan (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 512)) (return (call $answer (local.get $events) (i32.const 5)))",
        "state-scan",
    ),
];

#[test]
fn whatever_a_guest_hands_to_the_host_is_its_own_fault_w31() {
    // The first letter of the subject says what to do.
    let cases = ARGUMENTS.iter().enumerate().map(|(number, (body, _))| {
        let letter = u32::from(b'A') + number as u32;
        format!("(if (i32.eq (i32.load8_u (i32.load offset=16 (local.get $events))) (i32.const {letter})) (then {body}))")
    });
    let handle = cases.collect::<String>() + "(call $answer (local.get $events) (i32.const 9))";
    let host = Host::start();
    host.web.deploy("rude", &Hostile { name: "rude", handle: &handle, attempts: 1, ..Hostile::default() }.module()).expect(201);
    let subjects: Vec<String> = (0..ARGUMENTS.len()).map(|number| char::from(b'A' + number as u8).to_string()).collect();
    let found: Vec<String> = subjects.iter().flat_map(|subject| outcomes(&host.web, "rude", &[subject])).collect();
    for ((body, expected), found) in ARGUMENTS.iter().zip(&found) {
        assert!(!found.is_empty() && found.contains(expected), "{body}: {found}");
        assert!(found != "9" && !found.contains("the host failed"), "{body}: {found}");
    }
}

/// Compiling processes that this host had all at one time.
fn compilers(host: &Host) -> usize {
    // Its threads are looked at one after another, and meanwhile one process may end and the next begin:
    // only those that two looks see were there together, between the looks.
    let first = children(host);
    children(host).intersection(&first).count()
}

fn children(host: &Host) -> BTreeSet<String> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", host.id())).expect("it runs").flatten();
    let of = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    threads.flat_map(|thread| of(thread).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn a_storm_of_uploads_is_compiled_one_at_a_time_and_events_are_taken_meanwhile_w33() {
    const CLIENTS: usize = 8;
    const EACH: usize = 4;
    let host = Host::start();
    let answered = AtomicUsize::new(0);
    // Of compilers at one time, and of uploads that were answered while one append was not.
    let (mut compiling, mut overtook) = (0, 0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (url, answered) = (host.url.clone(), &answered);
                scope.spawn(move || {
                    let web = Web::new(&url);
                    for number in 0..EACH {
                        let name = format!("storm-{client}-{number}");
                        let handle = "(call $answer (local.get $events) (i32.const 1))";
                        let answer = web.deploy(&name, &Hostile { name: &name, handle, ..Hostile::default() }.module());
                        assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut number = 0;
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let before = answered.load(Ordering::Relaxed);
            host.web
                .append(&json!({"specversion": "1.0", "id": number.to_string(), "source": "/good", "type": "good.event", "data": {}}))
                .expect(201);
            number += 1;
            overtook = overtook.max(answered.load(Ordering::Relaxed) - before);
            compiling = compiling.max(compilers(&host));
        }
    });
    assert_eq!(compiling, 1, "compiling processes at one time");
    assert!(overtook < CLIENTS * EACH / 2, "{overtook} uploads were answered while one append waited");
}

#[test]
fn functions_that_take_long_do_not_hold_up_another_namespace_w32() {
    #[expect(clippy::disallowed_methods, reason = "how long an answer takes is what is tested")]
    let now = Instant::now;
    let host = Host::start();
    let names = ["long-1", "long-2", "long-3", "long-4", "long-5", "long-6"];
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"hostile"}"#).expect(201);
    let hostile = host.web.namespace("hostile");
    for name in names {
        hostile.deploy(name, &Hostile { name, handle: "(loop $again (br $again)) unreachable", ..Hostile::default() }.module()).expect(201);
    }
    let harmless = Hostile { name: "harmless", handle: "(call $answer (local.get $events) (i32.const 7))", ..Hostile::default() };
    host.web.deploy("harmless", &harmless.module()).expect(201);
    let work: Vec<Value> = (0..5).map(|number| event(&number.to_string(), &format!("thing/{number}"))).collect();
    hostile.post("events", BATCH, Value::from(work).to_string()).expect(201);
    // Nobody knows of a function that it takes long before its first call has ended, of whatever.
    for name in names {
        Host::wait_in(&hostile, name, |now| now["counts"]["calls"].as_u64() > Some(0));
    }
    let mut times: Vec<Duration> = (0..15)
        .map(|number| {
            let began = now();
            assert_eq!(outcomes(&host.web, "harmless", &[&format!("good/{number}")]), ["7"]);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let busy = names.iter().filter(|name| hostile.function(name)["lag"] != 0).count();
    assert!(busy >= 4, "only {busy} of them are still at work: nothing was measured");
    assert!(times[7] < Duration::from_secs(1), "{times:?}");
}

/// Processor time of the host's threads of this name, in ticks of the system's clock.
fn ticks(host: &Host, name: &str) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", host.id())).expect("it runs").flatten();
    let of = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let (front, back) = stat.split_once(") ")?;
        // proc_pid_stat(5): the 14th and 15th, of which the name is the second.
        let of_name = front.split_once('(').is_some_and(|(_, comm)| comm.starts_with(name));
        of_name.then(|| back.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
    };
    threads.filter_map(of).sum()
}

#[test]
fn questions_that_take_long_do_not_hold_up_another_namespace_e6() {
    const CLIENTS: usize = 32;
    #[expect(clippy::disallowed_methods, reason = "how long an answer takes is what is tested")]
    let now = Instant::now;
    let host = Host::start();
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"hostile"}"#).expect(201);
    let hostile = host.web.namespace("hostile");
    for web in [&host.web, &hostile] {
        web.deploy("faulty-kinds", &guest("faulty-kinds")).expect(201);
    }
    let ask = |web: &Web, question: &str| web.post("views/faulty-rows/query?name=misbehave", JSON, question);
    let decide = |web: &Web, id: &str, what: &str| web.command("test.decide", &format!("account/{id}"), id, &json!({ "do": what }));
    let (over, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (web, over, ended) = (Web::new(&host.url).namespace("hostile"), &over, &ended);
            scope.spawn(move || {
                for number in 0.. {
                    let answer = match client % 2 {
                        0 => ask(&web, r#""loop""#),
                        _ => decide(&web, &format!("{client}-{number}"), "loop"),
                    };
                    // Its fuel is spent; on a machine that is slow just now its time is first.
                    assert!(matches!(answer.status, 500 | 503), "{}", answer.text());
                    ended.fetch_add(1, Ordering::Relaxed);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        // Nobody knows of a function that it takes long before it was asked once.
        host.wait_until("some were answered", || ended.load(Ordering::Relaxed) >= 4);
        for number in 0..15 {
            let began = now();
            ask(&host.web, r#""count""#).expect(200);
            decide(&host.web, &number.to_string(), "ok").expect(200);
            times.push(began.elapsed());
        }
        over.store(true, Ordering::Relaxed);
    });
    let (long, others) = (ticks(&host, "long-answer-"), ticks(&host, "worker-"));
    assert!(long > 2 * others, "{long} ticks where answers take long, {others} on the workers");
    times.sort_unstable();
    assert!(times[7] < Duration::from_secs(1), "{times:?}");
}

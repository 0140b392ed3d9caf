//! `hostile MINUTES`: modules made to do harm run in four namespaces, beside one that only wants its events handled.
//! How long that takes is measured in short turns, alone and beside them, so that both see the same machine. Each namespace
//! has a history before: caches are full then, and what grows still is a leak.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use retold_tests::hostile::{
    READS, asks_for_ever, fills_memory, hoards_handles, logs_for_ever, puts_for_ever, recurs_for_ever, recurs_through_the_host,
    starts_for_ever,
};
use serde_json::{Value, json};

use crate::host::{Host, SOURCE, Web};
use crate::machine::Folder;
use crate::measure::{Times, Use, quarters};
use crate::report::Report;
use crate::time::{Deadline, pause};

const NAMESPACES: [&str; 4] = ["hostile-1", "hostile-2", "hostile-3", "hostile-4"];
/// Events of each namespace before all else, and of one request: almost as many as are indexed in memory before they are sealed.
const HISTORY: usize = 120_000;
const HISTORY_LINES: usize = 2_000;
/// Of one turn, of which every second is alone.
const TURN: Duration = Duration::from_secs(10);
/// After a turn begins: calls that are under way end.
const SETTLING: Duration = Duration::from_secs(3);
const PACE: Duration = Duration::from_millis(5);
const FEEDING_PACE: Duration = Duration::from_millis(200);
/// How much longer the slowest hundredth may take beside hostile modules than alone, in percent.
const RATIO_PERCENT_MAX: u128 = 150;
/// What `misbehave` is told to do.
const HARM: [&str; 9] = ["loop", "trap", "memory", "deep_recursion", "flood", "big_output", "state_flood", "reject", "bad_json"];

type Make = fn(&str) -> Vec<u8>;
const MODULES: [(&str, Make); 8] = [
    ("fills", fills_memory),
    ("starts", starts_for_ever),
    ("hoards", hoards_handles),
    ("recurs", recurs_through_the_host),
    ("asks", asks_for_ever),
    ("logs", logs_for_ever),
    ("deep", recurs_for_ever),
    ("puts", puts_for_ever),
];

pub fn run(minutes: u64, seed: u64, module: &[u8]) -> Result<bool, String> {
    let mut report = Report::of("hostile", seed);
    let folder = Folder::new("hostile")?;
    let mut host = Host::start(&folder.path().join("data"))?;
    let hostile = NAMESPACES.map(|name| host.web.make(name)).into_iter().collect::<Result<Vec<Web>, String>>()?;
    [&host.web].into_iter().chain(&hostile).try_for_each(has_happened)?;
    host.web.deploy(module)?;
    for web in &hostile {
        web.deploy(module)?;
        for (name, make) in MODULES {
            web.deploy_as(name, &make(name))?;
        }
    }
    let over = Deadline::after(Duration::from_secs(60 * minutes));
    let (mut alone, mut beside, mut uses, mut sent) = (Times::default(), Times::default(), Vec::new(), 0);
    while !over.is_over() {
        for (times, attacked) in [(&mut alone, false), (&mut beside, true)] {
            for web in &hostile {
                let functions = ["misbehave", "counter", "echo-loop"].into_iter().chain(MODULES.map(|(name, _)| name));
                functions.into_iter().try_for_each(|function| web.set_paused(function, !attacked))?;
            }
            let feeding = if attacked { Feeding::start(&hostile) } else { Feeding::start(&[]) };
            pause(SETTLING);
            let (turn, next) = measured(&host, sent, if attacked { Some(&mut uses) } else { None })?;
            times.add(turn);
            sent = next;
            report.count("hostile events", feeding.stop());
            if let Some(status) = host.ended() {
                report.wrong("beside hostile modules", [format!("the host ended with {status}: {}", host.said())]);
                return Ok(report.end());
            }
        }
    }
    let ratio = beside.at(990).as_micros() * 100 / alone.at(990).as_micros().max(1);
    println!("append to handled alone: {}; beside hostile modules: {}; ratio of p99 {ratio} %", alone.words(), beside.words());
    let figure = |of: fn(&Use) -> u64| quarters(&uses, of);
    println!(
        "by quarters: memory {:?} KiB, threads {:?}, descriptors {:?}",
        figure(|used| used.memory_kib),
        figure(|used| used.threads),
        figure(|used| used.descriptors)
    );
    if ratio > RATIO_PERCENT_MAX {
        report.wrong("beside hostile modules", [format!("p99 is {ratio} % of what it is alone")]);
    }
    report.count("turns", 2 * (alone.len().min(1) as u64));
    host.web.wait_until_level()?;
    Ok(report.end())
}

/// Events that no function takes.
fn has_happened(web: &Web) -> Result<(), String> {
    for first in (0..HISTORY).step_by(HISTORY_LINES) {
        let line = |number: usize| {
            let data = json!({ "number": number, "text": "it happened before, and is only read" });
            json!({"specversion": "1.0", "id": number.to_string(), "source": "/before", "type": "test.before", "subject": format!("before/{}", number % 5_000), "data": data}).to_string()
        };
        let lines: Vec<String> = (first..first + HISTORY_LINES).map(line).collect();
        let (status, body) = web.send("POST", "events", "application/x-ndjson", lines.join("\n").as_bytes())?;
        if status != 201 {
            return Err(format!("history was answered with {status} {}", String::from_utf8_lossy(&body)));
        }
    }
    Ok(())
}

/// One event after the other, each awaited until it is handled.
fn measured(host: &Host, first: u64, mut uses: Option<&mut Vec<Use>>) -> Result<(Times, u64), String> {
    let (mut times, mut number, over) = (Times::default(), first, Deadline::after(TURN));
    while !over.is_over() {
        let event = json!({"specversion": "1.0", "id": number.to_string(), "source": "/good", "type": SOURCE, "subject": format!("good/{}", number % 50), "data": {}});
        let (status, body) =
            times.time(|| host.web.send("POST", "events?wait=handled", "application/cloudevents+json", event.to_string().as_bytes()))?;
        if status != 201 {
            return Err(format!("a good event was answered with {status} {}", String::from_utf8_lossy(&body)));
        }
        if let Some(uses) = &mut uses
            && number.is_multiple_of(20)
        {
            uses.push(Use::of(host.id()));
        }
        number += 1;
        pause(PACE);
    }
    Ok((times, number))
}

/// Clients that feed hostile modules.
struct Feeding {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Feeding {
    fn start(webs: &[Web]) -> Feeding {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = webs.iter().zip(0..).map(|(web, number)| {
            let (web, stop) = (web.clone(), stop.clone());
            std::thread::spawn(move || {
                // They don't know of each other: none comes when another does.
                pause(FEEDING_PACE * number / NAMESPACES.len() as u32);
                feed(&web, &stop)
            })
        });
        Feeding { threads: threads.collect(), stop }
    }

    /// How many events were taken.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    }
}

fn feed(web: &Web, stop: &AtomicBool) -> u64 {
    let mut taken = 0;
    while !stop.load(Ordering::Acquire) {
        let told = HARM.map(|what| (format!("{what}/{taken}"), "test.do", json!({ "do": what })));
        let more =
            [("any", READS), ("loop", "test.loop"), ("count", SOURCE)].map(|(what, r#type)| (format!("{what}/{taken}"), r#type, json!({})));
        let batch: Vec<Value> = told
            .into_iter()
            .chain(more)
            .map(|(subject, r#type, data)| json!({"specversion": "1.0", "id": format!("{subject}@{}", crate::time::new_seed()), "source": "/bad", "type": r#type, "subject": subject, "data": data}))
            .collect();
        // What the host refuses of it is its affair.
        if web
            .send("POST", "events", "application/cloudevents-batch+json", Value::from(batch.clone()).to_string().as_bytes())
            .is_ok_and(|(status, _)| status == 201)
        {
            taken += batch.len() as u64;
        }
        pause(FEEDING_PACE);
    }
    taken
}

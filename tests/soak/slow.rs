//! `slow CONNECTIONS`: clients that send half a head, half a body or nothing, a byte now and then, and come back when they
//! are let go; and one that only wants its events taken, on a connection that it has already.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::host::{Host, Web};
use crate::machine::Folder;
use crate::measure::{Times, Use};
use crate::report::Report;
use crate::time::{Deadline, pause};

const HALF_HEAD: &[u8] = b"POST /v1/namespaces/main/events HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
const HALF_BODY: &[u8] = b"POST /v1/namespaces/main/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 100000\r\n\r\n{\"specversion\": ";
const FIRST_BYTES: [&[u8]; 3] = [HALF_HEAD, HALF_BODY, b""];
/// Threads that keep the connections slow.
const HANDS: usize = 4;
/// Before the next byte of each connection.
const BYTE_PAUSE: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_millis(5);
/// The goals: memory beyond what it was before, and how much longer the slowest hundredth takes, in percent.
const MEMORY_KIB_MAX: u64 = 64 << 10;
const RATIO_PERCENT_MAX: u128 = 200;

pub fn run(connections: u64, seed: u64) -> Result<bool, String> {
    let mut report = Report::of("slow", seed);
    let folder = Folder::new("slow")?;
    let host = Host::start(&folder.path().join("data"))?;
    let address: SocketAddr = host.web.address().parse().map_err(|error| format!("{}: {error}", host.web.address()))?;
    // It is warm before it is measured.
    let _ = measured(&host, "warm", None)?;
    let base = Use::of(host.id());
    let alone = measured(&host, "alone", None)?;
    let (stop, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut most = Use::default();
    let beside = std::thread::scope(|scope| {
        for hand in 0..HANDS {
            let (stop, opened) = (&stop, &opened);
            let share = connections as usize / HANDS + usize::from(hand < connections as usize % HANDS);
            scope.spawn(move || keep(address, share, stop, opened));
        }
        let deadline = Deadline::after(MEASURED);
        while opened.load(Ordering::Relaxed) < connections && !deadline.is_over() {
            pause(Duration::from_millis(50));
        }
        let beside = measured(&host, "beside", Some(&mut most));
        stop.store(true, Ordering::Release);
        beside
    })?;
    let ratio = beside.at(990).as_micros() * 100 / alone.at(990).as_micros().max(1);
    let more_kib = most.memory_kib.saturating_sub(base.memory_kib);
    println!("an append alone: {}; beside {connections} slow connections: {}; ratio of p99 {ratio} %", alone.words(), beside.words());
    println!(
        "memory {} KiB before, {} KiB at most, {more_kib} KiB more; descriptors {} at most",
        base.memory_kib, most.memory_kib, most.descriptors
    );
    report.count("connections made", opened.load(Ordering::Relaxed));
    if more_kib > MEMORY_KIB_MAX {
        report.wrong("beside slow connections", [format!("{more_kib} KiB more memory")]);
    }
    if ratio > RATIO_PERCENT_MAX {
        report.wrong("beside slow connections", [format!("p99 is {ratio} % of what it is alone")]);
    }
    // Who comes now finds a place.
    pause(BYTE_PAUSE);
    append(&host.web, "after")?;
    Ok(report.end())
}

fn append(web: &Web, id: &str) -> Result<(), String> {
    let event = json!({"specversion": "1.0", "id": id, "source": "/good", "type": "good.event", "data": {}});
    match web.send("POST", "events", "application/cloudevents+json", event.to_string().as_bytes())? {
        (201, _) => Ok(()),
        (status, body) => Err(format!("a good event was answered with {status} {}", String::from_utf8_lossy(&body))),
    }
}

/// One event after the other.
fn measured(host: &Host, name: &str, mut most: Option<&mut Use>) -> Result<Times, String> {
    let (mut times, over) = (Times::default(), Deadline::after(MEASURED));
    while !over.is_over() {
        let id = format!("{name}/{}", times.len());
        times.time(|| append(&host.web, &id))?;
        if let Some(most) = most.as_deref_mut().filter(|_| times.len().is_multiple_of(50)) {
            let now = Use::of(host.id());
            most.memory_kib = most.memory_kib.max(now.memory_kib);
            most.descriptors = most.descriptors.max(now.descriptors);
        }
        pause(PACE);
    }
    Ok(times)
}

/// Keeps so many connections: each sends a byte now and then, and is made anew once it is closed.
fn keep(address: SocketAddr, share: usize, stop: &AtomicBool, opened: &AtomicU64) {
    let mut places: Vec<Option<TcpStream>> = (0..share).map(|_| None).collect();
    while !stop.load(Ordering::Acquire) {
        for (number, place) in places.iter_mut().enumerate() {
            if stop.load(Ordering::Acquire) {
                return;
            }
            let first = FIRST_BYTES[number % FIRST_BYTES.len()];
            let open = place.as_mut().is_some_and(|stream| if first.is_empty() { is_open(stream) } else { stream.write_all(b"x").is_ok() });
            if !open {
                *place = connect(address, first);
                opened.fetch_add(u64::from(place.is_some()), Ordering::Relaxed);
            }
        }
        pause(BYTE_PAUSE);
    }
}

fn connect(address: SocketAddr, first: &[u8]) -> Option<TcpStream> {
    // Where all places are taken and the kernel's queue is full, nobody answers.
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()?;
    stream.set_nonblocking(true).ok()?;
    stream.write_all(first).ok()?;
    Some(stream)
}

fn is_open(stream: &TcpStream) -> bool {
    match stream.peek(&mut [0; 1]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

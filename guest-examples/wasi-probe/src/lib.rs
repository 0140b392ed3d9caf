//! Tells what a component sees through WASI. In Retold's deterministic WASI that is: the event's
//! time, randomness from the event's id, no environment, no files, no sockets; standard output goes
//! to the function's log.

#![expect(clippy::disallowed_methods, reason = "reads the clocks to tell what they show")]

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("probe.asked")]
struct Asked {
    #[serde(default)]
    all: bool,
    /// Whether to ask the clock until it shows another time.
    #[serde(default)]
    wait: bool,
}

#[derive(Event, Serialize)]
#[event("probe.answered")]
struct Answered {
    /// Of the wall clock, since 1970.
    clock_micros: u64,
    /// Between two readings of the monotonic clock.
    monotonic_nanos: u64,
    /// Made of the seed that std asks WASI for: equal for equal randomness.
    random: u64,
    environment_variables: usize,
    arguments: usize,
    /// Whether a file can be opened for reading; the error if not.
    file: Outcome,
    /// Whether a directory can be listed; the error if not.
    directory: Outcome,
    /// Whether a socket connects to this machine; the error if not.
    socket: Outcome,
    /// The rest, for an event with `"all": true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<More>,
}

#[derive(Serialize)]
struct More {
    /// Whether a file can be written; the error if not.
    written_file: Outcome,
    /// Whether a port can be listened on; the error if not.
    listener: Outcome,
    /// Whether a datagram socket can be bound; the error if not.
    datagram: Outcome,
    /// Whether a name can be resolved; the error if not.
    name: Outcome,
    current_directory: Outcome,
    /// Bytes that standard input gave until its end.
    input_bytes: u64,
    /// Of the monotonic clock, while sleeping for a millisecond.
    slept_nanos: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Allowed,
    Refused(String),
}

#[handler(start = "beginning")]
fn probe(event: Recorded<Asked>) -> Result<Answered> {
    println!("asked at {}", event.position());
    eprintln!("asked for {}", if event.all { "all" } else { "the usual" });
    let before = Instant::now();
    while event.wait && before.elapsed().is_zero() {}
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Answered {
        clock_micros: u64::try_from(clock.as_micros())?,
        monotonic_nanos: u64::try_from(before.elapsed().as_nanos())?,
        random: RandomState::new().hash_one("retold"),
        environment_variables: std::env::vars_os().count(),
        arguments: std::env::args_os().count(),
        file: outcome(File::open("/etc/hostname")),
        directory: outcome(std::fs::read_dir("/")),
        socket: outcome(TcpStream::connect("127.0.0.1:7070")),
        more: event.all.then(more).transpose()?,
    })
}

fn more() -> Result<More> {
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(1));
    let slept = before.elapsed();
    Ok(More {
        written_file: outcome(std::fs::write("/tmp/retold", "written")),
        listener: outcome(TcpListener::bind("127.0.0.1:0")),
        datagram: outcome(UdpSocket::bind("127.0.0.1:0")),
        name: outcome("localhost:80".to_socket_addrs()),
        current_directory: outcome(std::env::current_dir().and_then(std::fs::read_dir)),
        input_bytes: std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap_or(0),
        slept_nanos: u64::try_from(slept.as_nanos())?,
    })
}

fn outcome<T>(result: std::io::Result<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Allowed,
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

retold::module!(probe);

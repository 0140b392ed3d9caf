//! A host in a process of its own, and what is asked of it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::history::{Found, Made};
use crate::time::{Deadline, pause};

/// How long anything may take; never part of what is tested.
const PATIENCE: Duration = Duration::from_secs(60);
/// The events that clients append, and the handler that answers each.
pub const SOURCE: &str = "test.count";
const DERIVED: &str = "test.counted";
/// How what is told of an answer begins that isn't what it should be.
pub const UNREADABLE: &str = "an event can't be read";
pub const HANDLER: &str = "counter";

pub struct Host {
    process: Child,
    pub web: Web,
    notes: PathBuf,
}

/// Requests to a namespace of a host: `main`, unless another is meant.
#[derive(Clone)]
pub struct Web {
    url: String,
    namespace: String,
    agent: ureq::Agent,
}

/// The program beside this one.
pub fn retold() -> PathBuf {
    std::env::current_exe().ok().and_then(|here| Some(here.parent()?.join("retold"))).unwrap_or_default()
}

impl Host {
    /// Starts a host; an `Err` tells what it said when it didn't.
    pub fn start(data: &Path) -> Result<Host, String> {
        let notes = data.with_extension("said");
        let file = std::fs::File::create(&notes).map_err(|error| format!("{}: {error}", notes.display()))?;
        let mut process = Command::new(retold())
            .args(["serve", "--listen", "127.0.0.1:0", "--reserve-space", "0", "--data"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| format!("{}: {error}", retold().display()))?;
        let deadline = Deadline::after(PATIENCE);
        let id = process.id();
        // A host that hangs at its start is ended, and so is the reading of its first line.
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let watched = over.clone();
        let watchdog = std::thread::spawn(move || {
            while !watched.load(std::sync::atomic::Ordering::Acquire) {
                if deadline.is_over() {
                    signal(id, "KILL");
                    return true;
                }
                pause(Duration::from_millis(5));
            }
            false
        });
        let mut line = String::new();
        let read = process.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        over.store(true, std::sync::atomic::Ordering::Release);
        let hung = watchdog.join().unwrap_or(true);
        let url = line.split_whitespace().last().unwrap_or_default().to_owned();
        if hung || !matches!(read, Some(Ok(_))) || !url.starts_with("http://") {
            let status = process.wait().map_err(|error| error.to_string())?;
            let said = std::fs::read_to_string(&notes).unwrap_or_default();
            return Err(if hung { "HANGS at its start".to_owned() } else { format!("{status}: {said}") });
        }
        Ok(Host { process, web: Web::new(&url), notes })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Its status, once it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits so long for its end.
    pub fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Deadline::after(time);
        loop {
            let ended = self.ended();
            if ended.is_some() || deadline.is_over() {
                return ended;
            }
            pause(Duration::from_millis(2));
        }
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.notes).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(&self.notes);
    }
}

pub fn signal(process: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
}

impl Web {
    fn new(url: &str) -> Web {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Web { url: url.to_owned(), namespace: "main".to_owned(), agent: config.into() }
    }

    /// Where the host listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Makes another namespace.
    pub fn make(&self, namespace: &str) -> Result<Web, String> {
        let body = serde_json::json!({ "name": namespace }).to_string();
        taken(self.ask("POST", &format!("{}/v1/namespaces", self.url), "application/json", body.as_bytes())?)?;
        Ok(Web { namespace: namespace.to_owned(), ..self.clone() })
    }

    /// One request, its status and body; an `Err` is a host that is gone.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
        self.ask(method, &format!("{}/v1/namespaces/{}/{path}", self.url, self.namespace), content_type, body)
    }

    fn ask(&self, method: &str, uri: &str, content_type: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", content_type)
            .header("accept", "application/x-ndjson, application/json")
            .body(body.to_vec())
            .map_err(|error| error.to_string())?;
        let mut answer = self.agent.run(request).map_err(|error| error.to_string())?;
        let body = answer.body_mut().with_config().limit(4 << 30).read_to_vec().map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), body))
    }

    /// The module whose handler makes one output of each event.
    pub fn deploy(&self, module: &[u8]) -> Result<(), String> {
        self.deploy_as("faulty", module)
    }

    pub fn deploy_as(&self, name: &str, module: &[u8]) -> Result<(), String> {
        taken(self.send("PUT", &format!("modules/{name}"), "application/wasm", module)?)
    }

    /// Has a function stand still, or go on.
    pub fn set_paused(&self, function: &str, paused: bool) -> Result<(), String> {
        let verb = if paused { "pause" } else { "resume" };
        taken(self.send("POST", &format!("functions/{function}/{verb}"), "application/json", b"")?)
    }

    /// Waits until the handler has read all.
    pub fn wait_until_level(&self) -> Result<(), String> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let (status, body) = self.send("GET", &format!("functions/{HANDLER}"), "", b"")?;
            let now: Value = serde_json::from_slice(&body).unwrap_or_default();
            if status == 200 && now["lag"] == 0 {
                return Ok(());
            }
            if deadline.is_over() {
                return Err(format!("the handler HANGS: {now}"));
            }
            pause(Duration::from_millis(2));
        }
    }

    /// Everything in the log.
    pub fn log(&self) -> Result<Vec<Found>, String> {
        let (status, body) = self.send("GET", "events", "", b"")?;
        if status != 200 {
            return Err(format!("{status} {}", String::from_utf8_lossy(&body)));
        }
        body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(found).collect()
    }
}

fn taken((status, body): (u16, Vec<u8>)) -> Result<(), String> {
    match status {
        200..300 => Ok(()),
        _ => Err(format!("refused: {status} {}", String::from_utf8_lossy(&body))),
    }
}

fn found(line: &[u8]) -> Result<Found, String> {
    let unread = || format!("{UNREADABLE}: {}", String::from_utf8_lossy(line));
    let event: Value = serde_json::from_slice(line).map_err(|_| unread())?;
    let number = |name: &str| event[name].as_str().and_then(|text| text.parse::<u64>().ok());
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let made = match event["type"].as_str() {
        Some(SOURCE) => Made::Source,
        Some(DERIVED) => {
            let count = event["data"]["n"].as_u64().ok_or_else(unread)?;
            Made::Derived { cause: number("causeposition").ok_or_else(unread)?, count }
        }
        _ => Made::Other,
    };
    Ok(Found { position: number("position").ok_or_else(unread)?, id: text("id"), subject: text("subject"), made })
}

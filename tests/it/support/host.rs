//! A host in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Web, retold};

/// A running host with a data directory that lives as long as it does.
pub struct Host {
    process: Child,
    data: PathBuf,
    arguments: Vec<String>,
    /// Where it writes what goes wrong: shown if the test fails, else removed.
    notes: PathBuf,
    pub url: String,
    pub web: Web,
}

/// How long anything may take before a test gives up; never part of what is tested.
const PATIENCE: Duration = Duration::from_secs(300);
/// What is shown of a host's words when its test failed.
const TOLD_LINES: usize = 40;

impl Host {
    /// A host on a new data directory.
    pub fn start() -> Host {
        Host::start_with(&[])
    }

    /// The same, with more in its environment.
    pub fn start_with(environment: &[(&str, &str)]) -> Host {
        Host::start_in(&new_folder(), environment, &[])
    }

    /// The same, with more words to `retold serve`, now and after each restart.
    pub fn start_saying(arguments: &[&str]) -> Host {
        Host::start_in(&new_folder(), &[], arguments)
    }

    /// The same, with so many open files allowed.
    pub fn start_with_open_files(most: u32) -> Host {
        Host::start_through("ulimit -n \"$0\" && exec \"$@\"", &most.to_string())
    }

    /// Started by a shell: `$0` of the script is `word`, and `$@` the host.
    fn start_through(script: &str, word: &str) -> Host {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, word]).arg(retold());
        Host::start_by(shell, &new_folder(), &[], Vec::new())
    }

    pub fn start_on_saying(data: &Path, arguments: &[&str]) -> Host {
        Host::start_in(data, &[], arguments)
    }

    fn start_in(data: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Host {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Host::start_by(Command::new(retold()), data, environment, arguments)
    }

    fn start_by(program: Command, data: &Path, environment: &[(&str, &str)], arguments: Vec<String>) -> Host {
        // Not beside the data, which may be on a disk that is small on purpose.
        let notes = new_folder().with_extension("said");
        let (process, url) = spawn(program, data, &notes, environment, &arguments);
        Host { process, data: data.to_owned(), arguments, notes, web: Web::new(&url), url }
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().expect("the process is ours");
        self.process.wait().expect("the process ends");
    }

    /// Starts again on the same data, on another port.
    pub fn restart(&mut self) {
        (self.process, self.url) = spawn(Command::new(retold()), &self.data, &self.notes, &[], &self.arguments);
        self.web = Web::new(&self.url);
    }

    /// From the next start on it is started with these words.
    pub fn say(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// Asks for a graceful stop and waits for it.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("the process is ours");
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.process.wait().expect("the process ends")
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("the process is ours").is_some()
    }

    /// What it said went wrong, since the first start.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.notes).unwrap_or_default()
    }

    /// Runs the command line against this host.
    pub fn retold(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(retold()).args(arguments).env("RETOLD_URL", &self.url).output().expect("retold runs")
    }

    /// Waits until `done` says so of a function.
    #[track_caller]
    pub fn wait_for(&self, function: &str, done: impl Fn(&Value) -> bool) -> Value {
        Host::wait_in(&self.web, function, done)
    }

    /// The same in another namespace.
    #[track_caller]
    pub fn wait_in(web: &Web, function: &str, done: impl Fn(&Value) -> bool) -> Value {
        #[expect(clippy::disallowed_methods, reason = "a test gives up after a while")]
        let began = Instant::now();
        loop {
            let now = web.function(function);
            if done(&now) {
                return now;
            }
            assert!(began.elapsed() < PATIENCE, "function {function} never got there: {now}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until `done` says so of a replay.
    #[track_caller]
    pub fn wait_for_replay(&self, id: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        self.wait_until("the replay gets there", || {
            last = self.web.get(&format!("replays/{id}")).expect(200).json();
            done(&last)
        });
        last
    }

    #[track_caller]
    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        #[expect(clippy::disallowed_methods, reason = "a test gives up after a while")]
        let began = Instant::now();
        while !done() {
            assert!(began.elapsed() < PATIENCE, "never: {what}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until a function has dealt with everything.
    #[track_caller]
    pub fn wait_until_level(&self, function: &str) -> Value {
        self.wait_for(function, |now| now["lag"] == 0 && now["rebuilding"] != true)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
            eprintln!("the host on {} said, of {} lines the last:\n{}", self.data.display(), lines.len(), last.join("\n"));
        } else {
            let _ = std::fs::remove_dir_all(&self.data);
        }
        let _ = std::fs::remove_file(&self.notes);
    }
}

fn new_folder() -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let data = std::env::temp_dir().join(format!("retold-test-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    data
}

/// Starts `program`, which is or becomes the binary.
fn spawn(mut program: Command, data: &Path, notes: &Path, environment: &[(&str, &str)], arguments: &[String]) -> (Child, String) {
    let notes = File::options().create(true).append(true).open(notes).expect("a file for its words");
    let mut process = program
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .env("RUST_LOG", "warn")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(notes)
        .spawn()
        .expect("retold starts");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("retold prints where it listens");
    let url = line.split_whitespace().last().unwrap_or_default().to_owned();
    assert!(url.starts_with("http"), "retold said: {line}");
    (process, url)
}

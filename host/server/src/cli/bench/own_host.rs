//! A host of the bench's own: this program as `retold serve`, in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::clock;

/// Linux counts a process's time in hundredths of a second, whatever its clock does.
const TICK_US: u64 = 10_000;

/// What `guest-examples/bench/outside` checks signatures with.
const SECRET_NAME: &str = "bench";
pub const SECRET: &str = "measured and not kept";

/// Stopped when dropped.
pub struct OwnHost {
    process: Child,
    data: PathBuf,
    pub address: SocketAddr,
}

impl OwnHost {
    /// On a free port; ready when this returns.
    pub fn start(data: &Path) -> Result<Self> {
        let (process, address) = serve(data, "127.0.0.1:0")?;
        Ok(OwnHost { process, data: data.to_owned(), address })
    }

    /// Kills it without a warning and starts it again at the same address. Answers how long the start took.
    pub fn kill_and_restart(&mut self) -> Result<Duration> {
        self.process.kill()?;
        self.process.wait()?;
        let started = clock::now();
        (self.process, _) = serve(&self.data, &self.address.to_string())?;
        Ok(started.elapsed())
    }

    /// Time that the process has used on all cores.
    pub fn cpu_us(&self) -> Option<u64> {
        let stat = self.proc("stat")?;
        // The name of the program is in parentheses and may hold anything; the numbers follow it.
        let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system): (u64, u64) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some((user + system) * TICK_US)
    }

    /// Bytes of memory that the process holds now, and the most it held.
    pub fn memory_bytes(&self) -> Option<(u64, u64)> {
        let status = self.proc("status")?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// The most that it held is from now on counted anew, where Linux allows it.
    pub fn forget_most_memory(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5");
    }

    /// Where a namespace lies that was never promoted.
    pub fn folder_of(&self, namespace: &str) -> PathBuf {
        self.data.join("namespaces").join(namespace)
    }

    fn proc(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).ok()
    }
}

fn serve(data: &Path, listen: &str) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(["serve", "--listen", listen, "--log", "warn", "--data"]).arg(data);
    // Requests go to a server of the bench's own.
    command.args(["--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1", "--secrets"]).arg(secrets(data)?);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a host")?;
    let mut line = String::new();
    let out = process.stdout.take().context("the host has no output")?;
    BufReader::new(out).read_line(&mut line)?;
    let address = line.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| anyhow!("the host did not start: what it said stands above"))?;
    Ok((process, address))
}

/// The folder of a host's secrets, beside its data.
fn secrets(data: &Path) -> Result<PathBuf> {
    let folder = data.with_file_name("secrets");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(SECRET_NAME), SECRET)?;
    Ok(folder)
}

impl Drop for OwnHost {
    fn drop(&mut self) {
        let process = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if process.is_none_or(|process| kill_process(process, Signal::TERM).is_err()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

//! The host that is measured: one that runs, or one started for it in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::temporary::TemporaryFolder;

pub struct Target {
    pub url: String,
    pub address: SocketAddr,
    /// Where the machine's own limits are measured: beside the host's data if it is ours.
    folder: TemporaryFolder,
    own: Option<OwnHost>,
}

struct OwnHost {
    process: Child,
}

/// Linux counts a process's time in hundredths of a second, whatever its clock does.
const TICK_US: u64 = 10_000;

impl Target {
    /// A host that somebody else runs.
    pub fn at(url: &str) -> Result<Self> {
        let name = url.trim_end_matches('/').strip_prefix("http://").unwrap_or(url);
        let address = name.to_socket_addrs().with_context(|| format!("`{url}` is no address of a host"))?.next();
        let address = address.ok_or_else(|| anyhow!("`{url}` is no address of a host"))?;
        Ok(Target { url: url.to_owned(), address, folder: TemporaryFolder::create("bench")?, own: None })
    }

    /// This program as `retold serve`, on an empty folder and a free port.
    pub fn start() -> Result<Self> {
        let folder = TemporaryFolder::create("bench")?;
        let data = folder.path().join("data");
        let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(&data);
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a host")?;
        let mut own = OwnHost { process };
        let url = own.url()?;
        let address = url.trim_start_matches("http://").parse().context("the host told no address")?;
        Ok(Target { url, address, folder, own: Some(own) })
    }

    /// For the machine's own measurements.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Time that the host's process has used on all cores, if it is ours.
    pub fn cpu_us(&self) -> Option<u64> {
        let stat = self.own.as_ref()?.proc("stat")?;
        // The name of the program is in parentheses and may hold anything; the numbers follow it.
        let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system): (u64, u64) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some((user + system) * TICK_US)
    }

    /// Bytes of memory that the host's process holds now, and the most it held, if it is ours.
    pub fn memory_bytes(&self) -> Option<(u64, u64)> {
        let status = self.own.as_ref()?.proc("status")?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl OwnHost {
    fn url(&mut self) -> Result<String> {
        let mut line = String::new();
        let out = self.process.stdout.take().context("the host has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().filter(|url| url.starts_with("http://"));
        url.map(str::to_owned).ok_or_else(|| anyhow!("the host did not start: what it said stands above"))
    }

    fn proc(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).ok()
    }
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

//! One test in a process of its own, ended with all that it started.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use retold_tests::defences::VARIABLE;

use crate::sources::{copied, folder};

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// What has not ended by then is stuck: without a defence against what never ends, nothing else can be seen.
const LOOKS_MAX: u32 = 120 * 50;

/// Random histories that a test of the simulator tries.
const SEEDS: &str = "1000";

/// The tests by name; in several programs there may be one of the same name.
pub struct Programs {
    pub tests: BTreeMap<String, Vec<Test>>,
}

pub struct Test {
    pub program: String,
    /// With its modules.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Passed,
    Failed,
    Stuck,
}

impl Programs {
    /// Runs a test with one defence out, or none. Where several have its name, it fails if one does. With it comes what the
    /// test said of its failure.
    pub fn run(&self, name: &str, out: Option<&str>) -> Result<(Ended, String), String> {
        let tests = self.tests.get(name).ok_or_else(|| format!("there is no test {name}"))?;
        for test in tests {
            let (ended, said) = test.run(out).map_err(|error| format!("{name} can't be run: {error}"))?;
            if ended != Ended::Passed {
                return Ok((ended, said));
            }
        }
        Ok((Ended::Passed, String::new()))
    }
}

impl Test {
    fn run(&self, out: Option<&str>) -> std::io::Result<(Ended, String)> {
        let (place, said) = (folder().join("place"), folder().join("said.txt"));
        fs::create_dir_all(&place)?;
        let into = File::create(&said)?;
        let mut command = Command::new(&self.program);
        command
            .args([&self.path, "--exact", "--nocapture"])
            .env("TMPDIR", &place)
            .env("RETOLD_SIM_SEEDS", SEEDS)
            .current_dir(copied().join("tests"))
            .process_group(0);
        match out {
            Some(out) => command.env(VARIABLE, out),
            None => command.env_remove(VARIABLE),
        };
        let mut child = command.stdin(Stdio::null()).stdout(into.try_clone()?).stderr(into).spawn()?;
        let ended = wait(&mut child)?;
        // The hosts that it started, too.
        Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status()?;
        child.wait()?;
        fs::remove_dir_all(&place)?;
        Ok((ended, complaint(&String::from_utf8_lossy(&fs::read(&said)?))))
    }
}

fn wait(child: &mut Child) -> std::io::Result<Ended> {
    for _ in 0..LOOKS_MAX {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(Ended::Passed),
            Some(_) => return Ok(Ended::Failed),
            None => std::thread::park_timeout(LOOK),
        }
    }
    Ok(Ended::Stuck)
}

/// What was said after the last panic, in one line.
fn complaint(said: &str) -> String {
    let last = said.rsplit_once("panicked at ").map_or(said, |(_, last)| last);
    let words: Vec<&str> = last.lines().take(4).flat_map(str::split_whitespace).collect();
    words.join(" ").chars().take(160).collect()
}

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
/// What has not ended by then is stuck: without a defence against what never ends, nothing else can be seen. With all in
/// place a test may take so long; with one out, so long and ten times what it took before.
const PATIENCE: Duration = Duration::from_secs(300);
const MORE: Duration = Duration::from_secs(20);

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

pub struct Outcome {
    pub ended: Ended,
    /// What the test said of its failure.
    pub said: String,
    pub took: Duration,
}

impl Programs {
    /// Runs a test with one defence out, or none. Where several have its name, it fails if one does. `took` is what it took
    /// with none. `place` is one number for each run of those that go on at once.
    pub fn run(&self, name: &str, out: Option<&str>, took: Option<Duration>, place: usize) -> Result<Outcome, String> {
        let tests = self.tests.get(name).ok_or_else(|| format!("there is no test {name}"))?;
        let patience = took.map_or(PATIENCE, |took| (MORE + 10 * took).min(PATIENCE));
        let mut outcome = Outcome { ended: Ended::Passed, said: String::new(), took: Duration::ZERO };
        for test in tests {
            let looks = patience.div_duration_f64(LOOK) as u32;
            let (ended, said, took) = test.run(out, looks, place).map_err(|error| format!("{name} can't be run: {error}"))?;
            outcome.took += took;
            if ended != Ended::Passed {
                return Ok(Outcome { ended, said, ..outcome });
            }
        }
        Ok(outcome)
    }
}

impl Test {
    fn run(&self, out: Option<&str>, looks: u32, place: usize) -> std::io::Result<(Ended, String, Duration)> {
        let (place, said) = (folder().join(format!("place-{place}")), folder().join(format!("said-{place}.txt")));
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
        let (ended, looked) = wait(&mut child, looks)?;
        // The hosts that it started, too.
        Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status()?;
        child.wait()?;
        fs::remove_dir_all(&place)?;
        Ok((ended, complaint(&String::from_utf8_lossy(&fs::read(&said)?)), LOOK * looked))
    }
}

fn wait(child: &mut Child, looks: u32) -> std::io::Result<(Ended, u32)> {
    for looked in 0..looks {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok((Ended::Passed, looked)),
            Some(_) => return Ok((Ended::Failed, looked)),
            None => std::thread::park_timeout(LOOK),
        }
    }
    Ok((Ended::Stuck, looks))
}

/// What was said after the last panic, in one line.
fn complaint(said: &str) -> String {
    let last = said.rsplit_once("panicked at ").map_or(said, |(_, last)| last);
    let words: Vec<&str> = last.lines().take(4).flat_map(str::split_whitespace).collect();
    words.join(" ").chars().take(160).collect()
}

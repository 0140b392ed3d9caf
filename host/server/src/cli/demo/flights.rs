//! The example that the demo runs: its handlers, and its day of flights as a stream of events.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::cli::build;
use crate::cli::cargo::{self, Artifact};
use crate::cli::examples::example;
use crate::cli::input::{Input, Lines, OneLine};

const DAY: &str = "data/2013-01-01.csv";
const FIGURES: &str = "data/2013-01-01.figures.json";

/// Built and ready.
pub struct Flights {
    pub module: Artifact,
    converter: PathBuf,
    folder: PathBuf,
}

/// The converter at work.
pub struct Day {
    pub lines: Lines,
    converter: Child,
}

impl Flights {
    pub fn build() -> Result<Self> {
        let folder = example("flights")?;
        let module = build::modules(&folder)?.remove(0);
        let converter = cargo::build(&folder.join("convert"), &[])?.pop();
        let converter = converter.ok_or_else(|| anyhow!("{} made no program", folder.join("convert").display()))?.file;
        Ok(Flights { module, converter, folder })
    }

    /// The flights as CloudEvents, one a line, as they happened.
    pub fn day(&self) -> Result<Day> {
        let mut command = Command::new(&self.converter);
        command.arg(self.folder.join(DAY)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut converter = command.spawn().with_context(|| format!("cannot run {}", self.converter.display()))?;
        let events = converter.stdout.take().context("the converter has no output")?;
        match Input::open(events, OneLine::IsALine)? {
            Input::Lines(lines) => Ok(Day { lines, converter }),
            _ => bail!("the converter wrote no lines of events"),
        }
    }

    /// What `check/figures.py` computed from the same flights.
    pub fn expected(&self) -> Result<Value> {
        let path = self.folder.join(FIGURES);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    }
}

impl Day {
    /// Whether the converter came to its end; its lines are all read by then.
    pub fn end(self) -> Result<()> {
        let output = self.converter.wait_with_output()?;
        if !output.status.success() {
            bail!("the converter failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

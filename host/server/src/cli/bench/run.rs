//! `retold bench`: which rows, on which host, in which order.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::goals::ROWS;
use super::report::Report;
use super::session::Session;
use super::target::Target;
use super::{fold, footprint, growth, machine, outside, promotion, rows, upgrades};
use crate::cli::arguments::Common;
use crate::cli::failure::Usage;
use crate::cli::output::{print, print_json};
use crate::cli::progress::Progress;

const AFTER_HELP: &str = "\
Examples:
  retold bench                                          all rows, on a host of its own in a temporary folder
  retold bench append bulk                              some rows
  retold bench append --clients 8,256 --url http://127.0.0.1:7070     a host that runs

Rows: append handled bulk ndjson read pipeline command ingress row fold replay rehearse fork retell promote
timers-pending timers-fired requests growth disk memory restart. This machine's own limits (a bare
append and fdatasync, redb's commits, JSON decoded on all cores) are measured in the same run: such figures depend on the disk, the
ratios hardly do. Rows take turns in short slices and the medians are printed, because many machines
change their speed from one minute to the next. The load shares the processor with the host.

On a host that runs, the namespaces bench, bench-handled, bench-pipeline, bench-commands, bench-views, bench-fold, bench-replay and
bench-rehearse are used, and for growth new
ones whose names begin with bench-long and bench-short; retellings and forks are removed again. Memory, restart, timers, requests and ingress are measured on a host of its
own only.
Build with --release before believing anything.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Bench {
    /// Which rows; all if none is named
    #[arg(value_name = "ROW", value_parser = row)]
    rows: Vec<&'static str>,
    /// How many clients append at once; rows for each of these numbers
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,16,64", value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: Vec<u16>,
    /// Length of a slice
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// How many slices of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of the log up to which growth is measured
    #[arg(long, value_name = "EVENTS", default_value_t = 10_000_000)]
    growth: u64,
    /// Events that a view is folded from
    #[arg(long, value_name = "EVENTS", default_value_t = 2_000_000)]
    fold: u64,
    /// Events that are replayed, rehearsed, forked and retold
    #[arg(long, value_name = "EVENTS", default_value_t = 2_000_000)]
    events: u64,
    /// Timers that wait while appends are measured
    #[arg(long, value_name = "TIMERS", default_value_t = 1_000_000)]
    timers: u64,
    /// Bytes of one event as JSON, its attributes included
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    event_bytes: usize,
}

pub fn run(common: &Common, bench: &Bench) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("retold: this is a debug build: its figures mean nothing; use cargo run --release -- bench");
    }
    if let Some(load) = machine::busy() {
        eprintln!("retold: this machine is busy (load {load} on {} cores): wait until it isn't, or read only the ratios", machine::cores());
    }
    let target = match &common.url {
        Some(_) if common.token.is_some() => {
            return Err(
                Usage("the bench's own clients send no token: unset RETOLD_TOKEN, and measure a host without tokens".to_owned()).into()
            );
        }
        Some(url) => Target::at(url)?,
        None => Target::start()?,
    };
    let mut session = Session::new(target, common, bench.event_bytes)?;
    slices(&mut session, bench, common.json)?;
    if bench.wants("memory") {
        footprint::memory_under_load(&mut session);
    }
    if bench.wants("fold") || bench.wants("fold-split") {
        fold::fold(&mut session, bench.fold, common.json)?;
    }
    if bench.wants("replay") || bench.wants("replay-split") {
        upgrades::replay(&mut session, bench.events, common.json)?;
    }
    if ["rehearse", "rehearse-alone", "rehearse-beside"].iter().any(|row| bench.wants(row)) {
        upgrades::rehearse(&mut session, bench.events, common.json)?;
    }
    if bench.wants("fork") {
        promotion::fork(&mut session, bench.events, common.json)?;
    }
    if ["retell", "promote", "promote-back"].iter().any(|row| bench.wants(row)) {
        promotion::promote(&mut session, bench.events, common.json)?;
    }
    if ["timers-alone", "timers-pending", "timers-fired"].iter().any(|row| bench.wants(row)) {
        outside::timers(&mut session, bench.timers, common.json)?;
    }
    if ["requests-direct", "requests"].iter().any(|row| bench.wants(row)) {
        outside::requests(&mut session)?;
    }
    if bench.wants("growth") {
        growth::growth(&mut session, bench.growth, common.json)?;
    }
    if bench.wants("disk") {
        footprint::disk(&mut session)?;
    }
    if bench.wants("memory") {
        footprint::idle_memory(&mut session);
    }
    if bench.wants("restart") {
        footprint::restart(&mut session)?;
    }
    let report = Report::new(session.medians());
    if common.json { print_json(&report.as_value()) } else { print(&report.as_text()) }
}

impl Bench {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}

/// The rows that take turns.
fn slices(session: &mut Session, bench: &Bench, quiet: bool) -> Result<()> {
    let length = bench.seconds;
    let progress = Progress::start("bench", Some(u64::from(bench.rounds)), quiet);
    for round in 0..bench.rounds {
        let tell = |row: &str| progress.at(u64::from(round), &format!("round {} of {}: {row}", round + 1, bench.rounds));
        tell("this machine");
        rows::machine(session, length)?;
        for clients in bench.clients.iter().copied().map(usize::from) {
            if bench.wants("append") {
                tell("append");
                rows::append(session, clients, length)?;
            }
            if bench.wants("handled") {
                tell("handled");
                rows::handled(session, clients, length)?;
            }
            if bench.wants("command") {
                tell("command");
                rows::command(session, clients, length)?;
            }
            if bench.wants("ingress") {
                tell("ingress");
                outside::ingress(session, clients, length)?;
            }
            if bench.wants("row") {
                tell("row");
                rows::row(session, clients, length)?;
            }
        }
        for (row, slice) in SLICES {
            if bench.wants(row) {
                tell(row);
                slice(session, length)?;
            }
        }
    }
    progress.end();
    Ok(())
}

type Slice = fn(&mut Session, Duration) -> Result<()>;
const SLICES: [(&str, Slice); 4] = [("bulk", rows::bulk), ("ndjson", rows::ndjson), ("read", rows::read), ("pipeline", rows::pipeline)];

fn row(name: &str) -> Result<&'static str, String> {
    let known = ROWS.iter().find(|(row, _)| *row == name);
    known.map(|(row, _)| *row).ok_or_else(|| {
        let rows: Vec<String> = ROWS.iter().map(|(row, what)| format!("  {row:<12} {what}")).collect();
        format!("rows are\n{}", rows.join("\n"))
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 0.5")?;
    Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero()).ok_or_else(|| "write a number of seconds above 0".into())
}

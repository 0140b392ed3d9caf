//! The steps of the demo. All of them but the host itself are HTTP, as for anybody else.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::figures::Figures;
use super::flights::Flights;
use super::story::{Story, Streamed};
use crate::cli::arguments::Common;
use crate::cli::client::{Client, URL_DEFAULT};
use crate::cli::handling::{self, Handling};
use crate::cli::hosting::Hosting;
use crate::cli::listen::Listen;
use crate::cli::log::{self, LogOptions};
use crate::cli::output::print_json;
use crate::cli::progress::Progress;
use crate::cli::temporary::TemporaryFolder;
use crate::cli::words::counted;
use crate::cli::{deploy, sending};

const HANDLED_WITHIN: Duration = Duration::from_secs(60);
const HANDLED_EVERY: Duration = Duration::from_millis(5);
const USUAL: &str = "127.0.0.1:7070";
const FREE: &str = "127.0.0.1:0";

const AFTER_HELP: &str = "\
Examples:
  retold demo
  retold demo --exit --json                 the figures, for a program
  retold demo --data ./demo-data            keeps the store; a second run adds nothing

It needs cargo and the repository's guest-examples, and takes a free port if 7070 is taken.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Demo {
    /// End when the story is told
    #[arg(long)]
    exit: bool,
    /// Where the store is kept [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A loopback address and port [default: 127.0.0.1:7070, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,
    #[command(flatten)]
    log: LogOptions,
}

pub fn run(common: &Common, demo: &Demo) -> Result<()> {
    log::start(&demo.log);
    let story = Story { is_quiet: common.json };
    story.begin()?;
    let flights = Flights::build()?;
    let (data, _kept_until_the_end) = match &demo.data {
        Some(data) => (data.clone(), None),
        None => {
            let folder = TemporaryFolder::create("demo")?;
            (folder.path().to_owned(), Some(folder))
        }
    };
    let hosting = start(&data, demo.listen)?;
    story.listening(&hosting.url(), &data.display().to_string())?;
    let told = tell(common, story, &flights, &hosting.url());
    if demo.exit || told.is_err() {
        return told.and(hosting.stop());
    }
    let signals = hosting.signals()?;
    hosting.run_until_told_to_stop(signals)
}

fn start(data: &Path, listen: Option<Listen>) -> Result<Hosting> {
    let at = |address: &str| address.parse().map_err(anyhow::Error::msg).and_then(|listen| Hosting::start(data, listen));
    match listen {
        Some(listen) => Hosting::start(data, listen),
        None => at(USUAL).or_else(|error| if is_taken(&error) { at(FREE) } else { Err(error) }),
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::AddrInUse))
}

fn tell(common: &Common, story: Story, flights: &Flights, url: &str) -> Result<()> {
    let client = Client::at(url, &Common { namespace: Some("main".into()), ..common.clone() })?;
    let module = deploy::upload(&client, &flights.module.file, &flights.module.name)?;
    story.deployed(&module)?;
    let streamed = stream(&client, flights, common.json)?;
    story.streamed(&streamed)?;
    let log = client.stream(&client.path(&["events"]), &[("accept", "application/x-ndjson")], None)?;
    let figures = Figures::read(BufReader::new(log))?;
    let expected = flights.expected()?;
    let is_as_expected = figures.as_value() == expected;
    story.happened(&figures, is_as_expected)?;
    let position = figures.knock_ons.last().and_then(|event| event["position"].as_str()).unwrap_or("1");
    let causes = client.get(&client.path(&["events", position, "causes"]))?;
    story.why(&causes)?;
    story.try_next(&program(url), url, position)?;
    if common.json {
        print_json(&json!({
            "url": url, "module": module, "figures": figures.as_value(), "expected": expected,
            "appended": streamed.appended.as_value(), "events_per_second": streamed.events_per_second(),
            "append_ms": streamed.took.as_secs_f64() * 1e3, "handled_after_ms": streamed.handled_after.as_secs_f64() * 1e3, "why": causes,
        }))?;
    }
    if !is_as_expected {
        bail!("the figures are not as expected: {} instead of {expected}", figures.as_value());
    }
    Ok(())
}

fn stream(client: &Client, flights: &Flights, quiet: bool) -> Result<Streamed> {
    let day = flights.day()?;
    let progress = Progress::start("streaming flights", None, quiet);
    let appended = sending::all(client, &day.lines, |appended, _| progress.at(appended.events, &counted(appended.events, "event")))?;
    let took = progress.end();
    day.end()?;
    let progress = Progress::start("handling", None, quiet);
    let handling =
        handling::wait(client, HANDLED_WITHIN, HANDLED_EVERY, |lag| progress.at(0, &format!("{} to go", counted(lag, "position"))))?;
    let handled_after = progress.end();
    match handling {
        Handling::Complete => Ok(Streamed { appended, took, handled_after }),
        Handling::Waiting(functions) => bail!("{} did not handle everything: see `retold functions`", functions.join(", ")),
    }
}

/// How to call this program again, for this host.
fn program(url: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "retold".into());
    if url == URL_DEFAULT { program } else { format!("{program} --url {url}") }
}

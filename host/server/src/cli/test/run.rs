//! Running scenarios, and telling how they ended.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::scenario::{self, Scenario};
use super::trial::{Trial, WAYS, Way};
use crate::cli::arguments::Common;
use crate::cli::client::Client;
use crate::cli::deploy;
use crate::cli::failure::Usage;
use crate::cli::hosting::{Hosting, Instances};
use crate::cli::listen::Listen;
use crate::cli::output::{print, print_json};
use crate::cli::progress::Progress;
use crate::cli::temporary::TemporaryFolder;
use crate::cli::words::counted;

/// Namespaces of one host: fewer than it may have.
const NAMESPACES_PER_HOST: usize = 50;
const FREE: &str = "127.0.0.1:0";

const AFTER_HELP: &str = r#"
Examples:
  retold test target/wasm32-unknown-unknown/release/shop.wasm scenarios/

A scenario is JSON; a file holds one, or an array of them:
  { "name": "a cart is checked out once",
    "given": [{ "type": "cart.item-added", "subject": "cart/1", "data": { "sku": "apple", "quantity": 2 } }],
    "when": { "command": { "type": "cart.check-out", "subject": "cart/1", "data": { "customer": "eve" } } },
    "then": { "events": [{ "type": "cart.checked-out" }] } }
`when` is a command, an event, events, or a query { "view", "name", "data" }; `then` says events, rejected
{ "code" }, answer, rows { "view", "rows" } or parked { "reason" }.

Each runs one by one, in one batch, with everything sent twice, and twice in fresh instances: what comes
out must be the same, so that nothing hidden in the module's memory decides."#;

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Test {
    /// The module: what `retold build` printed
    #[arg(value_name = "FILE.wasm")]
    module: PathBuf,
    /// Files with scenarios, or folders of them
    #[arg(value_name = "SCENARIOS", required = true)]
    scenarios: Vec<PathBuf>,
    /// The module's name, as its manifest has it [default: the file's name, with - for _]
    #[arg(long)]
    name: Option<String>,
}

pub fn run(common: &Common, test: &Test) -> Result<()> {
    let scenarios = scenario::read(&test.scenarios)?;
    let name = match &test.name {
        Some(name) => name.clone(),
        None => deploy::name_of(&test.module).ok_or_else(|| Usage("give the module a --name: its file has none".into()))?,
    };
    let mut outcomes: Vec<Vec<(Way, Result<Outcome>)>> = scenarios.iter().map(|_| Vec::new()).collect();
    let progress = Progress::start("test", Some((scenarios.len() * WAYS.len()) as u64), common.json);
    let mut done = 0;
    for instances in [Instances::Kept, Instances::FreshEach] {
        let ways = WAYS.into_iter().filter(|way| way.is_fresh() == (instances == Instances::FreshEach));
        let runs: Vec<(usize, Way)> = ways.flat_map(|way| (0..scenarios.len()).map(move |index| (index, way))).collect();
        for part in runs.chunks(NAMESPACES_PER_HOST) {
            let data = TemporaryFolder::create("test")?;
            let hosting = Hosting::start_with(data.path(), FREE.parse::<Listen>().map_err(anyhow::Error::msg)?, instances)?;
            let url = hosting.url();
            let ran = part.iter().enumerate().try_for_each(|(number, (index, way))| -> Result<()> {
                let client = namespace(common, &url, number)?;
                deploy::upload(&client, &test.module, &name)?;
                outcomes[*index].push((*way, Trial { client: &client, way: *way }.run(&scenarios[*index])));
                done += 1;
                progress.at(done, &counted(done, "run"));
                Ok(())
            });
            hosting.stop()?;
            ran?;
        }
    }
    progress.end();
    tell(common, &scenarios, outcomes)
}

/// A namespace that nothing has happened in.
fn namespace(common: &Common, url: &str, number: usize) -> Result<Client> {
    let name = format!("run-{number}");
    let client = Client::at(url, &Common { namespace: Some(name.clone()), token: None, ..common.clone() })?;
    client
        .post("/v1/namespaces", "application/json", json!({ "name": name }).to_string().as_bytes())
        .context("no namespace can be made")?;
    Ok(client)
}

fn tell(common: &Common, scenarios: &[Scenario], outcomes: Vec<Vec<(Way, Result<Outcome>)>>) -> Result<()> {
    let mut failed = 0;
    let mut told: Vec<Value> = Vec::new();
    for (scenario, outcomes) in scenarios.iter().zip(outcomes) {
        let misses = misses(scenario, outcomes);
        failed += usize::from(!misses.is_empty());
        if common.json {
            told.push(json!({ "name": scenario.name, "file": scenario.file.display().to_string(), "passed": misses.is_empty(), "misses": misses }));
            continue;
        }
        print(&format!("{}  {}\n", if misses.is_empty() { "passed" } else { "FAILED" }, scenario.name))?;
        for miss in misses {
            print(&format!("        {miss}\n"))?;
        }
    }
    if common.json {
        print_json(&json!({ "scenarios": told, "failed": failed }))?;
    } else {
        print(&format!("{} in {} ways each, {failed} failed\n", counted(scenarios.len() as u64, "scenario"), WAYS.len()))?;
    }
    if failed > 0 {
        bail!("{} did not end as written", counted(failed as u64, "scenario"));
    }
    Ok(())
}

/// What is not as it should be: against the scenario first, then one way against another.
fn misses(scenario: &Scenario, outcomes: Vec<(Way, Result<Outcome>)>) -> Vec<String> {
    let mut first: Option<Outcome> = None;
    for (way, outcome) in outcomes {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let detail = error.downcast_ref::<crate::cli::problem::Problem>().map_or_else(String::new, |problem| problem.explained());
                return vec![format!("{}: {error:#} {}", way.words(), detail.replace('\n', " "))];
            }
        };
        match &first {
            None => {
                let misses = outcome.misses(scenario);
                if !misses.is_empty() {
                    return misses;
                }
                first = Some(outcome);
            }
            Some(first) => {
                if let Some(difference) = first.difference(&outcome) {
                    let way = way.words();
                    return vec![format!("{way} it ends otherwise ({difference}): keep nothing in statics, and count nothing twice")];
                }
            }
        }
    }
    Vec::new()
}

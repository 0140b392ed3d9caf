//! `retold flow`: who makes what and who reads it, as text or as a drawing.

mod answer;
mod brought;
mod dot;
mod drawing;
mod mermaid;
mod told;

use anyhow::Result;
use clap::Args;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::handling::position_of;
use super::output::{print, print_json};
use answer::Flow;
pub use brought::warnings_of;

const AFTER_HELP: &str = "\
Examples:
  retold flow
  retold flow --mermaid                     for a README: GitHub and others draw it
  retold flow --mermaid --counts            with how much went which way
  retold flow --dot | dot -Tsvg > flow.svg  for Graphviz
  retold flow --declared                    at once, however long the log is

The first time the whole log is counted, which may take a while; from then on only what is new. Below the
flow stands what is odd about it, and what to do.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Show {
    /// Draw it as a Mermaid flowchart
    #[arg(long, conflicts_with = "dot")]
    mermaid: bool,
    /// Draw it as a Graphviz graph
    #[arg(long)]
    dot: bool,
    /// Write into the drawing how much went each way
    #[arg(long, conflicts_with = "declared")]
    counts: bool,
    /// Only what is declared: nothing is counted
    #[arg(long)]
    declared: bool,
}

pub fn run(common: &Common, show: &Show) -> Result<()> {
    let client = Client::new(common)?;
    let declared = show.declared.then_some("true");
    let path = client.path(&["flow"]) + &query(&[("declared", declared), ("timeout", Some("60s"))]);
    let mut answer = client.get(&path)?;
    let end = position_of(&answer["head"]);
    // A long log is counted in several answers.
    while !show.declared && position_of(&answer["counted_to"]) < end {
        let before = answer["counted_to"].take();
        answer = client.get(&path)?;
        if answer["counted_to"] == before {
            break;
        }
    }
    if common.json {
        return print_json(&answer);
    }
    let flow = Flow::read(&answer)?;
    print(&match (show.mermaid, show.dot) {
        (true, _) => mermaid::drawn(&flow, show.counts),
        (_, true) => dot::drawn(&flow, show.counts),
        _ => told::told(&flow),
    })
}

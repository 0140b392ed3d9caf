//! `retold consumers`: named places in a log for readers outside.

mod create;
mod member;
mod parked;
mod shown;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::output::{print, print_json};
use shown::{listed, page};

const AFTER_HELP: &str = "\
Examples:
  retold consumers                                          all of them: place, lag, what is set aside
  retold consumers create mail --types 'order.*' --start now
  retold consumers create hook --endpoint https://example.com/in --secret HOOK_KEY
  retold consumers mail
  retold consumers fetch mail --member one --limit 10       events, under a lease
  retold consumers acknowledge mail LEASE                   all that the lease is for
  retold consumers acknowledge mail LEASE --positions 4,7
  retold consumers parked mail
  retold consumers release mail --subject order/7           given again, in order
  retold consumers delete mail

A consumer's members share its work by subject: while events of a subject are with one of them, nobody else
is given later ones of it. What is not acknowledged before its lease ends is given again.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Consumers {
    /// Show this one
    #[arg(value_name = "CONSUMER")]
    name: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a consumer, or give one other settings
    Create(create::Create),
    /// Show how a consumer stands
    Show { name: String },
    /// Drop a consumer
    Delete { name: String },
    /// Fetch events as a member
    Fetch(member::Fetch),
    /// Acknowledge what was fetched
    Acknowledge(member::Acknowledge),
    /// Give back what was fetched, with a reason
    GiveBack(member::GiveBack),
    /// Keep a lease for longer
    Extend(member::Extend),
    /// Show the events that a consumer has set aside
    Parked(parked::Parked),
    /// Give events that were set aside again, or skip them
    Release(parked::Release),
}

pub fn run(common: &Common, consumers: &Consumers) -> Result<()> {
    let client = Client::new(common)?;
    let as_json = common.json;
    match (&consumers.verb, &consumers.name) {
        (None, None) => {
            let all = client.get(&client.path(&["consumers"]))?;
            if as_json { print_json(&all) } else { print(&listed(&all)) }
        }
        (Some(_), Some(name)) => Err(Usage(format!("write the verb first: retold consumers fetch {name}")).into()),
        (None, Some(name)) | (Some(Verb::Show { name }), None) => {
            let consumer = client.get(&client.path(&["consumers", name]))?;
            if as_json { print_json(&consumer) } else { print(&page(&consumer)) }
        }
        (Some(Verb::Create(create)), None) => create::run(&client, create, as_json),
        (Some(Verb::Delete { name }), None) => {
            let dropped = client.delete(&client.path(&["consumers", name]))?;
            if as_json { print_json(&dropped) } else { print(&format!("consumer {name} is gone\n")) }
        }
        (Some(Verb::Fetch(fetch)), None) => member::fetch(&client, fetch, as_json),
        (Some(Verb::Acknowledge(said)), None) => member::acknowledge(&client, said, as_json),
        (Some(Verb::GiveBack(said)), None) => member::give_back(&client, said, as_json),
        (Some(Verb::Extend(said)), None) => member::extend(&client, said, as_json),
        (Some(Verb::Parked(parked)), None) => parked::list(&client, parked, as_json),
        (Some(Verb::Release(release)), None) => parked::release(&client, release, as_json),
    }
}

//! `retold command`: a command to the aggregate that decides it.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::address::query;
use super::arguments::Common;
use super::client::Client;
use super::data;
use super::output::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  retold command cart.add-item --subject cart/1 --data '{\"sku\":\"apple\",\"quantity\":2}'
  retold command stock.receive --subject stock/apple --data @delivery.json --id delivery-17
  retold command cart.check-out --subject cart/1 --wait

The aggregate decides on what it knows of the subject. What follows is recorded together with the
command, or the command is refused and nothing is: the exit code is then 3. With an --id, the same
command again gets its first answer.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Command {
    /// The command's type
    #[arg(value_name = "TYPE")]
    r#type: String,
    /// What it is about
    #[arg(long)]
    subject: String,
    /// Its data: JSON, `@FILE`, or `-` for standard input
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// Names the command, so that it can be sent again
    #[arg(long)]
    id: Option<String>,
    /// Who sends it
    #[arg(long)]
    source: Option<String>,
    /// Wait until functions have handled what follows from it
    #[arg(long)]
    wait: bool,
    /// How long to wait for functions, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

pub fn run(common: &Common, command: &Command) -> Result<()> {
    let client = Client::new(common)?;
    let timeout = format!("{}s", command.timeout);
    let query = query(&[
        ("subject", Some(&command.subject)),
        ("id", command.id.as_deref()),
        ("source", command.source.as_deref()),
        ("wait", command.wait.then_some("handled")),
        ("timeout", command.wait.then_some(&*timeout)),
    ]);
    let data = data::read(command.data.as_deref())?;
    let accepted = client
        .post(&(client.path(&["commands", &command.r#type]) + &query), "application/json", &data)
        .with_context(|| format!("{} is not done", command.r#type))?;
    if common.json {
        print_json(&accepted)?
    } else {
        print(&told(&command.r#type, &accepted))?
    }
    let waiting: Vec<&str> = accepted["waiting"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if accepted["handled"] == false {
        bail!("the command is durable, but not all that follows is handled yet: see `retold functions` for {}", waiting.join(", "));
    }
    Ok(())
}

fn told(r#type: &str, accepted: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let again = if accepted["new"] == false { ", as it was before" } else { "" };
    let mut shown = format!("{type} accepted at position {}{again}\n", text(&accepted["position"]));
    for event in accepted["events"].as_array().into_iter().flatten() {
        shown.push_str(&format!(
            "  {}  {}  {}  {}\n",
            text(&event["position"]),
            text(&event["type"]),
            text(&event["subject"]),
            event["data"]
        ));
    }
    let derived: Vec<String> = accepted["derived"].as_array().into_iter().flatten().map(text).collect();
    if !derived.is_empty() {
        shown.push_str(&format!("  functions made {} of it\n", derived.join(", ")));
    }
    shown
}

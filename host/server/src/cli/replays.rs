//! `retold replays`: rehearsals, deployments, retellings and comparisons, and a word to each.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::output::{print, print_json};
use super::replay::{Watch, follow, report};
use super::words::{lasting, table};

const AFTER_HELP: &str = "\
Examples:
  retold replays
  retold replays 7                          how far it is, and what it has found
  retold replays follow 7                   stay until it has ended
  retold replays stop 7                     it stands where it is
  retold replays resume 7                   and goes on from there
  retold replays drop 7                     end it, and forget its report";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Replays {
    /// Show this one, with all that it has found
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Stay with a replay until it has ended
    Follow { id: String },
    /// Stop a replay where it is
    Stop { id: String },
    /// Let a stopped replay go on
    Resume { id: String },
    /// End a replay and forget its report
    Drop { id: String },
}

pub fn run(common: &Common, replays: &Replays) -> Result<()> {
    let client = Client::new(common)?;
    let replay = match (&replays.verb, &replays.id) {
        (None, None) => return list(&client, common.json),
        (None, Some(id)) => client.get(&client.path(&["replays", id]))?,
        (Some(_), Some(id)) => return Err(Usage(format!("write the verb first: retold replays stop {id}")).into()),
        (Some(Verb::Follow { id }), None) => {
            let replay = client.get(&client.path(&["replays", id]))?;
            follow(&client, replay, if common.json { Watch::Quiet } else { Watch::Person })?
        }
        (Some(Verb::Stop { id }), None) => client.post_empty(&client.path(&["replays", id, "stop"]))?,
        (Some(Verb::Resume { id }), None) => client.post_empty(&client.path(&["replays", id, "resume"]))?,
        (Some(Verb::Drop { id }), None) => {
            let dropped = client.delete(&client.path(&["replays", id]))?;
            return if common.json { print_json(&dropped) } else { print(&format!("replay {id} is gone\n")) };
        }
    };
    if common.json { print_json(&replay) } else { print(&report(&replay)) }
}

fn list(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.get(&client.path(&["replays"]))?;
    if as_json {
        return print_json(&answer);
    }
    let replays = answer["replays"].as_array().map(Vec::as_slice).unwrap_or_default();
    if replays.is_empty() {
        return print("no replays: `retold rehearse FILE.wasm` starts one\n");
    }
    print(&listed(replays))
}

fn listed(replays: &[Value]) -> String {
    let row = |replay: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let of = match replay["module"].is_object() {
            true => format!("{} {}", text(&replay["module"]["name"]), text(&replay["module"]["version"])),
            false => text(&replay["target"]),
        };
        let place = format!("{} of {}", text(&replay["position"]), text(&replay["head"]));
        let left = replay["seconds_left"].as_f64().map(lasting).unwrap_or_default();
        let status = match replay["failed"]["reason"].as_str() {
            Some(reason) => format!("failed: {reason}"),
            None => text(&replay["status"]),
        };
        vec![text(&replay["id"]), text(&replay["kind"]), of, status, place, left, text(&replay["started"]), text(&replay["ended"])]
    };
    table(&["id", "kind", "of", "status", "position", "left", "started", "ended"], &replays.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replays_are_listed_with_what_they_are_of_and_how_far() {
        let replays = [
            json!({ "id": "8", "kind": "retelling", "status": "running", "failed": null, "module": null, "target": "retold", "position": "5",
                "head": "90", "seconds_left": 12.0, "started": "2026-11-21T05:18:36Z", "ended": null }),
            json!({ "id": "7", "kind": "deployment", "status": "failed", "failed": { "reason": "trap", "message": "x" }, "target": null,
                "module": { "name": "shop", "version": "2.0.0", "digest": "" }, "position": "9", "head": "90", "seconds_left": null,
                "started": "2026-11-21T05:18:36Z", "ended": "2026-11-21T05:18:37Z" }),
        ];
        let expected = "\
id  kind        of          status        position  left  started               ended
8   retelling   retold      running       5 of 90   12 s  2026-11-21T05:18:36Z
7   deployment  shop 2.0.0  failed: trap  9 of 90         2026-11-21T05:18:36Z  2026-11-21T05:18:37Z
";
        assert_eq!(listed(&replays), expected);
    }
}

//! Staying with a replay until it has come to an end.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::super::client::Client;
use super::super::clock;
use super::super::handling::position_of;
use super::super::problem::Problem;
use super::super::progress::Progress;
use super::super::words::{counted, lasting, thousands};
use super::interrupt::Interrupt;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A host may be started again meanwhile: the replay goes on with it.
const HOST_AWAY_MAX: Duration = Duration::from_secs(60);

/// Who looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Somebody at a terminal, who may press Ctrl-C.
    Person,
    /// A program, or a verb with a story of its own.
    Quiet,
}

/// Watches a replay until it is done, has failed or is level, and answers it then.
pub fn follow(client: &Client, mut replay: Value, watch: Watch) -> Result<Value> {
    let id = replay["id"].as_str().unwrap_or_default().to_owned();
    let path = client.path(&["replays", &id]);
    let interrupt = if watch == Watch::Person { Some(Interrupt::listen()?) } else { None };
    let progress = Progress::start(what(&replay), Some(position_of(&replay["head"])), watch == Watch::Quiet);
    let mut pause = FIRST_PAUSE;
    let mut away: Option<Instant> = None;
    while replay["status"] == "running" {
        progress.grown(position_of(&replay["head"]));
        progress.at(position_of(&replay["position"]).min(position_of(&replay["head"])), &words(&replay));
        let interrupted = match &interrupt {
            Some(interrupt) => interrupt.within(pause),
            None => {
                thread::sleep(pause);
                false
            }
        };
        if interrupted {
            progress.end();
            bail!("the replay goes on at the host: {}", further(client, &id));
        }
        pause = (pause * 2).min(PAUSE_MAX);
        match client.get(&path) {
            Ok(now) if !is_same(&now, &replay) => {
                progress.end();
                bail!(
                    "another log has taken the place of this one meanwhile, and its replay {id} is another one: nothing is known of how this one ended, begin it again"
                );
            }
            Ok(now) => (replay, away) = (now, None),
            Err(error) if is_for_good(&error, &mut away) => {
                progress.end();
                return Err(error.context(format!("the replay can't be watched any more: {}", further(client, &id))));
            }
            Err(_) => {}
        }
    }
    progress.end();
    if replay["status"] == "stopped" {
        let on = with_namespace(client, &format!("retold replays resume {id}"));
        bail!("replay {id} was stopped at position {}: `{on}` lets it go on", replay["position"].as_str().unwrap_or("?"));
    }
    Ok(replay)
}

/// Each generation of a log counts its replays by itself.
fn is_same(now: &Value, before: &Value) -> bool {
    ["kind", "started", "module", "target"].into_iter().all(|member| now[member] == before[member])
}

/// How to look after a replay that nobody watches any more.
fn further(client: &Client, id: &str) -> String {
    let command = |verb: &str| with_namespace(client, &format!("retold replays {verb}{id}"));
    format!("`{}` tells how far it is, `{}` stops it", command(""), command("stop "))
}

fn with_namespace(client: &Client, command: &str) -> String {
    if client.namespace() == "main" { command.to_owned() } else { format!("{command} --namespace {}", client.namespace()) }
}

/// A refusal is; a host that doesn't answer is after a while.
fn is_for_good(error: &anyhow::Error, away: &mut Option<Instant>) -> bool {
    if error.downcast_ref::<Problem>().is_some_and(|problem| problem.status < 500) {
        return true;
    }
    away.get_or_insert_with(clock::now).elapsed() > HOST_AWAY_MAX
}

fn what(replay: &Value) -> &'static str {
    match replay["kind"].as_str() {
        Some("deployment") => "deploying",
        Some("rollback") => "rolling back",
        Some("removal") => "removing",
        Some("retelling") => "retelling",
        Some("comparison") => "comparing",
        Some("verification") => "verifying",
        _ => "rehearsing",
    }
}

fn words(replay: &Value) -> String {
    let mut words = counted(replay["events"].as_u64().unwrap_or(0), "event");
    let rate = replay["events_per_second"].as_f64().unwrap_or(0.0);
    if rate >= 1.0 {
        words.push_str(&format!(", {}/s", thousands(rate as u64)));
    }
    if let Some(left) = replay["seconds_left"].as_f64() {
        words.push_str(&format!(", {} left", lasting(left)));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_tells_events_their_rate_and_the_time_left() {
        let replay = json!({ "events": 1_234_567, "events_per_second": 810_000.4, "seconds_left": 200.0 });
        assert_eq!(words(&replay), "1,234,567 events, 810,000/s, 3 min 20 s left");
        assert_eq!(words(&json!({ "events": 1, "events_per_second": 0.0, "seconds_left": null })), "1 event");
    }

    #[test]
    fn a_replay_of_another_generation_is_told_from_one_that_has_gone_on() {
        let begun =
            json!({ "id": "4", "kind": "rehearsal", "started": "2026-11-22T10:00:00Z", "module": { "digest": "ab" }, "position": "1" });
        let with = |member: &str, value: Value| {
            let mut other = begun.clone();
            other[member] = value;
            is_same(&other, &begun)
        };
        assert!(with("position", json!("7")) && with("status", json!("done")));
        assert!(
            !with("started", json!("2026-11-22T10:00:01Z"))
                && !with("kind", json!("deployment"))
                && !with("module", json!({ "digest": "cd" }))
        );
    }

    #[test]
    fn a_replay_that_is_left_alone_says_how_to_go_on() {
        let arguments =
            <super::super::super::arguments::Arguments as clap::Parser>::parse_from(["retold", "replays", "--namespace", "shop"]);
        let client = Client::at("http://here", &arguments.common).expect("a client");
        let said = further(&client, "7");
        assert!(
            said.starts_with("`retold replays 7 --namespace shop` tells") && said.contains("`retold replays stop 7 --namespace"),
            "{said}"
        );
    }
}

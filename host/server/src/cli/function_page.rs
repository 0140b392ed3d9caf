//! Everything that is known of one function.

use serde_json::Value;

use super::functions::status;
use super::parked::reasons;
use super::words::{bytes, counted, thousands};

pub fn page(function: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let number = |value: &Value| thousands(value.as_u64().unwrap_or(0));
    let words = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let mut page = format!("{} ({})\n", text(&function["name"]), text(&function["kind"]));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            page.push_str(&format!("  {name:<11} {value}\n"));
        }
    };
    line("status", status(function));
    let halted = &function["halted"];
    if halted.is_object() {
        line("halted", format!("at {}, {}: {}", text(&halted["position"]), text(&halted["reason"]), text(&halted["message"])));
    }
    let retrying = &function["retrying"];
    if retrying.is_object() {
        line(
            "retrying",
            format!("{} after {} attempts: {}", text(&retrying["position"]), number(&retrying["attempts"]), text(&retrying["message"])),
        );
    }
    line("cursor", format!("{}, lag {}", text(&function["cursor"]), number(&function["lag"])));
    line("parked", parked(function));
    let waiting = |member: &str, words: &str| match function[member].as_u64() {
        None | Some(0) => None,
        Some(count) => Some(format!("{} {words}", thousands(count))),
    };
    let outbox = [waiting("requests_waiting", "waiting"), waiting("requests_held", "held"), waiting("outputs_held", "outputs held")];
    line("outbox", outbox.into_iter().flatten().collect::<Vec<_>>().join(", "));
    if function["timers"].as_u64().is_some_and(|timers| timers > 0) {
        line("timers", number(&function["timers"]));
    }
    line("module", format!("{} {}", text(&function["module"]), text(&function["version"])));
    line("digest", text(&function["digest"]));
    line("reads", words(&function["subscribes"]));
    line("emits", words(&function["emits"]));
    line("decides", words(&function["decides"]));
    line("starts", format!("at {}", if function["start"] == "now" { "its deployment" } else { "the beginning" }));
    match function["kind"].as_str() {
        Some("handler") => {
            line("on failure", format!("{}s the event", text(&function["failure_policy"])).replace("halts the event", "halts"))
        }
        Some("view") => line("on failure", "halts at the event, and serves what it has".to_owned()),
        _ => {}
    }
    let limits = &function["limits"];
    line(
        "limits",
        format!(
            "{} fuel and {} of memory a call, {} attempts an event",
            number(&limits["fuel_per_call"]),
            bytes(limits["memory_bytes"].as_u64().unwrap_or(0)),
            number(&limits["attempts"]),
        ),
    );
    let counts = &function["counts"];
    line(
        "since start",
        format!(
            "handled {}, emitted {}, failed attempts {}, parked {}; {} took {} ms",
            number(&counts["handled"]),
            number(&counts["emitted"]),
            number(&counts["failed_attempts"]),
            number(&counts["parked"]),
            counted(counts["calls"].as_u64().unwrap_or(0), "call"),
            thousands(counts["busy_us"].as_u64().unwrap_or(0) / 1_000),
        ),
    );
    for entry in function["log"].as_array().into_iter().flatten() {
        page.push_str(&format!("  {} {:<5} {}\n", text(&entry["time"]), text(&entry["level"]), text(&entry["message"])));
    }
    page
}

fn parked(function: &Value) -> String {
    let number = thousands(function["parked"].as_u64().unwrap_or(0));
    let Some(oldest) = function["oldest_parked"].as_str() else { return number };
    let again = match function["released"].as_u64() {
        Some(0) | None => String::new(),
        Some(released) => format!(", {} to be tried again", thousands(released)),
    };
    format!("{number}, the oldest since {oldest}{again} ({})", reasons(function))
}

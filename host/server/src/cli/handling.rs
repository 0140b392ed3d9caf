//! Waiting until functions have dealt with what is in the log.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::client::Client;
use super::clock;

/// Chains of causes end after so many steps, whatever functions emit.
const STEPS_MAX: usize = 64;

/// How the waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Handling {
    /// Everything that was in the log, and what it led to, is handled or parked.
    Complete,
    /// These functions have not passed everything: they stand, or the time was over.
    Waiting(Vec<String>),
}

/// Waits for what is in the log now and everything it leads to. `tell` hears how many positions the
/// slowest function is behind.
pub fn wait(client: &Client, timeout: Duration, every: Duration, tell: impl Fn(u64)) -> Result<Handling> {
    let started = clock::now();
    let path = client.path(&["functions"]);
    let mut goal = 0;
    for _ in 0..STEPS_MAX {
        let before = goal;
        loop {
            let functions = progress(&client.get(&path)?);
            if goal == before {
                goal = functions.iter().map(|function| function.head).max().unwrap_or(0);
            }
            let behind = |function: &&Function| function.cursor < goal;
            let Some(lag) = functions.iter().filter(behind).map(|function| goal - function.cursor).max() else { break };
            tell(lag);
            let waiting = functions.iter().filter(behind);
            if waiting.clone().any(|function| !function.is_active) || started.elapsed() > timeout {
                return Ok(Handling::Waiting(waiting.map(|function| function.name.clone()).collect()));
            }
            thread::sleep(every);
        }
        if goal == before {
            break;
        }
    }
    Ok(Handling::Complete)
}

struct Function {
    name: String,
    is_active: bool,
    cursor: u64,
    head: u64,
}

fn progress(functions: &Value) -> Vec<Function> {
    let of = |function: &Value| {
        let cursor = position_of(&function["cursor"]);
        Function {
            name: function["name"].as_str().unwrap_or("?").to_owned(),
            is_active: function["status"] == "active",
            cursor,
            head: cursor + function["lag"].as_u64().unwrap_or(0),
        }
    };
    functions["functions"].as_array().into_iter().flatten().map(of).collect()
}

/// Positions are written as strings; a cursor has its generation before the point.
pub fn position_of(value: &Value) -> u64 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.rsplit('.').next().and_then(|position| position.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_position_is_read_from_a_number_a_string_or_a_cursor() {
        assert_eq!((position_of(&json!(7)), position_of(&json!("7")), position_of(&json!("1.7"))), (7, 7, 7));
        assert_eq!(position_of(&Value::Null), 0);
    }
}

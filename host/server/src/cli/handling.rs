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

/// Waits for what is in the log now and everything it leads to; not for what others append meanwhile.
/// `tell` hears how many positions the slowest function is behind.
pub fn wait(client: &Client, timeout: Duration, every: Duration, tell: impl Fn(u64)) -> Result<Handling> {
    let started = clock::now();
    let mut goal = head(client)?;
    for _ in 0..STEPS_MAX {
        loop {
            // The head is read first: a function is then behind by no less than it seems.
            let head = head(client)?;
            let behind = behind(&client.get(&client.path(&["functions"]))?, head, goal);
            let Some(lag) = behind.iter().map(|function| function.lag).max() else { break };
            tell(lag);
            if behind.iter().any(|function| !function.is_active) || started.elapsed() > timeout {
                return Ok(Handling::Waiting(behind.into_iter().map(|function| function.name).collect()));
            }
            thread::sleep(every);
        }
        // What was emitted on the way stands in the log by now.
        let next = head(client)?;
        if next == goal {
            break;
        }
        goal = next;
    }
    Ok(Handling::Complete)
}

/// Position of the last event.
pub fn head(client: &Client) -> Result<u64> {
    let page = client.get(&(client.path(&["events"]) + "?limit=1"))?;
    Ok(position_of(&page["head"]))
}

#[derive(Debug, PartialEq, Eq)]
struct Behind {
    name: String,
    is_active: bool,
    lag: u64,
}

/// Functions that have something left to read up to `goal`. A lag counts from the first event that the
/// function has not dealt with.
fn behind(functions: &Value, head: u64, goal: u64) -> Vec<Behind> {
    let functions = functions["functions"].as_array().into_iter().flatten();
    let of = |function: &Value| Behind {
        name: function["name"].as_str().unwrap_or("?").to_owned(),
        is_active: function["status"] == "active",
        lag: function["lag"].as_u64().unwrap_or(0),
    };
    functions.map(of).filter(|function| function.lag > 0 && head < goal + function.lag).collect()
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

    #[test]
    fn only_events_up_to_the_goal_are_waited_for() {
        let functions = |lag: u64| json!({ "functions": [{ "name": "f", "status": "paused", "lag": lag }] });
        // The log ends at 100: with a lag of 10 the first event that is left is 91.
        assert_eq!(behind(&functions(10), 100, 91), [Behind { name: "f".into(), is_active: false, lag: 10 }]);
        assert_eq!(behind(&functions(10), 100, 90), []);
        assert_eq!(behind(&functions(0), 100, 100), []);
    }
}

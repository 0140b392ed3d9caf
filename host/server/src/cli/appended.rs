//! What came of an append, over all its requests.

use serde_json::{Value, json};

use super::handling::position_of;
use super::words::{counted, thousands};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// That stand in the log now.
    pub events: u64,
    /// The others were there before.
    pub new: u64,
    /// The highest position among them; 0 of none.
    pub last: u64,
    /// The host's cursor for that position.
    cursor: Option<String>,
    /// Positions of what functions made of it, where the host told.
    derived: Vec<u64>,
    /// Function and position of what was set aside.
    parked: Vec<(String, u64)>,
    /// Functions that have not passed everything.
    pub waiting: Vec<String>,
}

impl Appended {
    /// Adds the host's answer to one request.
    pub fn add(&mut self, answer: &Value) {
        let list = |field: &str| answer[field].as_array().map(Vec::as_slice).unwrap_or_default();
        self.events += answer["events"].as_u64().unwrap_or(list("positions").len() as u64);
        self.new += answer["new"].as_u64().unwrap_or(0);
        let last = position_of(&answer["cursor"]);
        if last >= self.last {
            self.last = last;
            self.cursor = answer["cursor"].as_str().map(str::to_owned);
        }
        self.derived.extend(list("derived").iter().map(position_of));
        let parked = |entry: &Value| (entry["function"].as_str().unwrap_or("?").to_owned(), position_of(&entry["position"]));
        self.parked.extend(list("parked").iter().map(parked));
        self.waiting.extend(list("waiting").iter().filter_map(Value::as_str).map(str::to_owned));
    }

    pub fn as_text(&self) -> String {
        let known = self.events - self.new.min(self.events);
        let mut text = format!("appended {}", counted(self.new, "event"));
        if known > 0 {
            text.push_str(&format!(", {} known already", thousands(known)));
        }
        if self.events > 0 {
            text.push_str(&format!("; up to position {}", self.last));
        }
        text.push('\n');
        if !self.derived.is_empty() {
            let positions: Vec<String> = self.derived.iter().map(u64::to_string).collect();
            text.push_str(&format!("functions made {}: {}\n", counted(self.derived.len() as u64, "event"), positions.join(", ")));
        }
        for (function, position) in &self.parked {
            text.push_str(&format!("{function} set aside {position}: see `retold parked {function}`\n"));
        }
        text
    }

    pub fn as_value(&self) -> Value {
        let parked: Vec<Value> =
            self.parked.iter().map(|(function, position)| json!({ "function": function, "position": position.to_string() })).collect();
        let derived: Vec<String> = self.derived.iter().map(u64::to_string).collect();
        json!({
            "events": self.events, "new": self.new, "cursor": self.cursor,
            "derived": derived, "parked": parked, "waiting": self.waiting,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_many_requests_become_one() {
        let mut appended = Appended::default();
        appended.add(&json!({ "events": 1_000, "new": 1_000, "cursor": "1.1000" }));
        appended.add(&json!({ "events": 500, "new": 0, "cursor": "1.300" }));
        assert_eq!(appended.as_text(), "appended 1,000 events, 500 known already; up to position 1000\n");
        assert_eq!(appended.as_value()["cursor"], "1.1000");
    }

    #[test]
    fn what_functions_made_of_an_event_is_told() {
        let mut appended = Appended::default();
        let parked = json!([{ "function": "f", "position": "2" }]);
        appended.add(
            &json!({ "positions": ["2"], "new": 1, "cursor": "1.2", "handled": true, "derived": ["3"], "parked": parked, "waiting": [] }),
        );
        assert_eq!(
            appended.as_text(),
            "appended 1 event; up to position 2\nfunctions made 1 event: 3\nf set aside 2: see `retold parked f`\n"
        );
    }
}

//! What came of a scenario, and how it is held against what was expected.

use serde_json::Value;

use super::scenario::{Expected, Parked, Rejected, Scenario};

/// What came of a scenario, run in one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Type, subject, data and id of what followed, sorted.
    pub events: Vec<Event>,
    /// Code, message and data.
    pub rejected: Option<(String, String, Value)>,
    pub answer: Option<Value>,
    /// Key and value, in the order of the scenario.
    pub rows: Vec<(String, Value)>,
    /// Function and reason, sorted.
    pub parked: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub r#type: String,
    pub subject: String,
    pub data: Value,
    pub id: String,
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.r#type, self.subject, self.data)
    }
}

impl Outcome {
    pub fn sort(&mut self) {
        self.events.sort_by_key(|event| (event.to_string(), event.id.clone()));
        self.parked.sort();
    }

    /// What is not as the scenario says, a line each.
    pub fn misses(&self, scenario: &Scenario) -> Vec<String> {
        let then = &scenario.then;
        let mut misses = Vec::new();
        if let Some(expected) = &then.events {
            self.compare_events(expected, &mut misses);
        }
        match (&then.rejected, &self.rejected) {
            (Some(expected), Some(found)) => compare_rejected(expected, found, &mut misses),
            (Some(expected), None) => misses.push(format!("expected a refusal with the code {:?}: there was none", expected.code)),
            (None, Some((code, message, _))) => misses.push(format!("refused with the code {code:?}: {message}")),
            (None, None) => {}
        }
        if let Some(expected) = &then.answer
            && self.answer.as_ref() != Some(expected)
        {
            misses.push(format!("expected the answer {expected}, found {}", self.answer.as_ref().unwrap_or(&Value::Null)));
        }
        if let Some(expected) = &then.rows {
            for ((key, value), (_, found)) in expected.rows.iter().zip(&self.rows) {
                if value != found {
                    misses.push(format!("expected the row {key:?} to be {value}, found {found}"));
                }
            }
        }
        self.compare_parked(then.parked.as_ref(), &mut misses);
        misses
    }

    fn compare_events(&self, expected: &[Expected], misses: &mut Vec<String>) {
        let mut left: Vec<&Event> = self.events.iter().collect();
        for wanted in expected {
            let fits = |event: &&Event| {
                event.r#type == wanted.r#type
                    && wanted.subject.as_ref().is_none_or(|subject| *subject == event.subject)
                    && wanted.data.as_ref().is_none_or(|data| *data == event.data)
            };
            match left.iter().position(fits) {
                Some(at) => drop(left.remove(at)),
                None => {
                    let data = wanted.data.as_ref().map_or_else(String::new, |data| format!(" {data}"));
                    misses.push(format!("expected {} {}{data}", wanted.r#type, wanted.subject.as_deref().unwrap_or("of any subject")));
                }
            }
        }
        misses.extend(left.iter().map(|event| format!("found {event}, which is not expected")));
    }

    fn compare_parked(&self, expected: Option<&Parked>, misses: &mut Vec<String>) {
        let fits = |(function, reason): &(String, String)| {
            expected
                .is_some_and(|expected| expected.reason == *reason && expected.function.as_ref().is_none_or(|wanted| wanted == function))
        };
        if let Some(expected) = expected
            && !self.parked.iter().any(fits)
        {
            misses.push(format!("expected an event to be set aside for {:?}: none was", expected.reason));
        }
        let others = self.parked.iter().filter(|parked| !fits(parked));
        misses.extend(others.map(|(function, reason)| format!("{function} set an event aside: {reason}")));
    }

    /// The first difference to what came out another way.
    pub fn difference(&self, other: &Outcome) -> Option<String> {
        if self == other {
            return None;
        }
        let only = |one: &Outcome, other: &Outcome| one.events.iter().find(|event| !other.events.contains(event)).map(Event::to_string);
        Some(match (only(self, other), only(other, self)) {
            (Some(one), Some(two)) => format!("{one}, and then {two}"),
            (Some(one), None) => format!("{one}, and then not"),
            (None, Some(two)) => format!("{two}, and not before"),
            (None, None) => format!("{self:?}, and then {other:?}"),
        })
    }
}

fn compare_rejected(expected: &Rejected, (code, message, data): &(String, String, Value), misses: &mut Vec<String>) {
    if expected.code != *code {
        misses.push(format!("expected a refusal with the code {:?}, found {code:?}: {message}", expected.code));
    }
    if expected.message.as_ref().is_some_and(|expected| expected != message) {
        misses.push(format!("expected the refusal to say {:?}, found {message:?}", expected.message.as_deref().unwrap_or_default()));
    }
    if let Some(expected) = expected.data.as_ref().filter(|expected| *expected != data) {
        misses.push(format!("expected the refusal to carry {expected}, found {data}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scenario(then: Value) -> Scenario {
        serde_json::from_value(json!({ "name": "x", "then": then })).expect("a scenario")
    }

    fn outcome() -> Outcome {
        let event = Event { r#type: "a".into(), subject: "s".into(), data: json!({ "n": 1 }), id: "1".into() };
        Outcome { events: vec![event], ..Outcome::default() }
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        assert_eq!(outcome().misses(&scenario(json!({ "events": [{ "type": "a" }] }))), [""; 0]);
        assert_eq!(outcome().misses(&scenario(json!({ "events": [{ "type": "a", "subject": "s", "data": { "n": 1 } }] }))), [""; 0]);
        let misses = outcome().misses(&scenario(json!({ "events": [{ "type": "a", "data": { "n": 2 } }] })));
        assert!(misses.len() == 2 && misses[0].starts_with("expected a") && misses[1].starts_with("found a"), "{misses:?}");
        assert_eq!(outcome().misses(&scenario(json!({ "rejected": { "code": "no" } }))).len(), 1);
        let parked = Outcome { parked: vec![("f".into(), "trap".into())], ..outcome() };
        assert_eq!(parked.misses(&scenario(json!({}))), ["f set an event aside: trap"]);
        assert_eq!(parked.misses(&scenario(json!({ "parked": { "reason": "trap" } }))), [""; 0]);
    }

    #[test]
    fn two_outcomes_differ_by_what_one_of_them_has() {
        let mut other = outcome();
        assert_eq!(outcome().difference(&other), None);
        other.events[0].data = json!({ "n": 2 });
        assert!(outcome().difference(&other).is_some_and(|text| text.contains("{\"n\":1}") && text.contains("{\"n\":2}")));
    }
}

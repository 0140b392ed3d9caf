//! Rules of a retelling on the command line: `type=order.*,subject=cart/*,tag=x,before=TIME`.

use std::str::FromStr;

use serde_json::{Map, Value};

/// Which source events are meant: all that is given must fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule(Map<String, Value>);

const MEMBERS: [&str; 4] = ["type", "subject", "tag", "before"];

impl Rule {
    /// As the host takes it.
    pub fn as_value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let mut members = Map::new();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = name.trim();
            if !MEMBERS.contains(&name) || value.is_empty() {
                return Err(format!(
                    "{part:?} is no part of a rule: write type=order.*, subject=cart/*, tag=x or before=2025-01-01T00:00:00Z"
                ));
            }
            if members.insert(name.to_owned(), value.into()).is_some() {
                return Err(format!("{name} is given twice: write a rule for each, all of them count"));
            }
        }
        Ok(Rule(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_says_type_subject_tag_and_time() {
        let rule: Rule = "type=order.*,subject=cart/*,tag=x,before=2025-01-01T00:00:00Z".parse().expect("a rule");
        assert_eq!(rule.as_value(), json!({ "type": "order.*", "subject": "cart/*", "tag": "x", "before": "2025-01-01T00:00:00Z" }));
        assert_eq!("subject=a=b".parse::<Rule>().map(|rule| rule.as_value()), Ok(json!({ "subject": "a=b" })));
    }

    #[test]
    fn a_rule_that_is_mistyped_is_refused() {
        for text in ["", "order.*", "typ=x", "type=", "type=a,type=b", "type=a,"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}

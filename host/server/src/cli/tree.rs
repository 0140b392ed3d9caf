//! Causes and effects of an event, drawn.

use serde_json::Value;

use super::handling::position_of;
use super::meaning::{maker, meaning};
use super::words::shortened;

/// Of an event's data, so many characters.
const DATA_CHARS_MAX: usize = 90;

/// From the host's answer to `…/causes`: the first cause at the top, each effect under its cause.
pub fn drawn(causes: &Value) -> String {
    let list = |field: &str| causes[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut tree = Tree { text: String::new(), effects: list("effects") };
    let mut below = String::new();
    let mut branch = "";
    // The nearest cause is told first.
    for cause in list("causes").iter().rev() {
        tree.draw(cause, &format!("{below}{branch}"), "");
        below.push_str(if branch.is_empty() { "" } else { "   " });
        tree.tell(cause, &format!("{below}│  "));
        branch = "└─ ";
    }
    let event = &causes["event"];
    tree.draw(event, &format!("{below}{branch}"), "   ◀ this one");
    below.push_str(if branch.is_empty() { "" } else { "   " });
    tree.draw_effects(event, &below);
    let (searched, head) = (position_of(&causes["searched_to"]), position_of(&causes["head"]));
    if searched < head {
        tree.text.push_str(&format!("Effects were searched for up to position {searched} of {head}: --within looks further.\n"));
    }
    tree.text
}

struct Tree<'a> {
    text: String,
    effects: &'a [Value],
}

impl Tree<'_> {
    /// What it is, behind the branches that lead to it.
    fn draw(&mut self, event: &Value, branches: &str, mark: &str) {
        let field = |name: &str| event[name].as_str().unwrap_or("");
        let what = format!("{branches}{} {}  {}", field("position"), called(event), field("subject"));
        self.text.push_str(&format!("{}{mark}\n", what.trim_end()));
    }

    /// Where it is from and what it says, beside the branches to what is below.
    fn tell(&mut self, event: &Value, branches: &str) {
        self.text.push_str(&format!("{branches}  {}\n", maker(event)));
        if let Some(what) = meaning(event) {
            self.text.push_str(&format!("{branches}  {}\n", shortened(&what, DATA_CHARS_MAX)));
        }
        if !event["data"].is_null() {
            self.text.push_str(&format!("{branches}  {}\n", shortened(&event["data"].to_string(), DATA_CHARS_MAX)));
        }
    }

    /// The rest of an event, and all that it led to.
    fn draw_effects(&mut self, event: &Value, below: &str) {
        let cause = position_of(&event["position"]);
        let effects: Vec<&Value> = self.effects.iter().filter(|effect| position_of(&effect["causeposition"]) == cause).collect();
        self.tell(event, &format!("{below}{}", if effects.is_empty() { "   " } else { "│  " }));
        for (index, effect) in effects.iter().enumerate() {
            let (branch, further) = if index + 1 == effects.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.draw(effect, &format!("{below}{branch}"), "");
            self.draw_effects(effect, &format!("{below}{further}"));
        }
    }
}

/// What is no event is called what it is.
fn called(entry: &Value) -> String {
    let r#type = entry["type"].as_str().unwrap_or("");
    match entry["entrykind"].as_str() {
        Some(kind @ ("command" | "timer")) if !r#type.starts_with("retold.") => format!("{kind} {type}"),
        _ => r#type.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_derived_event_is_drawn_under_its_cause_with_the_code_that_made_it() {
        let causes = json!({
            "event": { "position": "3", "type": "order.priced", "subject": "order/1", "source": "/functions/pricing", "causeposition": "2",
                "module": "hello", "moduleversion": "0.1.0", "moduledigest": "sha256:abc", "data": { "total": 750 } },
            "causes": [{ "position": "2", "type": "order.placed", "subject": "order/1", "source": "/shop", "time": "2026-01-01T00:00:00Z" }],
            "effects": [
                { "position": "4", "type": "a", "source": "/functions/f", "causeposition": "3" },
                { "position": "5", "type": "b", "source": "/functions/f", "causeposition": "4" },
                { "position": "6", "type": "c", "source": "/functions/f", "causeposition": "3" },
            ],
            "searched_to": "6", "head": "6",
        });
        let text = drawn(&causes);
        let firsts: Vec<&str> =
            text.lines().filter(|line| !line.contains("made by") && !line.contains("from ") && !line.contains('{')).collect();
        assert_eq!(
            firsts,
            ["2 order.placed  order/1", "└─ 3 order.priced  order/1   ◀ this one", "   ├─ 4 a", "   │  └─ 5 b", "   └─ 6 c"],
            "{text}"
        );
        assert!(text.contains("made by function pricing of module hello 0.1.0, sha256:abc"), "{text}");
    }
}

//! Causes and effects of an event, drawn.

use serde_json::Value;

use super::handling::position_of;

/// Of an event's data, so many characters.
const DATA_CHARS_MAX: usize = 90;

/// From the host's answer to `…/causes`: the first cause at the top, each effect under its cause.
pub fn drawn(causes: &Value) -> String {
    let event = &causes["event"];
    let list = |field: &str| causes[field].as_array().map(Vec::as_slice).unwrap_or_default();
    // The nearest cause is told first.
    let mut line: Vec<&Value> = list("causes").iter().rev().collect();
    line.push(event);
    let mut text = String::new();
    for (depth, above) in line.iter().enumerate() {
        let is_asked_for = depth + 1 == line.len();
        draw(&mut text, above, &indent(depth), if depth == 0 { "" } else { "└─ " }, is_asked_for);
    }
    draw_effects(&mut text, position_of(&event["position"]), list("effects"), &indent(line.len() - 1), line.len() > 1);
    let (searched, head) = (position_of(&causes["searched_to"]), position_of(&causes["head"]));
    if searched < head {
        text.push_str(&format!("Effects were searched for up to position {searched} of {head}: --within looks further.\n"));
    }
    text
}

fn indent(depth: usize) -> String {
    "   ".repeat(depth.saturating_sub(1))
}

fn draw_effects(text: &mut String, cause: u64, effects: &[Value], before: &str, is_below: bool) {
    let mine: Vec<&Value> = effects.iter().filter(|effect| position_of(&effect["causeposition"]) == cause).collect();
    let before = if is_below { format!("{before}   ") } else { before.to_owned() };
    for (index, effect) in mine.iter().enumerate() {
        let is_last = index + 1 == mine.len();
        draw(text, effect, &before, if is_last { "└─ " } else { "├─ " }, false);
        let below = if is_last { before.clone() } else { format!("{before}│") };
        draw_effects(text, position_of(&effect["position"]), effects, &below, true);
    }
}

fn draw(text: &mut String, event: &Value, before: &str, branch: &str, is_asked_for: bool) {
    let field = |name: &str| event[name].as_str().unwrap_or("");
    let mark = if is_asked_for { "   ◀ this one" } else { "" };
    text.push_str(&format!("{before}{branch}{} {}  {}{mark}\n", field("position"), field("type"), field("subject")).replace("  \n", "\n"));
    let below = match branch {
        "" => before.to_owned(),
        "├─ " => format!("{before}│  "),
        _ => format!("{before}   "),
    };
    text.push_str(&format!("{below}     {}\n", maker(event)));
    if !event["data"].is_null() {
        text.push_str(&format!("{below}     {}\n", shortened(&event["data"].to_string())));
    }
}

/// Who made it and when it happened.
fn maker(event: &Value) -> String {
    let field = |name: &str| event[name].as_str().unwrap_or("");
    let source = field("source");
    let when = if field("time").is_empty() { field("recordedtime") } else { field("time") };
    match source.strip_prefix("/functions/") {
        Some(function) => {
            let (module, version, digest) = (field("module"), field("moduleversion"), field("moduledigest"));
            format!("made by function {function} of module {module} {version}, {digest}")
        }
        None => format!("from {source}, {when}"),
    }
}

fn shortened(data: &str) -> String {
    if data.chars().count() <= DATA_CHARS_MAX {
        return data.to_owned();
    }
    let mut start: String = data.chars().take(DATA_CHARS_MAX).collect();
    start.push('…');
    start
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
        let firsts: Vec<&str> = text.lines().filter(|line| !line.contains("made by") && !line.contains("from ") && !line.contains('{')).collect();
        assert_eq!(
            firsts,
            ["2 order.placed  order/1", "└─ 3 order.priced  order/1   ◀ this one", "   ├─ 4 a", "   │  └─ 5 b", "   └─ 6 c"],
            "{text}"
        );
        assert!(text.contains("made by function pricing of module hello 0.1.0, sha256:abc"), "{text}");
    }
}

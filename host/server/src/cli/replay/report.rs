//! The report of a replay: what somebody decides on an upgrade by.

use serde_json::Value;

use super::super::words::{bytes, counted, figures, lasting, shortened, table, thousands};
use super::differences::drawn;

const MESSAGE_CHARS_MAX: usize = 100;
const DIGEST_CHARS: usize = 19;

/// The whole report.
pub fn report(replay: &Value) -> String {
    let mut text = format!("{}\n  {}\n", head(replay), short(replay));
    let functions = list(&replay["functions"]);
    if let Some(retelling) = replay["retelling"].as_object() {
        let number = |name: &str| retelling[name].as_u64().unwrap_or(0);
        text.push_str(&format!(
            "  {} kept, {} dropped, {} forgotten; {} made anew, {} set aside\n",
            counted(number("kept"), "source event"),
            thousands(number("dropped")),
            thousands(number("forgotten")),
            counted(number("derived"), "event"),
            thousands(number("parked")),
        ));
    }
    text.push_str(&warnings(replay));
    if !functions.is_empty() {
        text.push('\n');
        text.push_str(&function_table(functions));
        functions.iter().for_each(|function| notes(function, &mut text));
    }
    for function in functions {
        text.push_str(&differences(function));
        text.push_str(&rows(function));
        text.push_str(&failures(function));
    }
    text
}

/// What somebody should know before the module takes over, or goes, a line each.
pub fn warnings(replay: &Value) -> String {
    list(&replay["warnings"]).iter().filter_map(Value::as_str).map(|warning| format!("  warning: {warning}\n")).collect()
}

/// What it is.
fn head(replay: &Value) -> String {
    let field = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (kind, id) = (field(&replay["kind"]), field(&replay["id"]));
    let module = &replay["module"];
    let of = match (module.is_object(), replay["target"].as_str()) {
        (true, _) => {
            let digest: String = field(&module["digest"]).chars().take(DIGEST_CHARS).collect();
            format!("{} {} ({digest}…)", field(&module["name"]), field(&module["version"]))
        }
        (false, Some(target)) => match replay["retelling"]["base"].as_str() {
            Some(base) => format!("{base} as {target}"),
            None => target.to_owned(),
        },
        (false, None) => String::new(),
    };
    format!("{kind} {id}: {of}").trim_end_matches([' ', ':']).to_owned()
}

/// How it stands and what it found, in one line.
pub fn short(replay: &Value) -> String {
    let field = |name: &str| replay[name].as_str().unwrap_or("?");
    let mut text = match field("status") {
        "failed" => {
            let failed = &replay["failed"];
            return format!("failed at position {}: {}", field("position"), failed["message"].as_str().unwrap_or("nobody knows why"));
        }
        "done" => verdict(replay),
        "level" => format!("level at position {}, and follows", field("position")),
        status => {
            let left = replay["seconds_left"].as_f64().map(|left| format!(", {} left", lasting(left))).unwrap_or_default();
            format!("{status} at position {} of {}{left}", field("position"), field("head"))
        }
    };
    let events = replay["events"].as_u64().unwrap_or(0);
    let rate = replay["events_per_second"].as_f64().unwrap_or(0.0);
    text.push_str(&format!("; {}", counted(events, "event")));
    if rate >= 1.0 {
        text.push_str(&format!(" at {}/s", thousands(rate as u64)));
    }
    text
}

/// Whether the same came out as is recorded, and else where not.
pub fn verdict(replay: &Value) -> String {
    let functions = list(&replay["functions"]);
    let others: Vec<String> = functions.iter().filter_map(found).collect();
    match (others.is_empty(), functions.iter().any(|function| function["outputs"]["equal"].as_u64().unwrap_or(0) > 0)) {
        (false, _) => format!("not what is recorded: {}", others.join("; ")),
        (true, true) => "the same as is recorded".to_owned(),
        (true, false) => "nothing differs".to_owned(),
    }
}

/// Whether a replay found nothing but what is recorded.
pub fn is_same(replay: &Value) -> bool {
    list(&replay["functions"]).iter().all(|function| found(function).is_none())
}

/// A function, and which version of it if it is not the one that runs.
fn name(function: &Value) -> String {
    let name = function["function"].as_str().unwrap_or("?");
    function["former"]["version"].as_str().map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

/// What of a function is otherwise than recorded.
fn found(function: &Value) -> Option<String> {
    let outputs = &function["outputs"];
    let counts = [(&outputs["different"], "different"), (&outputs["missing"], "missing"), (&outputs["new"], "new")];
    let mut told: Vec<String> = counts
        .into_iter()
        .filter_map(|(count, word)| count.as_u64().filter(|count| *count > 0).map(|count| format!("{} {word}", thousands(count))))
        .collect();
    let failures = function["failures"].as_u64().unwrap_or(0);
    if failures > 0 {
        told.push(counted(failures, "failure"));
    }
    let rows = &function["state"]["rows"];
    let rows = ["different", "missing", "new"].iter().filter_map(|name| rows[name].as_u64()).sum();
    if rows > 0 {
        told.push(format!("{} other than live", counted(rows, "row")));
    }
    let name = name(function);
    (!told.is_empty()).then(|| format!("{name} {}", told.join(", ")))
}

fn function_table(functions: &[Value]) -> String {
    let row = |function: &Value| {
        let number = |value: &Value| thousands(value.as_u64().unwrap_or(0));
        let outputs = &function["outputs"];
        let compared = ["equal", "new", "missing", "different"].iter().any(|name| outputs[name].as_u64().unwrap_or(0) > 0);
        // What makes no events has none to compare.
        let count = |name: &str| if compared || function["kind"] == "handler" { number(&outputs[name]) } else { String::new() };
        vec![
            name(function),
            number(&function["events"]),
            count("equal"),
            count("new"),
            count("missing"),
            count("different"),
            number(&function["failures"]),
            number(&function["state_rows"]),
            bytes(function["state_bytes"].as_u64().unwrap_or(0)),
            against(&function["fuel_per_event"], &function["running_fuel_per_event"], 0),
            against(&function["microseconds_per_event"], &function["running_microseconds_per_event"], 1),
        ]
    };
    let heading = ["function", "events", "equal", "new", "missing", "different", "failures", "rows", "bytes", "fuel/event", "µs/event"];
    figures(&heading, &functions.iter().map(row).collect::<Vec<_>>(), 1)
}

/// A figure, and how much more or less it is than the running version's.
fn against(now: &Value, running: &Value, digits: usize) -> String {
    let Some(now) = now.as_f64() else { return String::new() };
    let told = if digits == 0 { thousands(now.round() as u64) } else { format!("{now:.digits$}") };
    match running.as_f64().filter(|running| *running > 0.0) {
        Some(running) => format!("{told} ({:+.0} %)", (now / running - 1.0) * 100.0),
        None => told,
    }
}

fn notes(function: &Value, text: &mut String) {
    let name = name(function);
    let mut note = |what: &str| text.push_str(&format!("  {name}: {what}\n"));
    if let Some(former) = function["former"].as_object() {
        let at = |name: &str| former[name].as_str().unwrap_or("?");
        note(&format!("what this version made, which ran before, of the events after {} up to {}", at("after"), at("upto")));
    }
    if function["new"] == true {
        note("new in this version");
    }
    if function["retired"] == true {
        note("not in this version any more: it is retired");
    }
    let (passes, fails) = (function["passes_now"].as_u64().unwrap_or(0), function["fails_still"].as_u64().unwrap_or(0));
    if passes + fails > 0 {
        let still = if fails > 0 { format!(", {} still can't", thousands(fails)) } else { String::new() };
        note(&format!("{} that had been set aside can be handled now{still}", counted(passes, "event")));
    }
    let state = &function["state"];
    if let Some(equal) = state["rows"]["equal"].as_u64() {
        note(&format!("{} as live at position {}", counted(equal, "row"), state["position"].as_str().unwrap_or("?")));
    }
    if let Some(told) = function["note"].as_str() {
        note(told);
    }
}

fn differences(function: &Value) -> String {
    let shown = list(&function["differences"]);
    if shown.is_empty() {
        return String::new();
    }
    let outputs = &function["outputs"];
    let all: u64 = ["new", "missing", "different"].iter().filter_map(|name| outputs[name].as_u64()).sum();
    let mut text = format!("\n{}:\n", first("difference", shown.len(), all, function));
    for difference in shown {
        let field = |name: &str| difference[name].as_str().unwrap_or("?");
        let (recorded, made) = (&difference["recorded"], &difference["made"]);
        let event = if made.is_null() { recorded } else { made };
        let at = recorded["position"].as_str().map(|position| format!(", recorded at {position}")).unwrap_or_default();
        let (name, subject) = (event["type"].as_str().unwrap_or("?"), event["subject"].as_str().unwrap_or(""));
        let head = format!("  {:<9}  {name}  {subject}  (of {}{at})", field("kind"), field("cause"));
        text.push_str(&drawn(&head, recorded, made, ["recorded", "made"]));
    }
    text
}

/// Rows that are live, beside those that history makes.
fn rows(function: &Value) -> String {
    let state = &function["state"];
    let shown = list(&state["first"]);
    if shown.is_empty() {
        return String::new();
    }
    let counts = &state["rows"];
    let all: u64 = ["new", "missing", "different"].iter().filter_map(|name| counts[name].as_u64()).sum();
    let mut text =
        format!("\n{}, at position {}:\n", first("other row", shown.len(), all, function), state["position"].as_str().unwrap_or("?"));
    for row in shown {
        text.push_str(&drawn(&format!("  {}", row["key"].as_str().unwrap_or("?")), &row["live"], &row["made"], ["live", "made"]));
    }
    text
}

fn failures(function: &Value) -> String {
    let shown = list(&function["first_failures"]);
    if shown.is_empty() {
        return String::new();
    }
    let all = function["failures"].as_u64().unwrap_or(0) + function["fails_still"].as_u64().unwrap_or(0);
    let row = |failure: &Value| {
        let field = |name: &str| failure[name].as_str().unwrap_or("").to_owned();
        vec![field("position"), field("type"), field("subject"), field("reason"), shortened(&field("message"), MESSAGE_CHARS_MAX)]
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let shown_table = table(&["at", "type", "subject", "reason", "message"], &rows);
    let indented: String = shown_table.lines().map(|line| format!("  {line}\n")).collect();
    format!("\n{}:\n{indented}", first("failure", shown.len(), all, function))
}

/// `Differences of pricing`, or `The first 5 of 42 differences of pricing`.
fn first(noun: &str, shown: usize, all: u64, function: &Value) -> String {
    let name = name(function);
    if (shown as u64) < all {
        format!("The first {shown} of {} of {name}", counted(all, noun))
    } else {
        format!("{}{}s of {name}", noun[..1].to_uppercase(), &noun[1..])
    }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rehearsal() -> Value {
        let shown = |total: u64, position: Value| {
            json!({ "position": position, "type": "order.priced", "subject": "order/17", "datacontenttype": "application/json",
                "data": { "total": total, "currency": "EUR" }, "cut": false })
        };
        json!({
            "id": "7", "kind": "rehearsal", "status": "done", "failed": null, "target": null, "retelling": null,
            "module": { "name": "shop", "version": "1.1.0", "digest": "sha256:0123456789abcdef0123456789abcdef" },
            "position": "1234567", "head": "1234567", "events": 2_000_000, "events_per_second": 810_000.0, "seconds_left": null,
            "functions": [
                { "function": "pricing", "kind": "handler", "new": false, "retired": false, "events": 1_000_000, "passes_now": 2, "fails_still": 0,
                  "outputs": { "equal": 999_957, "new": 0, "missing": 1, "different": 42 },
                  "differences": [
                    { "kind": "different", "id": "a", "cause": "17", "recorded": shown(750, json!("18")), "made": shown(749, Value::Null) },
                    { "kind": "missing", "id": "b", "cause": "20", "recorded": shown(1, json!("21")), "made": null } ],
                  "failures": 1, "first_failures": [
                    { "position": "20", "type": "order.placed", "subject": "order/20", "reason": "trap", "message": "unreachable" } ],
                  "state_rows": 12, "state_bytes": 3_456, "fuel_per_event": 12_345.6, "microseconds_per_event": 1.5,
                  "running_fuel_per_event": 10_000.0, "running_microseconds_per_event": 2.0, "note": null },
                { "function": "orders", "kind": "view", "new": true, "retired": false, "events": 1_000_000, "passes_now": 0, "fails_still": 0,
                  "outputs": { "equal": 0, "new": 0, "missing": 0, "different": 0 }, "differences": [], "failures": 0, "first_failures": [],
                  "state_rows": 400_000, "state_bytes": 52_428_800, "fuel_per_event": 900.0, "microseconds_per_event": 0.4,
                  "running_fuel_per_event": null, "running_microseconds_per_event": null, "note": null },
            ],
        })
    }

    #[test]
    fn a_rehearsal_reads_as_what_was_found_where_and_what_it_costs() {
        let expected = "\
rehearsal 7: shop 1.1.0 (sha256:0123456789ab…)
  not what is recorded: pricing 42 different, 1 missing, 1 failure; 2,000,000 events at 810,000/s

function     events    equal  new  missing  different  failures     rows     bytes      fuel/event    µs/event
pricing   1,000,000  999,957    0        1         42         1       12   3.4 KiB  12,346 (+23 %)  1.5 (-25 %)
orders    1,000,000                                           0  400,000  50.0 MiB             900         0.4
  pricing: 2 events that had been set aside can be handled now
  orders: new in this version

The first 2 of 43 differences of pricing:
  different  order.priced  order/17  (of 17, recorded at 18)
    member  recorded  made
    total   750       749
  missing    order.priced  order/17  (of 20, recorded at 21)
    {\"currency\":\"EUR\",\"total\":1}

Failures of pricing:
  at  type          subject   reason  message
  20  order.placed  order/20  trap    unreachable
";
        let told = report(&rehearsal());
        let squeezed = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        assert_eq!(squeezed(&told), squeezed(expected), "{told}");
        let widest = told.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 120), "{widest:?}");
    }

    #[test]
    fn a_rehearsal_without_a_difference_says_so() {
        let mut replay = rehearsal();
        let function = &mut replay["functions"][0];
        function["outputs"] = json!({ "equal": 5, "new": 0, "missing": 0, "different": 0 });
        assert!(!is_same(&replay), "a failure is a difference");
        replay["functions"][0]["failures"] = json!(0);
        assert!(is_same(&replay));
        assert_eq!(verdict(&replay), "the same as is recorded");
    }

    #[test]
    fn a_replay_that_failed_or_runs_says_where_it_is() {
        let mut replay = rehearsal();
        replay["status"] = json!("running");
        replay["seconds_left"] = json!(200.0);
        assert_eq!(short(&replay), "running at position 1234567 of 1234567, 3 min 20 s left; 2,000,000 events at 810,000/s");
        replay["status"] = json!("failed");
        replay["failed"] = json!({ "reason": "trap", "message": "it trapped" });
        assert_eq!(short(&replay), "failed at position 1234567: it trapped");
    }

    #[test]
    fn a_retelling_tells_what_it_kept() {
        let replay = json!({
            "id": "9", "kind": "retelling", "status": "level", "module": null, "target": "retold", "position": "90", "head": "90", "events": 90,
            "events_per_second": 0.0, "functions": [],
            "retelling": { "base": "main", "kept": 80, "dropped": 5, "forgotten": 1, "derived": 10, "parked": 0 },
        });
        assert_eq!(
            report(&replay),
            "retelling 9: main as retold\n  level at position 90, and follows; 90 events\n  80 source events kept, 5 dropped, 1 forgotten; 10 events made anew, 0 set aside\n"
        );
    }
}

//! What an entry of the log is, beside what stands in it: who made it, and what a timer, a request, an answer
//! or a refusal says.

use serde_json::Value;

use super::words::counted;

/// Who made it and when it happened.
pub fn maker(entry: &Value) -> String {
    let field = |name: &str| entry[name].as_str().unwrap_or("");
    let source = field("source");
    let when = if field("time").is_empty() { field("recordedtime") } else { field("time") };
    let of = |what: &str| {
        let (module, version, digest) = (field("module"), field("moduleversion"), field("moduledigest"));
        if module.is_empty() { what.to_owned() } else { format!("{what} of module {module} {version}, {digest}") }
    };
    let named = |prefix: &str| source.strip_prefix(prefix);
    if let Some(function) = named("/functions/") {
        of(&format!("made by function {function}"))
    } else if let Some(aggregate) = named("/aggregates/") {
        of(&format!("decided by aggregate {aggregate}"))
    } else if let Some(function) = named("/timers/") {
        let by = if entry["causeposition"].is_null() { "schedule" } else { "timer" };
        format!("made by {by} {} of function {function}, due {when}", field("timerkey"))
    } else if let Some(function) = named("/requests/") {
        format!("the host's, to function {function}, {when}")
    } else if let Some(function) = named("/ingress/") {
        format!("taken in by function {function}, {when}")
    } else {
        format!("from {source}, {when}")
    }
}

/// What the host's own kinds of entries mean; `None` of an ordinary event.
pub fn meaning(entry: &Value) -> Option<String> {
    let field = |name: &str| entry[name].as_str().unwrap_or("");
    let data = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    match (entry["entrykind"].as_str(), field("type")) {
        (Some("timer"), "retold.timer.cancelled") => Some(format!("timer {} is cancelled", field("timerkey"))),
        (Some("timer"), _) => Some(format!("timer {} is set for {}", field("timerkey"), field("timerdue"))),
        (Some("request"), _) => Some(format!("to {} {}", field("requestmethod"), field("requesturl"))),
        (_, "retold.request.replied") => {
            Some(format!("{} {} was answered {}", data("/data/request/method"), data("/data/request/url"), entry["data"]["status"]))
        }
        (_, "retold.request.failed") => {
            let attempts = counted(entry["data"]["attempts"].as_u64().unwrap_or(0), "attempt");
            let (method, url) = (data("/data/request/method"), data("/data/request/url"));
            Some(format!("{method} {url} failed after {attempts}, {}: {}", data("/data/reason"), data("/data/message")))
        }
        (_, "retold.command.refused") => {
            Some(format!("{} refused, {}: {}", data("/data/command/type"), data("/data/code"), data("/data/message")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(entry: Value, made: &str, means: Option<&str>) {
        assert_eq!((maker(&entry).as_str(), meaning(&entry).as_deref()), (made, means), "{entry}");
    }

    #[test]
    fn timers_requests_answers_and_refusals_are_told_as_what_they_are() {
        let (by, function) = ("made by function onboarding of module onboarding 1.0.0, sha256:ab", "/functions/onboarding");
        let module = |mut entry: Value| {
            (entry["module"], entry["moduleversion"], entry["moduledigest"]) = (json!("onboarding"), json!("1.0.0"), json!("sha256:ab"));
            entry
        };
        check(
            module(
                json!({ "source": function, "type": "too.late", "entrykind": "timer", "timerkey": "c/7", "timerdue": "2026-01-01T00:00:00Z" }),
            ),
            by,
            Some("timer c/7 is set for 2026-01-01T00:00:00Z"),
        );
        check(
            module(json!({ "source": function, "type": "retold.timer.cancelled", "entrykind": "timer", "timerkey": "c/7" })),
            by,
            Some("timer c/7 is cancelled"),
        );
        check(
            module(
                json!({ "source": function, "type": "retold.request.made", "entrykind": "request", "requestmethod": "POST", "requesturl": "https://x/y" }),
            ),
            by,
            Some("to POST https://x/y"),
        );
        check(module(json!({ "source": function, "type": "account.reserve", "entrykind": "command" })), by, None);
        let request = json!({ "method": "POST", "url": "https://x/y" });
        check(
            json!({ "source": "/requests/onboarding", "type": "retold.request.replied", "recordedtime": "T", "data": { "request": request, "status": 200 } }),
            "the host's, to function onboarding, T",
            Some("POST https://x/y was answered 200"),
        );
        let failed = json!({ "request": request, "reason": "timeout", "message": "no answer within 30 s", "attempts": 3 });
        check(
            json!({ "source": "/requests/onboarding", "type": "retold.request.failed", "recordedtime": "T", "data": failed }),
            "the host's, to function onboarding, T",
            Some("POST https://x/y failed after 3 attempts, timeout: no answer within 30 s"),
        );
        let refused = json!({ "command": { "type": "account.reserve" }, "code": "taken", "message": "somebody has it" });
        check(
            module(json!({ "source": "/aggregates/account", "type": "retold.command.refused", "data": refused })),
            "decided by aggregate account of module onboarding 1.0.0, sha256:ab",
            Some("account.reserve refused, taken: somebody has it"),
        );
        check(
            json!({ "source": "/timers/onboarding", "type": "too.late", "timerkey": "c/7", "causeposition": "5", "time": "D" }),
            "made by timer c/7 of function onboarding, due D",
            None,
        );
        check(
            json!({ "source": "/timers/report", "type": "report.due", "timerkey": "daily", "time": "D" }),
            "made by schedule daily of function report, due D",
            None,
        );
        check(json!({ "source": "/ingress/github", "type": "github.push", "time": "D" }), "taken in by function github, D", None);
        check(json!({ "source": "/shop", "type": "order.placed", "recordedtime": "R" }), "from /shop, R", None);
    }
}

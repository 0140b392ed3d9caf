//! Replays as tests look at them: history to replay, how far a replay is, what it found.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Answer, Host, Web, guest};

/// How long anything may take before a test gives up; never part of what is tested.
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks again until `done` says so of the answer.
#[track_caller]
pub fn wait_until<T: std::fmt::Debug>(ask: impl Fn() -> T, done: impl Fn(&T) -> bool) -> T {
    #[expect(clippy::disallowed_methods, reason = "a test gives up after a while")]
    let began = Instant::now();
    loop {
        let now = ask();
        if done(&now) {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "it never got there: {now:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The ledger and the upgrades of it that a host must refuse, or must tell what is the matter with.
pub fn ledger(version: &str) -> Vec<u8> {
    guest(&format!("faulty-upgrade/{version}"))
}

/// Payments as source events: one of four accounts each, of 1 to 150; each with so much that nobody reads.
#[track_caller]
pub fn pay(web: &Web, numbers: Range<u64>, unread_bytes: usize) {
    let unread = "x".repeat(unread_bytes);
    let payment = |number: u64| {
        let data = json!({ "amount": amount(number), "unread": unread });
        json!({
            "specversion": "1.0", "id": number.to_string(), "source": "/bank", "type": "payment.made",
            "subject": format!("account/{}", number % 4), "data": data,
        })
    };
    let lines: String = numbers.map(|number| payment(number).to_string() + "\n").collect();
    let answer = web.post("events", "application/x-ndjson", lines);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

pub fn amount(number: u64) -> u64 {
    1 + number * 7 % 150
}

/// A host with version 1 of the ledger and so many payments.
pub fn host_with_ledger(payments: u64, unread_bytes: usize) -> Host {
    let host = Host::start();
    host.web.deploy("ledger", &ledger("ledger")).expect(201);
    pay(&host.web, 0..payments, unread_bytes);
    host.wait_until_level("booking");
    host
}

impl Web {
    #[track_caller]
    pub fn rehearse(&self, module: &str, bytes: &[u8], query: &str) -> Answer {
        self.send("PUT", &format!("modules/{module}?rehearse=only&{query}"), &[("content-type", "application/wasm")], bytes)
    }

    /// Deploys with what stands in the query.
    #[track_caller]
    pub fn deploy_as(&self, module: &str, bytes: &[u8], query: &str) -> Answer {
        self.send("PUT", &format!("modules/{module}?{query}"), &[("content-type", "application/wasm")], bytes)
    }

    #[track_caller]
    pub fn replay(&self, id: &str) -> Value {
        self.get(&format!("replays/{id}")).expect(200).json()
    }

    #[track_caller]
    pub fn wait_for_replay(&self, id: &str, done: impl Fn(&Value) -> bool) -> Value {
        wait_until(|| self.replay(id), done)
    }

    /// How a replay ended.
    #[track_caller]
    pub fn ended_replay(&self, id: &str) -> Value {
        self.wait_for_replay(id, |replay| matches!(replay["status"].as_str(), Some("done" | "failed")))
    }

    #[track_caller]
    pub fn version(&self, module: &str) -> Value {
        self.get(&format!("modules/{module}")).expect(200).json()["version"].clone()
    }

    #[track_caller]
    pub fn retell(&self, name: &str, request: Value) -> Answer {
        let mut retell = json!({ "base": "main" });
        retell.as_object_mut().expect("an object").extend(request.as_object().expect("an object").clone());
        self.post("//v1/namespaces", "application/json", json!({ "name": name, "retell": retell }).to_string())
    }

    /// Waits until a retelling has told all that there is.
    #[track_caller]
    pub fn wait_until_retold(&self, name: &str) -> Value {
        self.wait_for_replay(name, |replay| replay["status"] == "level" && replay["position"] == replay["head"])
    }

    pub fn promote(&self) -> Answer {
        self.post("promote", "application/json", "{}")
    }

    pub fn promote_back(&self) -> Answer {
        self.post("promote", "application/json", r#"{"back":true}"#)
    }
}

/// What a report says of one function.
#[track_caller]
pub fn of_function<'a>(replay: &'a Value, name: &str) -> &'a Value {
    let functions = replay["functions"].as_array().expect("functions");
    functions.iter().find(|function| function["function"] == name).unwrap_or_else(|| panic!("nothing of {name} in {replay}"))
}

/// What a report found: all but what it cost.
pub fn findings(replay: &Value) -> Value {
    let mut functions = replay["functions"].clone();
    for function in functions.as_array_mut().into_iter().flatten() {
        function.as_object_mut().expect("an object").retain(|name, _| !name.contains("fuel") && !name.contains("microseconds"));
    }
    functions
}

/// Equal, new, missing and different outputs.
pub fn outputs(function: &Value) -> [u64; 4] {
    ["equal", "new", "missing", "different"].map(|name| function["outputs"][name].as_u64().expect("a count"))
}

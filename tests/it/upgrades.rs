//! Upgrades: code that must not take over, code that takes over with its state and goes back, and what a
//! retelling erases.

use serde_json::{Value, json};

use crate::support::{Host, Web, files_with, guest};

fn pay(web: &Web, account: &str, id: &str, amount: u64) {
    web.command("payment.make", account, id, &json!({ "amount": amount })).expect(200);
}

/// What an account's last booking says.
fn balance(web: &Web, account: &str) -> Value {
    web.events(&format!("types=ledger.booked&subjects={account}")).pop().map(|event| event["data"].clone()).unwrap_or_default()
}

fn ledger() -> Host {
    let host = Host::start();
    host.web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    for number in 0..20 {
        pay(&host.web, &format!("account/{}", number % 3), &number.to_string(), 10 + number);
    }
    host.wait_until_level("booking");
    host
}

fn candidate(name: &str) -> Vec<u8> {
    guest(&format!("faulty-upgrade/{name}"))
}

#[test]
fn code_that_can_not_handle_history_never_takes_over() {
    let host = ledger();
    host.web.command("payment.make", "account/0", "poisoned", &json!({ "amount": 1, "poison": true })).expect(200);
    host.wait_until_level("booking");
    let before = host.web.events("").len();
    for (name, status, kind) in [
        ("trap", 422, "rehearsal-refused"),
        ("trap-in-fold", 422, "rehearsal-refused"),
        ("undeclared", 422, "rehearsal-refused"),
        ("random", 422, "module-refused"),
        ("same-version", 409, "version-taken"),
    ] {
        let problem = host.web.deploy("ledger", &candidate(name)).problem(status, kind);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}: {problem}");
        assert_eq!(host.web.get("modules/ledger").expect(200).json()["version"], "1.0.0", "{name}");
    }
    assert_eq!(host.web.events("").len(), before, "nothing of it is in the log");
    pay(&host.web, "account/1", "after", 5);
    host.wait_until_level("booking");
    assert_eq!(host.web.function("booking")["status"], "active");
}

#[test]
fn an_upgrade_takes_the_state_along_and_so_does_the_way_back() {
    let mut host = ledger();
    let before = balance(&host.web, "account/1");
    host.web.deploy("ledger", &candidate("good")).expect(201);
    pay(&host.web, "account/1", "with-2", 100);
    host.wait_until_level("booking");
    let with_two = balance(&host.web, "account/1");
    assert_eq!(with_two["balance"].as_u64(), before["balance"].as_u64().map(|balance| balance + 100));
    assert_eq!(with_two["payments"].as_u64(), before["payments"].as_u64().map(|payments| payments + 1));
    host.kill();
    host.restart();
    host.web.post("modules/ledger/rollback", "application/json", "{}").expect(201);
    assert_eq!(host.web.get("modules/ledger").expect(200).json()["version"], "1.0.0");
    pay(&host.web, "account/1", "with-1-again", 1_000);
    host.wait_until_level("booking");
    let with_one = balance(&host.web, "account/1");
    assert_eq!(with_one["balance"].as_u64(), before["balance"].as_u64().map(|balance| balance + 1_100));
    assert_eq!(with_one["payments"].as_u64(), before["payments"].as_u64().map(|payments| payments + 2));
    let history = host.web.get("modules?history=true").expect(200).json();
    let versions: Vec<&Value> = history["modules"].as_array().expect("modules").iter().map(|module| &module["version"]).collect();
    assert_eq!(versions, ["1.0.0", "2.0.0", "1.0.0"]);
}

#[test]
fn a_fork_beyond_the_head_is_refused_and_one_before_it_goes_its_own_way() {
    let host = ledger();
    let fork = |at: u64| json!({ "name": "whatif", "fork": { "base": "main", "at": at.to_string() } }).to_string();
    host.web.post("//v1/namespaces", "application/json", fork(1_000_000)).problem(400, "invalid-parameter");
    let base = host.web.events("");
    let forked = host.web.post("//v1/namespaces", "application/json", fork(11)).expect(201).json();
    let at: usize = forked["at"].as_str().and_then(|at| at.parse().ok()).expect("where they part");
    // A command is never parted from what was decided on it.
    assert!(at == 11 || at == 10 && base[10]["entrykind"] == "command", "{forked}");
    let whatif = host.web.namespace("whatif");
    let shared: Vec<Value> = whatif.events("").into_iter().take(at).collect();
    assert_eq!(shared, base[..at]);
    pay(&whatif, "account/9", "in-the-fork", 7);
    Host::wait_in(&whatif, "booking", |now| now["lag"] == 0 && now["rebuilding"] != true);
    assert_eq!(balance(&whatif, "account/9")["balance"], 7);
    assert_eq!(host.web.events(""), base, "the base knows nothing of it");
}

#[test]
fn a_forgotten_subject_is_nowhere_in_the_data_directory_once_the_old_generation_is_dropped() {
    let mut host = ledger();
    let forgotten = "account/jane-doe-4711";
    pay(&host.web, forgotten, "hers", 77);
    host.wait_until_level("booking");
    assert!(!files_with(host.data(), forgotten.as_bytes()).is_empty());
    let request = json!({ "name": "clean", "retell": { "base": "main", "forget": [forgotten] } }).to_string();
    host.web.post("//v1/namespaces", "application/json", request).expect(202);
    #[expect(clippy::disallowed_methods, reason = "a test gives up after a while")]
    let began = std::time::Instant::now();
    while host.web.get("replays/clean").expect(200).json()["status"] != "level" {
        assert!(began.elapsed().as_secs() < 120, "it never gets level");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let promoted = host.web.namespace("clean").post("promote", "application/json", "{}").expect(200).json();
    assert!(promoted["forgotten"].as_u64().is_some_and(|forgotten| forgotten > 0), "{promoted}");
    assert!(!promoted.to_string().contains("4711"), "a receipt names nobody: {promoted}");
    host.web.send("DELETE", "//v1/namespaces/main@1", &[], b"").expect(200);
    assert_eq!(host.web.events(&format!("subjects={forgotten}")), Vec::<Value>::new());
    // Nor can it be brought back, not even by who has the command still.
    host.web.command("payment.make", forgotten, "hers", &json!({ "amount": 77 })).problem(410, "erased");
    pay(&host.web, "account/1", "goes-on", 3);
    host.wait_until_level("booking");
    host.terminate();
    assert_eq!(files_with(host.data(), b"jane-doe-4711"), Vec::<String>::new());
}

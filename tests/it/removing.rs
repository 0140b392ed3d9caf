//! A module goes, and others had read through its upcasters: what they keep is made ready for that first.

use serde_json::{Value, json};

use crate::support::{Host, Web, guest};

fn pay(web: &Web, account: &str, id: &str, amount: u64) {
    web.command("payment.make", account, id, &json!({ "amount": amount })).expect(200);
}

fn taken(web: &Web, account: &str, id: &str, cents: u64) {
    let event = json!({ "specversion": "1.0", "id": id, "source": "/till", "type": "payment.taken", "subject": account, "data": { "cents": cents } });
    web.append(&event).expect(201);
}

/// What an account's last booking says.
fn booked(web: &Web, account: &str) -> Value {
    web.events(&format!("types=ledger.booked&subjects={account}")).pop().map(|event| event["data"].clone()).unwrap_or_default()
}

#[test]
fn a_removed_upcaster_takes_what_it_made_out_of_the_state_of_others() {
    let mut host = Host::start();
    host.web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    host.web.deploy("forms", &guest("faulty-upgrade/forms")).expect(201);
    for number in 0..6 {
        taken(&host.web, &format!("account/{}", number % 2), &number.to_string(), 100);
    }
    pay(&host.web, "account/0", "a", 7);
    host.wait_until_level("booking");
    assert_eq!(booked(&host.web, "account/0"), json!({ "payments": 4, "balance": 307 }));

    let removed = host.web.delete("modules/forms").expect(200).json();
    let replay = &removed["replay"];
    assert_eq!((&replay["kind"], &replay["status"], &replay["module"]["name"]), (&json!("removal"), &json!("done"), &json!("forms")));
    let warnings = replay["warnings"].as_array().cloned().unwrap_or_default();
    let said = |what: &str| warnings.iter().filter_map(Value::as_str).any(|warning| warning.contains(what));
    assert!(said("booking no longer reads the 6 events of type payment.taken"), "{replay}");
    let listed = host.web.get("replays").expect(200).json();
    assert_eq!(listed["replays"][0]["kind"], "removal", "{listed}");
    host.web.get("modules/forms").problem(404, "unknown-module");
    assert_eq!(host.web.function("payment-taken")["status"], "retired");

    // From here on payments of the old form are nothing to it, neither those that were nor those that come.
    taken(&host.web, "account/0", "later", 100);
    pay(&host.web, "account/0", "b", 5);
    host.wait_until_level("booking");
    assert_eq!(booked(&host.web, "account/0"), json!({ "payments": 2, "balance": 12 }));
    assert_eq!(host.web.function("booking")["status"], "active");
    host.kill();
    host.restart();
    pay(&host.web, "account/0", "c", 1);
    host.wait_until_level("booking");
    assert_eq!(booked(&host.web, "account/0"), json!({ "payments": 3, "balance": 13 }));
    // What was booked stays booked.
    assert_eq!(host.web.events("types=ledger.booked&subjects=account/1").len(), 3);

    // And the way back: with the upcasters, they count again, the one that came meanwhile too.
    host.web.deploy("forms", &guest("faulty-upgrade/forms")).expect(201);
    pay(&host.web, "account/0", "d", 2);
    host.wait_until_level("booking");
    assert_eq!(booked(&host.web, "account/0")["balance"].as_u64(), Some(7 + 5 + 1 + 2 + 3 * 100 + 100));
}

#[test]
fn a_module_that_others_can_not_be_without_stays() {
    let host = Host::start();
    host.web.deploy("forms", &guest("faulty-upgrade/forms")).expect(201);
    host.web.deploy("ledger", &guest("faulty-upgrade/new-form-only")).expect(201);
    pay(&host.web, "account/1", "a", 7);
    host.wait_until_level("booking");
    let head = host.web.events("").len();
    let problem = host.web.delete("modules/forms").problem(422, "rehearsal-refused");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("account") && detail.contains("old form"), "{problem}");
    assert_eq!(host.web.get("modules/forms").expect(200).json()["active"], true);
    assert_eq!(host.web.events("").len(), head, "nothing is recorded");
    let listed = host.web.get("replays").expect(200).json();
    assert_eq!((&listed["replays"][0]["kind"], &listed["replays"][0]["status"]), (&json!("removal"), &json!("failed")), "{listed}");
    pay(&host.web, "account/1", "b", 5);
    let told = host.retold(&["modules", "remove", "forms"]);
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("old form"), "{told:?}");
    host.web.delete("modules/nothing").problem(404, "unknown-module");
}

#[test]
fn what_a_rewind_leaves_behind_is_deleted_while_nobody_asks_for_anything() {
    const ACCOUNTS: usize = 20_000;
    let host = Host::start();
    host.web.deploy("ledger", &guest("faulty-upgrade/ledger")).expect(201);
    let event = |number: usize| json!({ "specversion": "1.0", "id": number.to_string(), "source": "/till", "type": "payment.made", "subject": format!("account/{number:0200}"), "data": { "amount": 1 } });
    let lines: Vec<String> = (0..ACCOUNTS).map(|number| event(number).to_string()).collect();
    host.web.post("events", "application/x-ndjson", lines.join("\n")).expect(201);
    host.wait_until_level("booking");
    let bytes = || {
        let metrics = host.web.get("//metrics").expect(200).text();
        let line = metrics.lines().find(|line| line.starts_with("retold_disk_bytes{"));
        let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{metrics}"))
    };
    let state = ACCOUNTS as f64 * 200.0;
    host.web.post("functions/booking/pause", "application/json", "").expect(200);
    let before = bytes();
    // Paused, it does not make its state again: nothing is committed from here on.
    host.web.post("functions/booking/rewind?to=0", "application/json", "").expect(200);
    host.wait_until("its former state is deleted", || bytes() < before - state);
}

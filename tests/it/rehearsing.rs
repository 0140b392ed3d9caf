//! Rehearsals, and the replays of deployments: bounded, stopped, resumed, dropped, cut off by the end of the
//! host; what is far back in history; and what the command line makes of it all.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Host, Web, amount, findings, host_with_ledger, ledger, of_function, outputs, pay, wait_until};

/// Payments of a history that takes several portions, and what each carries.
const LONG: u64 = 100;
const UNREAD_BYTES: usize = 400 << 10;
/// More than the first portion, less than all.
const UNDER_WAY: u64 = 40;

fn events(replay: &Value) -> u64 {
    replay["events"].as_u64().expect("a count")
}

fn shadows(host: &Host) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(host.data().join("namespaces/main")).expect("the namespace's folder");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("shadow-"))).collect()
}

/// Begins a replay that gives way a lot, and lets it come to its middle.
#[track_caller]
fn begin(web: &Web, query: &str) -> (String, u64) {
    let replay = web.deploy_as("ledger", &ledger("different"), &format!("budget=20&timeout=0s&{query}")).expect(202).json();
    let id = replay["id"].as_str().expect("an id").to_owned();
    let replay = web.wait_for_replay(&id, |replay| events(replay) > UNDER_WAY);
    assert_eq!(replay["status"], "running", "{replay}");
    (id, events(&replay))
}

/// It goes on from where it was, not from the beginning.
#[track_caller]
fn goes_on(web: &Web, id: &str, before: u64) {
    let replay = web.wait_for_replay(id, |replay| events(replay) > 0 && events(replay) != before);
    assert!(events(&replay) > before, "it has begun again: {before} before, and now {replay}");
}

/// Through all that can happen to it, until it has ended.
#[track_caller]
fn disturbed(host: &mut Host, query: &str) -> Value {
    let (id, _) = begin(&host.web, query);
    host.web.post(&format!("replays/{id}/stop"), "application/json", "").expect(200);
    let stopped = host.web.wait_for_replay(&id, |replay| replay["status"] == "stopped");
    for end in [Host::kill, |host: &mut Host| assert!(host.terminate().success())] {
        end(host);
        host.restart();
        let still = host.web.replay(&id);
        assert_eq!((&still["status"], events(&still)), (&json!("stopped"), events(&stopped)), "{still}");
    }
    host.web.post(&format!("replays/{id}/resume"), "application/json", "").expect(200);
    goes_on(&host.web, &id, events(&stopped));
    assert!(host.terminate().success());
    host.restart();
    host.web.wait_for_replay(&id, |replay| events(replay) > events(&stopped));
    host.kill();
    host.restart();
    host.web.ended_replay(&id)
}

#[test]
fn a_rehearsal_that_is_stopped_and_cut_off_by_the_hosts_end_goes_on_and_tells_what_it_would_have_told() {
    let mut host = host_with_ledger(LONG, UNREAD_BYTES);
    let undisturbed = host.web.rehearse("ledger", &ledger("different"), "timeout=300s").expect(200).json();
    let large = (0..LONG).filter(|number| amount(*number) > 100).count() as u64;
    assert_eq!(outputs(of_function(&undisturbed, "booking")), [LONG - large, 0, 0, large], "{undisturbed}");
    let replay = disturbed(&mut host, "rehearse=only");
    assert_eq!(replay["status"], "done", "{replay}");
    assert_eq!(findings(&replay), findings(&undisturbed));
    assert_eq!(host.web.version("ledger"), "1.0.0");
    // The same code, asked for twice at once: neither is in the other's way.
    let both = [(); 2].map(|()| host.web.rehearse("ledger", &ledger("different"), "timeout=0s").expect(202).json());
    for replay in both {
        let replay = host.web.ended_replay(replay["id"].as_str().expect("an id"));
        assert_eq!(findings(&replay), findings(&undisturbed), "{replay}");
    }
    assert_eq!(shadows(&host), Vec::<PathBuf>::new(), "nothing is left of any of it");
}

#[test]
fn a_deployment_that_is_stopped_and_cut_off_by_the_hosts_end_goes_on_and_takes_over() {
    let mut host = host_with_ledger(LONG, UNREAD_BYTES);
    let replay = disturbed(&mut host, "");
    assert_eq!(replay["status"], "done", "{replay}");
    assert_eq!(host.web.version("ledger"), "2.0.0");
    pay(&host.web, LONG..LONG + 4, 0);
    host.wait_until_level("booking");
    let total: u64 = (0..LONG + 4).filter(|number| number % 4 == 3).map(amount).sum();
    let last = host.web.events("types=ledger.booked&subjects=account/3").pop().expect("a booking");
    assert_eq!((&last["data"]["payments"], &last["data"]["balance"]), (&json!((LONG + 4) / 4), &json!(total)));
    assert_eq!(host.web.events("types=retold.module.deployed").len(), 2, "it took over once");
}

#[test]
fn a_replay_that_is_dropped_leaves_nothing_and_is_in_nobodys_way() {
    let mut host = host_with_ledger(LONG, UNREAD_BYTES);
    for query in ["rehearse=only", "", "backfill=true"] {
        let (id, _) = begin(&host.web, query);
        let head = host.web.events("").len();
        host.web.delete(&format!("replays/{id}")).expect(200);
        assert_eq!(host.web.get(&format!("replays/{id}")).problem(404, "unknown-replay")["replay"], id.as_str());
        assert_eq!(shadows(&host), Vec::<PathBuf>::new(), "{query}");
        host.kill();
        host.restart();
        host.web.get(&format!("replays/{id}")).problem(404, "unknown-replay");
        assert_eq!((host.web.version("ledger"), host.web.events("").len()), (json!("1.0.0"), head), "{query}");
    }
    // Somebody who waits for it is told so.
    let web = host.web.clone();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| web.deploy_as("ledger", &ledger("different"), "budget=20&timeout=300s"));
        let newest = || host.web.get("replays").expect(200).json()["replays"][0].clone();
        let replay = wait_until(newest, |replay| replay["status"] == "running");
        let id = replay["id"].as_str().expect("an id").to_owned();
        host.web.delete(&format!("replays/{id}")).expect(200);
        waiting.join().expect("answered")
    });
    assert_eq!(waiting.problem(422, "rehearsal-refused")["reason"], "dropped");
    host.web.deploy("ledger", &ledger("different")).expect(201);
}

/// Bookings behind a position, and how many of them are of large payments.
fn bookings_after(host: &Host, position: u64) -> (u64, u64) {
    let payments = host.web.events(&format!("types=payment.made&after={position}"));
    let large = payments.iter().filter(|payment| payment["data"]["amount"].as_u64() > Some(100)).count();
    (payments.len() as u64, large as u64)
}

#[test]
fn a_rehearsal_looks_where_it_is_told_to_and_no_further() {
    const PAYMENTS: u64 = 400;
    let host = host_with_ledger(PAYMENTS, 0);
    let head = host.web.events("").len() as u64;
    let different = ledger("different");
    let rehearsed = |query: &str| host.web.rehearse("ledger", &different, query).expect(200).json();
    let (all, large) = bookings_after(&host, 0);
    assert_eq!(outputs(of_function(&rehearsed(""), "booking")), [all - large, 0, 0, large]);
    for (query, after) in
        [("since=150", 150), ("since=1.150", 150), ("last=120", head - 120), ("last=1000000", 0), (&*format!("since={head}"), head)]
    {
        let (all, large) = bookings_after(&host, after);
        let replay = rehearsed(query);
        assert_eq!(outputs(of_function(&replay, "booking")), [all - large, 0, 0, large], "{query}: {replay}");
    }
    // A sample is of whole accounts: of those, everything; of others, nothing.
    let replay = rehearsed("sample=2");
    let sampled = outputs(of_function(&replay, "booking"));
    let whole: Vec<[u64; 4]> = (1..1_u64 << 4)
        .map(|accounts| {
            let of = |number: &u64| accounts & (1 << (number % 4)) != 0;
            let large = (0..PAYMENTS).filter(of).filter(|number| amount(*number) > 100).count() as u64;
            [(0..PAYMENTS).filter(of).count() as u64 - large, 0, 0, large]
        })
        .collect();
    assert!(whole.contains(&sampled) || sampled == [0; 4], "{sampled:?}");
    assert_ne!(sampled, whole[14], "less than all of them");
    // What gives way comes to the same.
    assert_eq!(findings(&rehearsed("budget=50")), findings(&rehearsed("")));
    for query in ["since=1&last=2", "budget=0", "sample=0", "since=nowhere"] {
        host.web.rehearse("ledger", &different, query).problem(400, "invalid-parameter");
    }
}

#[test]
fn a_trap_far_into_history_is_told_with_its_place() {
    const PAYMENTS: u64 = 30_000;
    let host = host_with_ledger(PAYMENTS, 0);
    host.web.command("payment.make", "account/9", "poisoned", &json!({ "amount": 1, "poison": true })).expect(200);
    pay(&host.web, PAYMENTS..PAYMENTS + 5_000, 0);
    host.wait_until_level("booking");
    let poisoned = host.web.events("types=payment.made&subjects=account/9").pop().expect("a payment")["position"].clone();
    let replay = host.web.rehearse("ledger", &ledger("trap"), "timeout=300s").expect(200).json();
    let booking = of_function(&replay, "booking");
    assert_eq!((&booking["failures"], &booking["first_failures"][0]["position"]), (&json!(1), &poisoned), "{replay}");
    assert_eq!(booking["first_failures"][0]["reason"], "trap");
    let says = format!("the payment at {} is poisoned", poisoned.as_str().expect("a position"));
    let message = booking["first_failures"][0]["message"].as_str().unwrap_or_default().to_owned();
    let logs = host.web.get("functions/booking/logs").expect(200).json().to_string();
    assert!(message.contains(&says) || logs.contains(&says), "{message} {logs}");
    let problem = host.web.deploy_as("ledger", &ledger("trap"), "timeout=300s").problem(422, "rehearsal-refused");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&format!("position {}", poisoned.as_str().expect("text")))));
    // Nor does an aggregate that can't be folded any more take over.
    let problem = host.web.deploy_as("ledger", &ledger("trap-in-fold"), "timeout=300s").problem(422, "rehearsal-refused");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(poisoned.as_str().expect("text"))), "{problem}");
    assert_eq!(host.web.version("ledger"), "1.0.0");
}

#[test]
fn a_candidate_whose_state_grows_without_end_is_told_by_rows_and_bytes() {
    const PAYMENTS: u64 = 2_000;
    const ROW_BYTES: u64 = 8 << 10;
    let host = host_with_ledger(PAYMENTS, 0);
    let replay = host.web.rehearse("ledger", &ledger("grows"), "").expect(200).json();
    let booking = of_function(&replay, "booking");
    assert_eq!(outputs(booking), [PAYMENTS, 0, 0, 0], "{replay}");
    assert_eq!(booking["state_rows"], PAYMENTS + 4, "a row for each payment, one for each account");
    assert!(booking["state_bytes"].as_u64() >= Some(PAYMENTS * ROW_BYTES), "{replay}");
}

/// The file of an upgrade, as a user would name it.
fn wasm(host: &Host, version: &str) -> String {
    let path = host.data().join(format!("{version}.wasm"));
    std::fs::write(&path, ledger(version)).expect("written");
    path.to_str().expect("text").to_owned()
}

/// The command line: its exit code and what it says.
#[track_caller]
fn run(host: &Host, arguments: &[&str], code: i32) -> (String, String) {
    let output = host.retold(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

#[test]
fn the_command_line_tells_a_difference_from_a_refusal_from_success() {
    let host = host_with_ledger(60, 0);
    let paths = ["good", "different", "trap"].map(|version| wasm(&host, version));
    let [good, different, trap] = paths.each_ref().map(String::as_str);
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let named = |verb, file| [verb, file, "--name", "ledger"];
    let with = |verb, file, more: &[&'static str]| {
        named(verb, file).into_iter().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |arguments: Vec<String>, code| run(&host, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), code);
    // A rehearsal is none the worse for what it finds, unless the same was expected.
    let (out, _) = run(with("rehearse", different, &[]), 0);
    assert!(out.contains("different") && out.contains("booking"), "{out}");
    let (out, err) = run(with("rehearse", different, &["--expect-same"]), 3);
    assert!(out.contains("booking") && err.contains("booking"), "{out}\n{err}");
    run(with("rehearse", good, &["--expect-same"]), 0);
    let (out, err) = run(with("rehearse", different, &["--expect-same", "--json"]), 3);
    assert!(err.contains("different"), "{err}");
    assert!(out.is_empty() || json(&out)["kind"] == "rehearsal", "{out}");
    let (out, _) = run(with("rehearse", different, &["--json", "--last", "40", "--sample", "1", "--budget", "90%"]), 0);
    assert_eq!(json(&out)["status"], "done");
    // A deployment is refused with the same words, and nothing is changed.
    let (_, err) = run(with("deploy", different, &["--expect-same"]), 3);
    assert!(err.contains("differs from what is recorded"), "{err}");
    host.web.command("payment.make", "account/9", "poisoned", &json!({ "amount": 1, "poison": true })).expect(200);
    host.wait_until_level("booking");
    let (out, err) = run(with("deploy", trap, &[]), 3);
    assert!(err.contains("can't handle") && out.contains("poisoned"), "{out}\n{err}");
    let (_, err) = run(with("deploy", trap, &["--json"]), 3);
    // The host's own answer, or what became of a replay that took longer than an answer may.
    assert!(json(&err)["status"] == 422 || json(&err)["exit_code"] == 3, "{err}");
    assert_eq!(host.web.version("ledger"), "1.0.0");
    run(vec!["rollback".into(), "ledger".into()], 3);
    run(with("deploy", good, &["--expect-same"]), 0);
    let (out, _) = run(with("deploy", good, &["--json"]), 0);
    assert_eq!(json(&out)["unchanged"], true);
    // Back, when it is only asked what that would be: nothing is changed.
    let rollback = |more: &[&str]| ["rollback", "ledger"].iter().chain(more).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    run(rollback(&["--rehearse", "only"]), 0);
    assert_eq!(host.web.version("ledger"), "2.0.0", "nothing is changed by asking");
    let (_, err) = run(rollback(&["--to", "0.1.0"]), 3);
    assert!(err.contains("0.1.0") && err.contains("--history"), "{err}");
    let (out, _) = run(rollback(&["--json"]), 0);
    assert_eq!(json(&out)["version"], "1.0.0");
    // Replays can be listed, looked at and dropped.
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (out, _) = run(words(&["replays"]), 0);
    assert!(out.contains("rehearsal") && out.contains("deployment") && out.contains("rollback") && out.contains("failed"), "{out}");
    let (out, _) = run(words(&["replays", "--json"]), 0);
    let newest = json(&out)["replays"][0]["id"].as_str().expect("an id").to_owned();
    run(words(&["replays", &newest]), 0);
    run(words(&["replays", "follow", &newest]), 0);
    run(words(&["replays", "stop", &newest]), 0);
    run(words(&["replays", "resume", &newest]), 0);
    run(words(&["replays", "drop", &newest]), 0);
    for gone in [words(&["replays", &newest]), words(&["replays", "stop", &newest]), words(&["replays", "drop", &newest])] {
        let (_, err) = run(gone, 3);
        assert!(err.contains(&newest), "{err}");
    }
    run(words(&["rehearse", different, "--since", "1", "--last", "2"]), 2);
    run(words(&["rehearse", different, "--budget", "0"]), 2);
    run(words(&["rehearse", "/nowhere/ledger.wasm"]), 1);
    run(with("rehearse", different, &["--detach", "--json"]), 0);
}

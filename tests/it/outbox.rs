//! Requests to the outside: they leave after their commit, come back as events, and hold nobody up.

use std::net::TcpListener;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Asked, Host, Service, files_with, guest, of_type, say};
use crate::tokens::with_token;

pub const REPLIED: &str = "retold.request.replied";
pub const FAILED: &str = "retold.request.failed";
/// So that requests may go to this machine.
pub const HERE: [&str; 6] = ["--allow-host", "127.0.0.1", "--allow-host", "localhost", "--allow-address", "127.0.0.0/8"];

/// Has `reach-out` send a request.
#[track_caller]
pub fn reach(host: &Host, id: &str, url: &str, more: &Value) {
    let mut data = json!({ "do": "request", "url": url });
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    let event =
        json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "test.reach", "subject": format!("reach/{id}"), "data": data });
    let answer = host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event.to_string()).expect(201).json();
    assert_eq!(answer["parked"], json!([]), "{answer}");
}

pub fn deployed(host: Host) -> Host {
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    host
}

/// Waits for so many events of a type, and answers them.
#[track_caller]
pub fn came(host: &Host, r#type: &str, count: usize) -> Vec<Value> {
    host.wait_until(&format!("{count} of {type} come"), || of_type(&host.web, r#type).len() >= count);
    let events = of_type(&host.web, r#type);
    assert_eq!(events.len(), count, "{events:?}");
    events
}

pub fn outbox(host: &Host) -> Value {
    host.web.get("outbox").expect(200).json()
}

pub fn secrets(name: &str, content: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("retold-outbox-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("declared"), content).expect("written");
    folder
}

/// Runs the command line, which must succeed. Answers what it says.
#[track_caller]
fn told(host: &Host, words: &[&str]) -> String {
    let output = host.retold(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_request_leaves_with_its_secret_and_its_reply_is_an_event_without_it() {
    let folder = secrets("leaves", "s3cret-value\n");
    let service = Service::start(|_, asked, stream| {
        let told = format!("you are {}", asked.header("authorization").unwrap_or("nobody"));
        say(stream, 200, "content-type: text/plain\r\nset-cookie: a=b\r\n", &told);
    });
    let mut words = HERE.to_vec();
    words.extend(["--secrets", folder.to_str().expect("a path")]);
    let host = deployed(Host::start_saying(&words));
    let headers = json!([["Authorization", "Bearer {{secret:declared}}"], ["content-type", "text/plain"]]);
    reach(&host, "1", &service.url("/x?y=1"), &json!({ "method": "PUT", "headers": headers, "body": "hello", "key": "credit" }));
    let reply = came(&host, REPLIED, 1).remove(0);
    let made = of_type(&host.web, "retold.request.made").remove(0);
    let asked = service.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str(), asked.body.as_slice()), ("PUT", "/x?y=1", b"hello".as_slice()));
    assert_eq!((asked.key(), asked.header("authorization")), (made["id"].as_str().expect("an id"), Some("Bearer s3cret-value")));
    let request = json!({ "id": made["id"], "key": "credit", "method": "PUT", "url": service.url("/x?y=1") });
    let headers = json!({ "content-type": "text/plain" });
    let body = "you are Bearer {{secret:declared}}";
    assert_eq!(reply["data"], json!({ "request": request, "status": 200, "headers": headers, "body": body }));
    assert_eq!((&reply["id"], &reply["source"], &reply["subject"]), (&made["id"], &json!("/requests/reach-out"), &json!("reach/1")));
    assert_eq!((&reply["causeposition"], &reply["addressee"]), (&made["position"], &json!("reach-out")));
    // The function heard of it, and nothing waits any more.
    assert_eq!(came(&host, "test.told", 1)[0]["data"]["of"], REPLIED);
    let now = outbox(&host);
    assert_eq!((&now["requests"], &now["waiting"]), (&json!([]), &json!(0)));
    let log = host.web.events("").iter().map(Value::to_string).collect::<String>();
    assert!(!log.contains("s3cret"), "{log}");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn neither_the_data_nor_a_backup_has_a_secret_or_a_token_k9() {
    let (folder, backup) = (secrets("at-rest", "s3cret-value\n"), secrets("backup", ""));
    let service = Service::start(|_, _, stream| say(stream, 200, "", "thanks"));
    let mut words = HERE.to_vec();
    words.extend(["--secrets", folder.to_str().expect("a path")]);
    let mut host = deployed(Host::start_saying(&words));
    let token = told(&host, &["token", "create", "admin", "--allow", "append,read,command,query,deploy,operate"]);
    let token = token.split_whitespace().find(|word| word.starts_with("retold_")).expect("a token").to_owned();
    host.web = host.web.holding(&token);
    let headers = json!([["Authorization", "Bearer {{secret:declared}}"]]);
    reach(&host, "1", &service.url("/"), &json!({ "headers": headers }));
    came(&host, REPLIED, 1);
    assert_eq!(service.asked().remove(0).header("authorization"), Some("Bearer s3cret-value"));
    let to = backup.join("main");
    assert!(with_token(&host, &token, &["backup", "main", "--to", to.to_str().expect("a path")]).status.success());
    host.terminate();
    let secret = token.rsplit('_').next().expect("a secret");
    for place in [host.data(), &to] {
        assert!(!files_with(place, b"reach/1").is_empty(), "{} has the events", place.display());
        for bytes in ["s3cret-value", &secret[..12]] {
            assert_eq!(files_with(place, bytes.as_bytes()), [""; 0], "{bytes}");
        }
    }
    [folder, backup].iter().for_each(|folder| std::fs::remove_dir_all(folder).expect("removed"));
}

#[test]
fn what_may_pass_is_sent_again_under_the_same_key_until_there_is_a_reply() {
    let service = Service::start(|number, _, stream| match number {
        0 => say(stream, 503, "retry-after: 0\r\n", ""),
        // It was done, and nobody hears of it.
        1 => {}
        2 => say(stream, 429, "", "slowly"),
        _ => say(stream, 404, "", "not here"),
    });
    let host = deployed(Host::start_saying(&HERE));
    reach(&host, "1", &service.url("/"), &json!({}));
    // That there is nothing is a reply too.
    assert_eq!(came(&host, REPLIED, 1)[0]["data"]["status"], 404);
    let asked = service.asked();
    assert!(asked.len() >= 4 && asked.iter().all(|again| again.key() == asked[0].key()), "{asked:?}");
    let metrics = String::from_utf8(host.web.get("//metrics").expect(200).body).expect("text");
    assert!(metrics.contains("retold_requests_replied_total{namespace=\"main\"} 1"), "{metrics}");
}

#[test]
fn a_host_that_is_down_holds_up_its_own_requests_alone() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let service = Service::start(|_, _, stream| say(stream, 200, "", ""));
    let host = deployed(Host::start_saying(&HERE));
    for number in 0..6 {
        reach(&host, &format!("down-{number}"), &format!("http://{nobody}/"), &json!({}));
    }
    for number in 0..20 {
        reach(&host, &format!("up-{number}"), &service.url("/"), &json!({}));
    }
    came(&host, REPLIED, 20);
    host.wait_until("the host is taken to be down", || outbox(&host)["hosts"][0]["closed_seconds"].is_u64());
    let now = outbox(&host);
    assert_eq!((&now["waiting"], &now["hosts"][0]["host"]), (&json!(6), &json!(nobody.to_string())));
    assert!(now["hosts"][0]["trouble"].as_str().is_some_and(|trouble| trouble.starts_with("refused:")), "{now}");
    assert_eq!(host.web.get("//readyz").expect(200).json()["namespaces"][0]["hosts_down"], json!([nobody.to_string()]));
    assert_eq!(host.web.function("reach-out")["requests_waiting"], 6);
    let only = host.web.get(&format!("outbox?host={nobody}&function=reach-out&state=waiting&limit=4")).expect(200).json();
    assert_eq!((only["requests"].as_array().map(Vec::len), &only["more"]), (Some(4), &json!(true)));
    let shown = told(&host, &["outbox"]);
    assert!(shown.contains("6 requests waiting, 0 held") && shown.contains(&format!("{nobody}: refused:")), "{shown}");
    // The operator gives one up, and who made it hears so; another is tried at once.
    let [first, second] = [0, 1].map(|index| now["requests"][index]["position"].as_str().expect("a position").to_owned());
    assert_eq!(told(&host, &["outbox", "discard", &first]), format!("{first} has failed for good\n"));
    let failed = came(&host, FAILED, 1).remove(0);
    assert_eq!((&failed["causeposition"], &failed["data"]["reason"]), (&json!(first), &json!("discarded")));
    let attempts = |host: &Host| outbox(host)["requests"][0]["attempts"].as_u64();
    let before = attempts(&host);
    assert_eq!(told(&host, &["outbox", "retry", &second]), format!("{second} is sent as soon as can be\n"));
    host.wait_until("it was tried again", || attempts(&host) > before);
    for verb in ["retry", "discard", "release"] {
        host.web.post(&format!("outbox/{first}/{verb}"), "application/json", "").problem(404, "unknown-request");
    }
}

#[test]
fn what_may_not_leave_does_not_and_it_is_told_why() {
    let service = Service::start(|_, _, stream| say(stream, 200, "", "here"));
    // Of names that stand for this machine, only those that the operator allows.
    let mut host = deployed(Host::start_saying(&["--allow-host", "127.0.0.1"]));
    reach(&host, "private", &service.url("/"), &json!({}));
    reach(&host, "secret", &service.url("/"), &json!({ "headers": [["x-a", "{{secret:undeclared}}"]] }));
    host.wait_until("both have failed", || {
        assert_eq!(service.asked().len(), 0, "nobody is asked");
        of_type(&host.web, FAILED).len() == 2
    });
    let failed = came(&host, FAILED, 2);
    let reason = |subject: &str| failed.iter().find(|event| event["subject"] == subject).expect("failed")["data"].clone();
    let private = reason("reach/private");
    assert_eq!((&private["reason"], &private["attempts"]), (&json!("address-not-allowed"), &json!(1)));
    assert!(private["message"].as_str().is_some_and(|message| message.contains("--allow-address 127.0.0.1")), "{private}");
    assert_eq!(reason("reach/secret")["reason"], "secret");
    let named = format!("http://localhost:{}/", service.address.port());
    reach(&host, "host", &named, &json!({}));
    host.wait_until("the host is told", || outbox(&host)["hosts"][0]["trouble"].is_string());
    let now = outbox(&host);
    let trouble = now["hosts"][0]["trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains("--allow-host localhost"), "{trouble}");
    assert_eq!((&now["requests"][0]["state"], &now["requests"][0]["attempts"]), (&json!("waiting"), &json!(0)));
    assert_eq!(service.asked().len(), 0);
    // Once it is allowed, it leaves.
    host.say(&HERE);
    host.kill();
    host.restart();
    assert_eq!(came(&host, REPLIED, 1)[0]["data"]["body"], "here");
}

#[test]
fn a_host_that_the_manifest_does_not_name_is_not_even_asked_for_and_without_the_operators_word_none_is() {
    let service = Service::start(|_, _, stream| say(stream, 200, "", ""));
    let host = deployed(Host::start());
    let undeclared = json!({
        "specversion": "1.0", "id": "undeclared", "source": "/test", "type": "test.reach", "subject": "reach/undeclared",
        "data": { "do": "undeclared_host" },
    });
    let answer = host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", undeclared.to_string());
    let answer = answer.expect(201).json();
    assert_eq!((&answer["parked"][0]["function"], &outbox(&host)["waiting"]), (&json!("reach-out"), &json!(0)), "{answer}");
    let parked = host.web.get("functions/reach-out/parked").expect(200).json()["parked"][0].clone();
    assert_eq!(parked["reason"], "undeclared", "{parked}");
    assert!(parked["message"].as_str().is_some_and(|message| message.contains("undeclared.example")), "{parked}");
    reach(&host, "allowed", &service.url("/"), &json!({}));
    host.wait_until("the host is told", || outbox(&host)["hosts"][0]["trouble"].is_string());
    let now = outbox(&host);
    assert_eq!((&now["requests"][0]["state"], &now["requests"][0]["attempts"]), (&json!("waiting"), &json!(0)));
    assert!(told(&host, &["outbox"]).contains(&format!("start the host with --allow-host {}", service.address)));
    assert_eq!((service.asked().len(), of_type(&host.web, FAILED).len()), (0, 0));
}

#[test]
fn a_request_whose_secret_is_missing_waits_for_it_and_no_other_waits_with_it() {
    let folder = secrets("missing", "");
    std::fs::remove_file(folder.join("declared")).expect("removed");
    let service = Service::start(|_, asked, stream| say(stream, 200, "", asked.header("x-a").unwrap_or("none")));
    let mut words = HERE.to_vec();
    words.extend(["--secrets", folder.to_str().expect("a path")]);
    let host = deployed(Host::start_saying(&words));
    reach(&host, "with", &service.url("/"), &json!({ "headers": [["x-a", "{{secret:declared}}"]] }));
    host.wait_until("the secret is missed", || outbox(&host)["hosts"][0]["trouble"].is_string());
    let trouble = outbox(&host)["hosts"][0]["trouble"].as_str().expect("text").to_owned();
    assert!(trouble.contains("no secret \"declared\""), "{trouble}");
    reach(&host, "without", &service.url("/"), &json!({}));
    assert_eq!(came(&host, REPLIED, 1)[0]["subject"], "reach/without");
    let waiting = outbox(&host)["requests"][0].clone();
    assert_eq!((&waiting["subject"], &waiting["state"], &waiting["attempts"]), (&json!("reach/with"), &json!("waiting"), &json!(0)));
    std::fs::write(folder.join("declared"), "it-is-there\n").expect("written");
    came(&host, REPLIED, 2);
    assert_eq!(service.asked()[1].header("x-a"), Some("it-is-there"));
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn nothing_leaves_where_the_operator_says_so_nor_from_a_fork_nor_from_before_the_deployment() {
    let service = Service::start(|_, _, stream| say(stream, 200, "", ""));
    let mut silent = HERE.to_vec();
    silent.push("--no-requests");
    let mut host = Host::start_saying(&silent);
    let data = json!({ "do": "request", "url": service.url("/before") });
    let early =
        json!({ "specversion": "1.0", "id": "early", "source": "/test", "type": "test.reach", "subject": "reach/early", "data": data });
    host.web.append(&early).expect(201);
    let host_now = {
        host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
        host.wait_until_level("reach-out");
        reach(&host, "1", &service.url("/silent"), &json!({}));
        outbox(&host)
    };
    assert_eq!((&host_now["waiting"], &host_now["outputs_held"]), (&json!(1), &json!(1)));
    assert!(host_now["off"].is_string() && service.asked().is_empty(), "{host_now}");
    // A fork has the request, and holds it; the base is told to let it leave.
    host.say(&HERE);
    host.kill();
    host.restart();
    came(&host, REPLIED, 1);
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"whatif","fork":{"base":"main"}}"#).expect(201);
    let fork = host.web.namespace("whatif");
    Host::wait_in(&fork, "reach-out", |now| now["lag"] == 0 && now["rebuilding"] != true);
    let asked = json!({ "specversion": "1.0", "id": "fork", "source": "/test", "type": "test.reach", "subject": "reach/fork", "data": { "do": "request", "url": service.url("/fork") } });
    fork.post("events?wait=handled&timeout=100s", "application/cloudevents+json", asked.to_string()).expect(201);
    let held = fork.get("outbox?state=held").expect(200).json();
    assert_eq!((&held["held"], &held["leave"], &held["requests"][0]["state"]), (&json!(1), &json!(false), &json!("held")));
    let position = held["requests"][0]["position"].as_str().expect("a position").to_owned();
    fork.post(&format!("outbox/{position}/retry"), "application/json", "").problem(409, "control-conflict");
    assert_eq!(told(&host, &["outbox", "discard", &position, "--namespace", "whatif"]), format!("{position} has failed for good\n"));
    assert_eq!(of_type(&fork, FAILED)[0]["data"]["reason"], "discarded");
    // What was held since the deployment leaves once it is released.
    let outputs = host.web.get("functions/reach-out/held").expect(200).json();
    assert_eq!((&outputs["total"], &outputs["outputs"][0]["kind"]), (&json!(1), &json!("request")));
    assert_eq!(told(&host, &["outbox", "held", "reach-out", "--release"]), "1 held output of reach-out released\n");
    came(&host, REPLIED, 2);
    let paths: Vec<String> = service.asked().into_iter().map(|Asked { path, .. }| path).collect();
    assert_eq!(paths, ["/silent", "/before"]);
}

#[test]
fn a_request_that_only_a_retelling_made_is_held_until_the_operator_says_what_becomes_of_it() {
    let service = Service::start(|_, _, stream| say(stream, 200, "", ""));
    let host = Host::start_saying(&HERE);
    for path in ["/one", "/two"] {
        let data = json!({ "do": "request", "url": service.url(path) });
        let subject = format!("reach{path}");
        let event = json!({ "specversion": "1.0", "id": path, "source": "/test", "type": "test.reach", "subject": subject, "data": data });
        host.web.append(&event).expect(201);
    }
    let module = json!({ "name": "faulty-outside", "wasm": STANDARD.encode(guest("faulty-outside")) });
    host.web.retell("anew", json!({ "with": [module] })).expect(202);
    host.web.wait_until_retold("anew");
    host.web.namespace("anew").promote().expect(200);
    let held = outbox(&host);
    assert_eq!((&held["held"], &held["waiting"], &held["leave"]), (&json!(2), &json!(0), &json!(true)), "{held}");
    let [one, two] = [0, 1].map(|index| held["requests"][index]["position"].as_str().expect("a position").to_owned());
    assert_eq!(told(&host, &["outbox", "release", &two]), format!("{two} may leave\n"));
    assert_eq!(came(&host, REPLIED, 1)[0]["subject"], "reach/two");
    assert_eq!(told(&host, &["outbox", "discard", &one]), format!("{one} has failed for good\n"));
    assert_eq!(came(&host, FAILED, 1)[0]["subject"], "reach/one");
    let paths: Vec<String> = service.asked().into_iter().map(|Asked { path, .. }| path).collect();
    assert_eq!(paths, ["/two"]);
}

#[test]
fn a_trace_goes_from_a_request_through_all_that_it_caused_to_whoever_is_asked_and_told() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let service = Service::start(|_, _, stream| say(stream, 200, "", "here"));
    let host = deployed(Host::start_saying(&HERE));
    let hook = json!({ "types": [REPLIED], "endpoint": { "url": service.url("/hook"), "handshake": false } });
    host.web.send("PUT", "consumers/hook", &[("content-type", "application/json")], hook.to_string().as_bytes()).expect(201);
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/test", "type": "test.reach", "subject": "reach/1",
        "data": { "do": "request", "url": service.url("/ask") } });
    let headers = [("content-type", "application/cloudevents+json"), ("traceparent", TRACE)];
    host.web.send("POST", "events", &headers, event.to_string().as_bytes()).expect(201);
    host.wait_until("the reply is told", || service.asked().len() == 2);
    let asked: Vec<_> = service.asked().iter().map(|asked| (asked.path.clone(), asked.header("traceparent").map(str::to_owned))).collect();
    assert_eq!(asked, [("/ask".to_owned(), Some(TRACE.to_owned())), ("/hook".to_owned(), Some(TRACE.to_owned()))]);
    // The event says it, what came of it doesn't repeat it.
    let with = |r#type: &str| of_type(&host.web, r#type).iter().map(|event| event["traceparent"].clone()).collect::<Vec<_>>();
    assert_eq!((with("test.reach"), with(REPLIED)), (vec![json!(TRACE)], vec![json!(null)]));
}

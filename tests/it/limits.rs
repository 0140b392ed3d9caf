//! How much one client, one token and one namespace may take of a host, on the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::handlers::order;
use crate::support::{Host, guest, retold};

pub const EVERYTHING: &str = "append,read,command,query,deploy,operate";

#[track_caller]
pub fn create(host: &Host, by: &str, arguments: &[&str]) -> String {
    let mut retold = Command::new(retold());
    let output = retold.args(["token", "create"]).args(arguments).env("RETOLD_URL", &host.url).env("RETOLD_TOKEN", by).output();
    let output = output.expect("retold runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn a_token_that_asks_too_often_waits_and_others_do_not_h13() {
    let host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    let till = create(&host, &admin, &["till", "--allow", "append", "--rate", "2/s"]);
    let (admin, till) = (host.web.holding(&admin), host.web.holding(&till));
    let mut stood = 0;
    let refused = loop {
        let answer = till.append(&order(&stood.to_string(), 1));
        if answer.status != 201 {
            break answer;
        }
        stood += 1;
        assert!(stood < 100, "two a second, for ever");
    };
    refused.problem(429, "rate-reached");
    assert_eq!(admin.events("types=order.placed").len(), stood, "what was refused isn't there");
    for _ in 0..10 {
        admin.get("events").expect(200);
    }
    host.wait_until("the token is let in again", || till.append(&order("later", 1)).status == 201);
    let listed = admin.get("//v1/tokens").expect(200).json();
    let rates: Vec<&Value> = listed["tokens"].as_array().expect("tokens").iter().map(|token| &token["rate"]).collect();
    assert!(rates.contains(&&Value::from("2/s")) && rates.contains(&&Value::Null), "{rates:?}");
}

#[test]
fn a_namespace_at_its_quota_takes_nothing_and_its_functions_wait_until_there_is_more_e6_w25() {
    let mut host = Host::start_saying(&["--quota-events", "30"]);
    let deployed = host.web.deploy("hello", &guest("hello")).expect(201).json();
    let function = deployed["functions"][0].as_str().expect("a function").to_owned();
    host.web.post(&format!("functions/{function}/pause"), "application/json", "").expect(200);
    let mut stood = 0;
    let refused = loop {
        let answer = host.web.append(&order(&stood.to_string(), 1));
        if answer.status != 201 {
            break answer;
        }
        stood += 1;
        assert!(stood <= 30, "more than the quota");
    };
    let problem = refused.problem(507, "quota-reached");
    assert_eq!((&problem["namespace"], &problem["limit"], &problem["max"]), (&"main".into(), &"events".into(), &30.into()));
    let namespace = host.web.get("//v1/namespaces/main").expect(200).json();
    assert_eq!((&namespace["quota"]["events"], &namespace["quota"]["bytes"]), (&30.into(), &Value::Null));
    assert_eq!(namespace["head"], "30", "the last event that fits is taken");
    assert!(host.web.get("//metrics").expect(200).text().contains("\nretold_quota_events 30\n"));
    // What functions make counts too: they wait, and set nothing aside.
    host.web.post(&format!("functions/{function}/resume"), "application/json", "").expect(200);
    std::thread::park_timeout(Duration::from_secs(1));
    let waiting = host.web.function(&function);
    assert!(waiting["parked"] == 0 && waiting["lag"] != 0 && waiting["status"] == "active", "{waiting}");
    assert!(host.web.events("types=order.priced").is_empty());
    host.web.post("//v1/namespaces", "application/json", r#"{"name":"other"}"#).expect(201);
    host.web.namespace("other").append(&order("1", 1)).expect(201);
    host.say(&["--quota-events", "1000"]);
    host.terminate();
    host.restart();
    host.wait_until_level(&function);
    assert_eq!(host.web.events("types=order.priced").len(), stood);
}

/// The address that this machine has for others, if it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

fn answers(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let mut answer = [0; 12];
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/1.1 200"
}

#[test]
fn one_address_beyond_this_machine_holds_its_share_of_connections_and_no_more_h3() {
    let Some(own) = own_address() else { return };
    let data = std::env::temp_dir().join(format!("retold-share-{}", std::process::id()));
    let made = Command::new(retold()).args(["token", "create", "admin", "--allow", EVERYTHING, "--data"]).arg(&data).output();
    assert!(made.expect("retold runs").status.success());
    let mut process = Command::new(retold())
        .args(["serve", "--listen", "0.0.0.0:0", "--plaintext", "--connections-per-address", "3", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("retold starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let port: u16 = line.trim().rsplit(':').next().expect("a port").parse().expect("a number");
    let connect = |address: IpAddr| TcpStream::connect(SocketAddr::new(address, port)).expect("the kernel takes it");
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(own)).collect();
    assert!(held.iter().all(answers));
    assert!(!answers(&connect(own)), "a fourth");
    let loopback: Vec<TcpStream> = (0..5).map(|_| connect([127, 0, 0, 1].into())).collect();
    assert!(loopback.iter().all(answers), "this machine's own programs");
    held.pop();
    let again = (0..100).any(|_| {
        std::thread::park_timeout(Duration::from_millis(20));
        answers(&connect(own))
    });
    assert!(again, "a place that was given back");
    process.kill().expect("it is ours");
    process.wait().expect("it ends");
    let _ = std::fs::remove_dir_all(data);
}

#[test]
fn what_the_holder_of_a_token_changed_stands_in_the_log_with_whose_token_it_was() {
    let host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    let web = host.web.holding(&admin);
    let deployed = web.deploy("hello", &guest("hello")).expect(201).json();
    let function = deployed["functions"][0].as_str().expect("a function").to_owned();
    web.post(&format!("functions/{function}/pause"), "application/json", "").expect(200);
    web.post("//v1/namespaces", "application/json", r#"{"name":"shop"}"#).expect(201);
    let reader = create(&host, &admin, &["reader", "--namespace", "shop", "--allow", "read"]);
    host.web.holding(&reader).namespace("shop").post("functions/x/pause", "application/json", "").problem(403, "forbidden");
    web.append(&order("1", 1)).expect(201);
    let acts = |namespace: &str| -> Vec<(String, String)> {
        let told = web.namespace(namespace).events("types=retold.operator.acted");
        assert!(told.iter().all(|event| event["data"]["token"]["name"] == "admin"), "{told:?}");
        assert!(told.iter().all(|event| admin.contains(event["data"]["token"]["id"].as_str().expect("an id"))));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        told.iter().map(|event| (text(&event["data"]["operation"]), text(&event["subject"]))).collect()
    };
    let reader_id = reader.split('_').nth(1).expect("an id").to_owned();
    let in_main = acts("main");
    let operations: Vec<&str> = in_main.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(operations, ["deployModule", "pauseFunction", "createNamespace"]);
    assert_eq!((&in_main[0].1, &in_main[1].1), (&"hello".to_owned(), &function));
    assert_eq!(acts("shop"), [("createToken".to_owned(), reader_id)]);
}

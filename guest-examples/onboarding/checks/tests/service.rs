//! The service, asked over a socket.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use onboarding_checks::{Badness, Journal, serve};
use serde_json::Value;

fn start(badness: Badness, journal: Journal) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(&listener, badness, journal));
    address
}

fn ask(service: SocketAddr, method: &str, path: &str, key: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(service).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\nIdempotency-Key: {key}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn credit(service: SocketAddr, key: &str, name: &str) -> String {
    ask(service, "POST", "/credit", key, &format!(r#"{{"name":"{name}"}}"#))
}

fn effects(service: SocketAddr) -> Value {
    let answer = ask(service, "GET", "/effects", "", "");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn what_is_done_is_not_done_again_for_the_same_key() {
    let service = start(Badness::default(), Journal::nowhere());
    let first = credit(service, "a", "Ada");
    assert!(first.starts_with("HTTP/1.1 200") && first.ends_with(r#"{"score":71}"#), "{first}");
    assert_eq!(credit(service, "a", "Ada"), first);
    assert!(credit(service, "a", "Bob").starts_with("HTTP/1.1 422"));
    credit(service, "b", "Ada");
    let told = effects(service);
    assert_eq!((&told["asked"], &told["repeats"], &told["conflicts"]), (&4.into(), &1.into(), &1.into()));
    assert_eq!(told["effects"].as_array().unwrap().len(), 2);
    assert!(told["effects"].as_array().unwrap().iter().all(|effect| effect["times"] == 1));
}

#[test]
fn the_journal_outlives_the_service_and_a_line_that_was_cut_off() {
    let path = std::env::temp_dir().join(format!("onboarding-checks-{}", std::process::id()));
    let journal = || Journal::open(&path).unwrap();
    credit(start(Badness::default(), journal()), "a", "Ada");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(r#"{"key":"b","pa"#);
    std::fs::write(&path, text).unwrap();
    let service = start(Badness::default(), journal());
    credit(service, "a", "Ada");
    credit(service, "b", "Bob");
    let told = journal().told();
    std::fs::remove_file(&path).unwrap();
    let keys: Vec<_> = told["effects"].as_array().unwrap().iter().map(|effect| effect["key"].clone()).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn it_is_as_bad_as_it_was_told() {
    let always = |badness| start(badness, Journal::nowhere());
    let failing = always(Badness { fail: 100, ..Badness::default() });
    assert!(credit(failing, "a", "Ada").starts_with("HTTP/1.1 503"));
    assert_eq!(effects(failing)["effects"], Value::Array(Vec::new()));
    let losing = always(Badness { lose: 100, ..Badness::default() });
    assert_eq!(credit(losing, "a", "Ada"), "");
    assert_eq!(effects(losing)["effects"].as_array().unwrap().len(), 1);
    let twice = always(Badness { twice: 100, slow_ms: 20, ..Badness::default() });
    assert_eq!(credit(twice, "a", "Ada").matches(r#"{"score":71}"#).count(), 2);
    let half = always(Badness { fail: 50, seed: 7, ..Badness::default() });
    let failed = (0..100).filter(|n| credit(half, &n.to_string(), "Ada").starts_with("HTTP/1.1 503")).count();
    assert!((25..75).contains(&failed), "{failed}");
}

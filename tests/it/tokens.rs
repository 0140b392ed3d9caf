//! Access tokens on the real binary: who is let in, who is not, and what becomes of who was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::handlers::order;
use crate::support::{Answer, Host, Web, retold};

const EVERYTHING: &str = "append,read,command,query,deploy,operate";

#[track_caller]
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

pub fn with_token(host: &Host, token: &str, arguments: &[&str]) -> Output {
    Command::new(retold()).args(arguments).env("RETOLD_URL", &host.url).env("RETOLD_TOKEN", token).output().expect("retold runs")
}

/// Makes a token by the command line, and answers it.
#[track_caller]
fn create(host: &Host, by: &str, arguments: &[&str]) -> String {
    said(with_token(host, by, &[&["token", "create"], arguments].concat()))
}

/// A host that asks for tokens, and one that may do everything.
fn guarded() -> (Host, String) {
    let host = Host::start();
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    (host, admin)
}

fn id_of(token: &str) -> &str {
    token.split('_').nth(1).expect("an id")
}

fn ask(web: &Web, headers: &[&str]) -> Answer {
    let headers: Vec<(&str, &str)> = headers.iter().map(|value| ("authorization", *value)).collect();
    web.send("GET", "events", &headers, b"")
}

/// The same but for what the other has: its length and its words.
#[track_caller]
fn check_turned_away(answer: Answer, like: &Answer) {
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.text(), like.text());
}

#[test]
fn whatever_is_wrong_with_a_token_the_answer_is_the_same_k1() {
    let (host, admin) = guarded();
    let like = ask(&host.web, &[]);
    like.problem(401, "unauthenticated");
    let wrong = admin.replace(id_of(&admin), "00000000");
    let bearer = format!("Bearer {admin}");
    let (cut, long) = (bearer[..40].to_owned(), format!("Bearer {}", "x".repeat(8_000)));
    for header in ["", "Bearer", "Bearer ", "Bearer garbage", "Basic YTpi", &cut, &long, &format!("Bearer {wrong}"), &format!("{bearer}0")]
    {
        check_turned_away(ask(&host.web, &[header]), &like);
    }
    check_turned_away(ask(&host.web, &[&bearer, &bearer]), &like);
    ask(&host.web, &[&bearer]).expect(200);
    // What there is not is told to nobody either.
    check_turned_away(host.web.get("//v1/nothing"), &like);
    let mut stream = TcpStream::connect(host.url.trim_start_matches("http://")).expect("a connection");
    stream.write_all(b"GET /v1/namespaces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 401 ") && text.to_lowercase().contains("\r\nwww-authenticate: bearer\r\n"), "{text}");
}

#[test]
fn a_token_stands_in_no_address_no_list_no_log_and_no_file_k2() {
    let data = std::env::temp_dir().join(format!("retold-tokens-k2-{}", std::process::id()));
    let admin = said(
        Command::new(retold())
            .args(["token", "create", "admin", "--allow", EVERYTHING, "--data"])
            .arg(&data)
            .output()
            .expect("retold runs"),
    );
    let log = data.with_extension("log");
    let mut process = Command::new(retold())
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--data"])
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("retold starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let web = Web::new(line.split_whitespace().last().expect("an address"));
    web.get(&format!("events?token={admin}")).problem(401, "unauthenticated");
    web.get(&format!("events?access_token={admin}")).problem(401, "unauthenticated");
    let holder = web.holding(&admin);
    holder.get(&format!("events?token={admin}")).problem(400, "invalid-parameter");
    let made = holder.post("//v1/tokens", "application/json", r#"{"name":"ci","allow":["read"]}"#).expect(201).json();
    let other = made["token"].as_str().expect("a token").to_owned();
    let listed = holder.get("//v1/tokens").expect(200).text();
    web.holding(&other).post("events", "application/json", order("1", 1).to_string()).problem(403, "forbidden");
    process.kill().expect("it is ours");
    process.wait().expect("it ends");
    let log_text = std::fs::read_to_string(&log).expect("a log");
    let catalogue = std::fs::read(data.join("catalogue.redb")).expect("a catalogue");
    assert!(log_text.contains("every request needs an access token") && log_text.contains(id_of(&admin)), "{log_text}");
    for token in [&admin, &other] {
        assert!(listed.contains(id_of(token)), "{listed}");
        let secret = token.rsplit('_').next().expect("a secret");
        for text in [&listed, &log_text] {
            assert!(!text.contains(&secret[..12]), "{text}");
        }
        assert!(!catalogue.windows(12).any(|bytes| bytes == &secret.as_bytes()[..12]));
    }
    let _ = std::fs::remove_file(log);
    let _ = std::fs::remove_dir_all(data);
}

#[test]
fn an_id_alone_or_with_another_secret_opens_nothing_and_a_mistyped_token_is_told_where_it_is_typed_k3() {
    let (host, admin) = guarded();
    let other = create(&host, &admin, &["other", "--allow", "read"]);
    let like = ask(&host.web, &[]);
    // Two whole tokens, each with a checksum of its own: their halves swapped are none.
    let swapped = format!("retold_{}_{}", id_of(&admin), other.rsplit('_').next().expect("a secret"));
    // The same with a checksum that fits: only the secret's digest tells it apart.
    let forged = with_checksum(&swapped);
    assert_ne!(forged, swapped);
    assert_eq!((with_checksum(&admin), with_checksum(&other)), (admin.clone(), other.clone()));
    for token in [id_of(&admin), &swapped, &forged, &admin.to_uppercase(), &admin[7..]] {
        check_turned_away(ask(&host.web, &[&format!("Bearer {token}")]), &like);
    }
    let mistyped = with_token(&host, &admin[..50], &["events"]);
    let told = String::from_utf8_lossy(&mistyped.stderr).into_owned();
    assert_eq!(mistyped.status.code(), Some(2), "{told}");
    assert!(told.contains("RETOLD_TOKEN") && told.contains("mistyped") && !told.contains(&admin[8..50]), "{told}");
    assert_eq!(with_token(&host, &swapped, &["events"]).status.code(), Some(2), "its checksum is another's");
}

/// A token with the checksum that its id and secret should have: of their SHA-256 the first 40 bits, as Crockford's base 32.
fn with_checksum(token: &str) -> String {
    let unchecked = &token[..token.len() - 8];
    let digest = Sha256::digest(unchecked.as_bytes());
    let number = digest[..5].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let letter = |place: u64| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[(number >> (5 * place)) as usize & 31]);
    unchecked.chars().chain((0..8).rev().map(letter)).collect()
}

#[test]
fn who_fails_too_often_is_told_to_wait_and_a_token_that_counts_is_let_in_all_the_same_k4() {
    let (host, admin) = guarded();
    let answers: Vec<Answer> = (0..60).map(|_| ask(&host.web, &["Bearer guess"])).collect();
    assert_eq!(answers[0].status, 401);
    let last = answers.last().expect("sixty");
    last.problem(429, "too-many-failures");
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!((20..=40).contains(&refused), "{refused} of sixty");
    // Whoever shares the address of who guesses isn't shut out by it.
    ask(&host.web, &[&format!("Bearer {admin}")]).expect(200);
}

#[test]
fn a_token_does_what_it_says_in_its_namespace_and_nothing_else_k5() {
    let (host, admin) = guarded();
    said(with_token(&host, &admin, &["namespaces", "create", "shop"]));
    let sender = create(&host, &admin, &["till", "--namespace", "shop", "--allow", "append"]);
    let shop = host.web.namespace("shop").holding(&sender);
    shop.append(&order("1", 1)).expect(201);
    for (path, needs) in
        [("events", "read"), ("modules", "deploy"), ("views/x", "query"), ("//v1/tokens", "operate"), ("//metrics", "operate")]
    {
        let refused = shop.get(path).problem(403, "forbidden");
        assert_eq!(refused["needs"], needs, "{refused}");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(needs) && detail.contains("till")), "{refused}");
    }
    shop.post("functions/x/pause", "application/json", "").problem(403, "forbidden");
    let elsewhere = shop.namespace("main");
    elsewhere.append(&order("1", 1)).problem(403, "forbidden");
    let by_line = with_token(&host, &sender, &["--namespace", "shop", "events"]);
    assert_eq!(by_line.status.code(), Some(3), "a refusal");
    assert!(String::from_utf8_lossy(&by_line.stderr).contains("`read`"), "{}", String::from_utf8_lossy(&by_line.stderr));
    let seen: Value = serde_json::from_str(&said(with_token(&host, &sender, &["--json", "namespaces"]))).expect("JSON");
    assert_eq!(seen["namespaces"].as_array().map(Vec::len), Some(1), "{seen}");
    host.web.get("//healthz").expect(200);
    host.web.get("//openapi.json").expect(200);
    assert_eq!(host.web.get("//readyz").expect(200).json()["namespaces"], json!([]));
    host.web.post("ingress/none", "application/json", "{}").problem(404, "unknown-function");
}

/// Reads until the stream ends, and answers how long that took.
fn time_until_cut(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<Duration> {
    std::thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
        let began = Instant::now();
        let mut buffer = [0; 4_096];
        while matches!(stream.read(&mut buffer), Ok(read) if read > 0) {}
        began.elapsed()
    })
}

fn connection(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream
}

#[test]
fn what_a_revoked_or_expired_token_holds_open_is_cut_within_a_second_k6() {
    const HELD: Duration = Duration::from_millis(700);
    let (host, admin) = guarded();
    let web = host.web.holding(&admin);
    web.send("PUT", "consumers/mail", &[("content-type", "application/json")], b"{}").expect(201);
    for ends in ["revoked", "expired"] {
        let expires: &[&str] = if ends == "expired" { &["--expires", "2s"] } else { &[] };
        let token = create(&host, &admin, &[&["held", "--allow", "read,append"], expires].concat());
        let get = |path: &str, accept: &str| {
            format!(
                "GET /v1/namespaces/main/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n\r\n"
            )
        };
        let post = |path: &str, rest: &str| {
            format!("POST /v1/namespaces/main/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{rest}")
        };
        let fetch = r#"{"wait":"60s"}"#;
        let requests = [
            get("events", "text/event-stream"),
            // What is told of the token itself is no answer to it.
            get("events?types=order.placed&wait=60s", "application/json"),
            post("events", "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"),
            post(
                "consumers/mail/fetch",
                &format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{fetch}", fetch.len()),
            ),
        ];
        let mut kept = connection(&host);
        kept.write_all(get("events?limit=1", "application/json").as_bytes()).expect("sent");
        let held: Vec<_> = requests
            .iter()
            .map(|request| {
                let mut stream = connection(&host);
                stream.write_all(request.as_bytes()).expect("sent");
                // The long poll's connection stays open after its answer.
                stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
                time_until_cut(until_answered(stream))
            })
            .collect();
        std::thread::park_timeout(HELD);
        assert!(held.iter().all(|held| !held.is_finished()), "all are open while the token is good");
        if ends == "revoked" {
            said(with_token(&host, &admin, &["token", "revoke", id_of(&token)]));
        }
        for (held, request) in held.into_iter().zip(&requests) {
            let took = held.join().expect("no panic");
            assert!(took > HELD / 2 && took < Duration::from_secs(4), "{ends}: {took:?} for {request}");
        }
        let mut answers = BufReader::new(kept.try_clone().expect("the same"));
        assert_eq!(status(&mut answers), 200);
        kept.write_all(get("events?limit=1", "application/json").as_bytes()).expect("sent");
        assert_eq!(status(&mut answers), 401, "{ends}: the next request on the same connection");
        let problem = if ends == "expired" { "token-expired" } else { "unauthenticated" };
        ask(&host.web, &[&format!("Bearer {token}")]).problem(401, problem);
    }
}

/// A stream whose end is that of its first answer, if that says that a token is needed.
fn until_answered(stream: TcpStream) -> impl Read {
    struct Answered(TcpStream, Vec<u8>);
    impl Read for Answered {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.1.windows(13).any(|bytes| bytes == b"HTTP/1.1 401 ") {
                return Ok(0);
            }
            let read = self.0.read(buffer)?;
            self.1.extend_from_slice(&buffer[..read]);
            Ok(read)
        }
    }
    Answered(stream, Vec::new())
}

/// Reads one answer with a length, and tells its status.
fn status(answers: &mut BufReader<TcpStream>) -> u16 {
    let (mut line, mut length) = (String::new(), 0);
    answers.read_line(&mut line).expect("a status");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
    while line.trim() != "" {
        line.clear();
        answers.read_line(&mut line).expect("a header");
        length = line.to_ascii_lowercase().strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().expect("a number"));
    }
    answers.read_exact(&mut vec![0; length]).expect("a body");
    status
}

#[test]
fn the_first_token_ends_what_was_open_to_everybody_and_the_last_one_stays_k6_k7() {
    let host = Host::start();
    let held = time_until_cut(host.web.stream("events", &[("accept", "text/event-stream")]).expect("a stream"));
    let refused = host.retold(&["token", "create", "ci", "--allow", "read"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("operate"), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(said(host.retold(&["token", "list"])), "there are no tokens: whoever reaches the host may do everything");
    let admin = create(&host, "", &["admin", "--allow", EVERYTHING]);
    assert!(held.join().expect("no panic") < Duration::from_secs(5));
    let again = host.retold(&["token", "create", "mine", "--allow", EVERYTHING]);
    assert_eq!(again.status.code(), Some(3), "nobody makes a second one without the first");
    let last = with_token(&host, &admin, &["token", "revoke", id_of(&admin)]);
    assert_eq!(last.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&last.stderr).contains("no-operator") || String::from_utf8_lossy(&last.stderr).contains("operate"));
    host.web.holding(&admin).get("events").expect(200);
}

#[test]
fn a_host_is_let_in_to_by_a_token_that_was_made_before_it_started_k7_h22() {
    let data = std::env::temp_dir().join(format!("retold-tokens-k7-{}", std::process::id()));
    let on_data = |words: &[&str]| Command::new(retold()).args(words).arg("--data").arg(&data).output().expect("retold runs");
    // Beyond this machine nothing listens without one, and nothing is made by asking.
    let refused = on_data(&["serve", "--listen", "0.0.0.0:0"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && told.contains("retold token create") && !data.exists(), "{told}");
    assert_eq!(on_data(&["token", "list"]).status.code(), Some(1));
    let admin = said(on_data(&["token", "create", "admin", "--allow", EVERYTHING]));
    assert!(said(on_data(&["token", "list"])).contains(id_of(&admin)));
    // With one, it is still to be said whether what is sent may be read on its way.
    let refused = on_data(&["serve", "--listen", "0.0.0.0:0"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && told.contains("--tls-certificate") && told.contains("--plaintext"), "{told}");
    let mut process = Command::new(retold())
        .args(["serve", "--listen", "0.0.0.0:0", "--plaintext", "--log", "warn", "--data"])
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("retold starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let port = line.trim().rsplit(':').next().expect("a port").to_owned();
    let web = Web::new(&format!("http://127.0.0.1:{port}"));
    web.get("events").problem(401, "unauthenticated");
    web.holding(&admin).get("events").expect(200);
    let in_use = on_data(&["token", "create", "other", "--allow", "read"]);
    assert!(!in_use.status.success() && String::from_utf8_lossy(&in_use.stderr).contains("in use"));
    process.kill().expect("it is ours");
    process.wait().expect("it ends");
    let _ = std::fs::remove_dir_all(data);
}

#[test]
fn a_token_for_one_namespace_reaches_its_earlier_generations_and_no_id_of_another_k8() {
    let (host, admin) = guarded();
    for name in ["shop", "vault"] {
        said(with_token(&host, &admin, &["namespaces", "create", name]));
    }
    let vault = host.web.namespace("vault").holding(&admin);
    vault.append(&order("1", 7)).expect(201);
    vault.append(&order("2", 7)).expect(201);
    // Of its own the shop has one event, which tells of this token.
    let reader = create(&host, &admin, &["reader", "--namespace", "shop", "--allow", "read,query,operate"]);
    let web = host.web.namespace("shop").holding(&reader);
    web.get("events/2").problem(404, "unknown-event");
    for path in ["events/2", "events/2/causes", "events?after=0", "consumers", "outbox"] {
        let (there, nowhere) = (web.namespace("vault").get(path), web.namespace("nowhere").get(path));
        there.problem(403, "forbidden");
        assert_eq!(there.text().replace("vault", "nowhere"), nowhere.text());
    }
    web.namespace("shop@1").get("events").problem(404, "unknown-namespace");
    web.namespace("vault@1").get("events").problem(403, "forbidden");
    web.get("diff/vault").problem(403, "forbidden");
    web.post("//v1/namespaces", "application/json", r#"{"name":"shop","fork":{"base":"vault"}}"#).problem(403, "forbidden");
}

#[test]
fn a_token_is_needed_under_whatever_name_a_page_reaches_the_host_h15() {
    let (host, admin) = guarded();
    let bearer = format!("Bearer {admin}");
    let send = |headers: &[(&str, &str)]| host.web.send("GET", "events", headers, b"");
    send(&[("host", "localhost")]).problem(401, "unauthenticated");
    send(&[("host", "evil.example")]).problem(403, "foreign-host");
    send(&[("host", "evil.example"), ("authorization", &bearer)]).problem(403, "foreign-host");
    send(&[("origin", "http://evil.example"), ("authorization", &bearer)]).problem(403, "foreign-origin");
}

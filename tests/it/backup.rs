//! Backups of a namespace in use, and what is made of them: the same log, or nothing.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::appending::event;
use crate::support::{Host, Web, guest, retold};

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("retold-backup-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("a path")
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.0).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[track_caller]
fn back_up(host: &Host, folder: &Folder) -> Value {
    told(&host.retold(&["--json", "backup", "main", "--to", folder.text()]))
}

#[track_caller]
fn restore(host: &Host, name: &str, folder: &Folder, more: &[&str]) -> Value {
    told(&host.retold(&[&["--json", "restore", name, "--from", folder.text()], more].concat()))
}

/// What a restore that comes to nothing says.
#[track_caller]
fn refused(host: &Host, name: &str, folder: &Folder, more: &[&str]) -> String {
    let output = host.retold(&[&["restore", name, "--from", folder.text()], more].concat());
    assert!(!output.status.success(), "it was restored: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines of a log as they are.
fn lines(web: &Web) -> Vec<Vec<u8>> {
    let body = web.send("GET", "events", &[("accept", "application/x-ndjson")], b"").expect(200).body;
    body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// What `retold verify` finds of a stopped host's namespace.
fn verified(data: &Path, name: &str) -> Value {
    let output = Command::new(retold()).args(["--json", "verify", "--data"]).arg(data).output().expect("retold runs");
    let logs = told(&output)["logs"].as_array().expect("logs").clone();
    logs.into_iter().find(|log| log["namespace"] == name).expect("the namespace")
}

fn names(host: &Host) -> Vec<String> {
    let all = host.web.get("//v1/namespaces").expect(200).json();
    let name = |namespace: &Value| namespace["name"].as_str().expect("a name").to_owned();
    all["namespaces"].as_array().expect("a list").iter().map(name).collect()
}

/// A handler with state, a view and an aggregate.
fn host() -> Host {
    let host = Host::start();
    for module in ["faulty", "faulty-kinds", "shop"] {
        host.web.deploy(module, &guest(module)).expect(201);
    }
    host
}

fn of(r#type: &str, id: &str, subject: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/load", "type": r#type, "subject": subject, "data": { "do": "ok" }})
}

/// Appends what the handler and the view read, until it is told to stop.
fn load(url: &str, stop: &AtomicBool) {
    let web = Web::new(url);
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let subject = format!("s/{}", number % 7);
        let batch = [of("test.count", &format!("c{number}"), &subject), of("test.show", &format!("v{number}"), &subject)];
        web.post("events", "application/cloudevents-batch+json", json!(batch).to_string()).expect(201);
    }
}

#[track_caller]
fn rows(web: &Web) -> Vec<(String, Value)> {
    let head = web.get("//v1/namespaces/main").expect(200).json()["head"].as_str().expect("a head").to_owned();
    web.rows("faulty-rows", &format!("min-position={head}&timeout=100s"))
}

#[test]
fn a_namespace_backed_up_while_it_is_written_is_the_same_again_on_another_host() {
    let (mut host, folder) = (host(), Folder::new("load"));
    host.web.command("stock.receive", "stock/apple", "1", &json!({ "quantity": 5 })).expect(200);
    let stop = AtomicBool::new(false);
    let first = std::thread::scope(|scope| {
        scope.spawn(|| load(&host.url, &stop));
        host.wait_until("some events come", || lines(&host.web).len() > 40);
        let first = back_up(&host, &folder);
        let again = lines(&host.web).len();
        host.wait_until("more events come", || lines(&host.web).len() > again + 40);
        stop.store(true, Ordering::Release);
        first
    });
    host.wait_until_level("counter");
    let second = back_up(&host, &folder);
    let number = |told: &Value| told["at"].as_str().expect("a position").parse::<usize>().expect("a number");
    assert!(number(&first) > 40 && number(&second) > number(&first) + 40, "{first} {second}");
    assert_eq!((&second["modules"], second["events"].as_u64()), (&json!(0), Some((number(&second) - number(&first)) as u64)));
    assert_eq!(back_up(&host, &folder)["file"], Value::Null, "nothing came since");
    // Two stretches and three modules, and nothing else.
    assert_eq!(folder.files().len(), 5, "{:?}", folder.files());

    let mut other = Host::start();
    let restored = restore(&other, "main", &folder, &[]);
    assert_eq!((&restored["of"], &restored["at"]), (&json!("main"), &second["at"]));
    other.wait_until_level("counter");
    assert_eq!(lines(&other.web), lines(&host.web));
    assert_eq!(rows(&other.web), rows(&host.web));
    let stock = |web: &Web| web.get("aggregates/stock/stock/apple").expect(200).json();
    assert_eq!(stock(&other.web), stock(&host.web));
    // Functions go on where they were, on the state that they had.
    for web in [&host.web, &other.web] {
        let event = of("test.count", "after", "s/1").to_string();
        web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event).expect(201);
    }
    let counted = |web: &Web| web.events("types=test.counted").pop().expect("it counted")["data"]["n"].clone();
    assert_eq!(counted(&other.web), counted(&host.web));
    restore(&other, "copy", &folder, &[]);
    // Functions go on there at once; up to the backup's end the chain is the same.
    let chain = |chain: &str| other.web.namespace("copy").get(&format!("backup?after-commit={}&chain={chain}", second["commit"]));
    chain(second["chain"].as_str().expect("a chain")).expect(200);
    chain(&"0".repeat(64)).problem(422, "backup-refused");
    host.terminate();
    other.terminate();
    assert_eq!((&verified(other.data(), "copy")["whole"], &verified(other.data(), "main")["whole"]), (&json!(true), &json!(true)));
    // The empty log that was there before left nothing.
    assert_eq!(std::fs::read_dir(other.data().join("namespaces")).expect("a folder").count(), 2);
}

#[test]
fn a_restore_of_an_earlier_position_or_time_is_what_a_fork_there_is() {
    let (host, folder) = (host(), Folder::new("earlier"));
    for number in 0..20 {
        let event = of("test.count", &format!("c{number}"), &format!("s/{}", number % 3)).to_string();
        host.web.post("events?wait=handled&timeout=100s", "application/cloudevents+json", event).expect(201);
    }
    back_up(&host, &folder);
    let all = lines(&host.web);
    for at in [0, 3, 10, 17, 18, all.len()] {
        let (restored, forked) = (format!("restored-{at}"), format!("forked-{at}"));
        let told = restore(&host, &restored, &folder, &["--at", &at.to_string()]);
        assert!(host.retold(&["fork", "main", "--as", &forked, "--at", &at.to_string()]).status.success());
        let (restored, forked) = (host.web.namespace(&restored), host.web.namespace(&forked));
        assert_eq!(told["at"], at.to_string());
        // What isn't handled there is handled anew, in both.
        assert_eq!(lines(&restored)[..at], all[..at]);
        if at >= 4 {
            let level = |web: &Web| Host::wait_in(web, "counter", |now| now["lag"] == 0 && now["rebuilding"] != true)["cursor"].clone();
            assert_eq!(level(&restored), level(&forked));
            let bare = |web: &Web| web.events("").into_iter().map(|event| (event["id"].clone(), event["data"].clone())).collect::<Vec<_>>();
            assert_eq!(bare(&restored), bare(&forked));
        }
    }
    let time = serde_json::from_slice::<Value>(&all[10]).expect("JSON")["recordedtime"].as_str().expect("a time").to_owned();
    let told = restore(&host, "then", &folder, &["--until", &time]);
    let at: usize = told["at"].as_str().expect("a position").parse().expect("a number");
    assert!(at > 10 && at < all.len(), "{told}");
    assert!(refused(&host, "beyond", &folder, &["--at", "100000"]).contains(&format!("ends at {}", all.len())));
    assert!(!names(&host).contains(&"beyond".to_owned()));
}

#[test]
fn a_backup_that_was_changed_cut_or_is_of_another_history_is_refused_by_the_name_of_its_file_c15() {
    let (host, folder) = (Host::start(), Folder::new("changed"));
    host.web.deploy("faulty", &guest("faulty")).expect(201);
    for round in 0..3 {
        for number in 0..3 {
            host.web.append(&event(&format!("{round}-{number}"))).expect(201);
        }
        back_up(&host, &folder);
    }
    let files = folder.files();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in &files {
        let whole = std::fs::read(file).expect("read");
        let name = file.file_name().expect("a name").to_str().expect("text");
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        for damaged in [changed, whole[..whole.len() - 1].to_vec(), Vec::new()] {
            std::fs::write(file, damaged).expect("written");
            let said = refused(&host, "copy", &folder, &[]);
            assert!(said.contains(name), "{name}: {said}");
        }
        std::fs::remove_file(file).expect("removed");
        // The last stretch isn't missed: a backup may end there.
        if *file != files[2] {
            let said = refused(&host, "copy", &folder, &[]);
            assert!(said.contains("missing") || said.contains(name), "{name}: {said}");
        }
        std::fs::write(file, whole).expect("written");
    }
    assert_eq!(names(&host), ["main"]);
    // A host that checks for itself.
    let body = std::fs::read(&files[0]).expect("read");
    let problem = host.web.post("//v1/namespaces/copy/restore", "application/octet-stream", &body[..body.len() - 1]);
    problem.problem(422, "backup-refused");
    let other = Host::start();
    other.web.append(&event("other")).expect(201);
    let output = other.retold(&["backup", "main", "--to", folder.text()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another history"), "{said}");
    assert_eq!(folder.files(), files, "nothing is left of it");
    restore(&host, "copy", &folder, &[]);
    assert_eq!(lines(&host.web.namespace("copy")), lines(&host.web));
}

#[test]
fn a_restore_takes_no_place_but_that_of_a_namespace_without_anything() {
    let (host, folder) = (Host::start(), Folder::new("place"));
    host.web.append(&event("1")).expect(201);
    back_up(&host, &folder);
    assert!(refused(&host, "main", &folder, &[]).contains("isn't empty"));
    host.web.post("//v1/namespaces", "application/json", json!({ "name": "waits" }).to_string()).expect(201);
    host.web.namespace("waits").send("PUT", "consumers/reader", &[("content-type", "application/json")], b"{}").expect(201);
    assert!(refused(&host, "waits", &folder, &[]).contains("isn't empty"));
    assert!(refused(&host, "No Name", &folder, &[]).contains("name"));
    host.web.post("//v1/namespaces", "application/json", json!({ "name": "free" }).to_string()).expect(201);
    restore(&host, "free", &folder, &[]);
    assert!(refused(&host, "free", &folder, &[]).contains("isn't empty"));
    assert_eq!(lines(&host.web.namespace("free")), lines(&host.web));
    host.web.namespace("free").append(&event("2")).expect(201);
    assert_eq!(lines(&host.web).len(), 1);
}

/// Begins to send a backup, and waits until the host has begun with it.
fn half_a_restore(host: &Host, backup: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(host.url.trim_start_matches("http://")).expect("connected");
    let address = host.url.trim_start_matches("http://");
    let head = format!("POST /v1/namespaces/copy/restore HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", backup.len());
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&backup[..backup.len() / 2]).expect("sent");
    host.wait_until("the restore begins", || folders(host).len() == 2);
    stream
}

fn folders(host: &Host) -> Vec<PathBuf> {
    std::fs::read_dir(host.data().join("namespaces")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn of_a_restore_or_a_backup_that_is_killed_there_is_nothing_or_all_c15() {
    let (mut host, folder) = (Host::start(), Folder::new("killed"));
    for number in 0..200 {
        host.web.append(&event(&number.to_string())).expect(201);
    }
    // A backup is killed at any time, and goes on the next time.
    for delay_ms in [0, 2, 4, 6, 8, 12, 16, 24] {
        let mut backup = Command::new(retold());
        backup.args(["backup", "main", "--to", folder.text()]).env("RETOLD_URL", &host.url);
        let mut backup = backup.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("retold runs");
        std::thread::park_timeout(Duration::from_millis(delay_ms));
        if delay_ms == 6 {
            host.kill();
            host.restart();
        }
        let _ = backup.kill();
        backup.wait().expect("it ends");
        host.web.append(&event(&format!("after {delay_ms}"))).expect(201);
    }
    back_up(&host, &folder);
    let backup: Vec<u8> = folder.files().iter().flat_map(|file| std::fs::read(file).expect("read")).collect();
    let half = half_a_restore(&host, &backup);
    assert_eq!(names(&host), ["main"]);
    drop(half);
    host.wait_until("what was made goes", || folders(&host).len() == 1);
    let half = half_a_restore(&host, &backup);
    host.kill();
    drop(half);
    assert_eq!(folders(&host).len(), 2);
    host.restart();
    assert_eq!((names(&host), folders(&host).len()), (vec!["main".to_owned()], 1));
    restore(&host, "copy", &folder, &[]);
    // What is answered is there after a kill.
    host.kill();
    host.restart();
    assert_eq!(lines(&host.web.namespace("copy")), lines(&host.web));
    assert_eq!(lines(&host.web).len(), 208);
}

/// Nobody should: no snapshot is copied, each file is of its own moment. The host that finds them says so, or has what was there.
#[test]
fn files_that_were_copied_by_hand_while_written_are_a_history_that_was_or_are_refused_in_words_c15() {
    let (host, folder) = (Host::start(), Folder::new("by-hand"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..).take_while(|_| !stop.load(Ordering::Acquire)) {
                host.web.append(&event(&number.to_string())).expect(201);
            }
        });
        for round in 0..6 {
            let before = lines(&host.web).len();
            host.wait_until("more is written", || lines(&host.web).len() > before + 50);
            let copy = folder.0.join(round.to_string());
            std::fs::create_dir_all(&copy).expect("made");
            let copied = Command::new("cp").arg("-r").arg(host.data()).arg(&copy).status().expect("cp runs");
            assert!(copied.success());
            check_copied_by_hand(&copy.join(host.data().file_name().expect("a name")));
        }
        stop.store(true, Ordering::Release);
    });
}

fn check_copied_by_hand(data: &Path) {
    let mut serve = Command::new(retold());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("retold starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line or the end");
    if let Some(address) = line.split_whitespace().last() {
        let ids: Vec<String> = Web::new(address).events("").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
        assert!(ids.iter().enumerate().all(|(number, id)| *id == number.to_string()), "{ids:?}");
        process.kill().expect("it is ours");
    }
    let output = process.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    assert!(!line.is_empty() || output.status.code() == Some(1) && !said.is_empty(), "{}: {said}", output.status);
}

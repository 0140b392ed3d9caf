//! The files under the host: full, newer, tampered with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::json;

use crate::appending::event;
use crate::consumers::until;
use crate::support::{Host, SmallDisk, Web, guest, retold};

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const LOG: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("log");

/// A host that is expected not to start.
#[track_caller]
fn refused(data: &Path) -> String {
    let Output { status, stderr, .. } =
        Command::new(retold()).args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().expect("retold runs");
    assert!(!status.success());
    String::from_utf8_lossy(&stderr).into_owned()
}

/// A stopped host's data with three events, and its head opened behind its back.
fn stopped() -> (Host, Database) {
    let mut host = Host::start();
    for id in ["1", "2", "3"] {
        host.web.append(&event(id)).expect(201);
    }
    host.terminate();
    let head = Database::open(host.data().join("namespaces/main/head.redb")).expect("redb opens it");
    (host, head)
}

#[test]
fn a_file_of_a_newer_format_is_refused_by_name() {
    let (host, head) = stopped();
    let write = head.begin_write().expect("begun");
    write.open_table(META).expect("there").insert("format", 99_u32.to_le_bytes().as_slice()).expect("written");
    write.commit().expect("committed");
    drop(head);
    let said = refused(host.data());
    assert!(said.contains("head.redb") && said.contains("99") && said.contains("newer"), "{said}");
}

#[test]
fn a_changed_byte_in_the_log_stops_the_start_and_says_where() {
    let (host, head) = stopped();
    let write = head.begin_write().expect("begun");
    {
        let mut log = write.open_table(LOG).expect("there");
        let key = (2, 2);
        let mut bytes = log.get(key).expect("read").expect("the second commit").value().to_vec();
        let at = bytes.windows(5).position(|window| window == b"thing").expect("the event's type");
        bytes[at] = b'T';
        log.insert(key, bytes.as_slice()).expect("written");
    }
    write.commit().expect("committed");
    drop(head);
    let said = refused(host.data());
    assert!(said.contains("position 2") && said.contains("chain"), "{said}");
}

#[test]
fn the_data_is_for_its_owner_only_k9() {
    use std::os::unix::fs::PermissionsExt;
    fn check(path: &Path) -> usize {
        let facts = std::fs::metadata(path).expect("it is there");
        if facts.is_dir() {
            return std::fs::read_dir(path).expect("a folder").map(|entry| check(&entry.expect("an entry").path())).sum();
        }
        let mode = facts.permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", path.display());
        1
    }
    let mut host = Host::start();
    host.web.append(&event("1")).expect(201);
    let mode = std::fs::metadata(host.data()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else sees what is in it");
    assert!(check(host.data()) >= 3, "the catalogue, the log and the secret");
    host.terminate();
    check(host.data());
}

/// 500 events of 2 kB for each number.
fn fill(host: &Host, batches: std::ops::Range<u32>) {
    for batch in batches {
        let lines: Vec<String> = (0..500)
            .map(|index| {
                let (id, data) = (format!("{batch}-{index}"), "x".repeat(2_000));
                json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "thing.made", "data": data }).to_string()
            })
            .collect();
        host.web.post("events", "application/x-ndjson", lines.join("\n")).expect(201);
    }
}

fn sealed_segments(host: &Host) -> u64 {
    metric(host, "retold_segments")
}

#[track_caller]
fn metric(host: &Host, name: &str) -> u64 {
    let metrics = host.web.get("//metrics").expect(200).text();
    let of = |line: &str| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?.1.parse().ok();
    metrics.lines().find_map(of).unwrap_or_else(|| panic!("no {name}: {metrics}"))
}

#[test]
fn a_reader_that_stays_holds_no_old_pages_of_the_database_c17() {
    let head_after = |reads: bool| {
        let host = Host::start();
        host.web.deploy("faulty", &guest("faulty")).expect(201);
        let mut reader = TcpStream::connect(host.url.trim_start_matches("http://")).expect("connected");
        if reads {
            let asked = "GET /v1/namespaces/main/events?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
            reader.write_all(asked.as_bytes()).expect("sent");
            reader.read_exact(&mut [0; 12]).expect("it begins");
        }
        for number in 0..600 {
            let event = json!({ "specversion": "1.0", "id": number.to_string(), "source": "/test", "type": "test.count", "subject": format!("s/{}", number % 50), "data": {} });
            host.web.append(&event).expect(201);
        }
        host.wait_until_level("counter");
        until("no snapshot is old", || metric(&host, "retold_oldest_snapshot_commits") == 0);
        std::fs::metadata(host.data().join("namespaces/main/head.redb")).expect("a file").len()
    };
    let (without, with) = (head_after(false), head_after(true));
    assert!(with <= without + (4 << 20), "{without} bytes, and {with} with a reader");
}

/// A copy of this that is told apart from it only where nobody looks but `retold verify`.
#[test]
fn a_byte_that_changed_in_sealed_history_is_found_by_verify_c8() {
    let mut host = Host::start();
    // Enough to be sealed in several segments.
    fill(&host, 0..60);
    let folder = host.data().join("namespaces/main");
    let segments = || {
        let names = std::fs::read_dir(&folder).expect("a folder");
        let paths = names.map(|entry| entry.expect("an entry").path());
        // One that is being written has another ending.
        paths
            .filter(|path| path.to_string_lossy().contains("segment") && path.extension().is_some_and(|end| end == "redb"))
            .collect::<Vec<_>>()
    };
    until("history is sealed", || sealed_segments(&host) > 0);
    // Until then they are still merged into larger ones.
    host.terminate();
    let verify = || {
        let output = Command::new(retold()).args(["--json", "verify", "--data"]).arg(host.data()).output().expect("retold runs");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.success(), found["logs"][0].clone())
    };
    let (whole, found) = verify();
    assert!(whole && found["events"] == 30_000 && found["whole"] == true, "{found}");
    for segment in segments() {
        let mut bytes = std::fs::read(&segment).expect("read");
        // Blocks are compressed: what they repeat stands there once in plain words, and in pages that are free.
        let found: Vec<usize> = (0..bytes.len() - 5).filter(|at| bytes[*at..].starts_with(b"thing")).collect();
        assert!(!found.is_empty(), "an event's type");
        found.into_iter().for_each(|at| bytes[at] = b'T');
        std::fs::write(&segment, bytes).expect("written");
    }
    let (whole, found) = verify();
    assert!(!whole && found["whole"] == false && found["damage"].as_str().is_some_and(|damage| damage.contains("damaged")), "{found}");
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copied");
        }
    }
}

/// The database panics at many pages that contradict others. Whatever it does, the host ends, and says of what.
#[test]
fn a_page_of_zeros_ends_the_start_or_the_host_and_names_what_it_is_of_c18_k11() {
    const PAGE: usize = 4_096;
    let (host, head) = stopped();
    drop(head);
    let whole = std::fs::read(host.data().join("namespaces/main/head.redb")).expect("read");
    let data = host.data().with_extension("damaged");
    let mut ended = 0;
    // The first page is redb's own head of the file.
    for page in (1..whole.len() / PAGE).filter(|page| whole[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0)) {
        drop(std::fs::remove_dir_all(&data));
        copy(host.data(), &data);
        let mut damaged = whole.clone();
        damaged[page * PAGE..][..PAGE].fill(0);
        std::fs::write(data.join("namespaces/main/head.redb"), damaged).expect("written");
        let mut serve = Command::new(retold());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = serve.spawn().expect("retold runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let said = match line.trim().rsplit_once("http://") {
            None => "head.redb",
            Some((_, address)) if Web::new(&format!("http://{address}")).append(&event("new")).status == 201 => {
                process.kill().expect("it is ours");
                process.wait().expect("it ends");
                continue;
            }
            Some(_) => "namespace main",
        };
        until("the host ends", || process.try_wait().expect("a state").is_some());
        let output = process.wait_with_output().expect("it ended");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "page {page}: {stderr}");
        ended += 1;
    }
    drop(std::fs::remove_dir_all(&data));
    assert!(ended > 3, "{ended} pages were of use: nothing was shown");
}

#[test]
fn a_full_disk_is_said_so_and_nothing_acknowledged_is_lost() {
    let Some(disk) = SmallDisk::of_mib(24, "full") else { return };
    let mut acknowledged = 0_usize;
    // Nothing is kept free: it is the disk itself that refuses.
    let mut host = Host::start_on_saying(&disk.path().join("data"), &["--reserve-space", "0"]);
    loop {
        let batch: Vec<_> = (0..50)
            .map(|n| {
                let mut event = event(&format!("{acknowledged}-{n}"));
                event["data"] = json!("x".repeat(4_000));
                event
            })
            .collect();
        let answer = host.web.try_send(
            "POST",
            "events",
            &[("content-type", "application/cloudevents-batch+json")],
            json!(batch).to_string().as_bytes(),
        );
        match answer {
            Ok(answer) if answer.status == 201 => acknowledged += 50,
            Ok(answer) => {
                answer.problem(507, "storage-full");
                break;
            }
            Err(error) => panic!("the host went away without a word: {error}"),
        }
        assert!(acknowledged < 100_000, "24 MiB never fill");
    }
    host.kill();
    host.restart();
    assert_eq!(host.web.events("").len(), acknowledged);
}

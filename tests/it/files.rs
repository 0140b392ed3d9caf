//! The files under the host: full, newer, tampered with.

use std::path::Path;
use std::process::{Command, Output};

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::json;

use crate::appending::event;
use crate::support::{Host, retold};

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

#[test]
fn a_full_disk_is_said_so_and_nothing_acknowledged_is_lost() {
    let mount = std::env::temp_dir().join(format!("retold-full-{}", std::process::id()));
    std::fs::create_dir_all(&mount).expect("made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&mount).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a small file system can't be mounted here (that needs root)");
        let _ = std::fs::remove_dir(&mount);
        return;
    }
    let mut acknowledged = 0_usize;
    let mut host = Host::start_on(&mount.join("data"));
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
    host.kill();
    drop(host);
    let unmounted = Command::new("umount").arg(&mount).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    let _ = std::fs::remove_dir_all(&mount);
}

//! Onboarding end to end: a process manager, an aggregate, and a service that is slow, fails, forgets to
//! answer, answers twice, and is killed, as is the host.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, Web, guest, of_type, repository, reworded};

/// The service, in a process of its own.
struct Checks {
    process: Child,
    port: u16,
    journal: PathBuf,
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = repository().join("guest-examples");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--package", "onboarding-checks", "--target-dir", "target"]).current_dir(&folder);
        assert!(cargo.status().expect("cargo runs").success(), "the service doesn't build");
        folder.join("target/debug/onboarding-checks")
    })
}

fn spawn(port: u16, journal: &Path) -> Child {
    let mut process = Command::new(program())
        .args(["--listen", &format!("127.0.0.1:{port}"), "--journal", journal.to_str().expect("a path")])
        .args(["--slow-ms", "50", "--fail", "15", "--lose", "15", "--twice", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the service starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says where it listens");
    assert!(line.contains("listening"), "{line}");
    process
}

impl Checks {
    /// On a port of five digits, as the module's own is.
    fn start(name: &str) -> Checks {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let port = std::iter::repeat_with(free).find(|port| *port >= 10_000).expect("a port");
        let journal = std::env::temp_dir().join(format!("retold-checks-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&journal);
        Checks { process: spawn(port, &journal), port, journal }
    }

    fn kill(&mut self) {
        self.process.kill().expect("the process is ours");
        self.process.wait().expect("the process ends");
    }

    fn restart(&mut self) {
        self.process = spawn(self.port, &self.journal);
    }

    fn effects(&self) -> Vec<Value> {
        let told = Web::new(&format!("http://127.0.0.1:{}", self.port)).get("//effects").expect(200).json();
        assert_eq!(told["conflicts"], 0, "{told}");
        told["effects"].as_array().expect("a list").clone()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.journal);
    }
}

fn register(host: &Host, number: usize) {
    let (name, city) = match number % 5 {
        3 => ("Poor Bob", "London"),
        4 => ("Ada", "Nowhere"),
        _ => ("Ada", "London"),
    };
    let event = json!({
        "specversion": "1.0", "id": format!("r{number}"), "source": "/desk", "type": "customer.registered",
        "subject": format!("customer/{number}"),
        "data": { "name": name, "street": "1 Lane", "city": city, "account": 1_000 + 10 * number },
    });
    host.web.append(&event).expect(201);
}

#[test]
fn each_customer_has_one_outcome_and_each_check_is_made_once_though_all_are_killed() {
    const CUSTOMERS: usize = 40;
    let mut checks = Checks::start("killed");
    let host_of = format!("127.0.0.1:{}", checks.port);
    let mut host = Host::start_saying(&["--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1"]);
    host.web.deploy("onboarding", &reworded(&guest("onboarding"), &[("127.0.0.1:17171", &host_of)])).expect(201);
    for number in 0..CUSTOMERS {
        register(&host, number);
        match number % 10 {
            4 => host.kill(),
            7 => checks.kill(),
            8 => checks.restart(),
            _ => {}
        }
        if number % 10 == 4 {
            std::thread::park_timeout(Duration::from_millis(50));
            host.restart();
        }
    }
    let outcomes = |host: &Host| of_type(&host.web, "customer.*").into_iter().filter(|event| event["type"] != "customer.registered");
    host.wait_until("every customer has an outcome", || outcomes(&host).count() >= CUSTOMERS);
    host.wait_until("every request has its answer", || host.web.get("outbox").expect(200).json()["waiting"] == 0);
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for outcome in outcomes(&host) {
        told.entry(outcome["subject"].as_str().expect("a subject").to_owned()).or_default().push(outcome);
    }
    assert_eq!(told.len(), CUSTOMERS);
    for number in 0..CUSTOMERS {
        let outcome = &told[&format!("customer/{number}")];
        assert_eq!(outcome.len(), 1, "{outcome:?}");
        let expected = if number % 5 < 3 { "customer.created" } else { "customer.refused" };
        assert_eq!(outcome[0]["type"], expected, "{outcome:?}");
    }
    // Two checks a customer, each with one key, one effect and one answer.
    let made = of_type(&host.web, "retold.request.made");
    let answered = of_type(&host.web, "retold.request.replied").len() + of_type(&host.web, "retold.request.failed").len();
    assert_eq!((made.len(), answered), (2 * CUSTOMERS, 2 * CUSTOMERS));
    let effects = checks.effects();
    assert!(effects.iter().all(|effect| effect["times"] == 1), "{effects:?}");
    let mut keys: Vec<&Value> = effects.iter().map(|effect| &effect["key"]).collect();
    let mut ids: Vec<&Value> = made.iter().map(|made| &made["id"]).collect();
    keys.sort_by_key(|key| key.to_string());
    ids.sort_by_key(|id| id.to_string());
    assert_eq!(keys, ids);
    // A retelling comes to the same, and nobody is asked for it, nor once it takes over.
    checks.kill();
    host.web.retell("again", json!({})).expect(202);
    host.web.wait_until_retold("again");
    let again = host.web.namespace("again");
    let ends = |web: &Web| -> BTreeMap<String, (Value, Value)> {
        let all = of_type(web, "customer.*").into_iter().filter(|event| event["type"] != "customer.registered");
        all.map(|event| (event["subject"].to_string(), (event["id"].clone(), event["data"].clone()))).collect()
    };
    assert_eq!(ends(&again), ends(&host.web));
    again.promote().expect(200);
    let outbox = host.web.get("outbox").expect(200).json();
    assert_eq!((&outbox["waiting"], &outbox["held"], &outbox["leave"]), (&json!(0), &json!(0), &json!(true)), "{outbox}");
}

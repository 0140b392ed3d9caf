//! Onboarding end to end: a process manager, an aggregate, and a service that is slow, fails, forgets to
//! answer, answers twice, and is killed, as is the host.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

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
        let mut cargo = retold_tests::cargo();
        cargo.args(["build", "--quiet", "--locked", "--package", "onboarding-checks", "--target-dir", "target"]).current_dir(&folder);
        assert!(cargo.status().expect("cargo runs").success(), "the service doesn't build");
        folder.join("target/debug/onboarding-checks")
    })
}

/// As services are.
const BAD: [&str; 8] = ["--slow-ms", "50", "--fail", "15", "--lose", "15", "--twice", "20"];

fn spawn(port: u16, journal: &Path, badness: &[&str]) -> Child {
    let mut process = Command::new(program())
        .args(["--listen", &format!("127.0.0.1:{port}"), "--journal", journal.to_str().expect("a path")])
        .args(badness)
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
        Checks { process: spawn(port, &journal, &BAD), port, journal }
    }

    fn kill(&mut self) {
        self.process.kill().expect("the process is ours");
        self.process.wait().expect("the process ends");
    }

    fn restart(&mut self, badness: &[&str]) {
        self.process = spawn(self.port, &self.journal, badness);
    }

    /// What it has done, and how often it was asked since it started.
    fn told(&self) -> (Vec<Value>, u64) {
        let told = Web::new(&format!("http://127.0.0.1:{}", self.port)).get("//effects").expect(200).json();
        assert_eq!(told["conflicts"], 0, "{told}");
        (told["effects"].as_array().expect("a list").clone(), told["asked"].as_u64().expect("a number"))
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.journal);
    }
}

/// Numbers that nobody foresees, below a limit.
struct Chance(RandomState, u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.1 += 1;
        self.0.hash_one(self.1) % limit
    }
}

fn registered(number: usize) -> Value {
    let (name, city) = match number % 5 {
        3 => ("Poor Bob", "London"),
        4 => ("Ada", "Nowhere"),
        _ => ("Ada", "London"),
    };
    json!({
        "specversion": "1.0", "id": format!("r{number}"), "source": "/desk", "type": "customer.registered",
        "subject": format!("customer/{number}"),
        "data": { "name": name, "street": "1 Lane", "city": city, "account": 1_000 + 10 * number },
    })
}

fn register(host: &Host, numbers: Range<usize>) {
    let events: Vec<Value> = numbers.map(registered).collect();
    host.web.post("events", "application/cloudevents-batch+json", json!(events).to_string()).expect(201);
}

/// Waits until the log has so many entries.
fn wait_for_head(host: &Host, head: u64) {
    host.wait_until("the log grows", || head_of(&host.web) >= head);
}

fn head_of(web: &Web) -> u64 {
    web.get("//v1/namespaces/main").expect(200).json()["head"].as_str().and_then(|head| head.parse().ok()).expect("a position")
}

/// How many of these types there are.
fn count(web: &Web, types: &[&str]) -> u64 {
    let all = web.get("types").expect(200).json();
    let of = |found: &&Value| types.iter().any(|wanted| found["type"] == *wanted);
    all["types"].as_array().expect("a list").iter().filter(of).filter_map(|found| found["count"].as_u64()).sum()
}

/// Has all that waits in the outbox sent now.
fn hurry(web: &Web) {
    let waiting = web.get("outbox?limit=1000").expect(200).json();
    for request in waiting["requests"].as_array().expect("a list") {
        // One may have its answer by now.
        let _ = web.post(&format!("outbox/{}/retry", request["position"].as_str().expect("a position")), "application/json", "");
    }
}

const OUTCOMES: [&str; 2] = ["customer.created", "customer.refused"];

/// Type, id and data, and the id of what it follows from.
type Outcome = (String, String, Value, String);

/// Each customer's outcome.
fn outcomes(web: &Web) -> BTreeMap<String, Outcome> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut told = BTreeMap::new();
    for event in of_type(web, &OUTCOMES.join(",")) {
        let outcome = (text(&event["type"]), text(&event["id"]), event["data"].clone(), text(&event["causationid"]));
        let before = told.insert(text(&event["subject"]), outcome);
        assert_eq!(before, None, "{event}");
    }
    told
}

fn ids(events: &[Value], name: &str) -> BTreeSet<String> {
    let ids: BTreeSet<String> = events.iter().filter_map(|event| Some(event[name].as_str()?.to_owned())).collect();
    assert_eq!(ids.len(), events.len());
    ids
}

fn succeeds(host: &Host, words: &[&str]) {
    let output = host.retold(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_of_500_customers_has_one_outcome_and_each_check_is_made_once_though_all_are_killed_and_in_a_retelling() {
    const CUSTOMERS: usize = 500;
    const BATCH: usize = 25;
    let mut chance = Chance(RandomState::new(), 0);
    let mut checks = Checks::start("killed");
    let mut host = Host::start_saying(&["--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1"]);
    let module = reworded(&guest("onboarding"), &[("127.0.0.1:17171", &format!("127.0.0.1:{}", checks.port))]);
    host.web.deploy("onboarding", &module).expect(201);
    for first in (0..CUSTOMERS).step_by(BATCH) {
        // Without any answer of the service, a customer is six entries: the registration, two requests, a timer,
        // a command, and what it comes to.
        let head = head_of(&host.web) + BATCH as u64;
        register(&host, first..first + BATCH);
        let (kill, restart) = (chance.below(50), 50 + chance.below(50));
        let victims = chance.below(3);
        wait_for_head(&host, head + kill);
        if victims != 0 {
            checks.kill();
        }
        if victims != 1 {
            host.kill();
            host.restart();
        }
        if victims != 0 {
            wait_for_head(&host, head + restart);
            checks.restart(&BAD);
        }
    }
    // Who was unlucky often waits for minutes by now: the service is well again, and an operator hurries.
    checks.kill();
    checks.restart(&[]);
    hurry(&host.web);
    host.wait_until("every customer has an outcome", || count(&host.web, &OUTCOMES) >= CUSTOMERS as u64);
    host.wait_until("every request has its answer", || host.web.get("outbox").expect(200).json()["waiting"] == 0);
    for function in ["onboarding", "account"] {
        host.wait_until_level(function);
    }
    let live = outcomes(&host.web);
    assert_eq!(live.len(), CUSTOMERS);
    for number in 0..CUSTOMERS {
        let expected = OUTCOMES[usize::from(number % 5 > 2)];
        assert_eq!(live[&format!("customer/{number}")].0, expected, "{number}");
    }
    // Two checks a customer, each with one key, one effect and one answer.
    let made = of_type(&host.web, "retold.request.made");
    let answered = of_type(&host.web, "retold.request.replied,retold.request.failed");
    assert_eq!((made.len(), answered.len()), (2 * CUSTOMERS, 2 * CUSTOMERS));
    assert!(answered.iter().all(|answer| answer["data"]["status"] == 200));
    let (effects, _) = checks.told();
    assert!(effects.iter().all(|effect| effect["times"] == 1), "{effects:?}");
    assert_eq!(ids(&effects, "key"), ids(&made, "id"));
    assert_eq!(ids(&answered, "id"), ids(&made, "id"));
    // Whoever was refused has no account, and no customer is waited for any more.
    let accounts = ["account.reserved", "account.released"].map(|name| count(&host.web, &[name]));
    assert_eq!(accounts, [CUSTOMERS as u64, CUSTOMERS as u64 / 5 * 2]);
    assert_eq!(host.web.get("timers").expect(200).json()["timers"], json!([]));

    // A retelling comes to the same and asks nobody, neither then nor once it takes over.
    checks.kill();
    checks.restart(&[]);
    let file = host.data().with_extension("wasm");
    std::fs::write(&file, &module).expect("written");
    succeeds(&host, &["retell", "main", "--as", "anew", "--with", &format!("onboarding={}", file.display())]);
    std::fs::remove_file(file).expect("removed");
    let anew = outcomes(&host.web.namespace("anew"));
    let plain = |told: &BTreeMap<String, Outcome>| -> BTreeMap<_, _> {
        told.iter().map(|(customer, (r#type, _, data, _))| (customer.clone(), (r#type.clone(), data.clone()))).collect()
    };
    assert_eq!(plain(&anew), plain(&live));
    // An outcome follows from what came last. On a busy machine that was now and then the account, though both checks were
    // asked after it; where it was the same, the outcome is the same event.
    let same: Vec<_> = live.iter().filter(|(customer, (_, _, _, cause))| anew[*customer].3 == *cause).collect();
    assert!(same.len() > CUSTOMERS * 4 / 5, "{}", same.len());
    assert!(same.iter().all(|(customer, outcome)| anew[*customer] == **outcome));
    succeeds(&host, &["promote", "anew"]);
    assert_eq!(outcomes(&host.web), anew);
    let outbox = host.web.get("outbox").expect(200).json();
    assert_eq!((&outbox["waiting"], &outbox["held"], &outbox["leave"]), (&json!(0), &json!(0), &json!(true)), "{outbox}");
    // What it would ask anew it would ask before it asks for the next customer.
    register(&host, CUSTOMERS..CUSTOMERS + 1);
    host.wait_until("the next customer has an outcome", || count(&host.web, &OUTCOMES) > CUSTOMERS as u64);
    host.wait_until("every request has its answer", || host.web.get("outbox").expect(200).json()["waiting"] == 0);
    let (effects, asked) = checks.told();
    assert_eq!((effects.len(), asked), (2 * CUSTOMERS + 2, 2));
}

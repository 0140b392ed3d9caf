//! CloudEvents' own SDKs of two languages send to the host and take from it, in every form of the HTTP binding.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::consumers::until;
use crate::support::{Host, repository};

/// What an SDK said of an event, by form and id.
type Said = BTreeMap<(String, String), Value>;

/// A program that uses one of the SDKs, with all that it needs.
struct Exchange {
    program: &'static str,
    script: PathBuf,
    packages: PathBuf,
}

impl Exchange {
    /// `None` where the language or its registry is not at hand.
    fn javascript() -> Option<Exchange> {
        let folder = copied("javascript", &["package.json", "package-lock.json", "exchange.mjs"]);
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        installed("npm", &mut npm)?;
        Some(Exchange { program: "node", script: folder.join("exchange.mjs"), packages: folder })
    }

    fn python() -> Option<Exchange> {
        let folder = copied("python", &["requirements.txt", "exchange.py"]);
        let packages = folder.join("packages");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
        pip.arg(&packages).args(["--requirement", "requirements.txt"]).current_dir(&folder);
        installed("pip", &mut pip)?;
        Some(Exchange { program: "python3", script: folder.join("exchange.py"), packages })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.arg(&self.script).args(words).env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Has the SDK send its events. Answers what it sent.
    fn send(&self, url: &str) -> Said {
        let output = self.command(&["send", url]).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        said(&String::from_utf8(output.stdout).expect("JSON"))
    }
}

/// The files of an exchange, in a folder where packages may be put beside them.
fn copied(language: &str, files: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cloudevents").join(language);
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in files {
        let from = repository().join("tests/it/cloudevents").join(language).join(file);
        std::fs::copy(from, folder.join(file)).expect("copied");
    }
    folder
}

fn installed(tool: &str, command: &mut Command) -> Option<()> {
    let why = match command.output() {
        Ok(output) if output.status.success() => return Some(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("skipped: {tool} can't install the CloudEvents SDK here: {}", why.trim());
    None
}

fn said(lines: &str) -> Said {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| ((text(&line["form"]), text(&line["event"]["id"])), line["event"].clone())).collect()
}

/// An SDK's server for webhooks; it ends with this.
struct Receiving {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Receiving {
    fn start(exchange: &Exchange) -> Receiving {
        let mut command = exchange.command(&["receive"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut url = String::new();
        lines.read_line(&mut url).expect("it tells where it listens");
        Receiving { process, lines, url: url.trim().to_owned() }
    }

    /// Everything that it took.
    fn end(mut self) -> Said {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        self.process.wait().expect("it ends");
        said(&rest)
    }
}

/// What an event is, in words that don't depend on who writes it down.
fn essence(event: &Value) -> Value {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let moment: String = text("time").chars().take("2026-03-04T05:06:07.890".len()).collect();
    let content_type = text("datacontenttype").split(';').next().unwrap_or_default().to_owned();
    let content_type = if content_type.is_empty() { "application/json".to_owned() } else { content_type };
    // An SDK can't tell no data from none of it.
    let data = if event["data"] == "" { &Value::Null } else { &event["data"] };
    json!({
        "id": event["id"], "source": event["source"], "type": event["type"], "subject": event["subject"], "time": moment,
        "datacontenttype": content_type, "tenant": event["tenant"], "data": data, "data_base64": event["data_base64"],
    })
}

fn sends_and_takes(exchange: &Exchange) {
    let host = Host::start_saying(&["--allow-host", "127.0.0.1", "--allow-address", "127.0.0.1"]);
    let sent = exchange.send(&format!("{}/events", host.web.base));
    assert_eq!(sent.len(), 10);
    let recorded = host.web.events("types=sdk.sent");
    assert_eq!(recorded.len(), sent.len());
    for event in &recorded {
        let (_, sent) = sent.iter().find(|((_, id), _)| *id == event["id"]).expect("it was sent");
        assert_eq!(essence(event), essence(sent));
    }
    // Once more changes nothing: the SDK gave the ids.
    exchange.send(&format!("{}/events", host.web.base));
    assert_eq!(host.web.events("types=sdk.sent").len(), sent.len());

    let receiving = Receiving::start(exchange);
    let forms = ["binary", "structured", "batch"];
    for form in forms {
        let endpoint = json!({ "url": format!("{}/{form}", receiving.url), "form": form });
        let body = json!({ "types": ["sdk.sent"], "endpoint": endpoint }).to_string();
        host.web.send("PUT", &format!("consumers/{form}"), &[("content-type", "application/json")], body.as_bytes()).expect(201);
    }
    let lag = |form: &str| host.web.get(&format!("consumers/{form}")).expect(200).json()["lag"].clone();
    until("all is delivered", || forms.iter().all(|form| lag(form) == 0));
    let taken = receiving.end();
    assert_eq!(taken.len(), forms.len() * recorded.len());
    for ((form, id), taken) in &taken {
        let event = recorded.iter().find(|event| event["id"] == **id).expect("it is in the log");
        assert_eq!(essence(taken), essence(event), "{form}");
        assert_eq!((&taken["position"], &taken["recordedtime"]), (&event["position"], &event["recordedtime"]), "{form}");
    }
}

#[test]
fn the_sdk_of_javascript_sends_events_and_takes_them_in_every_form() {
    Exchange::javascript().iter().for_each(sends_and_takes);
}

#[test]
fn the_sdk_of_python_sends_events_and_takes_them_in_every_form() {
    Exchange::python().iter().for_each(sends_and_takes);
}

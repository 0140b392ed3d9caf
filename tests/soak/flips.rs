//! `flips N`: one bit of one file of a stopped host is turned, N times in each class of file. A host opens it with the
//! same content or refuses in words; other content is only ever such as `retold verify` finds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::{Clients, Memory};
use crate::history::Found;
use crate::host::{Host, UNREADABLE, Web, retold};
use crate::machine::{Folder, run as command};
use crate::report::Report;
use crate::time::{Chance, pause};

/// What a host writes as databases, by the beginning of a file's name.
const CLASSES: &[&str] = &["catalogue", "head", "segment"];
const PAGE: u64 = 4_096;

pub fn run(flips: u64, seed: u64, module: &[u8]) -> Result<bool, String> {
    let (mut report, mut chance) = (Report::of("flips", seed), Chance::of(seed));
    let folder = Folder::new("flips")?;
    let (whole, data) = (folder.path().join("whole"), folder.path().join("data"));
    let log = fill(&whole, module)?;
    report.count("events", log.len() as u64);
    for class in CLASSES {
        let files = files(&whole, class);
        let Some(file) = files.first() else { return Err(format!("there is no {class}")) };
        for _ in 0..flips {
            let _ = std::fs::remove_dir_all(&data);
            command("cp", &["-a", "--reflink=auto", &whole.display().to_string(), &data.display().to_string()])?;
            let (at, bit) = flip(&data.join(file), &mut chance)?;
            report.count("flips", 1);
            let when = format!("bit {bit} of byte {at} of {}", file.display());
            let came = look(&data, &log);
            match came {
                Came::Same => report.count("opened with the same content", 1),
                Came::Refused => report.count("refused in words", 1),
                Came::Other if *class == "segment" && !verifies(&data) => report.count("other content that verify finds", 1),
                Came::Other => report.wrong(&when, ["other content".to_owned()]),
                Came::Wordless(said) => report.wrong(&when, [said]),
            }
        }
    }
    Ok(report.end())
}

/// A log with sealed history and a tail, of a host that was stopped; answers all that is in it.
fn fill(data: &Path, module: &[u8]) -> Result<Vec<Found>, String> {
    let mut host = Host::start(data)?;
    host.web.deploy(module)?;
    for batch in 0..60 {
        let lines: Vec<String> = (0..500).map(|index| line(batch, index)).collect();
        let (status, body) = host.web.send("POST", "events", "application/x-ndjson", lines.join("\n").as_bytes())?;
        if status != 201 {
            return Err(format!("{status} {}", String::from_utf8_lossy(&body)));
        }
    }
    let memory = Memory::default();
    let clients = Clients::start(&memory, &host.web);
    pause(Duration::from_millis(300));
    clients.stop();
    host.web.wait_until_level()?;
    while files(data, "segment").is_empty() {
        pause(Duration::from_millis(20));
    }
    let log = host.web.log()?;
    crate::host::signal(host.id(), "TERM");
    host.ends_within(Duration::from_secs(20)).ok_or("the host doesn't stop")?;
    Ok(log)
}

fn line(batch: usize, index: usize) -> String {
    let (id, data) = (format!("{batch}-{index}"), "x".repeat(2_000));
    json!({ "specversion": "1.0", "id": id, "source": "/soak", "type": "thing.made", "data": data }).to_string()
}

/// Files of a class, by their path in the folder.
fn files(data: &Path, class: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "namespaces/main"] {
        for entry in std::fs::read_dir(data.join(folder)).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(class) && name.ends_with(".redb") {
                found.push(Path::new(folder).join(name));
            }
        }
    }
    found.sort();
    found
}

/// Turns a bit in a page that holds something.
fn flip(file: &Path, chance: &mut Chance) -> Result<(usize, u32), String> {
    let mut bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    loop {
        let page = (chance.below(bytes.len() as u64 / PAGE) * PAGE) as usize;
        if bytes[page..page + PAGE as usize].iter().all(|byte| *byte == 0) {
            continue;
        }
        let (at, bit) = (page + chance.below(PAGE) as usize, chance.below(8) as u32);
        bytes[at] ^= 1 << bit;
        std::fs::write(file, bytes).map_err(|error| error.to_string())?;
        return Ok((at, bit));
    }
}

enum Came {
    Same,
    Refused,
    Other,
    /// It hung, or ended without a word.
    Wordless(String),
}

fn look(data: &Path, log: &[Found]) -> Came {
    let mut host = match Host::start(data) {
        Ok(host) => host,
        // A panic is no word; an error names the file.
        Err(said) if said.starts_with("exit status: 1:") && said.contains(".redb") => return Came::Refused,
        Err(said) => return Came::Wordless(said),
    };
    let found = host.web.log();
    let came = match found {
        Ok(found) if found == log && is_handled(&host.web) => Came::Same,
        Ok(_) => Came::Other,
        Err(said) if said.starts_with(UNREADABLE) => Came::Other,
        // It was cut off, or refused: by a host that says why.
        Err(_) if !host.said().trim().is_empty() => Came::Refused,
        Err(said) => Came::Wordless(said),
    };
    host.kill();
    came
}

fn is_handled(web: &Web) -> bool {
    let function = web.send("GET", &format!("functions/{}", crate::host::HANDLER), "", b"");
    function.is_ok_and(|(status, body)| status == 200 && serde_json::from_slice::<Value>(&body).is_ok_and(|now| now["lag"] == 0))
}

/// Whether `retold verify` finds nothing wrong.
fn verifies(data: &Path) -> bool {
    Command::new(retold()).args(["verify", "--data"]).arg(data).output().is_ok_and(|output| output.status.success())
}

//! `errors N`: the n-th system call of a kind fails, for every n up to N, once and from then on. The host goes on or
//! ends in words; started again on a machine that is well, it has what it acknowledged.

use std::path::Path;
use std::time::Duration;

use crate::clients::{Clients, Memory};
use crate::history::judge;
use crate::host::Host;
use crate::machine::{Folder, Injected, run as command};
use crate::report::Report;

/// What fails, and how.
const FAULTS: &[(&str, &str)] = &[
    ("fdatasync", "EIO"),
    ("fdatasync", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pread64", "EIO"),
    ("fallocate", "ENOSPC"),
    ("ftruncate", "EIO"),
    ("openat", "EMFILE"),
    ("accept4", "EMFILE"),
];
/// How long clients go on unless the host ends.
const LOAD: Duration = Duration::from_millis(400);

pub fn run(most: u64, seed: u64, module: &[u8]) -> Result<bool, String> {
    let mut report = Report::of("errors", seed);
    let whole = Folder::new("errors-whole")?;
    let mut host = Host::start(&whole.path().join("data"))?;
    host.web.deploy(module)?;
    host.kill();
    for n in 1..=most {
        for (call, error) in FAULTS {
            for lasting in ["", "+"] {
                let what = format!("{call}:error={error}:when={n}{lasting}");
                one(&mut report, &what, &whole.path().join("data"))?;
            }
        }
    }
    Ok(report.end())
}

/// On a copy of a data directory in which the module is deployed.
fn one(report: &mut Report, what: &str, whole: &Path) -> Result<(), String> {
    let folder = Folder::new("errors")?;
    let (data, memory) = (folder.path().join("data"), Memory::default());
    command("cp", &["-a", &whole.display().to_string(), &data.display().to_string()])?;
    let mut host = Host::start(&data)?;
    let injected = Injected::into(host.id(), what)?;
    let clients = Clients::start(&memory, &host.web);
    let ended = host.ends_within(LOAD);
    // A host that has begun to end gets the time for it.
    let ended = if ended.is_none() && host.said().contains("storage failed") { host.ends_within(LOAD * 50) } else { ended };
    report.count("faults", 1);
    match ended {
        Some(status) => {
            report.count("ended in words", 1);
            if status.code().is_none_or(|code| code == 0) || !host.said().contains("the storage failed") {
                report.wrong(what, [format!("the host ended with {status} and said {:?}", host.said())]);
            }
        }
        None => report.count("went on", 1),
    }
    host.kill();
    clients.stop();
    drop(injected);
    match Host::start(&data) {
        Ok(host) => {
            host.web.wait_until_level()?;
            let totals = report.judged(what, judge(&memory.history.snapshot(), &host.web.log()?));
            report.left(totals);
        }
        Err(said) => report.wrong(what, [said]),
    }
    Ok(())
}

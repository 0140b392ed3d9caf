//! `kills N`: a host is killed again and again under load, at moments that nobody chose, and each time all that its
//! clients know is held against all that is there.

use std::time::Duration;

use crate::clients::{Clients, Memory};
use crate::history::judge;
use crate::host::Host;
use crate::machine::Folder;
use crate::report::Report;
use crate::time::{Chance, pause};

/// Then a new data directory is begun, so that reading everything stays quick.
const KILLS_PER_LOG: u64 = 25;
const LIFE_MS_MAX: u64 = 300;

pub fn run(kills: u64, seed: u64, module: &[u8]) -> Result<bool, String> {
    let (mut report, mut chance) = (Report::of("kills", seed), Chance::of(seed));
    let mut killed = 0;
    while killed < kills {
        let folder = Folder::new("kills")?;
        let memory = Memory::default();
        let mut host = Host::start(&folder.path().join("data"))?;
        host.web.deploy(module)?;
        let mut totals = Default::default();
        for _ in 0..KILLS_PER_LOG.min(kills - killed) {
            let clients = Clients::start(&memory, &host.web);
            pause(Duration::from_millis(1 + chance.below(LIFE_MS_MAX)));
            host.kill();
            clients.stop();
            killed += 1;
            report.count("kills", 1);
            let when = format!("kill {killed}");
            host = match Host::start(&folder.path().join("data")) {
                Ok(host) => host,
                Err(said) => {
                    report.wrong(&when, [said]);
                    return Ok(report.end());
                }
            };
            memory.repeat(&host.web);
            host.web.wait_until_level()?;
            totals = report.judged(&when, judge(&memory.history.snapshot(), &host.web.log()?));
        }
        report.left(totals);
    }
    Ok(report.end())
}

//! `power N`: the power goes under load. The host stands still, what the device has is copied as it is, another one
//! starts on the copy, and the first goes on.

use std::time::Duration;

use crate::clients::{Clients, Memory};
use crate::history::{Made, Totals, judge};
use crate::host::{Host, signal};
use crate::machine::{Folder, Image, wait_until_stopped};
use crate::report::Report;
use crate::time::{Chance, pause};

/// Then a new file system is begun.
const CUTS_PER_IMAGE: u64 = 20;
const PAUSE_MS_MAX: u64 = 60;

pub fn run(cuts: u64, seed: u64, module: &[u8]) -> Result<bool, String> {
    let (mut report, mut chance) = (Report::of("power", seed), Chance::of(seed));
    let mut cut = 0;
    while cut < cuts {
        let folder = Folder::new("power")?;
        let at = |name: &str| folder.path().join(name);
        let image = Image::make(at("device"), at("mounted"))?;
        let memory = Memory::default();
        let mut host = Host::start(&image.path().join("data"))?;
        host.web.deploy(module)?;
        let clients = Clients::start(&memory, &host.web);
        let mut totals = Totals::default();
        for _ in 0..CUTS_PER_IMAGE.min(cuts - cut) {
            pause(Duration::from_millis(1 + chance.below(PAUSE_MS_MAX)));
            signal(host.id(), "STOP");
            if wait_until_stopped(host.id()).is_err() {
                // A thread waits for the device for longer than anybody waits for it.
                signal(host.id(), "CONT");
                report.count("moments given up", 1);
                continue;
            }
            let known = memory.history.snapshot();
            let left = image.cut(at("copy"), at("copied"))?.mounted()?;
            cut += 1;
            report.count("cuts", 1);
            let when = format!("cut {cut}");
            match Host::start(&left.path().join("data")) {
                Ok(mut after) => {
                    let found = after.web.wait_until_level().and_then(|()| after.web.log());
                    match found {
                        Ok(log) => {
                            if log.iter().filter(|found| found.made == Made::Source).count() > acknowledged(&known) {
                                report.count("cuts with events that nobody had been told of", 1);
                            }
                            totals = report.judged(&when, judge(&known, &log));
                        }
                        Err(said) => report.wrong(&when, [said, after.said()]),
                    }
                    after.kill();
                }
                Err(said) => report.wrong(&when, [said]),
            }
            signal(host.id(), "CONT");
        }
        host.kill();
        clients.stop();
        report.left(totals);
    }
    Ok(report.end())
}

fn acknowledged(known: &[crate::history::Request]) -> usize {
    use crate::history::Outcome::Acknowledged;
    known.iter().map(|request| if let Acknowledged(positions) = &request.outcome { positions.len() } else { 0 }).sum()
}

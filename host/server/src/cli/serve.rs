//! `retold serve`: a host in this process.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::arguments::Common;
use super::hosting::{Hosting, Wanted};
use super::limits::LimitOptions;
use super::listen::Listen;
use super::log::{self, LogOptions};
use super::otlp::OtlpOptions;
use super::outside::OutsideOptions;
use super::retention::RetentionOptions;
use super::tls::TlsOptions;

const AFTER_HELP: &str = "\
Examples:
  retold serve
  retold serve --data /var/lib/retold --listen 127.0.0.1:8080
  retold serve --listen 127.0.0.1:0 --log retold=debug      a free port; the first line tells which
  retold serve --listen 10.0.0.4:7070 --tls-certificate host.pem --tls-key host.key.pem \\
      --host-name events.example.com                        for others, once there is a token: see retold token
  retold serve --secrets /run/secrets --allow-host hooks.example.com

One Ctrl-C or SIGTERM stops it gracefully within 10 seconds, a second one at once. Nothing that was
acknowledged is lost either way.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Serve {
    /// The folder that holds everything; made when missing
    #[arg(long, value_name = "DIR", default_value = "retold-data")]
    data: PathBuf,
    /// An address and port; port 0 takes a free one; beyond this machine only with access tokens, and TLS or --plaintext
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: Listen,
    /// Live so much later than the machine's clock, such as 6h: to try what timers do
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = later)]
    clock_ahead: Duration,
    /// A name under which a proxy passes requests on to it, beside localhost; may be repeated
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    /// Take nothing in while less than this is free on the disk, such as 64MiB; 0 uses all of it
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = bytes)]
    reserve_space: u64,
    /// What all modules together may have of memory, such as 512MiB; beyond it calls wait their turn
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = guest_memory)]
    guest_memory: u64,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    retention: RetentionOptions,
    #[command(flatten)]
    outside: OutsideOptions,
    #[command(flatten)]
    otlp: OtlpOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// At most a hundred years, so that all times can still be written.
fn later(text: &str) -> Result<Duration, String> {
    const HOURS_MAX: i64 = 100 * 366 * 24;
    let time = text.parse::<jiff::SignedDuration>().map_err(|_| "write a time, such as 90s, 15m or 6h".to_owned())?;
    if time.as_hours() >= HOURS_MAX {
        return Err("that is more than a hundred years".to_owned());
    }
    Duration::try_from(time).map_err(|_| "a host can only live later than its machine".to_owned())
}

/// A number of bytes, or of KiB, MiB or GiB.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("write a size, such as 512MiB or 2GiB".to_owned()),
    };
    let number = digits.parse::<u64>().map_err(|_| "write a size, such as 512MiB or 2GiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than any disk has".to_owned())
}

/// At least what a single call may have.
fn guest_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 << 20;
    let most = bytes(text)?;
    if most < LEAST { Err("a single module may have 64MiB: write at least as much".to_owned()) } else { Ok(most) }
}

/// Ends when it is told to, or when the storage fails; then with an error.
pub fn run(common: &Common, serve: &Serve) -> Result<()> {
    log::start(&serve.log);
    let wanted = Wanted {
        data: &serve.data,
        outside: &serve.outside,
        otlp: &serve.otlp,
        tls: &serve.tls,
        limits: &serve.limits,
        retention: serve.retention.retention(),
        names: &serve.host_name,
        clock_ahead: serve.clock_ahead,
        reserve_bytes: serve.reserve_space,
        guest_memory_bytes: serve.guest_memory,
    };
    let hosting = Hosting::start_as(serve.listen, &wanted)?;
    let signals = hosting.signals()?;
    let url = hosting.url();
    if common.json {
        println!("{}", json!({ "listening": url, "data": serve.data }));
    } else {
        println!("retold is listening on {url}");
    }
    stdout().flush()?;
    hosting.run_until_told_to_stop(signals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_live_later_than_its_machine_and_not_earlier() {
        assert_eq!((later("6h"), later("0s")), (Ok(Duration::from_secs(21_600)), Ok(Duration::ZERO)));
        for text in ["", "6", "-1h", "1000000h", "soon"] {
            assert!(later(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_a_number_with_a_unit_or_without() {
        assert_eq!((bytes("0"), bytes("7"), bytes("64MiB"), bytes("2GiB")), (Ok(0), Ok(7), Ok(64 << 20), Ok(2 << 30)));
        assert_eq!((guest_memory("64MiB"), guest_memory("63MiB").is_err()), (Ok(64 << 20), true));
        for text in ["", "MiB", "-1", "64MB", "1.5GiB", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}

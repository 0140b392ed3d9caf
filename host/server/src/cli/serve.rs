//! `retold serve`: a host in this process.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::arguments::Common;
use super::hosting::Hosting;
use super::listen::Listen;
use super::log::{self, LogOptions};
use super::outside::OutsideOptions;

const AFTER_HELP: &str = "\
Examples:
  retold serve
  retold serve --data /var/lib/retold --listen 127.0.0.1:8080
  retold serve --listen 127.0.0.1:0 --log retold=debug      a free port; the first line tells which
  retold serve --listen 10.0.0.4:7070                       once there is a token: see retold token
  retold serve --secrets /run/secrets --allow-host hooks.example.com

One Ctrl-C or SIGTERM stops it gracefully within 10 seconds, a second one at once. Nothing that was
acknowledged is lost either way.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Serve {
    /// The folder that holds everything; made when missing
    #[arg(long, value_name = "DIR", default_value = "retold-data")]
    data: PathBuf,
    /// An address and port; port 0 takes a free one; beyond this machine only with access tokens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: Listen,
    /// Live so much later than the machine's clock, such as 6h: to try what timers do
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = later)]
    clock_ahead: Duration,
    /// A name under which a proxy passes requests on to it, beside localhost; may be repeated
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    #[command(flatten)]
    outside: OutsideOptions,
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

/// Ends when it is told to, or when the storage fails; then with an error.
pub fn run(common: &Common, serve: &Serve) -> Result<()> {
    log::start(&serve.log);
    let hosting = Hosting::start_allowing(&serve.data, serve.listen, &serve.outside, &serve.host_name, serve.clock_ahead)?;
    let url = hosting.url();
    if common.json {
        println!("{}", json!({ "listening": url, "data": serve.data }));
    } else {
        println!("retold is listening on {url}");
    }
    stdout().flush()?;
    hosting.run_until_told_to_stop()
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
}

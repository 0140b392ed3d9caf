//! `retold serve`: a host in this process.

use std::io::{Write, stdout};
use std::path::PathBuf;

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
  retold serve --secrets /run/secrets --allow-host hooks.example.com

One Ctrl-C or SIGTERM stops it gracefully within 10 seconds, a second one at once. Nothing that was
acknowledged is lost either way.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Serve {
    /// The folder that holds everything; made when missing
    #[arg(long, value_name = "DIR", default_value = "retold-data")]
    data: PathBuf,
    /// A loopback address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: Listen,
    #[command(flatten)]
    outside: OutsideOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// Ends when it is told to, or when the storage fails; then with an error.
pub fn run(common: &Common, serve: &Serve) -> Result<()> {
    log::start(&serve.log);
    let hosting = Hosting::start_allowing(&serve.data, serve.listen, &serve.outside)?;
    let url = hosting.url();
    if common.json {
        println!("{}", json!({ "listening": url, "data": serve.data }));
    } else {
        println!("retold is listening on {url}");
    }
    stdout().flush()?;
    hosting.run_until_told_to_stop()
}

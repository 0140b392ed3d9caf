//! What the host tells its operator while it runs: to standard error, as text or JSON.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

#[derive(Debug, Args)]
pub struct LogOptions {
    /// What is logged: a level, or targets with levels such as `retold=debug`
    #[arg(long = "log", env = "RUST_LOG", value_name = "FILTER", default_value = "info", value_parser = checked)]
    filter: String,
    /// How a log line is written
    #[arg(long = "log-format", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Once in a process.
pub fn start(options: &LogOptions) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(in_crate_names(&options.filter)))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match options.format {
        Format::Text => subscriber.init(),
        Format::Json => subscriber.json().init(),
    }
}

fn checked(filter: &str) -> Result<String, String> {
    EnvFilter::try_new(in_crate_names(filter)).map_err(|error| error.to_string())?;
    Ok(filter.to_owned())
}

/// `retold=debug` means our own crates, whatever they are called.
fn in_crate_names(filter: &str) -> String {
    let directives = filter.split(',').map(|directive| match directive.strip_prefix("retold=") {
        Some(level) => format!("retold_server={level},retold_engine={level}"),
        None => directive.to_owned(),
    });
    directives.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retold_in_a_filter_means_our_own_crates() {
        assert_eq!(in_crate_names("warn,retold=debug"), "warn,retold_server=debug,retold_engine=debug");
    }

    #[test]
    fn a_mistyped_filter_is_refused_before_the_host_starts() {
        assert!(checked("retold=loud").is_err());
        assert!(checked("info,hyper=warn").is_ok());
    }
}

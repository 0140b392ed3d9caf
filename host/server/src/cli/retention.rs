//! What an operator says of how much is kept of what is over.

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::drive::Retention;

/// Nobody looks further back, and memory and files would grow with it.
const VERSIONS_MAX: u64 = 1_000;
const LOG_LINES_MAX: u64 = 1_000_000;
const REPLAYS_MAX: u64 = 100_000;
/// A hundred years.
const DAYS_MAX: i64 = 36_525;

#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept")]
pub struct RetentionOptions {
    /// Former versions of each function whose state is kept for a quick way back, beside the one that runs
    #[arg(long, value_name = "COUNT", default_value_t = Retention::default().versions, value_parser = RangedU64ValueParser::<usize>::new().range(1..=VERSIONS_MAX))]
    keep_versions: usize,
    /// Lines of each function's log; fewer where they are long
    #[arg(long, value_name = "COUNT", default_value_t = Retention::default().log_lines, value_parser = RangedU64ValueParser::<usize>::new().range(1..=LOG_LINES_MAX))]
    keep_log_lines: usize,
    /// Replays of each namespace with their reports; the oldest that are over go first
    #[arg(long, value_name = "COUNT", default_value_t = Retention::default().replays, value_parser = RangedU64ValueParser::<usize>::new().range(1..=REPLAYS_MAX))]
    keep_replays: usize,
    /// Parked events, for so many days: older ones are dropped, and the log says so [default: until somebody decides]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    keep_parked: Option<u32>,
}

impl RetentionOptions {
    pub fn retention(&self) -> Retention {
        Retention {
            versions: self.keep_versions,
            log_lines: self.keep_log_lines,
            replays: self.keep_replays,
            parked_days: self.keep_parked,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: RetentionOptions,
    }

    fn retention(words: &[&str]) -> Result<Retention, String> {
        let line = Line::try_parse_from([&["serve"], words].concat());
        line.map(|line| line.options.retention()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_kept_is_a_number_that_makes_sense_and_by_default_what_it_always_was() {
        assert_eq!(retention(&[]), Ok(Retention { versions: 3, log_lines: 1_000, replays: 64, parked_days: None }));
        let all = retention(&["--keep-versions", "1", "--keep-log-lines", "20", "--keep-replays", "5", "--keep-parked", "30"]);
        assert_eq!(all, Ok(Retention { versions: 1, log_lines: 20, replays: 5, parked_days: Some(30) }));
        for option in ["--keep-versions", "--keep-log-lines", "--keep-replays", "--keep-parked"] {
            for value in ["0", "-1", "", "many", "1.5", "30d", "99999999", "99999999999999999999999"] {
                let refused = retention(&[&format!("{option}={value}")]).expect_err(value);
                assert!(refused.contains(option), "{refused}");
            }
        }
    }
}

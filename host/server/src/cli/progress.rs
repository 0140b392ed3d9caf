//! Long work, told while it runs: a bar on a terminal, a plain line now and then elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::clock;
use super::words::thousands;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Goes to standard error, so that the output stays clean.
pub struct Progress {
    what: &'static str,
    shown: Shown,
    started: Instant,
}

enum Shown {
    Bar(ProgressBar),
    Lines { total: Cell<Option<u64>>, last: Cell<Instant> },
    Nothing,
}

impl Progress {
    /// `total` in the unit that `at` will use; None where it can't be known.
    pub fn start(what: &'static str, total: Option<u64>, quiet: bool) -> Self {
        let started = clock::now();
        let shown = match (quiet, stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(bar(what, total)),
            (false, false) => Shown::Lines { total: Cell::new(total), last: Cell::new(started) },
        };
        Progress { what, shown, started }
    }

    /// What was the whole has grown.
    pub fn grown(&self, whole: u64) {
        match &self.shown {
            Shown::Bar(bar) => bar.set_length(whole),
            Shown::Lines { total, .. } => total.set(Some(whole)),
            Shown::Nothing => {}
        }
    }

    /// How far it is, and a few words on it.
    pub fn at(&self, done: u64, words: &str) {
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(words.to_owned());
            }
            Shown::Lines { total, last } => {
                let now = clock::now();
                if now.duration_since(last.get()) >= LINE_EVERY {
                    last.set(now);
                    eprintln!("{}: {}", self.what, line(done, total.get(), words));
                }
            }
            Shown::Nothing => {}
        }
    }

    /// Takes the bar away and tells how long it was there.
    pub fn end(self) -> Duration {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        self.started.elapsed()
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{prefix} [{bar:32}] {percent:>3} %  {msg}"),
        None => (ProgressBar::new_spinner(), "{prefix} {spinner}  {msg}"),
    };
    let style = ProgressStyle::with_template(template).expect("the templates are constants");
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn line(done: u64, total: Option<u64>, words: &str) -> String {
    match total {
        Some(total) if total > 0 => format!("{} %, {words}", done * 100 / total),
        _ if words.is_empty() => thousands(done),
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_progress_is_plain_lines() {
        assert_eq!(line(5, Some(20), "1,200 events"), "25 %, 1,200 events");
        assert_eq!(line(5, None, "1,200 events"), "1,200 events");
        assert_eq!(line(5_000, None, ""), "5,000");
    }
}

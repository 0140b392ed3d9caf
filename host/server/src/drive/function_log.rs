//! What a function said: its last lines, numbered, for whoever reads or follows them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retold_engine::model::LogLevel;
use tokio::sync::watch;

use super::clock;
use super::types::LogLine;

/// Bytes kept of each function's lines, or more where many lines are kept.
const BYTES_MAX: usize = 256 << 10;
const BYTES_EACH_LINE: usize = 256;

/// The log of one function. It begins anew with the host.
pub struct FunctionLog {
    name: String,
    lines_max: usize,
    lines: Mutex<Lines>,
    /// Number of the last line.
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
    last: u64,
}

/// Lines after a place.
#[derive(Clone, Debug, Default)]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// Lines between the place and the first of these that are no longer kept.
    pub lost: u64,
    /// Number of the last line there is.
    pub last: u64,
}

impl FunctionLog {
    fn new(name: &str, lines_max: usize) -> FunctionLog {
        FunctionLog { name: name.to_owned(), lines_max, lines: Mutex::default(), last: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, level: LogLevel, message: &str) {
        let word = match level {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        tracing::debug!(function = %self.name, level = word, message, "function log");
        let mut lines = self.lock();
        lines.last += 1;
        lines.bytes += message.len();
        let number = lines.last;
        lines.lines.push_back(LogLine { number, time: clock::now(), level, message: message.to_owned() });
        let bytes_max = BYTES_MAX.max(self.lines_max.saturating_mul(BYTES_EACH_LINE));
        while lines.lines.len() > self.lines_max || (lines.bytes > bytes_max && lines.lines.len() > 1) {
            let first = lines.lines.pop_front().map_or(0, |line| line.message.len());
            lines.bytes -= first;
        }
        drop(lines);
        self.last.send_replace(number);
    }

    /// Lines after number `after` of at least `level`, oldest first, at most `limit`.
    pub fn after(&self, after: u64, level: LogLevel, limit: usize) -> LogPage {
        let lines = self.lock();
        // A number that isn't there yet is of before a restart: numbers begin anew then.
        let after = if after > lines.last { 0 } else { after };
        let first = lines.lines.front().map_or(lines.last + 1, |line| line.number);
        let wanted = lines.lines.iter().filter(|line| line.number > after && line.level >= level);
        LogPage { lines: wanted.take(limit).cloned().collect(), lost: first.saturating_sub(after + 1), last: lines.last }
    }

    /// The last lines, oldest first.
    pub fn latest(&self, limit: usize) -> Vec<LogLine> {
        let lines = self.lock();
        lines.lines.iter().skip(lines.lines.len().saturating_sub(limit)).cloned().collect()
    }

    /// Changes with every line.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

/// The logs of a namespace's functions. A function keeps its log over deployments.
pub struct FunctionLogs {
    lines_max: usize,
    all: Mutex<BTreeMap<String, Arc<FunctionLog>>>,
}

impl FunctionLogs {
    /// So many lines are kept of each function.
    pub fn of_lines(lines_max: usize) -> FunctionLogs {
        FunctionLogs { lines_max, all: Mutex::default() }
    }

    pub fn of(&self, function: &str) -> Arc<FunctionLog> {
        let mut logs = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match logs.get(function) {
            Some(log) => log.clone(),
            None => logs.entry(function.to_owned()).or_insert_with(|| Arc::new(FunctionLog::new(function, self.lines_max))).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_comes_late_is_told_how_many_lines_it_missed() {
        let log = FunctionLog::new("pricing", 20);
        for number in 1..=25 {
            log.add(if number % 2 == 0 { LogLevel::Warn } else { LogLevel::Info }, &number.to_string());
        }
        let page = log.after(2, LogLevel::Info, 3);
        assert_eq!((page.lost, page.last), (3, 25));
        assert_eq!(page.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [6, 7, 8]);
        let page = log.after(8, LogLevel::Warn, 2);
        assert_eq!((page.lost, page.lines.iter().map(|line| line.number).collect::<Vec<_>>()), (0, vec![10, 12]));
        assert_eq!(log.latest(1)[0].number, 25);
    }

    #[test]
    fn long_lines_push_old_ones_out() {
        let log = FunctionLog::new("pricing", 1_000);
        (0..10).for_each(|_| log.add(LogLevel::Info, &"x".repeat(BYTES_MAX / 4)));
        assert_eq!(log.after(0, LogLevel::Trace, 100).lines.len(), 4);
    }
}

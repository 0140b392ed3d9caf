//! Every row of the bench and what it has to reach, on one page: section 12 of the design, and what the
//! best of the neighbours reach on two cores.

/// A figure is judged against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// A multiple of a bare append and fdatasync, measured in the same run.
    FdatasyncsAtMost(f64),
}

pub const FDATASYNC: &str = "fdatasync";
pub const REDB_COMMIT: &str = "redb-commit";
pub const REDB_BLOCKS: &str = "redb-blocks";
pub const DECODING: &str = "decoding";

/// The rows that can be asked for, in the order in which they are measured and printed.
///
/// The first four are this machine's own limits and measured with any other, the fourth before each replay too.
pub const ROWS: [(&str, &str); 33] = [
    (FDATASYNC, "4 KiB at the end of a file, and fdatasync"),
    (REDB_COMMIT, "one row of 300 bytes, committed by redb"),
    (REDB_BLOCKS, "blocks of 1,000 events, committed by redb, one after the other"),
    (DECODING, "the events' JSON decoded on all cores, outside of any sandbox, and nothing else"),
    ("append", "one event a request, durable"),
    ("handled", "one event a request, a handler has run and its output is durable"),
    ("bulk", "100 events a request, 16 clients, durable"),
    ("ndjson", "one stream of lines, durable"),
    ("read", "the log read back as lines"),
    ("pipeline", "a stream of lines, until a handler has dealt with all of it"),
    ("command", "one command a request, decided on a hot subject, durable"),
    ("row", "one row of a view a request, by key, while four clients append"),
    ("fold", "a view folded again from the beginning of the log"),
    ("fold-split", "the same of a view that is split, its lanes side by side"),
    ("replay", "a log through a candidate with state, which is one unit"),
    ("replay-split", "the same where the state is split, its lanes side by side"),
    ("rehearse", "a log through a candidate without state, and what it makes held against the record"),
    ("rehearse-alone", "1,000 appends a second, which what comes next is compared with"),
    ("rehearse-beside", "the same with a rehearsal beside them, in turn"),
    ("fork", "a fork at the head, in turn with a copy of the same files"),
    ("retell", "a log told again, until the new one follows the old one's head"),
    ("promote", "a retelling takes over while 1,000 appends a second arrive"),
    ("promote-back", "the generation before takes over again, likewise"),
    ("ingress", "one signed webhook a request, durable"),
    ("timers-alone", "one append a request, which what comes next is compared with"),
    ("timers-pending", "the same in a log with timers that wait, in turn"),
    ("timers-fired", "timers that are due at one moment, until all have fired"),
    ("requests-direct", "requests of the bench to a server of its own"),
    ("requests", "requests of a handler to that server, until the reply to each is durable"),
    ("growth", "append and bulk on a long log, in turn with a short one"),
    ("disk", "bytes on disk for each byte of the events"),
    ("memory", "of the host's process: the most under the load above, and idle with all logs that were made"),
    ("restart", "after kill -9, on all logs that were made, until the host is ready"),
];

/// One figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    P50Us,
    P99Us,
    EventsPerSecond,
    /// Commits of the host, and so fsyncs at least.
    FlushesPerSecond,
    /// The host's processor time for one event.
    CpuUsPerEvent,
    /// Median latency on the long log, as a multiple of that on a short one in turn with it.
    P50ToShort,
    /// Throughput likewise.
    RateToShort,
    DiskToEvents,
    IdleMebibytes,
    MostMebibytes,
    ReadyMs,
    /// Latency beside other work, as a multiple of that without it.
    P50ToAlone,
    P99ToAlone,
    /// Throughput, as a multiple of decoding the events' JSON, in turn with it.
    RateToDecoding,
    /// The longest that an append took, from when it was due.
    PauseMs,
    /// How long appends waited, as the host tells it.
    ToldPauseMs,
    TookMs,
    /// As a multiple of what a copy of the files took.
    TookToCopy,
}

/// What a row has to reach with so many clients.
pub fn goals(row: &str, clients: usize) -> &'static [(Figure, Goal)] {
    use Figure::*;
    use Goal::{AtLeast, AtMost, FdatasyncsAtMost};
    match (row, clients) {
        ("append", 1) => &[(P50Us, FdatasyncsAtMost(3.0)), (P50Us, AtMost(110.0))],
        ("append", 64) => &[(EventsPerSecond, AtLeast(60_000.0)), (P99Us, AtMost(3_000.0)), (CpuUsPerEvent, AtMost(15.0))],
        ("handled", 1) => &[(P50Us, FdatasyncsAtMost(6.0)), (P50Us, AtMost(250.0))],
        ("handled", 64) => &[(EventsPerSecond, AtLeast(30_000.0)), (P99Us, AtMost(5_000.0))],
        ("bulk", _) => &[(EventsPerSecond, AtLeast(600_000.0))],
        ("ndjson", _) => &[(EventsPerSecond, AtLeast(500_000.0))],
        ("read", _) => &[(EventsPerSecond, AtLeast(1_500_000.0))],
        ("pipeline", _) => &[(EventsPerSecond, AtLeast(200_000.0))],
        ("command", 1) => &[(P50Us, FdatasyncsAtMost(4.0))],
        ("command", 64) => &[(EventsPerSecond, AtLeast(20_000.0))],
        ("row", 64) => &[(EventsPerSecond, AtLeast(50_000.0)), (P99Us, AtMost(2_000.0))],
        ("fold-split", _) => &[(EventsPerSecond, AtLeast(2_000_000.0))],
        ("fold", _) => &[(MostMebibytes, AtMost(400.0))],
        ("replay", _) => &[(EventsPerSecond, AtLeast(1_200_000.0)), (MostMebibytes, AtMost(256.0))],
        ("replay-split", _) => &[(EventsPerSecond, AtLeast(2_000_000.0)), (MostMebibytes, AtMost(256.0))],
        ("rehearse", _) => &[(EventsPerSecond, AtLeast(1_000_000.0)), (MostMebibytes, AtMost(256.0))],
        ("rehearse-beside", _) => &[(P99ToAlone, AtMost(1.5))],
        ("fork", _) => &[(TookMs, AtMost(2_000.0))],
        ("retell", _) => &[(MostMebibytes, AtMost(256.0))],
        ("promote" | "promote-back", _) => &[(PauseMs, AtMost(50.0))],
        ("ingress", 1) => &[(P50Us, FdatasyncsAtMost(5.0))],
        ("timers-pending", _) => &[(P50ToAlone, AtMost(1.1))],
        ("timers-fired", _) => &[(EventsPerSecond, AtLeast(20_000.0))],
        ("requests", _) => &[(EventsPerSecond, AtLeast(5_000.0))],
        ("growth", _) => &[(P50ToShort, AtMost(1.1)), (RateToShort, AtLeast(0.9))],
        ("disk", _) => &[(DiskToEvents, AtMost(1.3))],
        ("restart", _) => &[(ReadyMs, AtMost(1_000.0))],
        ("memory", _) => &[(IdleMebibytes, AtMost(150.0)), (MostMebibytes, AtMost(100.0))],
        _ => &[],
    }
}

impl Figure {
    /// As a program reads it.
    pub fn key(self) -> &'static str {
        match self {
            Figure::P50Us => "p50_us",
            Figure::P99Us => "p99_us",
            Figure::EventsPerSecond => "events_per_second",
            Figure::FlushesPerSecond => "flushes_per_second",
            Figure::CpuUsPerEvent => "cpu_us_per_event",
            Figure::P50ToShort => "p50_to_short",
            Figure::RateToShort => "rate_to_short",
            Figure::DiskToEvents => "disk_to_events",
            Figure::IdleMebibytes => "idle_mib",
            Figure::MostMebibytes => "most_mib",
            Figure::ReadyMs => "ready_ms",
            Figure::P50ToAlone => "p50_to_alone",
            Figure::P99ToAlone => "p99_to_alone",
            Figure::RateToDecoding => "rate_to_decoding",
            Figure::PauseMs => "pause_ms",
            Figure::ToldPauseMs => "told_pause_ms",
            Figure::TookMs => "took_ms",
            Figure::TookToCopy => "took_to_copy",
        }
    }
}

impl Goal {
    /// Whether the figure reaches it; None if that takes a bare fdatasync that wasn't measured.
    pub fn is_met(self, figure: f64, fdatasync_us: Option<f64>) -> Option<bool> {
        match self {
            Goal::AtMost(most) => Some(figure <= most),
            Goal::AtLeast(least) => Some(figure >= least),
            Goal::FdatasyncsAtMost(times) => fdatasync_us.map(|fdatasync| figure <= times * fdatasync),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_in_fdatasyncs_is_judged_by_this_machine() {
        let goal = Goal::FdatasyncsAtMost(3.0);
        assert_eq!(goal.is_met(130.0, Some(45.0)), Some(true));
        assert_eq!(goal.is_met(140.0, Some(45.0)), Some(false));
        assert_eq!(goal.is_met(140.0, None), None);
    }
}

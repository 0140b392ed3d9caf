//! `/metrics`: the host in Prometheus' text format 0.0.4. Each metric says here what it counts; names
//! follow Prometheus' conventions (base units, `_total` for what only grows). docs/metrics.md lists them all.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use retold_engine::run::ConsumerStatus;

use super::super::body::{Body, answer};
use super::super::call::{Answer, Call};
use super::functions::status_word;
use crate::drive::{ConsumerInfo, DurationCounts, FunctionInfo, NamespaceMetrics, SpanCounts};

pub async fn metrics(call: Box<Call>) -> Answer {
    let site = call.site.clone();
    // Sizes of files are asked for: not on a thread of the runtime.
    let text = tokio::task::spawn_blocking(move || {
        let mut page = Page::default();
        let now = site.host.now();
        page.metric("retold_build_info", "gauge", "1; its labels say what runs.").sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.metric("retold_ready", "gauge", "Whether every namespace can be written.").sample(&[], u8::from(site.host.is_ready()));
        let (free, reserve) = site.host.disk_space();
        page.metric("retold_disk_free_bytes", "gauge", "Free on the file system of the data.");
        if let Some(free) = free {
            page.sample(&[], free);
        }
        page.metric("retold_disk_reserve_bytes", "gauge", "Kept free: where less is, nothing is taken in.").sample(&[], reserve);
        let (guests, most) = site.host.guest_memory_bytes();
        page.metric("retold_guest_memory_bytes", "gauge", "Memory that modules hold, at work or idle.").sample(&[], guests);
        page.metric("retold_guest_memory_max_bytes", "gauge", "What they may hold together.").sample(&[], most);
        let quota = site.host.quota();
        page.metric(
            "retold_quota_events",
            "gauge",
            "Events that each namespace may have of which nothing else was said; 0 without a limit.",
        )
        .sample(&[], quota.events_max.unwrap_or_default());
        page.metric(
            "retold_quota_bytes",
            "gauge",
            "Bytes that each namespace may take on the disk of which nothing else was said; 0 without a limit.",
        )
        .sample(&[], quota.bytes_max.unwrap_or_default());
        let spans =
            |count: fn(&SpanCounts) -> &AtomicU64| site.host.tracer().map_or(0, |tracer| count(tracer.counts()).load(Ordering::Relaxed));
        page.metric("retold_spans_exported_total", "counter", "Spans that the collector of traces took.")
            .sample(&[], spans(|counts| &counts.exported));
        page.metric("retold_spans_dropped_total", "counter", "Spans that were dropped: too many waited, or nobody took them.")
            .sample(&[], spans(|counts| &counts.dropped));
        let counts = &site.counts;
        page.metric("retold_http_connections_total", "counter", "Connections accepted.")
            .sample(&[], counts.connections.load(Ordering::Relaxed));
        page.metric("retold_http_connections_open", "gauge", "Connections that are open.")
            .sample(&[], counts.connections_open.load(Ordering::Relaxed));
        page.metric("retold_http_connections_refused_total", "counter", "Connections of addresses that held their share already.")
            .sample(&[], counts.connections_refused.load(Ordering::Relaxed));
        page.metric("retold_http_answers_total", "counter", "Requests answered, by class of status.");
        counts.answers().for_each(|(class, count)| page.sample(&[("class", class)], count));
        let namespaces: Vec<(String, NamespaceMetrics, Vec<FunctionInfo>)> = site
            .host
            .namespaces()
            .iter()
            .map(|namespace| (namespace.name().to_owned(), namespace.metrics(), namespace.functions()))
            .collect();
        for (name, kind, help, value) in NAMESPACE_METRICS {
            page.metric(name, kind, help);
            namespaces.iter().for_each(|(namespace, metrics, _)| page.sample(&[("namespace", namespace)], value(metrics)));
        }
        page.metric("retold_commit_duration_seconds", "histogram", "How long commits took, with the sync of the disk.");
        namespaces.iter().for_each(|(namespace, metrics, _)| page.durations(namespace, &metrics.commits));
        for (name, kind, help, value) in FUNCTION_METRICS {
            page.metric(name, kind, help);
            for (namespace, _, functions) in &namespaces {
                functions
                    .iter()
                    .for_each(|function| page.sample(&[("namespace", namespace), ("function", &function.name)], value(function)));
            }
        }
        page.metric("retold_function_parked_events_by_reason", "gauge", "Of the oldest 10,000 events that are set aside, by reason.");
        for (namespace, _, functions) in &namespaces {
            for function in functions {
                for (reason, count) in &function.parked_reasons {
                    page.sample(&[("namespace", namespace), ("function", &function.name), ("reason", reason)], count);
                }
            }
        }
        page.metric("retold_function_oldest_parked_seconds", "gauge", "Age of the oldest parked event of a function that has one.");
        for (namespace, _, functions) in &namespaces {
            for function in functions {
                if let Some(oldest) = function.oldest_parked {
                    page.sample(&[("namespace", namespace), ("function", &function.name)], seconds(now.0.saturating_sub(oldest.0)));
                }
            }
        }
        // What can't be read of one is told by its own page, and in the host's log.
        let consumers: Vec<(String, Vec<ConsumerInfo>)> = site
            .host
            .namespaces()
            .iter()
            .map(|namespace| (namespace.name().to_owned(), namespace.consumers().unwrap_or_default()))
            .collect();
        for (name, kind, help, value) in CONSUMER_METRICS {
            page.metric(name, kind, help);
            for (namespace, consumers) in &consumers {
                consumers.iter().for_each(|info| page.sample(&[("namespace", namespace), ("consumer", &info.name)], value(&info.status)));
            }
        }
        page.metric("retold_consumer_oldest_parked_seconds", "gauge", "Age of the oldest parked event of a consumer that has one.");
        for (namespace, consumers) in &consumers {
            for info in consumers {
                if let Some(oldest) = info.status.oldest_parked {
                    page.sample(&[("namespace", namespace), ("consumer", &info.name)], seconds(now.0.saturating_sub(oldest.0)));
                }
            }
        }
        page.text
    });
    let text = text.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Body::full(text)))
}

type Metric<From> = (&'static str, &'static str, &'static str, fn(&From) -> f64);

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

const CONSUMER_METRICS: &[Metric<ConsumerStatus>] = &[
    ("retold_consumer_lag", "gauge", "Events that a consumer has to acknowledge yet.", |status| status.lag as f64),
    ("retold_consumer_leased", "gauge", "Of them, those that are with a member.", |status| status.leased as f64),
    ("retold_consumer_parked", "gauge", "Events that a consumer has set aside.", |status| status.parked as f64),
    ("retold_consumer_acknowledged_total", "counter", "Events that were acknowledged since the consumer was made.", |status| {
        status.row.acknowledged as f64
    }),
];

const NAMESPACE_METRICS: &[Metric<NamespaceMetrics>] = &[
    ("retold_head", "gauge", "The last position: events in the log.", |metrics| metrics.head as f64),
    ("retold_appended_events_total", "counter", "Events appended by clients that were new.", |metrics| metrics.appended_events as f64),
    ("retold_appended_bytes_total", "counter", "Data and attributes of appends that were taken in, known ones too.", |metrics| {
        metrics.appended_bytes as f64
    }),
    ("retold_commands_total", "counter", "Commands that aggregates accepted.", |metrics| metrics.commands as f64),
    ("retold_derived_events_total", "counter", "Events that functions made.", |metrics| metrics.derived_events as f64),
    ("retold_commits_total", "counter", "Transactions, each with one sync of the disk.", |metrics| metrics.commits.count() as f64),
    ("retold_commit_seconds_total", "counter", "Time that the writer spent in commits.", |metrics| seconds(metrics.commits.sum_us)),
    ("retold_refused_total", "counter", "Appends that the writer refused.", |metrics| metrics.refused as f64),
    ("retold_timers_fired_total", "counter", "Timers and schedules that made an event.", |metrics| metrics.timers_fired as f64),
    ("retold_timers_late_seconds_total", "counter", "How long after they were due these fired, taken together.", |metrics| {
        seconds(metrics.timers_late_us)
    }),
    ("retold_timers_pending", "gauge", "Timers that are set.", |metrics| metrics.timers as f64),
    ("retold_timers_overdue_seconds", "gauge", "How long the next timer or schedule has been due.", |metrics| seconds(metrics.overdue_us)),
    ("retold_writer_queue_length", "gauge", "Proposals that wait for the writer.", |metrics| metrics.queue_length as f64),
    ("retold_requests_sent_total", "counter", "Requests that left for the outside, each attempt anew.", |metrics| {
        metrics.requests_sent as f64
    }),
    ("retold_requests_replied_total", "counter", "Requests to the outside that got their reply.", |metrics| {
        metrics.requests_replied as f64
    }),
    ("retold_requests_failed_total", "counter", "Requests to the outside that failed for good.", |metrics| metrics.requests_failed as f64),
    ("retold_outbox_hosts_down", "gauge", "Hosts to which nothing is sent for now.", |metrics| metrics.hosts_down as f64),
    ("retold_segments", "gauge", "Sealed segments of the log.", |metrics| metrics.segments as f64),
    (
        "retold_oldest_snapshot_commits",
        "gauge",
        "Commits since the oldest snapshot that is read was taken; while one is, the database keeps the pages that it sees.",
        |metrics| metrics.oldest_snapshot_commits as f64,
    ),
    ("retold_namespace_quota_events", "gauge", "Events that the namespace may have; 0 without a limit.", |metrics| {
        metrics.quota.events_max.unwrap_or_default() as f64
    }),
    ("retold_namespace_quota_bytes", "gauge", "Bytes that the namespace may take on the disk; 0 without a limit.", |metrics| {
        metrics.quota.bytes_max.unwrap_or_default() as f64
    }),
    ("retold_disk_bytes", "gauge", "What the namespace takes on the disk.", |metrics| metrics.bytes_in_use as f64),
];

const FUNCTION_METRICS: &[Metric<FunctionInfo>] = &[
    ("retold_function_active", "gauge", "1 if the function runs, 0 if it is paused or halted.", |function| {
        f64::from(u8::from(status_word(&function.status) == "active"))
    }),
    ("retold_function_halted", "gauge", "1 if the function stopped at an event that it can't handle.", |function| {
        f64::from(u8::from(status_word(&function.status) == "halted"))
    }),
    ("retold_function_lag_events", "gauge", "Positions between the first event that it has not dealt with and the head.", |function| {
        function.lag as f64
    }),
    ("retold_function_parked_events", "gauge", "Events that are set aside now.", |function| function.parked as f64),
    ("retold_function_released_events", "gauge", "Of those that are set aside, the ones that are about to be tried again.", |function| {
        function.released as f64
    }),
    ("retold_function_requests_waiting", "gauge", "Requests to the outside without an answer.", |function| {
        function.requests.requests as f64
    }),
    ("retold_function_requests_held", "gauge", "Requests to the outside that are held back.", |function| {
        function.requests.requests_held as f64
    }),
    ("retold_function_outputs_held", "gauge", "Outputs that are held back, and are no entries of the log.", |function| {
        function.requests.outputs_held as f64
    }),
    ("retold_function_timers_pending", "gauge", "Timers that are set.", |function| function.timers as f64),
    ("retold_function_handled_total", "counter", "Events dealt with.", |function| function.counts.handled as f64),
    ("retold_function_emitted_total", "counter", "Events made.", |function| function.counts.emitted as f64),
    ("retold_function_failed_attempts_total", "counter", "Attempts at an event that failed.", |function| {
        function.counts.failed_attempts as f64
    }),
    ("retold_function_parked_total", "counter", "Events that were set aside.", |function| function.counts.parked as f64),
    ("retold_function_calls_total", "counter", "Calls into the sandbox.", |function| function.counts.calls as f64),
    ("retold_function_busy_seconds_total", "counter", "Time spent in the sandbox.", |function| seconds(function.counts.busy_us)),
];

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Page {
        self.name = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// Of a histogram.
    fn durations(&mut self, namespace: &str, durations: &DurationCounts) {
        for (bound, count) in durations.upto() {
            self.sample_of("_bucket", &[("namespace", namespace), ("le", &seconds(bound).to_string())], count);
        }
        self.sample_of("_bucket", &[("namespace", namespace), ("le", "+Inf")], durations.count());
        self.sample_of("_sum", &[("namespace", namespace)], seconds(durations.sum_us));
        self.sample_of("_count", &[("namespace", namespace)], durations.count());
    }

    fn sample_of(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(part);
        // Names of namespaces and functions need no escapes.
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_written_as_prometheus_reads_it() {
        let mut page = Page::default();
        page.metric("retold_head", "gauge", "The last position.").sample(&[], 7.0);
        page.sample(&[("namespace", "main"), ("function", "f")], 0.25);
        assert_eq!(
            page.text,
            "# HELP retold_head The last position.\n# TYPE retold_head gauge\nretold_head 7\nretold_head{namespace=\"main\",function=\"f\"} 0.25\n"
        );
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_and_counters_say_total() {
        let kinds = NAMESPACE_METRICS
            .iter()
            .map(|(name, kind, ..)| (name, kind))
            .chain(FUNCTION_METRICS.iter().map(|(name, kind, ..)| (name, kind)));
        let mut names = std::collections::BTreeSet::new();
        for (name, kind) in kinds {
            assert!(names.insert(name), "{name} twice");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        }
    }
}

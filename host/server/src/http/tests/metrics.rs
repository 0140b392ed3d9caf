//! docs/metrics.md and the page `/metrics` say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::running::Running;

const PAGE: &str = include_str!("../../../../../docs/metrics.md");

/// What is said of a metric: type, meaning, labels, unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    kind: String,
    meaning: String,
    labels: BTreeSet<String>,
    unit: String,
}

fn on_the_page() -> BTreeMap<String, Said> {
    let mut said = BTreeMap::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else { panic!("{row}") };
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(|label| label.trim_matches('`').to_owned()).collect();
        let row = Said { kind: kind.into(), meaning: meaning.into(), labels, unit: unit.into() };
        assert!(said.insert(name.trim_matches('`').to_owned(), row).is_none(), "{name} twice");
    }
    said
}

fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or("")
}

/// Names and labels of the samples under a metric's head.
fn labels(samples: &[&str]) -> BTreeSet<String> {
    let inside = samples.iter().filter_map(|line| line.split_once('{')?.1.split_once('}').map(|(labels, _)| labels));
    inside.flat_map(|labels| labels.split(',')).filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_page_on_metrics_lists_what_the_host_tells_word_for_word_and_nothing_else() {
    let host = Running::start();
    host.append("1", "");
    let consumer = host.send("PUT", "/v1/namespaces/main/consumers/billing", &[("content-type", "application/json")], b"{}");
    assert!(consumer.status < 300, "{}", consumer.text());
    let answer = host.get("/metrics");
    let mut page = on_the_page();
    for told in answer.text().split("# HELP ").skip(1) {
        let mut lines = told.lines();
        let (name, meaning) = lines.next().and_then(|line| line.split_once(' ')).expect("a name and its meaning");
        let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)).expect("a type").trim();
        let said =
            page.remove(name).unwrap_or_else(|| panic!("docs/metrics.md lacks | `{name}` | {kind} | | {} | {meaning} |", unit(name)));
        assert_eq!((said.kind.as_str(), said.meaning.as_str(), said.unit.as_str()), (kind, meaning, unit(name)), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        let samples: Vec<&str> = lines.collect();
        assert!(samples.iter().all(|line| line.starts_with(name)), "{samples:?}");
        assert!(samples.is_empty() || labels(&samples) == said.labels, "{name}: {samples:?}");
        assert!(said.labels.contains("function") || said.unit == "seconds" || !samples.is_empty(), "{name} has no sample");
    }
    assert!(page.is_empty(), "docs/metrics.md lists what the host doesn't tell: {:?}", page.keys());
}

#[test]
fn commits_are_counted_by_how_long_they_took() {
    let host = Running::start();
    host.append("1", "");
    let answer = host.get("/metrics");
    let value = |line: &str| -> f64 {
        let found = answer.text().lines().find_map(|text| text.strip_prefix(line)).unwrap_or_else(|| panic!("{line}: {}", answer.text()));
        found.trim().parse().expect("a number")
    };
    let count = value("retold_commit_duration_seconds_count{namespace=\"main\"}");
    assert!(count >= 1.0);
    assert_eq!(value("retold_commit_duration_seconds_bucket{namespace=\"main\",le=\"+Inf\"}"), count);
    assert!(value("retold_commit_duration_seconds_bucket{namespace=\"main\",le=\"10\"}") <= count);
    assert!(value("retold_commit_duration_seconds_sum{namespace=\"main\"}") > 0.0);
    assert_eq!(value("retold_commits_total{namespace=\"main\"}"), count);
}

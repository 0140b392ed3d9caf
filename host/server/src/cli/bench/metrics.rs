//! What a host says of itself under `/metrics`, in the text format of Prometheus.

use anyhow::Result;

use crate::cli::client::Client;

/// Durable commits since the host started; one or more flushes each.
const COMMITS: &str = "retold_commits_total";

/// One reading.
pub struct Metrics(String);

impl Metrics {
    pub fn read(client: &Client) -> Result<Self> {
        Ok(Metrics(client.text("/metrics")?))
    }

    /// None if this host doesn't count them.
    pub fn commits_since(&self, earlier: &Metrics) -> Option<u64> {
        Some((self.sum(COMMITS)? - earlier.sum(COMMITS)?) as u64)
    }

    /// Over all labels.
    fn sum(&self, name: &str) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| value(line, name));
        values.reduce(|sum, value| sum + value)
    }

    /// Of one namespace.
    pub fn of_namespace(&self, name: &str, namespace: &str) -> Option<f64> {
        let label = format!("namespace=\"{namespace}\"");
        self.0.lines().filter(|line| line.contains(&label)).find_map(|line| value(line, name))
    }
}

fn value(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let is_whole_name = rest.starts_with(['{', ' ']);
    rest.rsplit(' ').next().filter(|_| is_whole_name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_over_its_labels() {
        let text = "# TYPE a counter\na{namespace=\"main\"} 3\na{namespace=\"x y\"} 4\na_b 100\nb 5\n";
        let metrics = Metrics(text.into());
        assert_eq!((metrics.sum("a"), metrics.sum("b"), metrics.sum("c")), (Some(7.0), Some(5.0), None));
        assert_eq!(metrics.of_namespace("a", "main"), Some(3.0));
    }
}

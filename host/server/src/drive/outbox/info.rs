//! How the outbox stands, for operators.

use std::collections::BTreeSet;
use std::time::Duration;

use retold_engine::model::Position;

use super::super::clock;
use super::super::namespace::Namespace;

/// Whether requests leave, and how the hosts are that they go to.
#[derive(Clone, Debug, Default)]
pub struct OutboxInfo {
    /// False in a fork, an old generation or a retelling: requests are held.
    pub leave: bool,
    /// The operator lets nothing leave.
    pub off: bool,
    pub hosts: Vec<LaneInfo>,
    pub under_way: BTreeSet<Position>,
}

/// A host to which something waits to be sent.
#[derive(Clone, Debug)]
pub struct LaneInfo {
    pub host: String,
    pub under_way: usize,
    /// In a row.
    pub failures: u32,
    /// Nothing is sent to it for so long.
    pub closed_for: Option<Duration>,
    /// What the last failure was.
    pub trouble: Option<String>,
}

impl Namespace {
    pub fn outbox(&self) -> OutboxInfo {
        let inside = self.inside();
        let effects = inside.reader.snapshot().is_ok_and(|snapshot| snapshot.effects());
        let (now, lanes) = (clock::started(), inside.outbox.lanes());
        let hosts = lanes.lanes().map(|(host, lane)| LaneInfo {
            host: host.clone(),
            under_way: lane.under_way.len(),
            failures: lane.failures,
            closed_for: lane.closed_until.and_then(|until| until.checked_duration_since(now)).filter(|pause| !pause.is_zero()),
            trouble: lane.trouble.clone(),
        });
        OutboxInfo {
            leave: effects && !inside.is_frozen(),
            off: inside.sending.client.outside().requests_off,
            hosts: hosts.collect(),
            under_way: lanes.lanes().flat_map(|(_, lane)| lane.under_way.iter().copied()).collect(),
        }
    }
}

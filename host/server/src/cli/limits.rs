//! What an operator says of how much others may do.

use clap::Args;

use super::serve::bytes;
use crate::drive::{Quota, Rate};
use crate::http::ServeOptions;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Requests a second of each token that has no rate of its own, such as 100/s
    #[arg(long, value_name = "RATE")]
    rate_per_token: Option<Rate>,
    /// Requests a second to each namespace, but for those of who operates it, such as 1000/s
    #[arg(long, value_name = "RATE")]
    rate_per_namespace: Option<Rate>,
    /// Connections of one address beyond this machine; an IPv6 network of 64 bits is one address
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    connections_per_address: u32,
    /// Events that each namespace may have; what would add to them is refused or waits
    #[arg(long, value_name = "COUNT")]
    quota_events: Option<u64>,
    /// What each namespace may take on the disk, such as 20GiB; the same
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    quota_bytes: Option<u64>,
}

impl LimitOptions {
    pub fn quota(&self) -> Quota {
        Quota { events_max: self.quota_events, bytes_max: self.quota_bytes }
    }

    pub fn set(&self, serving: &mut ServeOptions) {
        serving.rate_per_token = self.rate_per_token;
        serving.rate_per_namespace = self.rate_per_namespace;
        serving.connections_per_address_max = self.connections_per_address as usize;
    }
}

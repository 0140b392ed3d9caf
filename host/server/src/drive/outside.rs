//! What the operator allows of the outside: secrets, hosts, addresses.

mod addresses;
mod client;
#[cfg(test)]
mod client_tests;
mod connect;
mod retry;
mod secrets;

use std::net::IpAddr;

use retold_engine::model::host_allowed;

pub use addresses::{Network, is_public};
pub use client::{Client, OutgoingRequest, Response, SendError, SendErrorKind};
pub use retry::{NOT_ALLOWED_PAUSE, RETRY_PAUSE_MAX, retry_after, retry_pause};
pub use secrets::{Secret, SecretError, Secrets};

/// The operator's word. A function's manifest must allow a host too.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    pub secrets: Secrets,
    /// Hosts that requests may go to, as manifests name them.
    pub hosts: Vec<String>,
    /// Addresses that are not public and may be reached all the same.
    pub addresses: Vec<Network>,
    /// Nothing leaves.
    pub requests_off: bool,
}

impl Outside {
    /// Whether requests to this host, with its port if one is given, are allowed.
    pub fn allows_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|allowed| host_allowed(allowed, host))
    }

    /// Whether a connection to this address is allowed.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        is_public(address) || self.addresses.iter().any(|network| network.contains(address))
    }
}

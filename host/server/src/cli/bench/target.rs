//! The host that is measured: one that runs, or one started for it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::own_host::OwnHost;
use crate::cli::failure::Usage;
use crate::cli::temporary::TemporaryFolder;

pub struct Target {
    pub url: String,
    pub address: SocketAddr,
    /// Stopped before its folder goes.
    pub own: Option<OwnHost>,
    /// Where the machine's own limits are measured: beside the host's data if it is ours.
    folder: TemporaryFolder,
}

impl Target {
    /// A host that somebody else runs.
    pub fn at(url: &str) -> Result<Self> {
        if url.starts_with("https://") {
            let why = "hosts are measured in the clear, as TLS would be measured with them: give http://HOST:PORT";
            return Err(Usage(format!("`{url}`: {why}")).into());
        }
        let name = url.trim_end_matches('/').strip_prefix("http://").unwrap_or(url);
        let address = name.to_socket_addrs().with_context(|| format!("`{url}` is no address of a host"))?.next();
        let address = address.ok_or_else(|| anyhow!("`{url}` is no address of a host"))?;
        Ok(Target { url: url.to_owned(), address, own: None, folder: TemporaryFolder::create("bench")? })
    }

    /// A host on an empty folder.
    pub fn start() -> Result<Self> {
        let folder = TemporaryFolder::create("bench")?;
        let own = OwnHost::start(&folder.path().join("data"))?;
        Ok(Target { url: format!("http://{}", own.address), address: own.address, own: Some(own), folder })
    }

    /// For the machine's own measurements.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Time that the host's process has used on all cores, if it is ours.
    pub fn cpu_us(&self) -> Option<u64> {
        self.own.as_ref().and_then(OwnHost::cpu_us)
    }
}

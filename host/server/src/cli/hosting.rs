//! A host in this process: its runtime, its port, its end.

use std::net::{SocketAddr, TcpListener as StandardListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::failure::Usage;
use super::limits::LimitOptions;
use super::listen::Listen;
use super::otlp::OtlpOptions;
use super::outside::OutsideOptions;
use super::signals::Signals;
use super::tls::TlsOptions;
use super::token;
use crate::drive::race::{First, race};
use crate::{drive, http};

/// How long open requests may take to end after the first signal.
const GRACE: Duration = Duration::from_secs(10);

pub struct Hosting {
    runtime: Runtime,
    host: drive::Host,
    address: SocketAddr,
    scheme: &'static str,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// What an operator says of a host.
pub struct Wanted<'a> {
    pub data: &'a Path,
    pub outside: &'a OutsideOptions,
    pub otlp: &'a OtlpOptions,
    pub tls: &'a TlsOptions,
    pub limits: &'a LimitOptions,
    /// How much is kept of what is over.
    pub retention: drive::Retention,
    /// Under which it may be asked too.
    pub names: &'a [String],
    /// How much later than its machine it lives.
    pub clock_ahead: Duration,
    /// Bytes of the disk that it leaves free; 0: none.
    pub reserve_bytes: u64,
    /// Bytes that all guests may hold together.
    pub guest_memory_bytes: u64,
}

/// How long an instance of a module lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// As long as it is of use.
    Kept,
    /// One call, so that nothing in its memory can last.
    FreshEach,
}

impl Hosting {
    /// Listening and ready when this returns.
    pub fn start(data: &Path, listen: Listen) -> Result<Self> {
        Hosting::start_with(data, listen, Instances::Kept)
    }

    /// As its operator wants it.
    pub fn start_as(listen: Listen, wanted: &Wanted<'_>) -> Result<Self> {
        let mut options = drive::HostOptions {
            data: wanted.data.to_owned(),
            outside: outside(wanted.outside)?,
            clock_ahead: wanted.clock_ahead,
            reserve_bytes: wanted.reserve_bytes,
            quota: wanted.limits.quota(),
            retention: wanted.retention,
            tracing: wanted.otlp.tracing()?,
            ..Default::default()
        };
        options.sandbox.guests_memory_bytes_max = usize::try_from(wanted.guest_memory_bytes).unwrap_or(usize::MAX);
        check_tokens(listen, wanted.data)?;
        check_spoken(listen, wanted.tls)?;
        let tls = wanted.tls.certificates()?;
        let mut serving = http::ServeOptions { names: wanted.names.to_vec(), tls, ..Default::default() };
        wanted.limits.set(&mut serving);
        Hosting::start_so(listen, options, serving)
    }

    pub fn start_with(data: &Path, listen: Listen, instances: Instances) -> Result<Self> {
        check_tokens(listen, data)?;
        let mut options = drive::HostOptions { data: data.to_owned(), ..Default::default() };
        if instances == Instances::FreshEach {
            options.sandbox.calls_per_instance_max = 1;
        }
        Hosting::start_so(listen, options, http::ServeOptions::default())
    }

    fn start_so(listen: Listen, options: drive::HostOptions, mut serving: http::ServeOptions) -> Result<Self> {
        // The port first: a second host must not touch the data before it learns that it is second.
        let listener = StandardListener::bind(listen.0)
            .with_context(|| format!("cannot listen on {} (another host may be; --listen 127.0.0.1:0 takes a free port)", listen.0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_multi_thread().enable_all().thread_name("retold-http").build()?;
        let entered = runtime.enter();
        let data = options.data.clone();
        let host = drive::Host::open(options).with_context(|| format!("cannot open the data in {}", data.display()))?;
        tell_tokens(&host, address);
        if !address.ip().is_unspecified() {
            serving.names.push(address.ip().to_string());
        }
        let listener = TcpListener::from_std(listener)?;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            // A dropped sender means the same: nobody is left who wants us to go on.
            let _ = stopped.await;
        };
        let scheme = if serving.tls.is_some() { "https" } else { "http" };
        let served = http::serve(listener, host.clone(), serving, shutdown)?;
        drop(entered);
        Ok(Hosting { runtime, host, address, scheme, stop, served })
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// From now on SIGINT and SIGTERM wait for `run_until_told_to_stop`. Whoever is told that the host listens may send one at once.
    pub fn signals(&self) -> Result<Signals> {
        let _entered = self.runtime.enter();
        Signals::caught().context("signals to stop can't be received")
    }

    /// Serves until one of the signals or a failure of the storage, then stops.
    pub fn run_until_told_to_stop(self, signals: Signals) -> Result<()> {
        let failure = self.runtime.block_on(race(signals.first(), self.host.failed()));
        if matches!(failure, First::One(())) {
            tracing::info!("stopping");
        }
        let stopped = self.stop();
        match failure {
            First::One(()) => stopped,
            First::Other(message) => Err(anyhow!("the storage failed: {message}")),
        }
    }

    /// Answers what is open, for at most `GRACE`, then closes the store.
    pub fn stop(self) -> Result<()> {
        let Hosting { runtime, host, stop, served, .. } = self;
        let _ = stop.send(());
        let served = runtime.block_on(async { tokio::time::timeout(GRACE, served).await });
        host.stop();
        runtime.shutdown_background();
        match served {
            Ok(Ok(served)) => served.context("the HTTP server failed"),
            Ok(Err(panicked)) => Err(panicked).context("the HTTP server failed"),
            // Connections that outlive the grace are cut: what they were told is durable.
            Err(_elapsed) => Ok(()),
        }
    }
}

/// Nobody can take the last token away again, so what is found now holds while the host runs.
fn check_tokens(listen: Listen, data: &Path) -> Result<()> {
    if !listen.is_beyond_this_machine() || token::has_tokens(data)? {
        return Ok(());
    }
    let message = format!(
        "--listen {}: whoever reaches it from other machines could do everything, as there are no access tokens yet; make the first one with: \
         retold token create admin --allow append,read,command,query,deploy,operate --data {}",
        listen.0,
        data.display()
    );
    Err(Usage(message).into())
}

/// What tokens and events are sent in is the operator's decision.
fn check_spoken(listen: Listen, tls: &TlsOptions) -> Result<()> {
    if !listen.is_beyond_this_machine() || tls.are_said() {
        return Ok(());
    }
    let message = format!(
        "--listen {}: tokens and events would cross the network for all to read; give --tls-certificate FILE and --tls-key FILE, or \
         --plaintext if something in front of the host speaks TLS",
        listen.0
    );
    Err(Usage(message).into())
}

/// How many there are, or what it means that there are none.
fn tell_tokens(host: &drive::Host, address: SocketAddr) {
    let tokens = host.tokens().all();
    if tokens.is_empty() {
        tracing::info!("there are no access tokens: whoever reaches {address} may do everything; `retold token create` makes one");
        return;
    }
    let over = tokens.iter().filter(|token| token.is_over(host.now())).count();
    tracing::info!(tokens = tokens.len(), expired = over, "every request needs an access token");
}

fn outside(allowed: &OutsideOptions) -> Result<drive::Outside> {
    let network = |text: &String| text.parse::<drive::Network>().map_err(|error| Usage(format!("--allow-address: {error}")).into());
    if let Some(folder) = allowed.secrets.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Usage(format!("--secrets: there is no folder {}: make it, with a file for each secret", folder.display())).into());
    }
    Ok(drive::Outside {
        secrets: drive::Secrets::in_folder(allowed.secrets.clone()),
        hosts: allowed.allow_host.clone(),
        addresses: allowed.allow_address.iter().map(network).collect::<Result<_>>()?,
        requests_off: allowed.no_requests,
    })
}

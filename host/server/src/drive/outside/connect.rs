//! Connections to the outside. A name is resolved once, all that it stands for is looked at, and the
//! connection goes to one of these addresses: a name that stands for another address a moment later changes
//! nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Outside;
use super::client::{SendError, SendErrorKind};

/// For the name, and for each connection that is tried.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody uses.
const KEPT_TIME_MAX: Duration = Duration::from_secs(20);
/// Connections that are kept to one target, and to all.
const KEPT_PER_TARGET_MAX: usize = 64;
const KEPT_TARGETS_MAX: usize = 256;
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

pub type Sender = SendRequest<Full<Bytes>>;

/// Where a connection goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub authority: String,
    host: String,
    port: u16,
    tls: bool,
}

impl Target {
    pub fn of(uri: &Uri) -> Option<Target> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Some(Target { authority: authority.as_str().to_owned(), host, port, tls }).filter(|target| !target.host.is_empty())
    }
}

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Tells which addresses a name stands for, each with this port.
pub type Names = Box<dyn Fn(&str, u16) -> Found + Send + Sync>;

struct Kept {
    sender: Sender,
    since: Instant,
}

pub struct Connector {
    outside: Arc<Outside>,
    kept: Mutex<BTreeMap<Target, Vec<Kept>>>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
    names: Names,
}

impl Connector {
    pub fn new(outside: Arc<Outside>) -> Connector {
        Connector { outside, kept: Mutex::default(), tls: OnceLock::new(), names: Box::new(names_of_the_machine) }
    }

    #[cfg(test)]
    pub fn asking(outside: Arc<Outside>, names: Names) -> Connector {
        Connector { names, ..Connector::new(outside) }
    }

    #[cfg(test)]
    pub fn trusting(outside: Arc<Outside>, roots: RootCertStore) -> Connector {
        Connector { tls: OnceLock::from(trusting(roots)), ..Connector::new(outside) }
    }

    /// A connection that was kept and still stands.
    pub async fn kept(&self, target: &Target) -> Option<Sender> {
        loop {
            let Kept { mut sender, since } = self.all_kept().get_mut(target).and_then(Vec::pop)?;
            if since.elapsed() < KEPT_TIME_MAX && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    pub fn keep(&self, target: &Target, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut all = self.all_kept();
        if all.len() >= KEPT_TARGETS_MAX && !all.contains_key(target) {
            all.retain(|_, kept| kept.iter().any(|kept| kept.since.elapsed() < KEPT_TIME_MAX && !kept.sender.is_closed()));
            if all.len() >= KEPT_TARGETS_MAX {
                return;
            }
        }
        let kept = all.entry(target.clone()).or_default();
        kept.retain(|kept| kept.since.elapsed() < KEPT_TIME_MAX && !kept.sender.is_closed());
        if kept.len() < KEPT_PER_TARGET_MAX {
            kept.push(Kept { sender, since: Instant::now() });
        }
    }

    fn all_kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<Target, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn connect(&self, target: &Target) -> Result<Sender, SendError> {
        let stream = self.reach(target, &self.resolve(target).await?).await?;
        // Requests are small and answers are waited for.
        drop(stream.set_nodelay(true));
        if !target.tls {
            return speak(TokioIo::new(stream)).await;
        }
        let no = |what: String| SendError::new(SendErrorKind::Tls, what);
        let config = self.tls.get_or_init(tls_config).clone().map_err(no)?;
        let name = ServerName::try_from(target.host.clone()).map_err(|error| no(format!("{} is no name for TLS: {error}", target.host)))?;
        let secured = timeout(CONNECT_TIME_MAX, TlsConnector::from(config).connect(name, stream)).await;
        let secured = secured.map_err(|_| no(format!("{} did not agree on TLS in time", target.authority)))?;
        let secured = secured.map_err(|error| no(format!("no TLS with {}: {error}", target.authority)))?;
        speak(TokioIo::new(secured)).await
    }

    /// All that the name stands for, if all of it may be gone to.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, SendError> {
        let no = |why: String| SendError::new(SendErrorKind::Name, format!("the name {} can't be resolved: {why}", target.host));
        let found = timeout(CONNECT_TIME_MAX, (self.names)(&target.host, target.port)).await;
        let found = found.map_err(|_| no("nobody answers".into()))?.map_err(|error| no(error.to_string()))?;
        if found.is_empty() {
            return Err(no("it stands for no address".into()));
        }
        match found.iter().find(|address| !self.outside.allows_address(address.ip())) {
            None => Ok(found),
            Some(address) => Err(SendError::new(
                SendErrorKind::Address,
                format!(
                    "{} stands for {}, which is not a public address: requests don't go there, unless the host is started with --allow-address {}",
                    target.host,
                    address.ip(),
                    address.ip()
                ),
            )),
        }
    }

    async fn reach(&self, target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
        let mut last = String::new();
        for address in addresses {
            match timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = "nobody answers".into(),
            }
        }
        Err(SendError::new(SendErrorKind::Refused, format!("{} can't be reached: {last}", target.authority)))
    }
}

fn names_of_the_machine(host: &str, port: u16) -> Found {
    let host = host.to_owned();
    Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) })
}

async fn speak(stream: impl Read + Write + Unpin + Send + 'static) -> Result<Sender, SendError> {
    let (sender, connection) = Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(stream)
        .await
        .map_err(|error| SendError::new(SendErrorKind::Protocol, format!("the connection can't be used: {error}")))?;
    // Its errors come to whoever sends over it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Trusts whom the machine trusts, or who is named by `SSL_CERT_FILE`.
fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    if roots.is_empty() {
        return Err("this machine trusts no certificates: install its package of CA certificates, or set SSL_CERT_FILE".into());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let mut config = builder.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

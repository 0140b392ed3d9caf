//! TLS at the doors: the certificate and its key, which are read again when their files change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::race::race;

/// The first byte of a client that speaks TLS. No method of HTTP begins so.
pub const HANDSHAKE: u8 = 0x16;
/// Between two looks at the files.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Why a certificate and a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    #[error("{0} can't be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("{0} holds no {1} in PEM")]
    NotPem(PathBuf, &'static str),
    #[error("the certificate in {0} and the key in {1} can't be used: {2}")]
    Pair(PathBuf, PathBuf, String),
}

/// What the host shows to who connects.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    config: Arc<ServerConfig>,
    /// Of both files when they were last looked at, whether or not they could be used.
    digest: [u8; 32],
}

impl Certificates {
    /// From a file with the host's certificate and those that vouch for it, and one with its key.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Certificates, NotUsable> {
        let (certificate_pem, key_pem) = (contents(&certificate)?, contents(&key)?);
        let config = config(&certificate, &certificate_pem, &key, &key_pem)?;
        let shown = Mutex::new(Shown { config, digest: digest(&certificate_pem, &key_pem) });
        Ok(Certificates { certificate, key, shown })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.shown.lock().unwrap_or_else(PoisonError::into_inner).config.clone())
    }

    /// Looks at the files again. True: from now on another pair is shown. What can't be used is told once, and changes nothing.
    pub fn renew(&self) -> Result<bool, NotUsable> {
        let (certificate, key) = (contents(&self.certificate)?, contents(&self.key)?);
        let digest = digest(&certificate, &key);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.digest == digest {
            return Ok(false);
        }
        shown.digest = digest;
        shown.config = config(&self.certificate, &certificate, &self.key, &key)?;
        Ok(true)
    }
}

/// Renews until it is aborted: every ten seconds, and at once when the process is sent SIGHUP, which is caught when this returns.
pub fn keep_current(certificates: Arc<Certificates>) -> io::Result<JoinHandle<()>> {
    let hangups = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(renew_at(hangups, certificates)))
}

async fn renew_at(mut hangups: Signal, certificates: Arc<Certificates>) {
    loop {
        race(hangups.recv(), sleep(LOOK_AGAIN)).await;
        match certificates.renew() {
            Ok(true) => tracing::info!("another certificate is shown from now on"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate was not changed: the one from before is shown on"),
        }
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, NotUsable> {
    fs::read(file).map_err(|error| NotUsable::Unreadable(file.to_owned(), error))
}

fn digest(certificate: &[u8], key: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update((certificate.len() as u64).to_be_bytes());
    digest.update(certificate);
    digest.update(key);
    digest.finalize().into()
}

fn config(certificate: &Path, certificate_pem: &[u8], key: &Path, key_pem: &[u8]) -> Result<Arc<ServerConfig>, NotUsable> {
    let chain: Option<Vec<_>> = CertificateDer::pem_slice_iter(certificate_pem).map(Result::ok).collect();
    let chain = chain.filter(|chain| !chain.is_empty()).ok_or_else(|| NotUsable::NotPem(certificate.to_owned(), "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| NotUsable::NotPem(key.to_owned(), "key"))?;
    let built = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = built.map_err(|error| NotUsable::Pair(certificate.to_owned(), key.to_owned(), error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: (&str, &str) =
        (include_str!("../../../../tests/it/certificates/first.pem"), include_str!("../../../../tests/it/certificates/first.key.pem"));
    const SECOND: (&str, &str) =
        (include_str!("../../../../tests/it/certificates/second.pem"), include_str!("../../../../tests/it/certificates/second.key.pem"));

    #[test]
    fn a_new_pair_is_shown_and_one_that_can_not_be_used_leaves_the_old_one_h22() {
        let folder = std::env::temp_dir().join(format!("retold-certificates-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let write = |(first, second): (&str, &str)| {
            fs::write(&certificate, first).expect("written");
            fs::write(&key, second).expect("written");
        };
        write((FIRST.0, SECOND.1));
        assert!(Certificates::read(certificate.clone(), key.clone()).is_err(), "the key is another's");
        write(("no certificate", FIRST.1));
        let refused = Certificates::read(certificate.clone(), key.clone()).expect_err("no PEM").to_string();
        assert!(refused.contains("certificate.pem holds no certificate in PEM"), "{refused}");
        write((FIRST.0, ""));
        assert!(Certificates::read(certificate.clone(), key.clone()).expect_err("no key").to_string().contains("no key in PEM"));
        write(FIRST);
        let certificates = Certificates::read(certificate.clone(), key.clone()).expect("a pair");
        let shown = || Arc::as_ptr(certificates.acceptor().config());
        let first = shown();
        assert!(!certificates.renew().expect("read") && shown() == first, "nothing has changed");
        // Half of a renewal: told once, and nothing is changed by it.
        write((SECOND.0, FIRST.1));
        assert!(certificates.renew().is_err() && shown() == first);
        assert!(!certificates.renew().expect("told before") && shown() == first);
        write(SECOND);
        assert!(certificates.renew().expect("a pair") && shown() != first);
        fs::remove_dir_all(&folder).expect("it was ours");
        assert!(matches!(certificates.renew(), Err(NotUsable::Unreadable(..))));
    }
}

//! What an operator says of TLS, and whom the command line trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::failure::Usage;
use crate::http::Certificates;

const CA_VARIABLE: &str = "RETOLD_CA";

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Speak TLS: the host's certificate and those that vouch for it, in PEM; read again when the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Listen beyond this machine without TLS, behind something that speaks it
    #[arg(long, conflicts_with = "tls_certificate")]
    plaintext: bool,
}

impl TlsOptions {
    /// Whether it was decided how others are spoken to.
    pub fn are_said(&self) -> bool {
        self.plaintext || self.tls_certificate.is_some()
    }

    pub fn certificates(&self) -> Result<Option<Arc<Certificates>>> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        let read = Certificates::read(certificate.clone(), key.clone());
        let read = read.map_err(|error| Usage(format!("--tls-certificate and --tls-key: {error}")))?;
        Ok(Some(Arc::new(read)))
    }
}

/// Trusts the certificates in `ca`, or in the file that RETOLD_CA names, or else whom the machine trusts.
pub fn trusting(ca: Option<&Path>) -> Result<TlsConfig> {
    let ca = ca.map(Path::to_owned).or_else(|| std::env::var_os(CA_VARIABLE).map(PathBuf::from));
    let roots = match ca {
        Some(file) => certificates_in(&file)?,
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
        }
    };
    if roots.is_empty() {
        return Err(Usage("this machine trusts no certificates: name the host's with --ca FILE".into()).into());
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

fn certificates_in(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let text = std::fs::read(file).with_context(|| format!("--ca: {} can't be read", file.display()))?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Usage(format!("--ca: {} holds no certificate in PEM", file.display())).into());
    }
    Ok(certificates)
}

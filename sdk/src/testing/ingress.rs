//! Trials of an ingress function.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::trial::{Output, Trial};
use crate::bindings::wire;
use crate::host::Webhook;
use crate::ingress::accept_in;
use crate::{Ingress, Response};

/// A foreign request to hand to a [`Trial`].
#[derive(Clone, Debug)]
pub struct Posted {
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Posted {
    /// A POST of these bytes.
    pub fn new(body: impl Into<Vec<u8>>) -> Posted {
        Posted { url: "/".to_owned(), headers: Vec::new(), body: body.into() }
    }

    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Posted {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn url(mut self, url: impl Into<String>) -> Posted {
        self.url = url.into();
        self
    }
}

/// The HMAC-SHA-256 (RFC 2104) of a message as hexadecimal digits, to sign a [`Posted`] with.
pub fn hmac_sha256_hex(secret: &str, message: &[u8]) -> String {
    hmac_sha256(secret.as_bytes(), message).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let mut key = [0; 64];
    if secret.len() <= key.len() {
        key[..secret.len()].copy_from_slice(secret);
    } else {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    }
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

impl<I: Ingress> Trial<I> {
    /// Gives a secret of the operator's. Panics if the function doesn't say that it uses it.
    #[track_caller]
    pub fn secret(&mut self, name: &str, value: &str) {
        let declared = I::describe().secrets;
        assert!(declared.iter().any(|known| known == name), "{} has no secret {name:?}: #[ingress(secrets({name:?}))]", I::NAME);
        self.secrets.insert(name.to_owned(), value.to_owned());
    }

    /// Hands over a request.
    pub fn accept(&mut self, posted: &Posted) -> Result<Vec<Output>, Response> {
        let headers = posted.headers.iter().cloned().map(|(name, value)| wire::Header { name, value }).collect();
        let request =
            wire::HttpRequest { method: "POST".to_owned(), url: posted.url.clone(), headers, body: posted.body.clone(), key: None };
        let events = self.call(|trial| accept_in::<I>(&request, &Known(&trial.secrets)))?;
        Ok(events.into_iter().map(Output::from).collect())
    }
}

/// The operator's secrets.
struct Known<'a>(&'a BTreeMap<String, String>);

impl Webhook for Known<'_> {
    fn verify_hmac_sha256(&self, secret: &str, message: &[u8], signature: &[u8]) -> bool {
        self.0.get(secret).is_some_and(|secret| hmac_sha256(secret.as_bytes(), message) == signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6.
    #[test]
    fn the_signatures_of_the_rfc_are_made() {
        let short = hmac_sha256_hex("Jefe", b"what do ya want for nothing?");
        assert_eq!(short, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long[..4], [0x60, 0xe4, 0x31, 0x59]);
    }
}

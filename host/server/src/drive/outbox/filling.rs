//! A request as it leaves: secrets put in, and taken out again of whatever is said of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use retold_engine::model::authority;
use retold_engine::store::PendingRequest;

use super::super::outside::{OutgoingRequest, Secret, SecretError, Secrets};

/// How long a request may take, with its answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Shorter ones are found in anything.
const HIDDEN_BYTES_MIN: usize = 6;

/// Why a request can't leave as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFilled {
    /// Until the operator does something.
    Secret(SecretError),
    /// For good: what, and what is wrong with it.
    Never(&'static str, String),
}

/// The secrets that a request holds.
#[derive(Debug, Default)]
pub struct Used(Vec<(String, Secret)>);

impl Used {
    /// The bytes without the secrets in them.
    pub fn hidden(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (name, secret) in &self.0 {
            let secret = secret.bytes();
            if secret.len() < HIDDEN_BYTES_MIN {
                continue;
            }
            let mut shown = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = rest.windows(secret.len()).position(|part| part == secret) {
                shown.extend_from_slice(&rest[..at]);
                shown.extend_from_slice(format!("{{{{secret:{name}}}}}").as_bytes());
                rest = &rest[at + secret.len()..];
            }
            shown.extend_from_slice(rest);
            bytes = shown;
        }
        bytes
    }

    pub fn hidden_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.hidden(text.as_bytes())).into_owned()
    }
}

/// The request with the secrets that its function's manifest names, and which these are.
pub fn filled(request: &PendingRequest, secrets: &Secrets, declared: &[String]) -> Result<(OutgoingRequest, Used), NotFilled> {
    let fill = |text: &str| secrets.fill(text, declared).map_err(NotFilled::of);
    let bad = |what: &str| NotFilled::Never("request", format!("{what} can't be sent as it is"));
    let url = String::from_utf8(fill(&request.url)?).map_err(|_| bad("the URL"))?;
    // A secret is part of what is asked, not of whom.
    if authority(&url) != authority(&request.url) {
        return Err(NotFilled::Never("url", "a secret stands where the host is named: name the host itself".into()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let what = format!("the header {name:?}");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(&what))?;
        let mut value = HeaderValue::from_bytes(&fill(value)?).map_err(|_| bad(&what))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    headers.insert("idempotency-key", HeaderValue::try_from(&request.id).map_err(|_| bad("the id"))?);
    let body = match std::str::from_utf8(&request.body) {
        Ok(text) => fill(text)?,
        Err(_) => request.body.clone(),
    };
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| bad("the method"))?;
    let outgoing = OutgoingRequest { method, url, headers, body: Bytes::from(body), timeout: REQUEST_TIME_MAX };
    Ok((outgoing, used(request, secrets, declared)?))
}

fn used(request: &PendingRequest, secrets: &Secrets, declared: &[String]) -> Result<Used, NotFilled> {
    let mut used = Used::default();
    for name in declared {
        let place = format!("{{{{secret:{name}}}}}");
        let body = std::str::from_utf8(&request.body).unwrap_or_default();
        let mut texts = request.headers.iter().map(|(_, value)| value.as_str()).chain([request.url.as_str(), body]);
        if texts.any(|text| text.contains(&place)) {
            used.0.push((name.clone(), secrets.get(name).map_err(NotFilled::of)?));
        }
    }
    // One may be a part of another.
    used.0.sort_by_key(|(_, secret)| std::cmp::Reverse(secret.bytes().len()));
    Ok(used)
}

impl NotFilled {
    fn of(error: SecretError) -> NotFilled {
        match error {
            SecretError::Undeclared(_) => NotFilled::Never("secret", error.to_string()),
            error => NotFilled::Secret(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::request;
    use super::*;

    fn secrets(name: &str, content: &str) -> Secrets {
        let folder = std::env::temp_dir().join(format!("retold-filling-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("KEY"), content).expect("written");
        Secrets::in_folder(Some(folder))
    }

    #[test]
    fn secrets_go_where_they_are_named_and_are_never_told() {
        let secrets = secrets("goes", "s3cret-value\n");
        let declared = ["KEY".to_owned()];
        let asked = PendingRequest { body: b"k={{secret:KEY}}".into(), ..request() };
        let (outgoing, used) = filled(&asked, &secrets, &declared).expect("filled");
        assert_eq!(outgoing.url, "https://example.com/?key=s3cret-value");
        assert_eq!(outgoing.headers["authorization"], "Bearer s3cret-value");
        assert_eq!(outgoing.headers["idempotency-key"], "r1");
        assert_eq!(outgoing.body, "k=s3cret-value");
        assert!(!format!("{:?} {used:?}", outgoing.headers).contains("s3cret"));
        assert_eq!(used.hidden_text("you said s3cret-value, s3cret-value"), "you said {{secret:KEY}}, {{secret:KEY}}");
        let bytes = PendingRequest { body: b"\xff{{secret:KEY}}".into(), ..asked };
        assert_eq!(filled(&bytes, &secrets, &declared).expect("filled").0.body, b"\xff{{secret:KEY}}".as_slice());
    }

    #[test]
    fn a_secret_that_is_not_declared_or_names_the_host_never_leaves_and_a_missing_one_is_waited_for() {
        let never = |request: &PendingRequest, secrets: &Secrets, declared: &[&str]| {
            let declared: Vec<String> = declared.iter().map(|name| (*name).to_owned()).collect();
            match filled(request, secrets, &declared) {
                Err(NotFilled::Never(what, _)) => what,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(never(&request(), &secrets("declared", "x"), &[]), "secret");
        let host = PendingRequest { url: "https://a.{{secret:KEY}}.example.com/".into(), ..request() };
        assert_eq!(never(&host, &secrets("host", "evil.example/"), &["KEY"]), "url");
        assert_eq!(never(&request(), &secrets("lines", "a\nb"), &["KEY"]), "request");
        let missing = filled(&request(), &Secrets::default(), &["KEY".to_owned()]);
        assert!(matches!(missing, Err(NotFilled::Secret(SecretError::NoFolder))));
    }
}

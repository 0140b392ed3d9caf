//! What a new token is to be, checked; and why one isn't made or revoked.

use retold_engine::model::{Timestamp, limits, valid_namespace_name};

use super::access::Access;
use super::expiry::parse_expiry;
use super::form::Token;
use super::scope::{Scope, Scopes};

const NAME_CHARACTERS_MAX: usize = 64;

/// As it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    pub name: String,
    /// None: all, those to come included.
    pub namespaces: Vec<String>,
    pub allow: Vec<String>,
    /// `90d`, or a moment.
    pub expires: Option<String>,
    /// `100/s`
    pub rate: Option<String>,
}

/// Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    #[error("`{field}` {what}")]
    Field { field: &'static str, what: String },
    #[error("there is no token {0:?}: `retold token list` shows those that there are")]
    Unknown(String),
    /// Nobody could make or revoke tokens any more.
    #[error(
        "no token would be left that may operate all namespaces, and nobody could make or revoke tokens any more: \
         make such a one first, with `retold token create NAME --allow {allow}`"
    )]
    NoOperator { allow: String },
    /// Its token was revoked or has expired, or there was none to be had when it was sent, while it was on its way.
    #[error("what the request was admitted by is good no more: send it again with a token")]
    NoLongerAdmitted,
    #[error("there are {} tokens already, which is the most: revoke one first", limits::TOKENS_MAX)]
    TooMany,
}

impl TokenRefused {
    pub(super) fn no_operator() -> TokenRefused {
        TokenRefused::NoOperator { allow: Scope::ALL.map(Scope::name).join(",") }
    }
}

impl NewToken {
    pub(super) fn checked(self, token: &Token, now: Timestamp) -> Result<Access, TokenRefused> {
        let wrong = |field, what: String| Err(TokenRefused::Field { field, what });
        let NewToken { name, mut namespaces, allow, expires, rate } = self;
        let characters = name.chars().count();
        if characters == 0 || characters > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return wrong("name", format!("has {characters} characters: use 1 to {NAME_CHARACTERS_MAX}, and no control characters"));
        }
        if namespaces.len() > limits::NAMESPACES_MAX {
            return wrong("namespaces", format!("are {}: at most {}, or none of them for all", namespaces.len(), limits::NAMESPACES_MAX));
        }
        for namespace in &namespaces {
            if let Err(error) = valid_namespace_name(namespace) {
                return wrong("namespaces", format!("hold {namespace:?}, which no namespace can be called: {error}"));
            }
        }
        let mut scopes = Vec::new();
        for name in &allow {
            match Scope::named(name) {
                Some(scope) => scopes.push(scope),
                None => return wrong("allow", format!("holds {name:?}: a token may allow {}", Scope::names())),
            }
        }
        let scopes: Scopes = scopes.into_iter().collect();
        if scopes.is_empty() {
            return wrong("allow", format!("is empty: a token may allow {}", Scope::names()));
        }
        let expires = match expires.map(|text| parse_expiry(&text, now)).transpose() {
            Ok(expires) => expires,
            Err(what) => return wrong("expires", what),
        };
        let rate = match rate.map(|text| text.parse()).transpose() {
            Ok(rate) => rate,
            Err(what) => return wrong("rate", format!("can't be read: {what}")),
        };
        namespaces.sort();
        namespaces.dedup();
        let namespaces = (!namespaces.is_empty()).then_some(namespaces);
        Ok(Access { id: token.id().to_owned(), name, created: now, expires, namespaces, scopes, rate, secret: token.digest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, namespaces: &[&str], allow: &[&str], expires: Option<&str>) -> NewToken {
        let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        NewToken { name: name.into(), namespaces: owned(namespaces), allow: owned(allow), expires: expires.map(str::to_owned), rate: None }
    }

    #[track_caller]
    fn check(new: NewToken, wrong: Option<&str>) {
        let token = Token::random().expect("random");
        let found = new.checked(&token, Timestamp(1_795_238_316_000_000));
        assert_eq!(
            found.err().map(|refused| match refused {
                TokenRefused::Field { field, .. } => field,
                other => panic!("{other}"),
            }),
            wrong
        );
    }

    #[test]
    fn what_a_token_can_not_be_is_told_by_its_field() {
        check(new("ci", &["shop", "shop"], &["read", "read"], Some("90d")), None);
        check(new("Anna's laptop", &[], &["operate"], None), None);
        for name in ["", "a\nb", &"x".repeat(65)] {
            check(new(name, &[], &["read"], None), Some("name"));
        }
        for namespace in ["", "Shop", "shop@1", "../shop", "*"] {
            check(new("ci", &[namespace], &["read"], None), Some("namespaces"));
        }
        check(new("ci", &[], &[], None), Some("allow"));
        check(new("ci", &[], &["all"], None), Some("allow"));
        check(new("ci", &[], &["read"], Some("yesterday")), Some("expires"));
        check(NewToken { rate: Some("100".into()), ..new("ci", &[], &["read"], None) }, Some("rate"));
    }
}

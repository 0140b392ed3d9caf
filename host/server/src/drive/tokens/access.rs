//! What one token may do, and where.

use std::fmt;

use retold_engine::model::{Digest, Timestamp};
use retold_engine::store::TokenRow;

use super::rate::Rate;
use super::scope::{Scope, Scopes};

/// A token as the host knows it: without its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    pub id: String,
    pub name: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    /// `None` is all, those to come included.
    pub namespaces: Option<Vec<String>>,
    pub scopes: Scopes,
    /// How many requests a second it may send; `None`: as many as the host allows each token.
    pub rate: Option<Rate>,
    pub(super) secret: Digest,
}

impl Access {
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it may do this in a namespace, be there one of this name or not.
    pub fn may(&self, scope: Scope, namespace: &str) -> bool {
        self.scopes.has(scope) && self.reaches(namespace)
    }

    /// Whether it may do this everywhere.
    pub fn may_everywhere(&self, scope: Scope) -> bool {
        self.scopes.has(scope) && self.namespaces.is_none()
    }

    /// Whether it may do anything there. Earlier generations, such as `shop@1`, are their namespace's.
    pub fn reaches(&self, namespace: &str) -> bool {
        let name = namespace.split_once('@').map_or(namespace, |(name, _)| name);
        self.namespaces.as_ref().is_none_or(|own| own.iter().any(|own| own == name))
    }

    pub(super) fn of(row: TokenRow) -> Access {
        Access {
            id: row.id,
            name: row.name,
            created: row.created,
            expires: row.expires,
            namespaces: row.namespaces,
            scopes: row.allow.iter().filter_map(|name| Scope::named(name)).collect(),
            rate: row.rate.and_then(Rate::of_per_second),
            secret: row.secret,
        }
    }

    pub(super) fn row(&self) -> TokenRow {
        TokenRow {
            id: self.id.clone(),
            name: self.name.clone(),
            secret: self.secret,
            created: self.created,
            expires: self.expires,
            namespaces: self.namespaces.clone(),
            allow: self.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            rate: self.rate.map(Rate::per_second),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Access({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(namespaces: Option<&[&str]>, allow: &[&str]) -> TokenRow {
        TokenRow {
            id: "k".into(),
            name: "ci".into(),
            secret: Digest::ZERO,
            created: Timestamp(1),
            expires: Some(Timestamp(10)),
            namespaces: namespaces.map(|names| names.iter().map(|name| name.to_string()).collect()),
            allow: allow.iter().map(|name| name.to_string()).collect(),
            rate: None,
        }
    }

    #[test]
    fn a_token_may_what_it_says_in_its_namespaces_and_their_earlier_generations() {
        let access = Access::of(row(Some(&["shop"]), &["read", "append"]));
        assert!(access.may(Scope::Read, "shop") && access.may(Scope::Append, "shop@2"));
        for namespace in ["main", "shop2", "sho", "shop2@1", "", "@shop", "main@shop"] {
            assert!(!access.may(Scope::Read, namespace), "{namespace}");
        }
        assert!(!access.may(Scope::Operate, "shop") && !access.may_everywhere(Scope::Read));
        let everywhere = Access::of(row(None, &["read"]));
        assert!(everywhere.may(Scope::Read, "any") && everywhere.may_everywhere(Scope::Read) && !everywhere.may_everywhere(Scope::Operate));
    }

    #[test]
    fn a_list_without_a_namespace_and_a_scope_that_nobody_knows_allow_nothing() {
        assert!(!Access::of(row(Some(&[]), &["read"])).may(Scope::Read, "main"));
        assert!(Access::of(row(None, &["fly"])).scopes.is_empty());
    }

    #[test]
    fn a_token_is_over_from_its_end_on() {
        let access = Access::of(row(None, &["read"]));
        assert!(!access.is_over(Timestamp(9)) && access.is_over(Timestamp(10)));
        assert!(!Access { expires: None, ..access }.is_over(Timestamp(u64::MAX)));
    }
}

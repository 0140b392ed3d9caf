//! Who asks, and whether they may: the bearer token of a request, held against what its route needs.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::problem::Problem;
use super::problem_kinds as kinds;
use super::route::{Needs, Route};
use super::site::Site;
use crate::drive::{Access, NotAdmitted, Scope, passed_ms};

const SCHEME: &str = "Bearer ";

/// What the sender of a request may do.
#[derive(Clone, Debug)]
pub enum Pass {
    /// Everything: the host has no tokens.
    Unneeded,
    /// Nothing but what anybody may.
    Anybody,
    Holder(Arc<Access>),
}

/// Looks at a request's token, if its route does.
pub fn admit(site: &Site, peer: IpAddr, parts: &Parts, needs: Needs) -> Result<Pass, Problem> {
    if needs == Needs::Nothing {
        return Ok(Pass::Anybody);
    }
    let tokens = site.host.tokens();
    if tokens.are_none() {
        return Ok(Pass::Unneeded);
    }
    if needs == Needs::Optional && !parts.headers.contains_key(AUTHORIZATION) {
        return Ok(Pass::Anybody);
    }
    let admitted = shown(parts).ok_or(NotAdmitted::Unknown).and_then(|token| tokens.admit(token));
    admitted.map(Pass::Holder).map_err(|why| match site.failures.count(peer, passed_ms()) {
        Ok(()) => turned_away(why),
        Err(seconds) => too_many(seconds),
    })
}

/// The one token of a request. Two headers are none: who reads which of them would be chance.
fn shown(parts: &Parts) -> Option<&str> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().filter(|_| headers.next().is_none())?.to_str().ok()?;
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}

/// The same words for whatever is wrong with a token, so that nobody learns what is right about it. Only the holder
/// of one that was right is told that it is over.
fn turned_away(why: NotAdmitted) -> Problem {
    match why {
        NotAdmitted::Unknown => Problem::new(
            &kinds::UNAUTHENTICATED,
            "this host answers who shows one of its access tokens, in one header `Authorization: Bearer TOKEN`: the command line \
             takes it from RETOLD_TOKEN; ask who operates the host for one",
        ),
        NotAdmitted::Expired => Problem::new(
            &kinds::TOKEN_EXPIRED,
            "the access token was good until now and has expired: ask who operates the host for a new one",
        ),
    }
}

fn too_many(seconds: u32) -> Problem {
    let detail = "too many requests came from this address without a token that counts: send one that does, or wait";
    Problem::new(&kinds::TOO_MANY_FAILURES, detail).retry_after(seconds)
}

impl Pass {
    /// Whether the path's namespaces are open to it. What it may not see is refused whether it is there or not.
    pub fn check(&self, route: &Route, path: &str) -> Result<(), Problem> {
        let Pass::Holder(access) = self else { return Ok(()) };
        match route.needs {
            Needs::Nothing | Needs::Optional | Needs::AnyToken => Ok(()),
            Needs::Reach => {
                let namespace = route.part(path, "ns");
                if access.reaches(namespace) { Ok(()) } else { Err(out_of_reach(access, namespace)) }
            }
            Needs::InPath(scope) => {
                let named = ["ns", "other"].map(|name| route.part(path, name));
                named.into_iter().filter(|namespace| !namespace.is_empty()).try_for_each(|namespace| self.demand(scope, namespace))
            }
            Needs::OperateAndDeploy => {
                [Scope::Operate, Scope::Deploy].into_iter().try_for_each(|scope| self.demand(scope, route.part(path, "ns")))
            }
            Needs::InBody(scope) if access.scopes.has(scope) => Ok(()),
            Needs::InBody(scope) => Err(forbidden(access, scope, "anywhere")),
            Needs::Everywhere(scope) if access.may_everywhere(scope) => Ok(()),
            Needs::Everywhere(scope) => Err(forbidden(access, scope, "in all namespaces")),
        }
    }

    /// Whether it may do this in a namespace, be there one of this name or not.
    pub fn demand(&self, scope: Scope, namespace: &str) -> Result<(), Problem> {
        match self {
            Pass::Unneeded => Ok(()),
            Pass::Holder(access) if access.may(scope, namespace) => Ok(()),
            Pass::Holder(access) if access.reaches(namespace) => {
                Err(forbidden(access, scope, &format!("in namespace {namespace:?}")).with("namespace", namespace))
            }
            Pass::Holder(access) => Err(out_of_reach(access, namespace).with("needs", scope.name())),
            Pass::Anybody => Err(turned_away(NotAdmitted::Unknown)),
        }
    }

    /// Whether it may know that there is such a namespace.
    pub fn sees(&self, namespace: &str) -> bool {
        match self {
            Pass::Unneeded => true,
            Pass::Anybody => false,
            Pass::Holder(access) => access.reaches(namespace),
        }
    }

    pub fn holder(&self) -> Option<Arc<Access>> {
        match self {
            Pass::Holder(access) => Some(access.clone()),
            Pass::Unneeded | Pass::Anybody => None,
        }
    }

    /// Resolves when what was admitted is so no more, with what to say of it.
    pub async fn ended(&self, site: &Site) -> Problem {
        let access = match self {
            Pass::Anybody => return std::future::pending().await,
            Pass::Unneeded => None,
            Pass::Holder(access) => Some(&**access),
        };
        site.host.tokens().ended(access).await;
        let over = access.is_some_and(|access| access.is_over(site.host.now()));
        turned_away(if over { NotAdmitted::Expired } else { NotAdmitted::Unknown })
    }

    /// Says in the host's log who changed how it stands.
    pub fn log(&self, route: &Route, status: u16) {
        let Pass::Holder(access) = self else { return };
        if route.changes() {
            tracing::info!(token = access.id, name = access.name, asked = route.name, status, "a token's holder asked for a change");
        }
    }
}

fn out_of_reach(access: &Access, namespace: &str) -> Problem {
    let detail =
        format!("the token {} ({}) is not for namespace {namespace:?}: ask who operates the host for one that is", access.id, access.name);
    Problem::new(&kinds::FORBIDDEN, detail).with("namespace", namespace)
}

fn forbidden(access: &Access, scope: Scope, place: &str) -> Problem {
    let detail = format!(
        "the token {} ({}) doesn't allow `{}` {place}: ask who operates the host for one that does",
        access.id,
        access.name,
        scope.name()
    );
    Problem::new(&kinds::FORBIDDEN, detail).with("needs", scope.name())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Option<&str>) {
        let request = headers.iter().fold(Request::builder(), |request, value| request.header(AUTHORIZATION, *value));
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        assert_eq!(shown(&parts), expected, "{headers:?}");
    }

    #[test]
    fn a_request_shows_a_token_in_one_way_only_k1() {
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer abc"], Some("abc"));
        check(&["Bearer "], Some(""));
        for none in ["", "Bearer", "abc", "Basic abc", "Bearer\tabc", " Bearer abc", "Token abc", "é"] {
            check(&[none], None);
        }
        check(&[], None);
        check(&["Bearer abc", "Bearer abc"], None);
        check(&["Bearer abc", "Basic x"], None);
    }
}

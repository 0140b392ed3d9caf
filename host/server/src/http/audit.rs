//! The audit trail: what a token's holder changed is told by the log that it is about, with whose token it was.

use std::collections::BTreeMap;

use http::request::Parts;
use serde_json::{Value, json};

use super::admission::Pass;
use super::route::Route;
use super::site::Site;
use crate::drive::{Access, MAIN, Namespace};

/// The subject is what was changed: a function, a module, a token, or the operation where it has no name.
pub const ACTED: &str = "retold.operator.acted";

/// What a change came to, by a name, where the path and query don't tell it: an answer carries it to the audit trail.
#[derive(Clone, Debug)]
pub struct Said(pub &'static str, pub Value);

/// A change that somebody asked for, as it is told once it is made.
pub struct Act {
    namespaces: Vec<String>,
    subject: String,
    data: Value,
}

impl Act {
    /// `None`: it changes nothing, or nobody knows who asks, as the host has no tokens.
    pub fn of(pass: &Pass, route: &Route, parts: &Parts) -> Option<Act> {
        let Pass::Holder(access) = pass else { return None };
        if !route.changes() {
            return None;
        }
        let path = parts.uri.path();
        let subject = ["name", "id", "type", "position"].into_iter().map(|part| route.part(path, part)).find(|part| !part.is_empty());
        let data = json!({
            "operation": route.name,
            "path": path,
            "query": parts.uri.query().unwrap_or_default(),
            "token": who(access),
        });
        let namespaces = vec![route.part(path, "ns").to_owned()];
        Some(Act { namespaces, subject: subject.unwrap_or(route.name).to_owned(), data })
    }

    /// The same about a token, told where that token is for.
    pub fn on_token(mut self, token: &Access) -> Act {
        self.subject = token.id.clone();
        self.data["about"] = who(token);
        self.data["about"]["allow"] = token.scopes.iter().map(|scope| scope.name()).collect();
        self.namespaces = token.namespaces.clone().unwrap_or(self.namespaces);
        self
    }

    /// The same with what it came to.
    pub fn saying(mut self, Said(name, what): &Said) -> Act {
        self.data[*name] = what.clone();
        self
    }

    /// In the namespace that the path names; in `main`, where it names none, or one that is no more or takes nothing. What
    /// was done stands, also if this can't be recorded, which the host's log tells then.
    pub async fn record(self, site: &Site) {
        let told = |name: &String| {
            let own = site.host.namespace(name).filter(|namespace| namespace.check_writable().is_ok());
            own.or_else(|| site.host.namespace(MAIN))
        };
        let namespaces: BTreeMap<String, Namespace> =
            self.namespaces.iter().filter_map(told).map(|namespace| (namespace.name().to_owned(), namespace)).collect();
        for namespace in namespaces.values() {
            if let Err(error) = namespace.record(ACTED, &self.subject, &self.data).await {
                tracing::error!(%error, act = %self.data, "what was done could not be recorded");
            }
        }
    }
}

fn who(access: &Access) -> Value {
    json!({ "id": access.id, "name": access.name })
}

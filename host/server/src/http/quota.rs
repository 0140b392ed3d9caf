//! What one namespace may have: said by who operates the host, in force with the next request.

use std::fmt::Display;

use http::StatusCode;
use retold_engine::store::{Bound, OwnQuota};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::admin::NamespaceAnswer;
use super::audit::Said;
use super::body;
use super::call::{Answer, Call};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::site::Site;
use crate::drive::{Namespace, Rate};

const BODY_BYTES_MAX: usize = 16 << 10;

/// What isn't there is as the host has it for all; `null` is no bound.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaBody {
    #[serde(default, deserialize_with = "said")]
    events: Option<Option<u64>>,
    #[serde(default, deserialize_with = "said")]
    bytes: Option<Option<u64>>,
    /// `500/s`
    #[serde(default, deserialize_with = "said")]
    rate: Option<Option<String>>,
}

/// Tells a `null` from what isn't there.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(of: D) -> Result<Option<T>, D::Error> {
    T::deserialize(of).map(Some)
}

/// What a namespace may have now; `null` is as much as there is.
#[derive(Serialize)]
pub struct QuotaAnswer {
    events: Option<u64>,
    bytes: Option<u64>,
    rate: Option<String>,
    /// Which of them were said of this namespace; the others are as for all.
    own: Vec<&'static str>,
}

impl QuotaAnswer {
    pub fn of(namespace: &Namespace, site: &Site) -> QuotaAnswer {
        let (quota, own) = (namespace.quota(), namespace.standing().own_quota);
        let name = namespace.name().split_once('@').map_or(namespace.name(), |(name, _)| name);
        let bounds = [("events", own.events), ("bytes", own.bytes), ("rate", own.rate)];
        QuotaAnswer {
            events: quota.events_max,
            bytes: quota.bytes_max,
            rate: site.host.rate_of(name, site.options.rate_per_namespace).map(|rate| rate.to_string()),
            own: bounds.into_iter().filter(|(_, bound)| *bound != Bound::TheHosts).map(|(name, _)| name).collect(),
        }
    }
}

pub async fn set_quota(call: Box<Call>) -> Answer {
    call.query()?;
    let (site, pass, namespace) = (call.site.clone(), call.pass.clone(), call.namespace()?);
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let own = read(&body)?;
    let namespace = site.host.set_quota(namespace.name(), own).await?;
    let answer = NamespaceAnswer::of(&namespace, &pass, &site);
    Ok(told(body::json(StatusCode::OK, &answer), &namespace, &site))
}

pub async fn drop_quota(call: Box<Call>) -> Answer {
    call.query()?;
    let namespace = call.namespace()?;
    let namespace = call.site.host.set_quota(namespace.name(), OwnQuota::default()).await?;
    let answer = NamespaceAnswer::of(&namespace, &call.pass, &call.site);
    Ok(told(body::json(StatusCode::OK, &answer), &namespace, &call.site))
}

/// For the audit trail: what it came to.
fn told(mut response: http::Response<body::Body>, namespace: &Namespace, site: &Site) -> http::Response<body::Body> {
    response.extensions_mut().insert(Said("quota", json!(QuotaAnswer::of(namespace, site))));
    response
}

fn read(body: &[u8]) -> Result<OwnQuota, Problem> {
    let malformed = |why: &dyn Display| {
        let what = format!(
            "the body is not what this path takes ({why}): send {{\"events\":1000000,\"bytes\":21474836480,\"rate\":\"500/s\"}}; what is left \
             out is as the host has it for all, null is no bound"
        );
        Problem::new(&kinds::MALFORMED_REQUEST, what)
    };
    // A list would be read as the members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed(&"it is no object"));
    }
    let body: QuotaBody = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let rate = match body.rate {
        Some(Some(text)) => Some(Some(text.parse::<Rate>().map_err(|what| bad("rate", what))?.per_second().into())),
        Some(None) => Some(None),
        None => None,
    };
    Ok(OwnQuota { events: bound("events", body.events)?, bytes: bound("bytes", body.bytes)?, rate: bound("rate", rate)? })
}

fn bound(field: &'static str, said: Option<Option<u64>>) -> Result<Bound, Problem> {
    match said {
        None => Ok(Bound::TheHosts),
        Some(None) => Ok(Bound::Unbounded),
        // Nothing at all is written as 1, which takes in nothing either where there is something.
        Some(Some(0)) => Err(bad(field, "is 0: write at least 1, null for no bound, or leave it out for what the host has for all".into())),
        Some(Some(most)) => Ok(Bound::Most(most)),
    }
}

fn bad(field: &'static str, what: String) -> Problem {
    Problem::new(&kinds::MALFORMED_REQUEST, format!("`{field}`: {what}")).with("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_as_it_is_meant_or_refused_e6() {
        let quota = |events, bytes, rate| OwnQuota { events, bytes, rate };
        let good = |text: &str| read(text.as_bytes()).unwrap_or_else(|problem| panic!("{text}: {}", problem.detail));
        assert_eq!(good("{}"), OwnQuota::default());
        assert_eq!(good(r#"{"events":7,"bytes":null}"#), quota(Bound::Most(7), Bound::Unbounded, Bound::TheHosts));
        assert_eq!(good(r#"{"rate":"500/s"}"#), quota(Bound::TheHosts, Bound::TheHosts, Bound::Most(500)));
        assert_eq!(good(r#"{"rate":null}"#), quota(Bound::TheHosts, Bound::TheHosts, Bound::Unbounded));
        for bad in [
            "",
            "[]",
            "null",
            "7",
            r#"{"events":0}"#,
            r#"{"bytes":0}"#,
            r#"{"events":-1}"#,
            r#"{"events":1.5}"#,
            r#"{"events":"7"}"#,
            r#"{"events":18446744073709551616}"#,
            r#"{"bytes":"20GiB"}"#,
            r#"{"rate":500}"#,
            r#"{"rate":"500"}"#,
            r#"{"rate":"0/s"}"#,
            r#"{"event":7}"#,
            r#"{"events":7,"events":8}"#,
        ] {
            let problem = read(bad.as_bytes()).expect_err(bad);
            assert_eq!(problem.kind.status, 400, "{bad}");
        }
    }
}

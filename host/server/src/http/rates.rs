//! How often a token's holder may ask, how often a namespace may be asked, and how many modules it is sent.

use super::admission::Pass;
use super::buckets::{Allowance, Buckets};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::route::{Needs, Route, Takes};
use super::site::Site;
use crate::drive::{Rate, Scope, passed_us};

/// Modules that are sent to one namespace, whatever becomes of them.
const UPLOADS_PER_MINUTE_MAX: u32 = 120;

/// What was asked for of late.
#[derive(Debug, Default)]
pub struct Rates {
    /// By id.
    tokens: Buckets,
    /// By name; its earlier generations are counted with it, and what is open to everybody by itself.
    namespaces: Buckets,
    uploads: Buckets,
}

/// Counts a request that is allowed otherwise. Who operates a namespace isn't held to its rate: it is how a flood is ended.
pub fn count(site: &Site, pass: &Pass, route: &Route, path: &str) -> Result<(), Problem> {
    let (rates, options, now_us) = (&site.rates, &site.options, passed_us());
    if let Pass::Holder(access) = pass
        && let Some(rate) = access.rate.or(options.rate_per_token)
    {
        let counted = rates.tokens.count(&access.id, allowance(rate), now_us);
        counted.map_err(|seconds| too_often(&format!("the token {} ({}) may send {rate}", access.id, access.name), seconds))?;
    }
    let uploads = matches!(route.takes, Takes::Wasm);
    let name = route.part(path, "ns");
    let operates = matches!(route.needs, Needs::InPath(Scope::Operate) | Needs::Everywhere(Scope::Operate));
    let of = name.split_once('@').map_or(name, |(name, _)| name);
    let held = if operates { None } else { site.host.rate_of(of, options.rate_per_namespace) };
    // What there is not is told so by its handler, and remembered by nobody.
    if name.is_empty() || (held.is_none() && !uploads) || site.host.namespace(name).is_none() {
        return Ok(());
    }
    let name = of;
    if let Some(rate) = held {
        // Who needs no token can't use up what is there for those who have one.
        let open = format!("{name}/open");
        let counted_as = if route.needs == Needs::Nothing { &open } else { name };
        let counted = rates.namespaces.count(counted_as, allowance(rate), now_us);
        counted.map_err(|seconds| too_often(&format!("namespace {name:?} may be sent {rate}"), seconds))?;
    }
    if uploads {
        let counted = rates.uploads.count(name, Allowance::within(UPLOADS_PER_MINUTE_MAX, 60), now_us);
        let told = || format!("namespace {name:?} may be sent {UPLOADS_PER_MINUTE_MAX} modules a minute");
        counted.map_err(|seconds| too_often(&told(), seconds))?;
    }
    Ok(())
}

fn allowance(rate: Rate) -> Allowance {
    Allowance::within(rate.per_second(), 1)
}

fn too_often(what: &str, seconds: u32) -> Problem {
    let detail = format!("{what}, and more came: nothing was done, send it again after the time in Retry-After");
    Problem::new(&kinds::RATE_REACHED, detail).retry_after(seconds)
}

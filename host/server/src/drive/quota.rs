//! `Quota`: what one namespace may take of its host, whoever it is that fills it: clients, commands, functions, timers.

use std::sync::PoisonError;

use retold_engine::store::{OwnQuota, StoreError};

use super::generations::blocking;
use super::host::Host;
use super::inside::Inside;
use super::namespace::Namespace;
use super::tokens::Rate;
use super::types::DriveError;

/// Of each namespace by itself; without a bound none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Events in its log.
    pub events_max: Option<u64>,
    /// On the disk, as `GET /metrics` tells it.
    pub bytes_max: Option<u64>,
}

impl Quota {
    pub fn is_none(&self) -> bool {
        *self == Quota::default()
    }

    /// The quota in force where an operator has said this of the namespace, and `self` is that of all.
    pub fn with(&self, own: &OwnQuota) -> Quota {
        Quota { events_max: own.events.or(self.events_max), bytes_max: own.bytes.or(self.bytes_max) }
    }

    fn check_events(&self, namespace: &str, events: u64) -> Result<(), DriveError> {
        match self.events_max {
            Some(max) if events > max => Err(DriveError::QuotaReached { namespace: namespace.to_owned(), what: "events", max }),
            _ => Ok(()),
        }
    }

    fn check_bytes(&self, namespace: &str, bytes: impl FnOnce() -> Result<u64, StoreError>) -> Result<(), DriveError> {
        match self.bytes_max {
            Some(max) if bytes()? >= max => Err(DriveError::QuotaReached { namespace: namespace.to_owned(), what: "bytes", max }),
            _ => Ok(()),
        }
    }
}

impl Inside {
    /// What it may have now.
    pub fn quota(&self) -> Quota {
        *self.quota.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// In force with whatever comes next. What is there already stays, if it is more.
    pub fn set_quota(&self, quota: Quota) {
        *self.quota.write().unwrap_or_else(PoisonError::into_inner) = quota;
    }

    /// Whether so many events more are within the quota.
    pub fn check_event_quota(&self, more: usize) -> Result<(), DriveError> {
        self.quota().check_events(&self.name, self.reader.head().0.saturating_add(more as u64))
    }

    /// Whether its files are within the quota. Asks the file system, if there is one.
    pub fn check_byte_quota(&self) -> Result<(), DriveError> {
        self.quota().check_bytes(&self.name, || self.reader.snapshot()?.bytes_in_use())
    }

    /// Whether the log may grow: there is space for it, and the quota isn't reached.
    pub fn check_growth(&self) -> Result<(), DriveError> {
        self.check_space()?;
        self.check_event_quota(1)?;
        self.check_byte_quota()
    }
}

impl Host {
    /// What each namespace may have of which nothing else was said.
    pub fn quota(&self) -> Quota {
        self.0.options.quota
    }

    /// Gives one namespace a quota of its own, or the host's back. On disk, and in force, when this returns.
    pub async fn set_quota(&self, name: &str, own: OwnQuota) -> Result<Namespace, DriveError> {
        let name = name.to_owned();
        let set = move |host: Host| {
            let unknown = || DriveError::UnknownNamespace(name.clone());
            host.namespace(&name).ok_or_else(unknown)?.check_writable()?;
            host.catalogue().set_quota(&name, own)?.ok_or_else(unknown)?;
            host.name_all()?;
            host.namespace(&name).ok_or_else(unknown)
        };
        self.in_turn(move |host| blocking(move || set(host))).await
    }

    /// Requests a second that a namespace may be sent, where `all` is what each may. For those of an earlier generation, say
    /// the name that it is of.
    pub fn rate_of(&self, name: &str, all: Option<Rate>) -> Option<Rate> {
        let own = self.0.rates.read().unwrap_or_else(PoisonError::into_inner);
        own.get(name).copied().unwrap_or(all)
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::store::Bound;

    use super::*;

    #[test]
    fn what_nothing_was_said_of_is_as_for_all_e6() {
        let all = Quota { events_max: Some(10), bytes_max: Some(100) };
        assert_eq!(all.with(&OwnQuota::default()), all);
        let own = OwnQuota { events: Bound::Most(20), bytes: Bound::Unbounded, rate: Bound::TheHosts };
        assert_eq!(all.with(&own), Quota { events_max: Some(20), bytes_max: None });
        assert_eq!(Quota::default().with(&own), Quota { events_max: Some(20), bytes_max: None });
    }

    #[test]
    fn a_namespace_has_as_much_as_its_quota_and_no_more_e6() {
        let quota = |events_max, bytes_max| Quota { events_max, bytes_max };
        let check = |quota: Quota, events, bytes| {
            let checked = quota.check_events("main", events).and_then(|()| quota.check_bytes("main", || Ok(bytes)));
            checked.map_err(|error| error.to_string())
        };
        assert!(check(quota(None, None), u64::MAX, u64::MAX).is_ok());
        assert!(check(quota(Some(10), None), 10, 0).is_ok() && check(quota(None, Some(100)), 0, 99).is_ok());
        assert!(check(quota(Some(10), None), 11, 0).expect_err("too many").contains("10 events"));
        assert!(check(quota(None, Some(100)), 0, 100).expect_err("too much").contains("100 bytes"));
    }
}

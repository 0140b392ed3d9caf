//! `Quota`: what one namespace may take of its host, whoever it is that fills it: clients, commands, functions, timers.

use retold_engine::store::StoreError;

use super::inside::Inside;
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
    /// Whether so many events more are within the quota.
    pub fn check_event_quota(&self, more: usize) -> Result<(), DriveError> {
        self.quota.check_events(&self.name, self.reader.head().0.saturating_add(more as u64))
    }

    /// Whether its files are within the quota. Asks the file system, if there is one.
    pub fn check_byte_quota(&self) -> Result<(), DriveError> {
        self.quota.check_bytes(&self.name, || self.reader.snapshot()?.bytes_in_use())
    }

    /// Whether the log may grow: there is space for it, and the quota isn't reached.
    pub fn check_growth(&self) -> Result<(), DriveError> {
        self.check_space()?;
        self.check_event_quota(1)?;
        self.check_byte_quota()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

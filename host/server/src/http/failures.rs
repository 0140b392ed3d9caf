//! How often an address may come without a token that counts. A secret can't be guessed however often one tries:
//! this keeps who tries from keeping the host busy.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// So many at once …
const FAILURES_AT_ONCE_MAX: u64 = 20;
/// … and then one in so many milliseconds.
const FAILURE_MS: u64 = 1_000;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 4_096;

/// Address -> when all that it has failed is forgotten, in milliseconds since the host began.
#[derive(Debug, Default)]
pub struct Failures(Mutex<BTreeMap<IpAddr, u64>>);

impl Failures {
    /// One more. `Err` says after how many seconds one may fail again.
    pub fn count(&self, address: IpAddr, now_ms: u64) -> Result<(), u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = of_one_client(address);
        let forgotten = all.get(&address).copied().unwrap_or(0).max(now_ms) + FAILURE_MS;
        let most = now_ms + FAILURES_AT_ONCE_MAX * FAILURE_MS;
        if forgotten > most {
            return Err((forgotten - most).div_ceil(1_000) as u32);
        }
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&address) {
            make_room(&mut all, now_ms);
        }
        all.insert(address, forgotten);
        Ok(())
    }
}

/// Who has IPv6 has a network of it.
pub fn of_one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

/// Forgets what is over, or else who has failed least.
fn make_room(all: &mut BTreeMap<IpAddr, u64>, now_ms: u64) {
    all.retain(|_, forgotten| *forgotten > now_ms);
    if all.len() >= ADDRESSES_MAX {
        let least = all.iter().min_by_key(|(_, forgotten)| **forgotten).map(|(address, _)| *address);
        least.and_then(|least| all.remove(&least));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn an_address_fails_so_often_and_then_once_a_second_and_others_are_not_held_to_it_k4() {
        let failures = Failures::default();
        for _ in 0..FAILURES_AT_ONCE_MAX {
            assert_eq!(failures.count(address(1), 5_000), Ok(()));
        }
        assert_eq!(failures.count(address(1), 5_000), Err(1));
        assert_eq!(failures.count(address(1), 5_999), Err(1), "what was refused costs nothing");
        assert_eq!(failures.count(address(2), 5_000), Ok(()));
        assert_eq!((failures.count(address(1), 6_000), failures.count(address(1), 6_000)), (Ok(()), Err(1)));
        for _ in 0..FAILURES_AT_ONCE_MAX {
            assert_eq!(failures.count(address(1), 60_000), Ok(()), "all is forgotten by then");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let failures = Failures::default();
        let of = |last: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8_u128 << 96 | last));
        for number in 0..u128::from(FAILURES_AT_ONCE_MAX) {
            assert_eq!(failures.count(of(number << 20), 1), Ok(()));
        }
        assert_eq!(failures.count(of(7), 1), Err(1));
        assert_eq!(failures.count(of(1 << 64), 1), Ok(()));
        assert_eq!(of_one_client("::ffff:10.0.0.1".parse().expect("an address")), address(1));
    }

    #[test]
    fn however_many_addresses_come_few_are_remembered_and_the_worst_are_among_them_k4() {
        let failures = Failures::default();
        for _ in 0..FAILURES_AT_ONCE_MAX {
            failures.count(address(1), 1).expect("not too many yet");
        }
        for number in 2..10_000 {
            failures.count(address(number), 1).expect("the first of this address");
        }
        assert_eq!(failures.0.lock().expect("no panic").len(), ADDRESSES_MAX);
        assert_eq!(failures.count(address(1), 1), Err(1));
    }
}

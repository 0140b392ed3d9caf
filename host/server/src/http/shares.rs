//! How many connections one address may hold, so that no client takes all places.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::failures::of_one_client;

#[derive(Debug)]
pub struct Shares {
    /// By address, while it holds any.
    held: Mutex<BTreeMap<IpAddr, usize>>,
    per_address_max: usize,
}

/// A connection's place in its address's share, given back when dropped.
#[derive(Debug)]
pub struct Share(Option<(Arc<Shares>, IpAddr)>);

impl Shares {
    pub fn new(per_address_max: usize) -> Arc<Shares> {
        Arc::new(Shares { held: Mutex::default(), per_address_max })
    }

    /// `None`: the address has all that it may. This machine's own programs, of which one may be a proxy, share nothing.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        if address.to_canonical().is_loopback() {
            return Some(Share(None));
        }
        let address = of_one_client(address);
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.get(&address).copied().unwrap_or(0);
        if held >= self.per_address_max {
            return None;
        }
        all.insert(address, held + 1);
        Some(Share(Some((self.clone(), address))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, address)) = &self.0 else { return };
        let mut all = shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(address) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(all.remove(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_its_share_gives_it_back_and_leaves_others_theirs_h3() {
        let shares = Shares::new(2);
        let of = |text: &str| shares.take(text.parse().expect("an address"));
        let (first, second) = (of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some() && of("10.0.0.1").is_none());
        assert!(of("10.0.0.2").is_some());
        let network = (of("2001:db8::1"), of("2001:db8::2"));
        assert!(network.1.is_some() && of("2001:db8::3").is_none() && of("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(of("10.0.0.1").is_some());
        let own: Vec<_> = (0..10).map(|_| of("127.0.0.1")).collect();
        assert!(own.iter().all(Option::is_some));
        drop((second, network));
        assert!(shares.held.lock().expect("no panic").is_empty());
    }
}

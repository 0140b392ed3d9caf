//! How often somebody may do something: so many times at once, and then one after the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Who is remembered; the rest has done nothing for a while.
const REMEMBERED_MAX: usize = 8_192;

/// So many at once, each of them forgotten after so many nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    at_once: u64,
    each_ns: u64,
}

impl Allowance {
    /// So many in a time, and as many at once.
    pub const fn within(count: u32, seconds: u64) -> Allowance {
        Allowance { at_once: count as u64, each_ns: seconds * 1_000_000_000 / count as u64 }
    }
}

/// Who -> when all that was counted is forgotten, in nanoseconds since the host began.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<BTreeMap<String, u64>>);

impl Buckets {
    /// One more. `Err` says after how many seconds there is room for it; what is refused isn't counted.
    pub fn count(&self, who: &str, allowed: Allowance, now_us: u64) -> Result<(), u32> {
        let now_ns = now_us.saturating_mul(1_000);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = all.get(who).copied().unwrap_or(0).max(now_ns) + allowed.each_ns;
        let most = now_ns + allowed.at_once * allowed.each_ns;
        if forgotten > most {
            return Err((forgotten - most).div_ceil(1_000_000_000) as u32);
        }
        match all.get_mut(who) {
            Some(counted) => *counted = forgotten,
            None => {
                if all.len() >= REMEMBERED_MAX {
                    make_room(&mut all, now_ns);
                }
                all.insert(who.to_owned(), forgotten);
            }
        }
        Ok(())
    }
}

/// Forgets what is over, or else who has done least.
fn make_room(all: &mut BTreeMap<String, u64>, now_ns: u64) {
    all.retain(|_, forgotten| *forgotten > now_ns);
    if all.len() >= REMEMBERED_MAX {
        let least = all.iter().min_by_key(|(_, forgotten)| **forgotten).map(|(who, _)| who.clone());
        least.and_then(|least| all.remove(&least));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_taken_at_once_and_then_at_the_rate_and_others_are_not_held_to_it_h13() {
        let (buckets, allowed) = (Buckets::default(), Allowance::within(10, 1));
        for _ in 0..10 {
            assert_eq!(buckets.count("a", allowed, 5_000_000), Ok(()));
        }
        assert_eq!(buckets.count("a", allowed, 5_000_000), Err(1));
        assert_eq!(buckets.count("a", allowed, 5_099_999), Err(1), "what was refused costs nothing");
        assert_eq!(buckets.count("b", allowed, 5_000_000), Ok(()));
        assert_eq!((buckets.count("a", allowed, 5_100_000), buckets.count("a", allowed, 5_100_000)), (Ok(()), Err(1)));
        let slow = Allowance::within(2, 60);
        assert_eq!((buckets.count("c", slow, 0), buckets.count("c", slow, 0), buckets.count("c", slow, 0)), (Ok(()), Ok(()), Err(30)));
    }

    #[test]
    fn however_many_come_few_are_remembered_h13() {
        let (buckets, allowed) = (Buckets::default(), Allowance::within(1, 1));
        for number in 0..2 * REMEMBERED_MAX {
            assert_eq!(buckets.count(&number.to_string(), allowed, 1), Ok(()));
        }
        assert_eq!(buckets.0.lock().expect("no panic").len(), REMEMBERED_MAX);
    }
}

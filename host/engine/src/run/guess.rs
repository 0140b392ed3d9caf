//! `Guess`: a handler whose state is one unit is replayed in lanes all the same, by subject, as long as no row is
//! any lane's but one's. Whether that was so is seen when a portion is done: if two lanes met, it is done again by one.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::overlay::{KeyHasher, Overlay};

/// Portions that one lane does after two have met: so many at first, and four times as many each time.
const PORTIONS_ALONE: u32 = 4;
const PORTIONS_ALONE_MAX: u32 = 1 << 16;

/// Whether lanes may be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// Portions until it is tried again.
    wait: u32,
    next: u32,
}

impl Default for Guess {
    fn default() -> Guess {
        Guess { wait: 0, next: PORTIONS_ALONE }
    }
}

impl Guess {
    pub fn is_worth_trying(self) -> bool {
        self.wait == 0
    }

    #[cfg(test)]
    pub fn was_ever_wrong(self) -> bool {
        self.next > PORTIONS_ALONE
    }

    /// Two lanes met.
    pub fn was_wrong(&mut self) {
        self.wait = self.next;
        self.next = self.next.saturating_mul(4).min(PORTIONS_ALONE_MAX);
    }

    /// A portion is done.
    pub fn went(&mut self) {
        self.wait = self.wait.saturating_sub(1);
    }
}

/// Whose row is whose, of all that lanes know.
#[derive(Default)]
pub(super) struct Owners {
    /// By the hash of a row's key: its lane, or [`SHARED`]. Two keys of one hash only make a guess look wrong.
    of: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    /// Rows that the lanes had claimed when they were last looked at.
    claimed: usize,
}

/// More lanes than one know it.
const SHARED: u32 = u32::MAX;

impl Owners {
    /// Whether lanes have met: one has written what another knows, in this portion or from one before, or has read rows
    /// in order, where another's might stand between.
    pub fn have_met<'a>(&mut self, lanes: impl Iterator<Item = (u32, &'a mut Overlay)>) -> bool {
        let mut lanes: Vec<_> = lanes.collect();
        if lanes.iter().any(|(_, lane)| lane.is_scanned()) {
            return true;
        }
        if lanes.iter().map(|(_, lane)| lane.claimed()).sum::<usize>() != self.claimed {
            // Some have let go of what they knew.
            self.of.clear();
            lanes.iter_mut().for_each(|(_, lane)| lane.unclaim());
        }
        for (number, lane) in &mut lanes {
            lane.claim(|hash| {
                let owner = self.of.entry(hash).or_insert(*number);
                if owner != number {
                    *owner = SHARED;
                }
            });
        }
        self.claimed = lanes.iter().map(|(_, lane)| lane.claimed()).sum();
        lanes.iter().any(|(number, lane)| lane.written_hashes().any(|hash| self.of.get(&hash) != Some(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(read: &[&str], written: &[&str]) -> Overlay {
        let mut overlay = Overlay::default();
        overlay.begin();
        read.iter().for_each(|key| assert_eq!(overlay.get(None, key).expect("nothing lies under it"), None));
        overlay.keep();
        written.iter().for_each(|key| write(&mut overlay, key));
        overlay
    }

    fn write(overlay: &mut Overlay, key: &str) {
        overlay.begin();
        overlay.write(key, Some(b"1"));
        overlay.keep();
    }

    fn met(one: &mut Overlay, other: &mut Overlay) -> bool {
        let first = Owners::default().have_met([(0, &mut *one), (1, &mut *other)].into_iter());
        [one, other].into_iter().for_each(|lane| lane.unclaim());
        first
    }

    #[test]
    fn lanes_meet_where_one_writes_what_another_knows() {
        let check = |mut one: Overlay, mut other: Overlay, expected: bool, why: &str| {
            assert_eq!(met(&mut one, &mut other), expected, "{why}");
            assert_eq!(met(&mut other, &mut one), expected, "{why}");
        };
        let one = || overlay(&["a", "shared"], &["a"]);
        check(one(), overlay(&["b", "shared"], &["b"]), false, "both read it");
        check(one(), overlay(&[], &["shared"]), true, "one writes what the other has read");
        check(one(), overlay(&[], &["a"]), true, "both write it");
        let mut later = overlay(&[], &["a"]);
        later.written();
        check(later, overlay(&["a"], &[]), false, "nothing of it was written in this portion");
        let mut scanning = overlay(&[], &["b"]);
        scanning.scan(None, "", None, 10).expect("nothing lies under it");
        check(one(), scanning, true, "one has looked over all rows");
    }

    #[test]
    fn lanes_meet_in_what_they_know_from_earlier_portions_as_long_as_they_keep_it() {
        let mut owners = Owners::default();
        let mut have_met = |lanes: &mut [Overlay; 3]| owners.have_met((0..).zip(lanes));
        let mut lanes = [overlay(&[], &["a"]), overlay(&["x"], &["b"]), overlay(&["x"], &["c"])];
        assert!(!have_met(&mut lanes));
        lanes.iter_mut().for_each(Overlay::written);
        write(&mut lanes[0], "d");
        assert!(!have_met(&mut lanes), "a row that nobody knew");
        lanes.iter_mut().for_each(Overlay::written);
        write(&mut lanes[2], "b");
        assert!(have_met(&mut lanes), "another's row of an earlier portion");
        // It is done again by one lane, and all begin with nothing.
        let mut lanes = [Overlay::default(), Overlay::default(), overlay(&[], &["b"])];
        assert!(!have_met(&mut lanes), "who knew it has let go of it");
        write(&mut lanes[1], "x");
        assert!(!have_met(&mut lanes));
        lanes[1] = Overlay::default();
        write(&mut lanes[0], "x");
        assert!(!have_met(&mut lanes), "who wrote it has let go of it");
        write(&mut lanes[1], "x");
        assert!(have_met(&mut lanes));
    }

    #[test]
    fn a_wrong_guess_is_made_again_ever_later() {
        let mut guess = Guess::default();
        assert!(guess.is_worth_trying());
        for alone in [4, 16, 64] {
            guess.was_wrong();
            (0..alone).for_each(|_| {
                assert!(!guess.is_worth_trying());
                guess.went();
            });
            assert!(guess.is_worth_trying());
        }
    }
}

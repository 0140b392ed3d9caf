//! `Guess`: a handler whose state is one unit is replayed in lanes all the same, by subject, as long as no row is
//! any lane's but one's. Whether that was so is seen when a portion is done: if two lanes met, it is done again by one.

use super::overlay::Overlay;

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

/// Whether lanes have met: one has written what another knows, in this portion or from one before, or has read rows
/// in order, where another's might stand between.
pub(super) fn have_met(lanes: &[&Overlay]) -> bool {
    let meets = |(index, lane): (usize, &&Overlay)| {
        let others = || lanes.iter().enumerate().filter(move |(other, _)| *other != index);
        lane.is_scanned() || others().any(|(_, other)| lane.wrote_what_is_known_to(other))
    };
    lanes.iter().enumerate().any(meets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(read: &[&str], written: &[&str]) -> Overlay {
        let mut overlay = Overlay::default();
        overlay.begin();
        read.iter().for_each(|key| assert_eq!(overlay.get(None, key).expect("nothing lies under it"), None));
        written.iter().for_each(|key| overlay.write(key, Some(b"1")));
        overlay.keep();
        overlay
    }

    #[test]
    fn lanes_meet_where_one_writes_what_another_knows() {
        let met = |one: &Overlay, other: &Overlay| (have_met(&[one, other]), have_met(&[other, one]));
        let one = overlay(&["a", "shared"], &["a"]);
        assert_eq!(met(&one, &overlay(&["b", "shared"], &["b"])), (false, false), "both read it");
        assert_eq!(met(&one, &overlay(&[], &["shared"])), (true, true), "one writes what the other has read");
        assert_eq!(met(&one, &overlay(&[], &["a"])), (true, true), "both write it");
        let mut later = overlay(&[], &["a"]);
        later.written();
        assert_eq!(met(&later, &overlay(&["a"], &[])), (false, false), "nothing of it was written in this portion");
        let mut scanning = overlay(&[], &["b"]);
        scanning.scan(None, "", None, 10).expect("nothing lies under it");
        assert_eq!(met(&one, &scanning), (true, true));
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

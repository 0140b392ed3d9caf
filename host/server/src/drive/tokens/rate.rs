//! `Rate`: how many requests a second somebody may send.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use retold_engine::store::Bound;

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU32);

/// More than any host answers.
const PER_SECOND_MAX: u32 = 1_000_000;

impl Rate {
    pub fn per_second(self) -> u32 {
        self.0.get()
    }

    /// What a namespace may be sent; one that is more than any host answers is none.
    pub fn most(bound: Bound) -> Option<Rate> {
        bound.or(None).and_then(|most| u32::try_from(most).ok()).and_then(Rate::of_per_second)
    }

    /// One that is out of its bounds is none.
    pub fn of_per_second(count: u32) -> Option<Rate> {
        NonZeroU32::new(count).filter(|count| count.get() <= PER_SECOND_MAX).map(Rate)
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `100/s`
    fn from_str(text: &str) -> Result<Rate, String> {
        let count = text.strip_suffix("/s").and_then(|count| count.parse().ok());
        let rate = count.and_then(Rate::of_per_second);
        rate.ok_or_else(|| format!("write requests a second, such as 100/s: from 1/s to {PER_SECOND_MAX}/s"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_with_its_unit() {
        for text in ["1/s", "100/s", "1000000/s"] {
            assert_eq!(text.parse::<Rate>().expect("a rate").to_string(), text);
        }
        for text in ["", "/s", "0/s", "100", "-1/s", "1.5/s", "100/m", "1000001/s", "100 /s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}

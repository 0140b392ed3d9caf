//! A set of places in a log. Most of them lie side by side, so ranges are kept.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// First and last of each range; no two touch.
    ranges: BTreeMap<u64, u64>,
}

impl Places {
    pub fn insert(&mut self, place: u64) {
        self.insert_range(place, place);
    }

    /// Those from `first` to `last`, of which none is here yet.
    pub fn insert_range(&mut self, first: u64, mut last: u64) {
        let mut begin = first;
        if let Some((before, end)) = self.range_upto(first)
            && end + 1 >= first
        {
            begin = before;
            last = last.max(end);
        }
        if let Some(end) = self.ranges.remove(&(last + 1)) {
            last = end;
        }
        self.ranges.insert(begin, last);
    }

    /// Takes a place out. Answers whether it was there.
    pub fn remove(&mut self, place: u64) -> bool {
        let Some((first, last)) = self.range_upto(place).filter(|(_, last)| place <= *last) else { return false };
        self.ranges.remove(&first);
        if first < place {
            self.ranges.insert(first, place - 1);
        }
        if place < last {
            self.ranges.insert(place + 1, last);
        }
        true
    }

    pub fn ranges(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    fn range_upto(&self, place: u64) -> Option<(u64, u64)> {
        self.ranges.range(..=place).next_back().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn places_are_what_a_set_of_numbers_is() {
        let (mut places, mut numbers) = (Places::default(), BTreeSet::new());
        let mut draw = 7_u64;
        for _ in 0..20_000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (draw >> 33) % 64;
            if draw >> 63 == 0 {
                places.insert(place);
                numbers.insert(place);
            } else {
                assert_eq!(places.remove(place), numbers.remove(&place));
            }
            let listed: Vec<u64> = places.ranges().flat_map(|(first, last)| first..=last).collect();
            assert!(listed.iter().eq(&numbers), "{places:?} {numbers:?}");
            assert!(places.ranges().zip(places.ranges().skip(1)).all(|((_, last), (first, _))| last + 1 < first), "{places:?}");
        }
    }

    #[test]
    fn places_side_by_side_are_one_range() {
        let mut places = Places::default();
        (1..=1_000).for_each(|place| places.insert(place));
        assert_eq!(places.ranges().collect::<Vec<_>>(), [(1, 1_000)]);
        (1..=999).for_each(|place| assert!(places.remove(place)));
        assert_eq!(places.ranges().collect::<Vec<_>>(), [(1_000, 1_000)]);
    }
}

//! `Words`: the texts that a record's events share, each once.

/// One text after the other, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    letters: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Words {
    /// With memory for so many of the usual length, if they are few.
    pub fn with_capacity(count: usize) -> Words {
        const FEW: usize = 16;
        const LETTERS: usize = 16;
        let count = count.min(FEW);
        Words { letters: String::with_capacity(count * LETTERS), ends: Vec::with_capacity(count) }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn push(&mut self, word: &str) {
        self.letters.push_str(word);
        self.ends.push(self.letters.len() as u32);
    }

    #[inline]
    pub fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        self.letters.get(self.end_before(number)..end as usize)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.len()).map(|number| self.get(number).unwrap_or_default())
    }

    /// Forgets all after the first `count`.
    pub fn truncate(&mut self, count: usize) {
        if count < self.len() {
            self.letters.truncate(self.end_before(count));
            self.ends.truncate(count);
        }
    }

    fn end_before(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_numbers_and_forgotten_from_the_end() {
        let mut words = Words::default();
        ["a", "", "é", "a.b"].iter().for_each(|word| words.push(word));
        assert_eq!(words.iter().collect::<Vec<_>>(), ["a", "", "é", "a.b"]);
        assert_eq!((words.get(2), words.get(4), words.len()), (Some("é"), None, 4));
        words.truncate(9);
        words.truncate(2);
        words.push("c");
        assert_eq!(words.iter().rev().collect::<Vec<_>>(), ["c", "", "a"]);
        words.truncate(0);
        assert_eq!((words.len(), words.get(0), &words), (0, None, &Words::default()));
    }
}

//! `HashSet` with a fixed hasher.

use std::collections::hash_set::{self, HashSet as Std};
use std::fmt;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::FixedHasher;

/// [`std::collections::HashSet`] with a fixed hasher, written sorted. Derefs to std's.
#[derive(Clone)]
pub struct HashSet<T>(Std<T, FixedHasher>);

impl<T> HashSet<T> {
    pub fn new() -> HashSet<T> {
        HashSet::default()
    }

    pub fn with_capacity(capacity: usize) -> HashSet<T> {
        HashSet(Std::with_capacity_and_hasher(capacity, FixedHasher::default()))
    }
}

impl<T: Ord + Serialize> Serialize for HashSet<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements: Vec<&T> = self.0.iter().collect();
        elements.sort_unstable();
        serializer.collect_seq(elements)
    }
}

impl<'de, T: Deserialize<'de> + Eq + Hash> Deserialize<'de> for HashSet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Std::deserialize(deserializer).map(HashSet)
    }
}

impl<T> Deref for HashSet<T> {
    type Target = Std<T, FixedHasher>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for HashSet<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> Default for HashSet<T> {
    fn default() -> Self {
        HashSet(Std::default())
    }
}

impl<T: Eq + Hash> FromIterator<T> for HashSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        HashSet(elements.into_iter().collect())
    }
}

impl<T: Eq + Hash, const N: usize> From<[T; N]> for HashSet<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<T: Eq + Hash> Extend<T> for HashSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        self.0.extend(elements);
    }
}

impl<T> IntoIterator for HashSet<T> {
    type Item = T;
    type IntoIter = hash_set::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a HashSet<T> {
    type Item = &'a T;
    type IntoIter = hash_set::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Eq + Hash> PartialEq for HashSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Eq + Hash> Eq for HashSet<T> {}

impl<T: fmt::Debug> fmt::Debug for HashSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_sorted() {
        let set = HashSet::from(["pear", "apple", "plum", "fig"]);
        let written = serde_json::to_string(&set).unwrap();
        assert_eq!(written, r#"["apple","fig","pear","plum"]"#);
        assert_eq!(serde_json::from_str::<HashSet<&str>>(&written).unwrap(), set);
    }
}

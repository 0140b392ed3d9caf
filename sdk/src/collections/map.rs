//! `HashMap` with a fixed hasher.

use std::collections::hash_map::{self, HashMap as Std};
use std::fmt;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::FixedHasher;

/// [`std::collections::HashMap`] with a fixed hasher, written sorted by key. Derefs to std's.
#[derive(Clone)]
pub struct HashMap<K, V>(Std<K, V, FixedHasher>);

impl<K, V> HashMap<K, V> {
    pub fn new() -> HashMap<K, V> {
        HashMap::default()
    }

    pub fn with_capacity(capacity: usize) -> HashMap<K, V> {
        HashMap(Std::with_capacity_and_hasher(capacity, FixedHasher::default()))
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for HashMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<(&K, &V)> = self.0.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        serializer.collect_map(entries)
    }
}

impl<'de, K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>> Deserialize<'de> for HashMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Std::deserialize(deserializer).map(HashMap)
    }
}

impl<K, V> Deref for HashMap<K, V> {
    type Target = Std<K, V, FixedHasher>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> DerefMut for HashMap<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K, V> Default for HashMap<K, V> {
    fn default() -> Self {
        HashMap(Std::default())
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for HashMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        HashMap(entries.into_iter().collect())
    }
}

impl<K: Eq + Hash, V, const N: usize> From<[(K, V); N]> for HashMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Eq + Hash, V> Extend<(K, V)> for HashMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        self.0.extend(entries);
    }
}

impl<K, V> IntoIterator for HashMap<K, V> {
    type Item = (K, V);
    type IntoIter = hash_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a HashMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = hash_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut HashMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = hash_map::IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for HashMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Eq + Hash, V: Eq> Eq for HashMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for HashMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_written_sorted_however_it_came_about() {
        let grown: HashMap<String, u32> = (0..100).map(|n| (format!("k{n:03}"), n)).collect();
        let mut shrunk = HashMap::with_capacity(4_096);
        shrunk.extend((0..1_000).rev().map(|n| (format!("k{n:03}"), n)));
        shrunk.retain(|_, n| *n < 100);

        let written = serde_json::to_string(&grown).unwrap();
        assert!(written.starts_with(r#"{"k000":0,"k001":1,"k002":2,"#), "{written}");
        assert_eq!(written, serde_json::to_string(&shrunk).unwrap());
        assert_eq!(serde_json::from_str::<HashMap<String, u32>>(&written).unwrap(), grown);
    }

    #[test]
    fn two_maps_made_the_same_way_are_walked_in_the_same_order() {
        let make = || (0..1_000).map(|n| (n, ())).collect::<HashMap<u32, ()>>();
        assert!(make().keys().eq(make().keys()));
    }
}

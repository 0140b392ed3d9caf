//! Terms: what an event can be found by, hashed. The key is drawn once a namespace, so nobody
//! outside can choose names that collide.

use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermHasher {
    key: [u8; 16],
}

/// What kind of name a term is; part of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term<'a> {
    Subject(&'a str),
    Type(&'a str),
    Tag(&'a str),
}

impl TermHasher {
    pub const fn new(key: [u8; 16]) -> Self {
        TermHasher { key }
    }

    pub fn key(&self) -> [u8; 16] {
        self.key
    }

    /// What the key, which is drawn once a namespace, may be told of.
    pub fn identity(&self) -> crate::model::Digest {
        crate::model::Digest::link(crate::model::Digest::of(b"retold.log.1"), &self.key)
    }

    pub fn id(&self, source: &str, id: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(source.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    pub fn term(&self, term: Term<'_>) -> u64 {
        let (kind, text) = match term {
            Term::Subject(text) => (1, text),
            Term::Type(text) => (2, text),
            Term::Tag(text) => (3, text),
        };
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u8(kind);
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

/// Passes on a key that is a good hash already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed so")
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A map from a term's hash. Never iterated: its order means nothing.
pub type HashedMap<T> = std::collections::HashMap<u64, T, BuildHasherDefault<Hashed>>;

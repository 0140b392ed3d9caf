//! Fingerprints: what an entry is called and what it says, each in 16 bytes, to compare two logs by.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::snapshot::Snapshot;
use crate::model::{Class, EventRef, Kind};

/// Under a key that is drawn for a namespace, so that nobody outside can make two alike.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprints {
    key: [u8; 16],
}

impl Snapshot {
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints { key: self.shared.forget_key.0 }
    }
}

impl Fingerprints {
    /// Of its source and id.
    pub fn name(&self, event: &EventRef<'_>) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        text(&mut hasher, event.source.as_bytes());
        hasher.write(event.id.as_bytes());
        hasher.finish128().as_u128()
    }

    /// Of its content: of a source event as the log tells a repeat by, of a derived one but for its time,
    /// which is its cause's.
    pub fn content(&self, event: &EventRef<'_>) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        let given = event.class == Class::Source && event.time_given;
        let kind = match event.kind {
            Kind::Event => 0,
            Kind::Command => 1 << 1,
            Kind::Timer => 1 << 3,
            Kind::Request => 1 << 4,
        };
        hasher.write_u8(u8::from(event.class == Class::Source) | kind | u8::from(given) << 2);
        if matches!(event.kind, Kind::Timer | Kind::Request) {
            text(&mut hasher, event.extensions);
        }
        if given {
            hasher.write_u64(event.time.0);
        }
        for part in [event.r#type.as_bytes(), event.subject.as_bytes(), event.content_type.as_bytes(), event.tags] {
            text(&mut hasher, part);
        }
        hasher.write(event.data);
        hasher.finish128().as_u128()
    }
}

fn text(hasher: &mut SipHasher13, bytes: &[u8]) {
    hasher.write_u32(bytes.len() as u32);
    hasher.write(bytes);
}

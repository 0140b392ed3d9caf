//! Ids of derived events: the same in live run, replay, fork and retelling, because they are made
//! of nothing but the cause and the output's own place.

use sha2::{Digest as _, Sha256};

use super::event::Kind;

/// Which kind of output an id is for: outputs of different kinds never share an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    Event = 1,
    Command = 2,
    Timer = 3,
    Request = 4,
}

impl From<Kind> for OutputKind {
    fn from(kind: Kind) -> OutputKind {
        match kind {
            Kind::Event => OutputKind::Event,
            Kind::Command => OutputKind::Command,
            Kind::Timer => OutputKind::Timer,
            Kind::Request => OutputKind::Request,
        }
    }
}

/// What an id is made of. `key` names the output; without it `ordinal` counts the cause's outputs
/// of equal kind, type and subject, so that an output added beside others doesn't shift theirs.
#[derive(Clone, Copy, Debug)]
pub struct DerivedId<'a> {
    pub cause_source: &'a str,
    pub cause_id: &'a str,
    pub function: &'a str,
    pub kind: OutputKind,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub key: Option<&'a str>,
    pub ordinal: u32,
}

/// The first 16 bytes of SHA-256 over the parts, each with its length before it, in hexadecimal.
pub fn derived_id(parts: &DerivedId<'_>) -> String {
    // Put together first: an id costs little more than its two or three blocks then.
    let mut whole = Vec::with_capacity(256);
    let mut part = |bytes: &[u8]| {
        whole.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        whole.extend_from_slice(bytes);
    };
    part(b"retold.id.1");
    part(parts.cause_source.as_bytes());
    part(parts.cause_id.as_bytes());
    part(parts.function.as_bytes());
    part(&[parts.kind as u8]);
    part(parts.r#type.as_bytes());
    part(parts.subject.as_bytes());
    match parts.key {
        Some(key) => {
            part(b"key");
            part(key.as_bytes());
        }
        None => {
            part(b"ordinal");
            part(&parts.ordinal.to_le_bytes());
        }
    }
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(&whole);
    let mut id = String::with_capacity(32);
    for byte in &digest[..16] {
        id.push(HEX[usize::from(byte >> 4)] as char);
        id.push(HEX[usize::from(byte & 15)] as char);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: DerivedId<'static> = DerivedId {
        cause_source: "/shop",
        cause_id: "1",
        function: "pricing",
        kind: OutputKind::Event,
        r#type: "order.priced",
        subject: "order/7",
        key: None,
        ordinal: 0,
    };

    #[test]
    fn an_id_never_changes_between_releases() {
        // Computed by hand: SHA-256 of the parts in Python.
        assert_eq!(derived_id(&PARTS), "e64010c18fb52fc26710df2c9833c190");
        assert_eq!(derived_id(&DerivedId { key: Some("total"), ..PARTS }), "2540081522bb77daadd11346461f0ea1");
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let variants = [
            PARTS,
            DerivedId { cause_source: "/shop1", cause_id: "", ..PARTS },
            DerivedId { cause_id: "2", ..PARTS },
            DerivedId { function: "pricing2", ..PARTS },
            DerivedId { kind: OutputKind::Command, ..PARTS },
            DerivedId { r#type: "order.priced2", ..PARTS },
            DerivedId { subject: "order/8", ..PARTS },
            DerivedId { ordinal: 1, ..PARTS },
            DerivedId { key: Some(""), ..PARTS },
            DerivedId { key: Some("\0\0\0\0"), ..PARTS },
        ];
        let ids: std::collections::BTreeSet<_> = variants.iter().map(derived_id).collect();
        assert_eq!(ids.len(), variants.len());
    }
}

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

/// How long every derived id is.
pub const DERIVED_ID_BYTES: usize = 32;

/// The first 16 bytes of SHA-256 over the parts, each with its length before it, in hexadecimal.
pub fn derived_id(parts: &DerivedId<'_>) -> String {
    str::from_utf8(&derived_id_bytes(parts)).unwrap_or_default().to_owned()
}

/// The same as the bytes of the text, for who only compares it.
pub fn derived_id_bytes(parts: &DerivedId<'_>) -> [u8; DERIVED_ID_BYTES] {
    let (kind, ordinal) = ([parts.kind as u8], parts.ordinal.to_le_bytes());
    let (how, name) = match parts.key {
        Some(key) => ("key", key.as_bytes()),
        None => ("ordinal", &ordinal[..]),
    };
    let [source, id, function] = [parts.cause_source, parts.cause_id, parts.function].map(str::as_bytes);
    let [r#type, subject] = [parts.r#type, parts.subject].map(str::as_bytes);
    let whole = [b"retold.id.1", source, id, function, &kind, r#type, subject, how.as_bytes(), name];
    let digest = digest_of(&whole);
    let mut hex = [0; DERIVED_ID_BYTES];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(&digest[..16]) {
        pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    hex
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Put together first, most often on the stack: an id costs little more than its two or three blocks then.
fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let length = parts.iter().map(|part| 4 + part.len()).sum();
    let (mut short, mut long) = ([0; 384], Vec::new());
    let whole = match short.get_mut(..length) {
        Some(short) => short,
        None => {
            long.resize(length, 0);
            &mut long[..]
        }
    };
    let mut rest = &mut *whole;
    for part in parts {
        let (now, later) = std::mem::take(&mut rest).split_at_mut(4 + part.len());
        now[..4].copy_from_slice(&(part.len() as u32).to_le_bytes());
        now[4..].copy_from_slice(part);
        rest = later;
    }
    Sha256::digest(&*whole).into()
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

    /// Around what is put together on the stack.
    #[test]
    fn long_parts_count_whole() {
        for (length, expected) in [
            (300, "dc0d06fa4dc71fe91e2d9a478d4201f1"),
            (301, "d5c627b51b5ab35233b3c05a0d18baff"),
            (1_000, "90671790287040f66d58126e666fae11"),
        ] {
            assert_eq!(derived_id(&DerivedId { subject: &"s".repeat(length), ..PARTS }), expected, "{length}");
        }
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

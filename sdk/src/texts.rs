//! Short texts, compared in few steps. In a sandbox a call of `memcmp` is more work than the names of most rows and types.

/// Of a text of up to sixteen bytes all of them, of a longer one the first eight and the last. To put one together byte by
/// byte is more work than to look at some of them twice.
pub fn ends(bytes: &[u8]) -> (u64, u64) {
    let eight = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| u64::from_le_bytes(*bytes));
    let four = |bytes: Option<&[u8; 4]>| bytes.map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    if let (Some(first), Some(last)) = (eight(bytes.first_chunk()), eight(bytes.last_chunk())) {
        return (first, last);
    }
    if let (Some(first), Some(last)) = (four(bytes.first_chunk()), four(bytes.last_chunk())) {
        return (first, last);
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte));
    (byte(0) | byte(1) << 8, byte(2))
}

/// Whether the texts are one.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && ends(one) == ends(other) && (one.len() <= 16 || one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_only_where_every_byte_is() {
        let letters = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
        for length in 0..50 {
            let text = &letters[..length];
            let other = text.to_vec();
            assert!(is_same(text, &other));
            assert!(!is_same(text, &letters[..=length]));
            for at in 0..length {
                let mut other = text.to_vec();
                other[at] = b'-';
                assert!(!is_same(text, &other), "{length} {at}");
            }
        }
    }
}

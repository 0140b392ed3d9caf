//! Bytes as text: hexadecimal and Base64, as signatures and bodies come in them.

/// The bytes that hexadecimal digits of either case stand for; `None` if anything else is among them.
///
/// ```
/// assert_eq!(retold::encoding::hex("00fF"), Some(vec![0, 255]));
/// assert_eq!(retold::encoding::hex("0x00"), None);
/// ```
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

/// The bytes that Base64 (RFC 4648, section 4) stands for, with its padding; `None` if it is none.
///
/// ```
/// assert_eq!(retold::encoding::base64("AP8="), Some(vec![0, 255]));
/// assert_eq!(retold::encoding::base64("AP8"), None);
/// ```
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let last = index + 1 == groups.len();
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && !last) {
            return None;
        }
        let mut bits = 0_u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | value(*byte)?;
        }
        bits <<= 6 * padding;
        let [_, whole @ ..] = bits.to_be_bytes();
        let (there, absent) = whole.split_at(3 - padding);
        if absent.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(there);
    }
    Some(bytes)
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 4648, section 10.
    #[test]
    fn the_test_vectors_of_the_rfc_are_read() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(hex("666F6f"), Some(b"foo".to_vec()));
    }

    #[test]
    fn what_stands_for_no_bytes_is_refused() {
        for text in ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z=g=", "Zh==", "Zm9=", "Zm9-", "Zm 9v", "é"] {
            assert_eq!(base64(text), None, "{text}");
        }
        for text in ["0", "0g", "é", "+1", " 0"] {
            assert_eq!(hex(text), None, "{text}");
        }
    }
}

//! Writing JSON by hand, where every event passes.

/// Bytes that can't stand in a JSON string as they are.
const fn escapes(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

const ESCAPES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = escapes(byte as u8);
        byte += 1;
    }
    table
};

/// Writes a string with its quotes.
#[inline]
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_inside(out, text);
    out.push(b'"');
}

/// Writes what stands between the quotes.
#[inline]
pub fn write_inside(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| ESCAPES[usize::from(byte)]) { write_escaped(out, text) } else { out.extend_from_slice(text.as_bytes()) }
}

#[cold]
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte if byte < 0x20 => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            byte => out.push(byte),
        }
    }
}

/// Writes a number in decimal.
#[inline]
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_comes_back_from_serde_json_as_it_was() {
        let every_low: String = (0..0x100).filter_map(char::from_u32).collect();
        for text in
            ["", "plain", "quote \" and \\ and / and \u{7f}", "line\nbreak\r\ttab\u{0}\u{1f}", "Grüße, 世界 🌍 \u{2028}", &every_low]
        {
            let mut out = Vec::new();
            write_text(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).ok().as_deref(), Some(text));
            assert!(!out.contains(&b'\n'));
        }
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}

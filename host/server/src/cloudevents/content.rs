//! Data of events: when it is JSON, and what JSON must be like to be taken.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Arrays and objects inside each other; readers with serde_json's defaults take as many.
const NESTING_MAX: usize = 128;

/// Whether a content type says JSON, as the CloudEvents JSON format (section 3.1) tells it.
#[inline]
pub fn is_json(content_type: &str) -> bool {
    content_type == "application/json" || is_json_by_parts(content_type)
}

fn is_json_by_parts(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    suffix.eq_ignore_ascii_case("json")
}

/// JSON data as it is kept. `text` is known to be JSON; refused is what is nested too deeply.
pub fn kept_json(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = text.as_bytes();
    let (mut opening, mut breaks) = (0, false);
    // Few bytes at a time, so that they can be counted in vectors of bytes.
    for part in bytes.chunks(64) {
        let count = |wanted: fn(u8) -> bool| part.iter().fold(0u8, |sum, byte| sum + u8::from(wanted(*byte)));
        opening += usize::from(count(|byte| byte | 0x20 == b'{'));
        breaks |= count(is_break) > 0;
    }
    if opening > NESTING_MAX && nesting(bytes) > NESTING_MAX {
        return Err("holds JSON nested more than 128 deep: make it flatter");
    }
    Ok(if breaks { one_line(bytes).into_owned() } else { bytes.to_vec() })
}

const fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// JSON data that nobody has looked at yet.
pub fn checked_json(bytes: &[u8]) -> Result<Vec<u8>, String> {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => kept_json(std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?).map_err(str::to_owned),
        Err(error) => Err(format!("is not JSON ({error}), though its content type says so: mend it, or give its content type")),
    }
}

/// JSON without line breaks: they can stand between tokens only, where a space does as well.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if !json.iter().any(|byte| is_break(*byte)) {
        return Cow::Borrowed(json);
    }
    Cow::Owned(json.iter().map(|byte| if is_break(*byte) { b' ' } else { *byte }).collect())
}

fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut inside, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'[' | b'{' if !inside => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_says_json_by_its_subtype_or_suffix() {
        for json in [
            "application/json",
            "Application/JSON",
            "text/json",
            "application/vnd.shop+json",
            "application/json; charset=utf-8",
            "application/a+JSON ;b=c",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "json", "application/xml", "application/jsonl", "text/plain; a=application/json", "application/json+xml"] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn json_is_kept_byte_for_byte_but_for_line_breaks() {
        assert_eq!(kept_json(r#"{"a" : 1.0e5,"b\n":"\u00e4"}"#).as_deref(), Ok(br#"{"a" : 1.0e5,"b\n":"\u00e4"}"#.as_slice()));
        assert_eq!(kept_json("{\r\n  \"a\":\n1}").as_deref(), Ok(b"{    \"a\": 1}".as_slice()));
    }

    #[test]
    fn json_nested_too_deeply_is_refused_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(kept_json(&nested(128)).is_ok());
        assert!(kept_json(&nested(129)).is_err());
        assert!(kept_json(&format!("[{}1]", "[],".repeat(1_000))).is_ok());
        assert!(kept_json(&format!(r#"["\"{}\\"]"#, "[".repeat(1_000))).is_ok());
        assert!(checked_json(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bytes in [&b""[..], b"{", b"nul", b"1 2", b"\"\xff\"", b"[1,]", b"01"] {
            assert!(checked_json(bytes).is_err());
        }
        assert!(checked_json(b" [1e999999, \"\\ud800\"] ").is_ok());
    }
}

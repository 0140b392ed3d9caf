//! Bytes of functions in JSON answers: as they are where they are JSON, else in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::write_text;

/// Writes a member `name`, or `name_base64` for what isn't JSON.
pub fn write_value(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(json) => {
            write_text(out, name);
            out.push(b':');
            out.extend_from_slice(json.get().as_bytes());
        }
        Err(_) => {
            write_text(out, &format!("{name}_base64"));
            out.push(b':');
            write_text(out, &STANDARD.encode(bytes));
        }
    }
}

/// The same as a member of a problem.
pub fn value_member(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_as_it_is_and_anything_else_is_told_in_base64() {
        for (bytes, json) in [
            (&b"{\"a\": 1}"[..], r#""value":{"a": 1}"#),
            (b" [1] ", r#""value":[1]"#),
            (b"\xff", r#""value_base64":"/w==""#),
            (b"", r#""value_base64":"""#),
            (b"1 2", r#""value_base64":"MSAy""#),
        ] {
            let mut out = Vec::new();
            write_value(&mut out, "value", bytes);
            assert_eq!(String::from_utf8_lossy(&out), json);
        }
    }
}

//! What the checks find. It hangs on the data alone, so that tests know it.

use serde_json::{Value, json};

/// `None` if there is no such check, or the data isn't what it wants.
pub fn of(path: &str, body: &[u8]) -> Option<String> {
    let data: Value = serde_json::from_slice(body).ok()?;
    let text = |member: &str| data.get(member)?.as_str();
    let found = match path {
        // Who is called poor has no credit.
        "/credit" => json!({ "score": if text("name")?.contains("Poor") { 30 } else { 71 } }),
        "/address" => json!({ "known": text("city")? != "Nowhere" && !text("street")?.is_empty() }),
        "/sanctions" => json!({ "listed": text("name")?.contains("Mallory") }),
        _ => return None,
    };
    Some(found.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_hangs_on_the_data_alone() {
        for (path, body, verdict) in [
            ("/credit", r#"{"name":"Ada"}"#, Some(r#"{"score":71}"#)),
            ("/credit", r#"{"name":"Poor Bob"}"#, Some(r#"{"score":30}"#)),
            ("/address", r#"{"street":"1 Lane","city":"London"}"#, Some(r#"{"known":true}"#)),
            ("/address", r#"{"street":"1 Lane","city":"Nowhere"}"#, Some(r#"{"known":false}"#)),
            ("/sanctions", r#"{"name":"Mallory"}"#, Some(r#"{"listed":true}"#)),
            ("/credit", "{}", None),
            ("/other", r#"{"name":"Ada"}"#, None),
        ] {
            assert_eq!(of(path, body.as_bytes()).as_deref(), verdict, "{path} {body}");
        }
    }
}

//! Where a host is: paths and queries, escaped.

/// `/v1/namespaces/{namespace}/{segments…}`, each part escaped.
pub fn namespaced(namespace: &str, segments: &[&str]) -> String {
    let mut path = format!("/v1/namespaces/{}", escaped(namespace));
    for segment in segments {
        path.push('/');
        path.push_str(&escaped(segment));
    }
    path
}

/// `/v1/{segments…}`, each part escaped.
pub fn host(segments: &[&str]) -> String {
    segments.iter().fold("/v1".to_owned(), |path, segment| path + "/" + &escaped(segment))
}

/// A query string with the pairs that have a value; empty when none has.
pub fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let Some(value) = value else { continue };
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&escaped(value));
    }
    query
}

/// RFC 3986: everything but the unreserved characters, `,`, which separates the items of a list, and `@`,
/// which stands in the names of earlier generations and is never escaped there.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b'@' => escaped.push(byte as char),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_with_slashes_and_spaces_arrives_as_it_was_written() {
        assert_eq!(query(&[("subjects", Some("UA/1545 x&y")), ("after", None)]), "?subjects=UA%2F1545%20x%26y");
        assert_eq!(namespaced("main@1", &["events"]), "/v1/namespaces/main@1/events");
        assert_eq!(namespaced("main", &["functions", "a/b"]), "/v1/namespaces/main/functions/a%2Fb");
    }
}

//! Tokens, as a person reads them.

use serde_json::Value;

use crate::cli::words::table;

/// Beside the token itself, which is printed alone so that a script can take it.
pub fn created(token: &Value) -> String {
    format!(
        "{} allows {} in {}{}{}\nThe token is shown this once: keep it where only its user can read it, and give it to programs as RETOLD_TOKEN.\n",
        named(token),
        allow(token),
        namespaces(token, "all namespaces"),
        match token["expires"].as_str() {
            Some(expires) => format!(", until {expires}"),
            None => String::new(),
        },
        match token["rate"].as_str() {
            Some(rate) => format!(", {rate} at most"),
            None => String::new(),
        }
    )
}

pub fn revoked(token: &Value) -> String {
    format!("{} is worth nothing from now on\n", named(token))
}

pub fn listed(tokens: &Value) -> String {
    let tokens = tokens["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tokens.is_empty() {
        return "there are no tokens: whoever reaches the host may do everything\n".to_owned();
    }
    let row = |token: &Value| {
        let text = |field: &str| token[field].as_str().unwrap_or_default().to_owned();
        let over = if token["expired"] == true { " (over)" } else { "" };
        vec![text("id"), text("name"), allow(token), namespaces(token, "all"), text("created"), text("expires") + over]
    };
    table(&["id", "name", "allows", "in", "created", "expires"], &tokens.iter().map(row).collect::<Vec<_>>())
}

fn named(token: &Value) -> String {
    format!("{} ({})", token["id"].as_str().unwrap_or("?"), token["name"].as_str().unwrap_or("?"))
}

fn allow(token: &Value) -> String {
    texts(&token["allow"])
}

fn namespaces(token: &Value, all: &str) -> String {
    if token["namespaces"].is_null() { all.to_owned() } else { texts(&token["namespaces"]) }
}

fn texts(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ci() -> Value {
        json!({ "id": "3m8q1x7c", "name": "ci", "namespaces": ["main", "shop"], "allow": ["read", "deploy"],
            "created": "2026-11-21T05:18:36Z", "expires": "2027-02-19T05:18:36Z", "expired": true, "token": "retold_x" })
    }

    #[test]
    fn a_new_token_is_told_with_what_it_allows_and_its_secret_is_not_among_the_words() {
        let told = created(&ci());
        assert!(told.starts_with("3m8q1x7c (ci) allows read,deploy in main,shop, until 2027-02-19T05:18:36Z\n"), "{told}");
        assert!(!told.contains("retold_x"));
        assert_eq!(revoked(&ci()), "3m8q1x7c (ci) is worth nothing from now on\n");
    }

    #[test]
    fn tokens_are_listed_with_where_they_are_good_and_until_when() {
        let all = json!({ "id": "9k2v7dqe", "name": "admin", "namespaces": null, "allow": ["operate"], "created": "2026-11-21T05:18:36Z", "expires": null, "expired": false });
        let expected = "\
id        name   allows       in         created               expires
3m8q1x7c  ci     read,deploy  main,shop  2026-11-21T05:18:36Z  2027-02-19T05:18:36Z (over)
9k2v7dqe  admin  operate      all        2026-11-21T05:18:36Z
";
        assert_eq!(listed(&json!({ "tokens": [ci(), all] })), expected);
        assert!(listed(&json!({ "tokens": [] })).contains("everything"));
    }
}

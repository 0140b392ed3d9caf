//! Access tokens.

use serde_json::{Value, json};

use super::{list, object, or_null, text, time, whole};
use crate::drive::Scope;

pub fn token_schemas() -> Value {
    let allow = list(json!({ "type": "string", "enum": Scope::ALL.map(Scope::name) }));
    let mut token = whole(json!({
        "id": text(),
        "name": text(),
        "namespaces": or_null(list(text())),
        "allow": allow,
        "created": time(),
        "expires": or_null(time()),
        "rate": or_null(text()),
        "expired": { "type": "boolean" },
    }));
    token["description"] = "Without its secret, which the host doesn't have. No `namespaces`: all.".into();
    let mut created = token.clone();
    created["properties"]["token"] = json!({ "type": "string", "description": "The token itself: shown here, and never again." });
    created["required"].as_array_mut().into_iter().for_each(|required| required.push("token".into()));
    json!({
        "Token": token,
        "Tokens": whole(json!({ "tokens": list(super::named("Token")) })),
        "TokenCreated": created,
        "NewToken": object(&["name", "allow"], json!({
            "name": text(),
            "namespaces": list(text()),
            "allow": allow,
            "expires": { "type": "string", "description": "A time from now such as `90d` or `12h`, or a moment such as `2027-01-31T00:00:00Z`. Left out: no end." },
            "rate": { "type": "string", "description": "Requests a second, such as `100/s`. Left out: as many as the host allows each token." },
        })),
    })
}

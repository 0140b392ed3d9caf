//! Access tokens over HTTP: made, listed, revoked.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use retold_engine::model::Timestamp;
use serde::{Deserialize, Serialize};

use super::body::json;
use super::call::{Answer, Call};
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::timestamps::timestamp_text;
use crate::drive::{Access, NewToken};

const BODY_BYTES_MAX: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTokenBody {
    name: String,
    /// All, without it.
    namespaces: Option<Vec<String>>,
    allow: Vec<String>,
    expires: Option<String>,
    /// `100/s`
    rate: Option<String>,
}

#[derive(Serialize)]
struct TokenAnswer {
    id: String,
    name: String,
    /// `null` is all.
    namespaces: Option<Vec<String>>,
    allow: Vec<&'static str>,
    created: String,
    expires: Option<String>,
    /// `null` is as often as the host allows each token.
    rate: Option<String>,
    expired: bool,
}

#[derive(Serialize)]
struct TokensAnswer {
    tokens: Vec<TokenAnswer>,
}

#[derive(Serialize)]
struct CreatedAnswer {
    #[serde(flatten)]
    of: TokenAnswer,
    /// Shown here and never again.
    token: String,
}

impl TokenAnswer {
    fn of(access: &Access, now: Timestamp) -> TokenAnswer {
        TokenAnswer {
            id: access.id.clone(),
            name: access.name.clone(),
            namespaces: access.namespaces.clone(),
            allow: access.scopes.iter().map(|scope| scope.name()).collect(),
            created: timestamp_text(access.created),
            expires: access.expires.map(timestamp_text),
            rate: access.rate.map(|rate| rate.to_string()),
            expired: access.is_over(now),
        }
    }
}

pub async fn list_tokens(call: Box<Call>) -> Answer {
    call.query()?;
    let host = &call.site.host;
    let tokens = host.tokens().all().iter().map(|access| TokenAnswer::of(access, host.now())).collect();
    Ok(json(StatusCode::OK, &TokensAnswer { tokens }))
}

pub async fn create_token(call: Box<Call>) -> Answer {
    call.query()?;
    let (host, by) = (call.site.host.clone(), call.pass.holder());
    let body = call.whole_body(BODY_BYTES_MAX).await?;
    let NewTokenBody { name, namespaces, allow, expires, rate } = serde_json::from_slice(&body).map_err(|error| {
        let what =
            format!("the body is not what this path takes ({error}): send {{\"name\":\"ci\",\"namespaces\":[\"shop\"],\"allow\":[\"deploy\"],\"expires\":\"90d\"}}");
        Problem::new(&kinds::MALFORMED_REQUEST, what).with("field", "name")
    })?;
    if namespaces.as_ref().is_some_and(Vec::is_empty) {
        let what = "`namespaces` is empty, and the token would be good for nothing: name some, or leave it out for all";
        return Err(Problem::new(&kinds::INVALID_TOKEN, what).with("field", "namespaces"));
    }
    let new = NewToken { name, namespaces: namespaces.unwrap_or_default(), allow, expires, rate };
    let (token, access) = host.create_token(by, new).await?;
    let created = CreatedAnswer { of: TokenAnswer::of(&access, host.now()), token: token.text() };
    let mut response = json(StatusCode::CREATED, &created);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(access);
    Ok(response)
}

pub async fn revoke_token(call: Box<Call>) -> Answer {
    call.query()?;
    let host = &call.site.host;
    let access = host.revoke_token(call.pass.holder(), call.parameter("id")).await?;
    let mut response = json(StatusCode::OK, &TokenAnswer::of(&access, host.now()));
    // For the audit trail: whom it was about.
    response.extensions_mut().insert(access);
    Ok(response)
}

//! Tokens of a data directory that no host runs on.

use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use serde_json::{Value, json};

use super::Create;
use crate::cli::failure::Refusal;
use crate::drive::{Access, DriveError, NewToken, StoredTokens, now};

/// Makes the directory too: a host can be let in to before it first starts.
pub fn create(data: &Path, create: &Create) -> Result<Value> {
    let stored = StoredTokens::open(data).with_context(|| opening(data))?;
    let Create { name, namespace, allow, expires, rate } = create;
    let new =
        NewToken { name: name.clone(), namespaces: namespace.clone(), allow: allow.clone(), expires: expires.clone(), rate: rate.clone() };
    let (token, access) = stored.create(new).map_err(refusal)?;
    let mut created = value(&access);
    created["token"] = token.text().into();
    Ok(created)
}

pub fn list(data: &Path) -> Result<Value> {
    let tokens: Vec<Value> = find(data)?.all().iter().map(|access| value(access)).collect();
    Ok(json!({ "tokens": tokens }))
}

pub fn revoke(data: &Path, id: &str) -> Result<Value> {
    find(data)?.revoke(id).map(|access| value(&access)).map_err(refusal)
}

/// Whether a host on this data directory asks for tokens.
pub fn has_tokens(data: &Path) -> Result<bool> {
    let stored = StoredTokens::find(data).with_context(|| opening(data))?;
    Ok(stored.is_some_and(|stored| !stored.all().is_empty()))
}

fn find(data: &Path) -> Result<StoredTokens> {
    let stored = StoredTokens::find(data).with_context(|| opening(data))?;
    stored.ok_or_else(|| anyhow!("{} holds no data of a host", data.display()))
}

fn opening(data: &Path) -> String {
    format!("the tokens in {} can't be opened", data.display())
}

/// Exits as a host's own refusal does.
fn refusal(error: DriveError) -> Error {
    match error {
        DriveError::Token(refused) => Refusal(refused.to_string()).into(),
        other => other.into(),
    }
}

/// As the host tells it over HTTP.
fn value(access: &Access) -> Value {
    json!({
        "id": access.id,
        "name": access.name,
        "namespaces": access.namespaces,
        "allow": access.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
        "created": moment(access.created.0),
        "expires": access.expires.map(|expires| moment(expires.0)),
        "rate": access.rate.map(|rate| rate.to_string()),
        "expired": access.is_over(now()),
    })
}

fn moment(us: u64) -> String {
    jiff::Timestamp::from_microsecond(us.cast_signed()).map(|moment| moment.to_string()).unwrap_or_default()
}

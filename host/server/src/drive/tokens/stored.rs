//! The tokens of a data directory that no host runs on: how the first one is made for a host that is to listen beyond
//! this machine, and how one gets in again that nobody has a token for.

use std::path::Path;
use std::sync::Arc;

use retold_engine::store::{Catalogue, DiskFolder};

use super::super::host::io;
use super::super::types::DriveError;
use super::access::Access;
use super::form::Token;
use super::making::NewToken;
use super::table::{By, Tokens};

pub struct StoredTokens {
    catalogue: Catalogue,
    tokens: Tokens,
}

impl StoredTokens {
    /// Opens the catalogue of a data directory, if both are there. Refused while a host runs on it.
    pub fn find(data: &Path) -> Result<Option<StoredTokens>, DriveError> {
        if !data.is_dir() {
            return Ok(None);
        }
        let folder = DiskFolder::create(data).map_err(io("the data directory can't be opened"))?;
        if Catalogue::is_in(&folder)? { StoredTokens::open(data).map(Some) } else { Ok(None) }
    }

    /// The same; makes what isn't there.
    pub fn open(data: &Path) -> Result<StoredTokens, DriveError> {
        let folder = DiskFolder::create(data).map_err(io("the data directory can't be made"))?;
        let catalogue = Catalogue::open(&folder)?;
        let tokens = Tokens::read(&catalogue)?;
        Ok(StoredTokens { catalogue, tokens })
    }

    pub fn all(&self) -> Vec<Arc<Access>> {
        self.tokens.all()
    }

    pub fn create(&self, new: NewToken) -> Result<(Token, Arc<Access>), DriveError> {
        self.tokens.create(&self.catalogue, By::Owner, new)
    }

    pub fn revoke(&self, id: &str) -> Result<Arc<Access>, DriveError> {
        self.tokens.revoke(&self.catalogue, By::Owner, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_of_a_directory_must_be_one_that_operates_everything_and_so_must_the_last_k7() {
        let data = std::env::temp_dir().join(format!("retold-tokens-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        let new = |allow: &str, namespaces: &[&str], expires: Option<&str>| NewToken {
            name: "ci".into(),
            namespaces: namespaces.iter().map(|name| name.to_string()).collect(),
            allow: vec![allow.into()],
            expires: expires.map(str::to_owned),
            rate: None,
        };
        assert!(StoredTokens::find(&data).expect("looked").is_none() && !data.exists(), "looking makes nothing");
        let stored = StoredTokens::open(&data).expect("made");
        let refused = |made: Result<(Token, Arc<Access>), DriveError>| made.map(drop).expect_err("refused").to_string();
        assert!(refused(stored.create(new("read", &[], None))).contains("--allow append,read"));
        assert!(refused(stored.create(new("operate", &["main"], None))).contains("operate all namespaces"));
        assert!(stored.all().is_empty());
        let (first, access) = stored.create(new("operate", &[], Some("1h"))).expect("made");
        let (reader, _) = stored.create(new("read", &["main"], None)).expect("made");
        assert!(stored.revoke(access.id.as_str()).is_err(), "it is the last one");
        let (other, _) = stored.create(new("operate", &[], None)).expect("made");
        stored.revoke(&access.id).expect("there is another");
        assert!(stored.revoke(other.id()).is_err() && stored.revoke("nobody").is_err());
        drop(stored);
        let stored = StoredTokens::find(&data).expect("opened").expect("there");
        let ids: Vec<String> = stored.all().iter().map(|access| access.id.clone()).collect();
        assert!(ids.len() == 2 && ids.contains(&reader.id().to_owned()) && !ids.contains(&first.id().to_owned()));
        drop(stored);
        let _ = std::fs::remove_dir_all(&data);
    }
}

//! The tokens of a host that runs, in memory beside the catalogue.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use retold_engine::model::{Digest, limits};
use retold_engine::store::{Catalogue, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::clock;
use super::super::race::race;
use super::super::types::DriveError;
use super::access::Access;
use super::form::Token;
use super::making::{NewToken, TokenRefused};
use super::scope::Scope;

/// The clock may be set while somebody waits for a token's end, so it is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// By public id.
type ById = BTreeMap<String, Arc<Access>>;

#[derive(Debug)]
pub struct Tokens {
    known: RwLock<Arc<ById>>,
    /// Changes with the tokens.
    changes: watch::Sender<()>,
}

/// Who makes and revokes tokens.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Who has the data directory.
    Owner,
    /// Who holds a token.
    Holder(&'a Access),
    /// Anybody, as long as there are no tokens.
    Anybody,
}

/// What was shown is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// No token of this host: mistyped, foreign, wrong or revoked.
    Unknown,
    Expired,
}

impl Tokens {
    pub fn read(catalogue: &Catalogue) -> Result<Tokens, StoreError> {
        let known = catalogue.tokens()?.into_iter().map(|row| (row.id.clone(), Arc::new(Access::of(row)))).collect();
        Ok(Tokens { known: RwLock::new(Arc::new(known)), changes: watch::Sender::new(()) })
    }

    /// Whether nobody needs one.
    pub fn are_none(&self) -> bool {
        self.known().is_empty()
    }

    /// By id, those that are over too.
    pub fn all(&self) -> Vec<Arc<Access>> {
        self.known().values().cloned().collect()
    }

    /// What the holder of a token may do. Found by its public id, and then its secret is compared.
    pub fn admit(&self, text: &str) -> Result<Arc<Access>, NotAdmitted> {
        let token = Token::parse(text).map_err(|_| NotAdmitted::Unknown)?;
        let access = self.known().get(token.id()).cloned();
        // Also where there is no such id, so that the time tells nobody which ids there are.
        let fits = token.has(access.as_ref().map_or(&Digest::ZERO, |access| &access.secret));
        let access = access.filter(|_| fits).ok_or(NotAdmitted::Unknown)?;
        if access.is_over(clock::now()) { Err(NotAdmitted::Expired) } else { Ok(access) }
    }

    /// Resolves once what was admitted is no more: the token was revoked or is over, or, for who needed none, there
    /// is one now.
    pub async fn ended(&self, admitted: Option<&Access>) {
        let mut changes = self.changes.subscribe();
        loop {
            if !self.is_good(admitted) {
                return;
            }
            let wait = admitted
                .and_then(|access| access.expires)
                .map_or(LOOK_AGAIN, |end| Duration::from_micros(end.0.saturating_sub(clock::now().0)).min(LOOK_AGAIN));
            race(changes.changed(), sleep(wait)).await;
        }
    }

    fn is_good(&self, admitted: Option<&Access>) -> bool {
        match admitted {
            None => self.are_none(),
            Some(access) => self.known().contains_key(&access.id) && !access.is_over(clock::now()),
        }
    }

    /// Looked at once more just before a change: a request may have been long on its way.
    fn check(&self, by: By<'_>) -> Result<(), TokenRefused> {
        let good = match by {
            By::Owner => true,
            By::Holder(access) => self.is_good(Some(access)),
            By::Anybody => self.is_good(None),
        };
        if good { Ok(()) } else { Err(TokenRefused::NoLongerAdmitted) }
    }

    /// Makes a token. The only time that it is whole.
    pub fn create(&self, catalogue: &Catalogue, by: By<'_>, new: NewToken) -> Result<(Token, Arc<Access>), DriveError> {
        self.check(by)?;
        let token = self.unused()?;
        let access = Arc::new(new.checked(&token, clock::now())?);
        let mut after = ById::clone(&self.known());
        if after.len() >= limits::TOKENS_MAX {
            return Err(TokenRefused::TooMany.into());
        }
        after.insert(access.id.clone(), access.clone());
        check_operated(&after)?;
        catalogue.set_token(&access.row())?;
        self.set(after);
        Ok((token, access))
    }

    /// From now on it is worth nothing.
    pub fn revoke(&self, catalogue: &Catalogue, by: By<'_>, id: &str) -> Result<Arc<Access>, DriveError> {
        self.check(by)?;
        let mut after = ById::clone(&self.known());
        let access = after.remove(id).ok_or_else(|| TokenRefused::Unknown(id.to_owned()))?;
        check_operated(&after)?;
        catalogue.remove_token(id)?;
        self.set(after);
        Ok(access)
    }

    fn unused(&self) -> Result<Token, DriveError> {
        loop {
            let token = Token::random().map_err(|error| StoreError::Io {
                what: "no randomness".into(),
                source: Arc::new(std::io::Error::other(error.to_string())),
            })?;
            if !self.known().contains_key(token.id()) {
                return Ok(token);
            }
        }
    }

    fn known(&self) -> Arc<ById> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, after: ById) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        self.changes.send_replace(());
    }
}

/// Somebody can always make and revoke tokens.
fn check_operated(tokens: &ById) -> Result<(), TokenRefused> {
    let now = clock::now();
    let operates = |access: &Arc<Access>| access.may_everywhere(Scope::Operate) && !access.is_over(now);
    if tokens.values().any(operates) { Ok(()) } else { Err(TokenRefused::no_operator()) }
}

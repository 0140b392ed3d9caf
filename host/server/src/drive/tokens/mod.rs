//! Access tokens: who may ask this host for what. As long as there is none, everybody may; the first one ends that.
//! A token is shown once, when it is made; the catalogue keeps the digest of its secret.

mod access;
mod expiry;
mod form;
mod making;
mod rate;
mod scope;
mod stored;
mod table;

pub use access::Access;
pub use form::{NotAToken, Token};
pub use making::{NewToken, TokenRefused};
pub use rate::Rate;
pub use scope::Scope;
pub use stored::StoredTokens;
pub use table::{By, NotAdmitted, Tokens};

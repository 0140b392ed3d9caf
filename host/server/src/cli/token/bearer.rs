//! The token that this command line sends.

use std::fmt;

use anyhow::Result;

use crate::cli::failure::Usage;
use crate::drive::{NotAToken, Token};

const VARIABLE: &str = "RETOLD_TOKEN";

#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

impl Bearer {
    /// Without the line break that files end with.
    pub fn of_environment() -> Option<Bearer> {
        let text = std::env::var(VARIABLE).ok()?;
        Some(Bearer(text.trim().to_owned())).filter(|bearer| !bearer.0.is_empty())
    }

    /// One that begins as ours do must be whole. Others are for a proxy in front of the host, which knows them.
    pub fn check(&self) -> Result<()> {
        let said = match Token::parse(&self.0) {
            Err(NotAToken::Mistyped) => "holds a token that is mistyped or cut off",
            _ if self.0.chars().any(|letter| !letter.is_ascii_graphic()) => "holds what can't be sent in a header",
            _ => return Ok(()),
        };
        Err(Usage(format!("{VARIABLE} {said}: copy it again as `retold token create` printed it, or unset it")).into())
    }

    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Bearer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_token_is_told_before_anything_is_sent_and_never_printed_k2() {
        let text = Token::random().expect("random").text();
        assert!(Bearer(text.clone()).check().is_ok() && Bearer("eyJhbGciOi".into()).check().is_ok());
        for wrong in [text[..20].to_owned(), text.replacen(|letter: char| letter.is_ascii_digit(), "x", 1) + "0", "a b".into(), "é".into()]
        {
            let error = Bearer(wrong.clone()).check().expect_err("mistyped").to_string();
            assert!(error.contains(VARIABLE) && !error.contains(&wrong), "{error}");
        }
        assert_eq!(format!("{:?}", Some(Bearer(text))), "Some(Bearer)");
    }
}

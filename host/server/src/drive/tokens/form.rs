//! A token as it is written: `retold_`, its public id, `_`, its secret and a checksum.
//!
//! 64 characters: the prefix lets scanners find a token that leaked, the checksum tells a mistyped one without a
//! look at any table. Letters and digits are Crockford's base 32 in lower case, which has no look-alikes.

use std::fmt;

use retold_engine::model::Digest;
use subtle::ConstantTimeEq;

pub const PREFIX: &str = "retold_";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bytes become letters in groups of five to eight.
const ID_BYTES: usize = 5;
const SECRET_BYTES: usize = 25;
const CHECKSUM_BYTES: usize = 5;
const ID_LETTERS: usize = letters(ID_BYTES);
const SECRET_LETTERS: usize = letters(SECRET_BYTES);
const TOKEN_LETTERS: usize = PREFIX.len() + ID_LETTERS + 1 + SECRET_LETTERS + letters(CHECKSUM_BYTES);

const _: () = assert!(SECRET_BYTES * 8 >= 160, "a secret can't be guessed");

const fn letters(bytes: usize) -> usize {
    assert!(bytes.is_multiple_of(5));
    bytes / 5 * 8
}

/// A whole token. Only `text` shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: [u8; SECRET_BYTES],
}

/// What was written is no token of any host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAToken {
    /// It doesn't begin as one does.
    Foreign,
    /// It begins as one does, and then letters are wrong or missing.
    Mistyped,
}

impl Token {
    /// A new one.
    pub fn random() -> Result<Token, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        Ok(Token { id: written(&id), secret })
    }

    pub fn parse(text: &str) -> Result<Token, NotAToken> {
        let rest = text.strip_prefix(PREFIX).ok_or(NotAToken::Foreign)?;
        if text.len() != TOKEN_LETTERS || !text.is_ascii() {
            return Err(NotAToken::Mistyped);
        }
        let (id, rest) = rest.split_at(ID_LETTERS);
        let secret = rest.strip_prefix('_').ok_or(NotAToken::Mistyped)?;
        let (secret, checksum) = secret.split_at(SECRET_LETTERS);
        let (_, secret, found) = (read::<ID_BYTES>(id)?, read::<SECRET_BYTES>(secret)?, read::<CHECKSUM_BYTES>(checksum)?);
        let token = Token { id: id.to_owned(), secret };
        if found == token.checksum() { Ok(token) } else { Err(NotAToken::Mistyped) }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is kept of the secret. It is long and random, so a plain hash can't be turned back.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.secret)
    }

    /// In the same time for any other digest.
    pub fn has(&self, digest: &Digest) -> bool {
        self.digest().0.ct_eq(&digest.0).into()
    }

    /// The token itself, for its holder.
    pub fn text(&self) -> String {
        format!("{}{}", self.unchecked(), written(&self.checksum()))
    }

    fn unchecked(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, written(&self.secret))
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        let digest = Digest::of(self.unchecked().as_bytes());
        let mut first = [0; CHECKSUM_BYTES];
        first.copy_from_slice(&digest.0[..CHECKSUM_BYTES]);
        first
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({})", self.id)
    }
}

fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 5 * 8);
    for five in bytes.chunks_exact(5) {
        let number = five.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        text.extend((0..8).rev().map(|place| char::from(ALPHABET[(number >> (5 * place)) as usize & 31])));
    }
    text
}

fn read<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], NotAToken> {
    let mut bytes = [0; BYTES];
    for (eight, five) in text.as_bytes().chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
        let mut number = 0u64;
        for letter in eight {
            let value = ALPHABET.iter().position(|known| known == letter).ok_or(NotAToken::Mistyped)?;
            number = number << 5 | value as u64;
        }
        five.copy_from_slice(&number.to_be_bytes()[3..]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let mut secret = [0; SECRET_BYTES];
        secret.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at as u8).wrapping_mul(11));
        Token { id: written(&[1, 2, 3, 254, 255]), secret }
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_its_form_never_changes() {
        let text = token().text();
        assert_eq!(text.len(), TOKEN_LETTERS);
        assert_eq!(Token::parse(&text), Ok(token()));
        assert_eq!(text, "retold_04107zqz_005hc89c6x14tp33dswr93wtmprbqhphvkkz5z88qkevtdnr");
    }

    #[test]
    fn every_mistyped_letter_and_every_cut_is_told_from_an_unknown_token() {
        let text = token().text();
        for at in PREFIX.len()..text.len() {
            for other in ['0', 'z', 'u', 'A', '_', ' '] {
                let mut letters: Vec<char> = text.chars().collect();
                if letters[at] == other {
                    continue;
                }
                letters[at] = other;
                assert_eq!(Token::parse(&letters.iter().collect::<String>()), Err(NotAToken::Mistyped), "{at} {other:?}");
            }
            assert_eq!(Token::parse(&text[..at]), Err(NotAToken::Mistyped));
        }
        for foreign in ["", "x", "Bearer", &text[1..], "ghp_0123456789"] {
            assert_eq!(Token::parse(foreign), Err(NotAToken::Foreign), "{foreign}");
        }
        assert_eq!(Token::parse(&format!("{text}0")), Err(NotAToken::Mistyped));
        assert_eq!(Token::parse(&format!("retold_{}", "é".repeat(28) + "a")), Err(NotAToken::Mistyped));
    }

    #[test]
    fn what_is_printed_of_a_token_is_its_id_alone_k2() {
        let shown = format!("{:?} {:?}", token(), Some(token()));
        assert!(shown.contains(token().id()));
        assert!(!shown.contains(&written(&token().secret)[..8]), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn two_tokens_are_never_the_same_and_each_has_its_own_digest_only_k3() {
        let (one, other) = (Token::random().expect("random"), Token::random().expect("random"));
        assert!(one.id != other.id && one.secret != other.secret);
        assert!(one.has(&one.digest()) && !one.has(&other.digest()));
        assert!(!one.text().contains(&one.digest().to_string()));
    }
}

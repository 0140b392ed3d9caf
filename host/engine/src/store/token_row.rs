//! What the catalogue says of an access token. What a token may do is the server's to decide.

use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Public: it stands in the token, in lists and in the log of the host.
    pub id: String,
    /// What the operator calls it.
    pub name: String,
    /// Of the secret, which nobody keeps.
    pub secret: Digest,
    pub created: Timestamp,
    /// From then on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// Those that it is for; all, without a list.
    pub namespaces: Option<Vec<String>>,
    /// Names of what it may do. One that a host doesn't know allows nothing there.
    pub allow: Vec<String>,
    /// Requests a second; without it as many as the host allows each token.
    pub rate: Option<u32>,
}

/// Of a row that tells a rate; without one it is as it was before there were any.
const FORMAT: u8 = 2;
const FORMAT_WITHOUT_RATE: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

impl TokenRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(if self.rate.is_some() { FORMAT } else { FORMAT_WITHOUT_RATE });
        out.text(&self.name);
        out.raw(&self.secret.0);
        out.u64(self.created.0);
        match self.expires {
            None => out.u8(ABSENT),
            Some(expires) => {
                out.u8(PRESENT);
                out.u64(expires.0);
            }
        }
        match &self.namespaces {
            None => out.u8(ABSENT),
            Some(namespaces) => {
                out.u8(PRESENT);
                write_texts(&mut out, namespaces);
            }
        }
        write_texts(&mut out, &self.allow);
        if let Some(rate) = self.rate {
            out.u32(rate);
        }
        out.bytes
    }

    pub(super) fn decode(id: &str, bytes: &[u8]) -> Result<TokenRow, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let format = reader.u8("row format")?;
        if !(FORMAT_WITHOUT_RATE..=FORMAT).contains(&format) {
            return Err(Malformed { what: "row format", at: 0 });
        }
        let name = reader.text("name")?.to_owned();
        let mut secret = [0; 32];
        secret.copy_from_slice(reader.raw(32, "secret")?);
        let created = Timestamp(reader.u64("created")?);
        let expires = if is_present(&mut reader)? { Some(Timestamp(reader.u64("expires")?)) } else { None };
        let namespaces = if is_present(&mut reader)? { Some(read_texts(&mut reader)?) } else { None };
        let allow = read_texts(&mut reader)?;
        let rate = if format == FORMAT { Some(reader.u32("rate")?) } else { None };
        if !reader.is_empty() {
            return Err(Malformed { what: "end of the row", at: reader.position() });
        }
        Ok(TokenRow { id: id.to_owned(), name, secret: Digest(secret), created, expires, namespaces, allow, rate })
    }
}

fn write_texts(out: &mut ByteWriter, texts: &[String]) {
    out.varint(texts.len() as u64);
    texts.iter().for_each(|text| out.text(text));
}

fn read_texts(reader: &mut ByteReader<'_>) -> Result<Vec<String>, Malformed> {
    let count = reader.length("texts")?;
    (0..count).map(|_| Ok(reader.text("text")?.to_owned())).collect()
}

fn is_present(reader: &mut ByteReader<'_>) -> Result<bool, Malformed> {
    let at = reader.position();
    match reader.u8("presence")? {
        ABSENT => Ok(false),
        PRESENT => Ok(true),
        _ => Err(Malformed { what: "presence", at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TokenRow {
        TokenRow {
            id: "k3v9x2qa".into(),
            name: "ci".into(),
            secret: Digest([7; 32]),
            created: Timestamp(5),
            expires: Some(Timestamp(9)),
            namespaces: Some(vec!["a".into()]),
            allow: vec!["read".into()],
            rate: None,
        }
    }

    #[test]
    fn a_token_comes_back_and_a_cut_or_longer_row_is_refused() {
        let unlimited = TokenRow { expires: None, namespaces: None, ..row() };
        let slow = TokenRow { rate: Some(100), ..row() };
        for row in [row(), unlimited, slow] {
            let bytes = row.encode();
            assert_eq!(TokenRow::decode(&row.id, &bytes), Ok(row.clone()));
            for end in 0..bytes.len() {
                assert!(TokenRow::decode(&row.id, &bytes[..end]).is_err(), "{row:?} cut at {end}");
            }
            assert!(TokenRow::decode(&row.id, &[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_token_has_the_bytes_that_the_page_on_the_data_file_says() {
        let number = |number: u64| number.to_le_bytes();
        let expected: Vec<u8> =
            [&[1, 2, b'c', b'i'][..], &[7; 32], &number(5), &[1], &number(9), &[1, 1, 1, b'a'], &[1, 4, b'r', b'e', b'a', b'd']].concat();
        assert_eq!(row().encode(), expected);
        let slow = TokenRow { rate: Some(100), ..row() }.encode();
        assert_eq!(slow, [&[2], &expected[1..], &100_u32.to_le_bytes()].concat());
    }
}

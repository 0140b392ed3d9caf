//! The query string: decoded once, held against what the route takes. An unknown name is refused, as a
//! mistyped condition must not be an append without one.

use std::borrow::Cow;
use std::time::Duration;

use retold_engine::model::{Position, limits};

use super::cursor::{Cursor, Lineage, parse_cursor};
use super::parameters::Parameter;
use super::problem::Problem;

/// Pairs as they were sent, still escaped.
pub struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    pub fn read(text: &'a str, known: &[Parameter]) -> Result<Query<'a>, Problem> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                let takes = if names.is_empty() { "takes no parameters".to_owned() } else { format!("takes {}", names.join(", ")) };
                return Err(Problem::parameter(
                    &name.chars().take(40).collect::<String>(),
                    format!("is not known here: this path {takes}"),
                ));
            }
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }

    fn one(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::parameter(name, "is given twice: give it once"));
        }
        Ok(first)
    }

    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        self.one(name)?.map(|value| decoded(name, value)).transpose()
    }

    /// Texts set apart by commas; a comma within one is written `%2C`. May be given several times.
    pub fn list(&self, name: &str) -> Result<Vec<String>, Problem> {
        let values = self.0.iter().filter(|(known, _)| *known == name);
        let terms = values.flat_map(|(_, value)| value.split(',')).filter(|term| !term.is_empty());
        let list: Vec<String> = terms.map(|term| decoded(name, term).map(Cow::into_owned)).collect::<Result<_, _>>()?;
        if list.len() > limits::FILTER_TERMS_MAX {
            return Err(Problem::parameter(
                name,
                format!("names {} terms: at most {}; ask in parts", list.len(), limits::FILTER_TERMS_MAX),
            ));
        }
        Ok(list)
    }

    pub fn cursor(&self, name: &str) -> Result<Option<Cursor>, Problem> {
        self.text(name)?.map(|text| parse_cursor(&text).map_err(|what| Problem::parameter(name, what))).transpose()
    }

    /// A cursor as one position of the log's own generation.
    pub fn position(&self, name: &str, lineage: &impl Lineage) -> Result<Option<Position>, Problem> {
        self.cursor(name)?.map(|cursor| cursor.position(name, lineage)).transpose()
    }

    /// `true` or `false`; false if it isn't given.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Problem::parameter(name, format!("is {other:?}: use true or false"))),
        }
    }

    /// A number from 1 to `max`.
    pub fn number(&self, name: &str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::parameter(name, format!("is {text:?}: use a number from 1 to {max}"))),
        }
    }

    /// A duration up to `max`: seconds, or a number with `ms`, `s` or `m`.
    pub fn duration(&self, name: &str, max: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let unit_ms = match &text[digits..] {
            "ms" => Some(1),
            "" | "s" => Some(1_000),
            "m" => Some(60_000),
            _ => None,
        };
        let ms = unit_ms.and_then(|unit_ms| text[..digits].parse::<u64>().ok()?.checked_mul(unit_ms));
        match ms.map(Duration::from_millis) {
            Some(duration) if duration <= max => Ok(Some(duration)),
            _ => Err(Problem::parameter(name, format!("is {text:?}: use a duration such as 5s or 500ms, at most {}s", max.as_secs()))),
        }
    }
}

/// Resolves `%` escapes in a part of a path, where a `+` is a `+`.
pub fn decoded_path(name: &str, text: &str) -> Result<String, Problem> {
    if text.contains('+') {
        return decoded(name, &text.replace('+', "%2B")).map(Cow::into_owned);
    }
    decoded(name, text).map(Cow::into_owned)
}

/// Resolves `%` escapes, and `+` as a space, as forms write it.
fn decoded<'a>(name: &str, text: &'a str) -> Result<Cow<'a, str>, Problem> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |at: usize| rest.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    return Err(Problem::parameter(name, "has a % without two hexadecimal digits: write a % itself as %25"));
                };
                bytes.push((high * 16 + low) as u8);
                rest = &rest[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| Problem::parameter(name, "is not UTF-8: write other characters as the % escapes of their UTF-8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{AFTER, SUBJECTS, TIMEOUT};
    use super::*;

    const KNOWN: &[Parameter] = &[AFTER, SUBJECTS, TIMEOUT];

    fn query(text: &str) -> Query<'_> {
        Query::read(text, KNOWN).unwrap_or_else(|problem| panic!("{text}: {}", problem.detail))
    }

    #[test]
    fn lists_are_split_at_commas_and_escapes_resolved() {
        let list = |text: &str| query(text).list("subjects").unwrap_or_else(|problem| panic!("{}", problem.detail));
        assert_eq!(list("subjects=a,b%2Cc,%C3%A4+%2B"), ["a", "b,c", "ä +"]);
        assert_eq!(list("subjects=a&subjects=b&after=1"), ["a", "b"]);
        assert_eq!(list("subjects="), [""; 0]);
        assert_eq!(list(""), [""; 0]);
    }

    #[test]
    fn a_parameter_that_is_wrong_is_named() {
        #[track_caller]
        fn check<T>(result: Result<T, Problem>, says: &str) {
            let problem = result.err().expect("refused");
            assert!(problem.detail.contains(says) && problem.detail.contains(':'), "{}", problem.detail);
        }
        check(Query::read("if-none-afterr=1", KNOWN), "`if-none-afterr` is not known");
        check(query("after=1&after=2").cursor("after"), "twice");
        check(query("after=x").cursor("after"), "`after` is \"x\"");
        check(query("subjects=%zz").list("subjects"), "%25");
        check(query("subjects=%ff").list("subjects"), "UTF-8");
        check(query(&format!("subjects={}", "a,".repeat(65))).list("subjects"), "at most 64");
        check(query("after=0").number("after", 10), "1 to 10");
        check(query("after=11").number("after", 10), "1 to 10");
        check(query("timeout=soon").duration("timeout", Duration::from_secs(60)), "5s");
        check(query("timeout=61s").duration("timeout", Duration::from_secs(60)), "at most 60s");
        check(query("timeout=99999999999999999999").duration("timeout", Duration::from_secs(60)), "at most 60s");
    }

    #[test]
    fn a_duration_has_a_unit_or_means_seconds() {
        for (text, ms) in [("timeout=5", 5_000), ("timeout=5s", 5_000), ("timeout=500ms", 500), ("timeout=1m", 60_000), ("timeout=0", 0)] {
            assert_eq!(query(text).duration("timeout", Duration::from_secs(60)).ok().flatten(), Some(Duration::from_millis(ms)), "{text}");
        }
    }
}

//! Event type patterns: `order.placed`, `order.*`, `*`.

use super::{is_reserved_type, limits::TYPE_BYTES_MAX};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypePattern {
    Exact(String),
    /// Everything that begins so. The host's own `retold.*` only where it is asked for by name.
    Prefix(String),
}

impl TypePattern {
    /// `None` where a `*` stands anywhere but at the end, or nothing stands at all.
    pub fn parse(text: &str) -> Option<TypePattern> {
        if text.is_empty() || text.len() > TYPE_BYTES_MAX {
            return None;
        }
        match text.strip_suffix('*') {
            Some(prefix) if prefix.contains('*') => None,
            Some(prefix) => Some(TypePattern::Prefix(prefix.to_owned())),
            None if text.contains('*') => None,
            None => Some(TypePattern::Exact(text.to_owned())),
        }
    }

    pub fn matches(&self, r#type: &str) -> bool {
        match self {
            TypePattern::Exact(exact) => exact == r#type,
            TypePattern::Prefix(prefix) => r#type.starts_with(prefix.as_str()) && (!is_reserved_type(r#type) || is_reserved_type(prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, r#type: &str, expected: bool) {
        assert_eq!(TypePattern::parse(pattern).map(|pattern| pattern.matches(r#type)), Some(expected), "{pattern} {type}");
    }

    #[test]
    fn a_pattern_matches_what_begins_like_it_but_never_the_hosts_own_by_chance() {
        check("order.placed", "order.placed", true);
        check("order.placed", "order.placed2", false);
        check("order.*", "order.placed", true);
        check("order.*", "orders", false);
        check("*", "anything", true);
        check("*", "retold.module.deployed", false);
        check("retold.*", "retold.module.deployed", true);
        assert_eq!(TypePattern::parse("a*b"), None);
        assert_eq!(TypePattern::parse("**"), None);
        assert_eq!(TypePattern::parse(""), None);
    }
}

//! Rules for names, checked while a module compiles.

/// Whether a function or module may be called so: `[a-z][a-z0-9_-]{0,63}`.
pub const fn valid(name: &str) -> bool {
    let name = name.as_bytes();
    if name.is_empty() || name.len() > 64 || !name[0].is_ascii_lowercase() {
        return false;
    }
    let mut index = 1;
    while index < name.len() {
        if !matches!(name[index], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return false;
        }
        index += 1;
    }
    true
}

/// `==` for strings, in constants.
pub const fn equal(left: &str, right: &str) -> bool {
    same_bytes(left.as_bytes(), right.as_bytes())
}

const fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Whether no name stands twice.
pub const fn distinct(names: &[&str]) -> bool {
    let mut index = 0;
    while index < names.len() {
        let mut other = index + 1;
        while other < names.len() {
            if equal(names[index], names[other]) {
                return false;
            }
            other += 1;
        }
        index += 1;
    }
    true
}

/// Whether no name stands twice, in one list or in two.
pub const fn all_distinct(lists: &[&[&str]]) -> bool {
    let mut index = 0;
    while index < lists.len() {
        let mut name = 0;
        while name < lists[index].len() {
            let mut other = index + 1;
            while other < lists.len() {
                if contains(lists[other], lists[index][name]) {
                    return false;
                }
                other += 1;
            }
            name += 1;
        }
        if !distinct(lists[index]) {
            return false;
        }
        index += 1;
    }
    true
}

/// Whether every list has a name in it.
pub const fn none_empty(lists: &[&[&str]]) -> bool {
    let mut index = 0;
    while index < lists.len() {
        if lists[index].is_empty() {
            return false;
        }
        index += 1;
    }
    true
}

/// Whether the name is among them.
pub const fn contains(names: &[&str], wanted: &str) -> bool {
    let mut index = 0;
    while index < names.len() {
        if equal(names[index], wanted) {
            return true;
        }
        index += 1;
    }
    false
}

/// Whether somebody who subscribes to these types and patterns (the beginning of a type, and `*`) reads
/// events of this type.
pub const fn reads(subscribes: &[&str], event_type: &str) -> bool {
    let mut index = 0;
    while index < subscribes.len() {
        if matches(subscribes[index], event_type) {
            return true;
        }
        index += 1;
    }
    false
}

/// Whether somebody with these subscriptions reads events of all these types.
pub const fn all_read(subscribes: &[&str], event_types: &[&str]) -> bool {
    let mut index = 0;
    while index < event_types.len() {
        if !reads(subscribes, event_types[index]) {
            return false;
        }
        index += 1;
    }
    true
}

pub(crate) const fn matches(pattern: &str, event_type: &str) -> bool {
    let Some((b'*', beginning)) = pattern.as_bytes().split_last() else {
        return equal(pattern, event_type);
    };
    match event_type.as_bytes().split_at_checked(beginning.len()) {
        Some((start, _)) => same_bytes(beginning, start),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_begins_with_a_letter_and_has_at_most_64_bytes() {
        for name in ["a", "pricing", "knock-on", "v2_x", &"a".repeat(64)] {
            assert!(valid(name), "{name}");
        }
        for name in ["", "2x", "-a", "Pricing", "a b", "a.b", "é", &"a".repeat(65)] {
            assert!(!valid(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_found() {
        assert!(distinct(&["a", "b", "ab"]));
        assert!(!distinct(&["a", "b", "a"]));
        assert!(all_distinct(&[&["a", "b"], &[], &["ab"]]));
        assert!(!all_distinct(&[&["a"], &["b", "b"]]));
        assert!(!all_distinct(&[&["a", "b"], &["c"], &["b"]]));
    }

    #[test]
    fn a_pattern_reads_what_begins_like_it_and_a_type_only_itself() {
        assert!(matches("order.*", "order.placed"));
        assert!(matches("*", "order.placed"));
        assert!(matches("order.placed", "order.placed"));
        assert!(!matches("order.*", "orders.placed"));
        assert!(!matches("order.*", "order"));
        assert!(!matches("order.placed", "order.placed.again"));
        assert!(reads(&["a", "order.*"], "order.placed") && !reads(&["a"], "order.placed"));
    }
}

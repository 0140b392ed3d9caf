//! JSON pointers (RFC 6901), and texts cut short.

use std::borrow::Cow;

/// A key as it is written in a pointer.
pub(super) fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// The opposite of [`escape`].
pub(super) fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() }
}

/// The first `chars_max` characters, the last being `…` if something was cut.
pub(super) fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

/// The parts of a pointer, the last first, as one text of about `chars_max` characters at most: a text
/// that is cut anyway isn't made first.
pub(super) fn join_from_last(parts: &[&str], chars_max: usize) -> String {
    let mut pointer = String::new();
    for part in parts.iter().rev() {
        if pointer.len() > 4 * chars_max {
            break;
        }
        pointer.push_str(&shorten(part, chars_max + 1));
    }
    pointer
}

/// Where in the data a check is. Lives on the stack; a text is made of it only for a violation.
#[derive(Clone, Copy)]
pub(super) struct Trail<'t> {
    parent: Option<&'t Trail<'t>>,
    step: Step<'t>,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Root,
    Property(&'t str),
    Item(usize),
}

impl<'t> Trail<'t> {
    pub(super) const ROOT: Trail<'static> = Trail { parent: None, step: Step::Root };

    pub(super) fn property(&'t self, key: &'t str) -> Trail<'t> {
        Trail { parent: Some(self), step: Step::Property(key) }
    }

    pub(super) fn item(&'t self, index: usize) -> Trail<'t> {
        Trail { parent: Some(self), step: Step::Item(index) }
    }

    /// The JSON pointer, whole up to `chars_max` characters; not much longer than that.
    pub(super) fn pointer(&self, chars_max: usize) -> String {
        let mut steps: Vec<&Trail<'_>> = std::iter::successors(Some(self), |trail| trail.parent).collect();
        steps.reverse();
        let mut pointer = String::new();
        for trail in steps {
            if pointer.len() / 4 > chars_max {
                break;
            }
            match trail.step {
                Step::Root => {}
                Step::Property(key) => pointer.extend(["/", &escape(&shorten(key, chars_max.saturating_add(1)))]),
                Step::Item(index) => pointer.push_str(&format!("/{index}")),
            }
        }
        pointer
    }
}

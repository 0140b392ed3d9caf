//! What is wrong with an event that someone sent.

/// Names the place and the remedy. Nothing of the request was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEvent {
    /// Which event of a batch.
    pub index: Option<usize>,
    /// The attribute; `None` where the text is no JSON at all.
    pub field: Option<String>,
    /// Begins with a verb where there is a field.
    pub what: String,
}

/// Characters of a caller's name that are repeated to it.
const NAME_CHARACTERS_SHOWN: usize = 40;

impl BadEvent {
    pub fn field(field: &str, what: impl Into<String>) -> BadEvent {
        let field = field.chars().take(NAME_CHARACTERS_SHOWN).collect();
        BadEvent { index: None, field: Some(field), what: what.into() }
    }

    pub fn syntax(what: impl Into<String>) -> BadEvent {
        BadEvent { index: None, field: None, what: what.into() }
    }
}

impl std::fmt::Display for BadEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(index) = self.index {
            write!(f, "event {index}: ")?;
        }
        match &self.field {
            Some(field) => write!(f, "`{field}` {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

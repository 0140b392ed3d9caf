//! Which functions read which types.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::TypePattern;
use crate::store::FunctionRow;

/// Who reads what; made anew when functions change.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    functions: Vec<(Arc<str>, Vec<TypePattern>)>,
    /// Answers given, by type.
    known: BTreeMap<String, Arc<[Arc<str>]>>,
}

/// Types remembered; more than this and the answers are forgotten.
const KNOWN_MAX: usize = 10_000;

impl Subscriptions {
    pub fn new<'a>(rows: impl Iterator<Item = &'a Arc<FunctionRow>>) -> Subscriptions {
        Subscriptions {
            functions: rows.map(|row| (Arc::from(row.name.as_str()), row.patterns().collect())).collect(),
            known: BTreeMap::new(),
        }
    }

    /// The functions that read events of this type, in name order.
    pub fn readers(&mut self, r#type: &str) -> Arc<[Arc<str>]> {
        if let Some(readers) = self.known.get(r#type) {
            return readers.clone();
        }
        let readers: Arc<[Arc<str>]> = self
            .functions
            .iter()
            .filter(|(_, patterns)| patterns.iter().any(|pattern| pattern.matches(r#type)))
            .map(|(name, _)| name.clone())
            .collect();
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(r#type.to_owned(), readers.clone());
        readers
    }
}

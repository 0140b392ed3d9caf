//! Which functions read which types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::upcast::Wanted;
use crate::model::{FunctionKind, TypePattern};
use crate::store::{FunctionRow, Upcasting};

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
    /// What the functions of one kind read: events of stored types, those that upcasters make into what
    /// they subscribe to among them; of aggregates, the commands that they decide. `rows` are all functions, the
    /// upcasters too.
    pub fn new<'a>(rows: impl Iterator<Item = &'a Arc<FunctionRow>>, kind: FunctionKind) -> Subscriptions {
        let rows: Vec<_> = rows.collect();
        let upcasting = Upcasting::of(rows.iter().copied());
        let reads = |row: &&Arc<FunctionRow>| {
            let types = match kind {
                FunctionKind::Aggregate => row.manifest.decides.iter().cloned().map(TypePattern::Exact).collect(),
                _ => Wanted::by(&row.manifest, &upcasting).stored(),
            };
            (Arc::from(row.name.as_str()), types)
        };
        Subscriptions { functions: rows.iter().filter(|row| row.manifest.kind == kind).map(reads).collect(), known: BTreeMap::new() }
    }

    /// The functions that read events, or commands, of this type, in name order.
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

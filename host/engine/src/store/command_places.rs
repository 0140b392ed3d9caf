//! Up to where commands that functions sent are decided, type by type: a type has one aggregate at a time, and
//! another one goes on where it stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::function::FunctionRow;
use crate::model::{FunctionKind, Position};

impl FunctionRow {
    /// Commands of this type are dealt with up to here, as far as this function knows.
    pub fn decided_upto(&self, r#type: &str) -> Position {
        let before = self.decided.get(r#type).copied().unwrap_or_default();
        let decides = self.manifest.kind == FunctionKind::Aggregate && self.manifest.decides.iter().any(|own| own == r#type);
        if decides { before.max(self.cursor) } else { before }
    }

    /// Whether it is this function's to decide a command of this type that stands at `position`.
    pub fn is_to_decide(&self, r#type: &str, position: Position) -> bool {
        self.manifest.decides.iter().any(|own| own == r#type) && self.decided_upto(r#type) < position
    }

    /// Takes a manifest into account that the row has just got. `before` are all functions as they stood.
    ///
    /// Commands that nobody decided so far are read again from the first one that waits.
    pub(super) fn find_place(&mut self, before: &BTreeMap<String, Arc<FunctionRow>>) {
        let own = before.get(&self.name);
        let is_aggregate = self.manifest.kind == FunctionKind::Aggregate;
        let mut decided = BTreeMap::new();
        if let Some(row) = own {
            let known = row.decided.keys().chain(row.manifest.decides.iter().filter(|_| row.manifest.kind == FunctionKind::Aggregate));
            decided.extend(known.map(|r#type| (r#type.clone(), row.decided_upto(r#type))));
        }
        if is_aggregate {
            for r#type in &self.manifest.decides {
                let upto = before.values().map(|row| row.decided_upto(r#type)).max().unwrap_or_default();
                decided.insert(r#type.clone(), upto);
            }
            let places = self.manifest.decides.iter().filter_map(|r#type| decided.get(r#type).copied());
            (self.start, self.cursor) = (Position::START, places.min().unwrap_or_default());
            decided.retain(|r#type, upto| *upto > self.cursor || !self.manifest.decides.contains(r#type));
        } else if own.is_some_and(|row| row.manifest.kind == FunctionKind::Aggregate) {
            self.cursor = self.start;
        }
        decided.retain(|_, upto| *upto > Position::START);
        self.decided = decided;
    }
}

//! What the model says of upcasters: which form of an event a function reads.

use std::collections::BTreeSet;

use retold_engine::model::{Digest, Event, FunctionKind, Kind};

use crate::guests::{is_too_old, upcast};
use crate::model::{Model, Row, Status};

/// The code of a function, and the upcasters that its events pass: type, name and code of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    digest: Option<Digest>,
    passed: BTreeSet<(String, String, Digest)>,
}

/// Types and data, in order.
pub type Forms = Vec<(String, Vec<u8>)>;

impl Model {
    fn upcaster(&self, r#type: &str) -> Option<(&String, &Row)> {
        let takes = |row: &Row| row.function.kind == FunctionKind::Upcaster && row.status != Status::Retired;
        self.functions.iter().find(|(_, row)| takes(row) && row.function.subscribes.contains(&r#type))
    }

    /// Whether the upcasters lead from some type back to it.
    pub fn goes_in_circles(&self) -> bool {
        let taken = self.functions.values().filter(|row| row.function.kind == FunctionKind::Upcaster);
        taken.flat_map(|row| row.function.subscribes).any(|r#type| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![*r#type]);
            while let Some(at) = next.pop() {
                let made = self.upcaster(at).map_or(&[][..], |(_, upcaster)| upcaster.function.emits);
                next.extend(made.iter().filter(|made| seen.insert(**made)));
            }
            seen.contains(r#type)
        })
    }

    /// Whether something that is made of this type, in whatever steps, is read.
    fn leads(&self, row: &Row, r#type: &str) -> bool {
        let made = self.upcaster(r#type).map_or(&[][..], |(_, upcaster)| upcaster.function.emits);
        made.iter().any(|made| row.subscribes(made) || self.leads(row, made))
    }

    /// Whether a function reads a stored event, in whatever form. Commands are nobody's to read.
    pub fn reads(&self, row: &Row, event: &Event) -> bool {
        event.kind == Kind::Event && is_for(row, event) && (row.subscribes(&event.r#type) || self.leads(row, &event.r#type))
    }

    /// What a function gets of a stored event.
    pub fn forms_of(&self, row: &Row, event: &Event) -> Forms {
        if event.kind == Kind::Event && is_for(row, event) { self.forms(row, &event.r#type, &event.data) } else { Vec::new() }
    }

    /// What a function gets of a type and data.
    pub fn forms(&self, row: &Row, r#type: &str, data: &[u8]) -> Forms {
        match self.upcaster(r#type) {
            Some((name, upcaster)) if self.leads(row, r#type) => {
                let parts = upcast(name, upcaster.version, data).into_iter();
                parts.flat_map(|(r#type, data)| self.forms(row, r#type, &data)).collect()
            }
            _ if row.subscribes(r#type) => vec![(r#type.to_owned(), data.to_vec())],
            _ => Vec::new(),
        }
    }

    /// What the state of a function depends on.
    pub fn code(&self, row: &Row) -> Code {
        let taken = self.functions.values().filter(|row| row.function.kind == FunctionKind::Upcaster);
        let taken = taken.flat_map(|upcaster| upcaster.function.subscribes).filter(|r#type| self.leads(row, r#type));
        let passed = taken.filter_map(|r#type| {
            let (name, upcaster) = self.upcaster(r#type)?;
            Some(((*r#type).to_owned(), name.clone(), self.modules[&upcaster.module].digest))
        });
        Code { digest: Some(self.modules[&row.module].digest), passed: passed.collect() }
    }

    /// Whether the event may have been unreadable for the function.
    pub fn can_be_too_old(&self, row: &Row, event: &Event) -> bool {
        is_too_old(&event.data) && self.leads(row, &event.r#type)
    }
}

/// An answer is read by the handler that it answers.
fn is_for(row: &Row, event: &Event) -> bool {
    let addressee = event.extensions.iter().find(|(name, _)| name == "addressee");
    !row.is_handler() || addressee.is_none_or(|(_, addressee)| addressee == row.function.name)
}

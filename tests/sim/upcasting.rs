//! What the model says of upcasters: which form of an event a function reads.

use retold_engine::model::{Event, FunctionKind, Kind};

use crate::guests::{is_too_old, upcast};
use crate::model::{Model, Row, Status};
use crate::stock;

/// Types and data, in order.
pub type Forms = Vec<(String, Vec<u8>)>;

impl Model {
    fn upcaster(&self, r#type: &str) -> Option<(&String, &Row)> {
        let takes = |row: &Row| row.function.kind == FunctionKind::Upcaster && row.status != Status::Retired;
        self.functions.iter().find(|(_, row)| takes(row) && row.function.subscribes.contains(&r#type))
    }

    /// Whether something that is made of this type, in whatever steps, is read.
    fn leads(&self, row: &Row, r#type: &str) -> bool {
        let made = self.upcaster(r#type).map_or(&[][..], |(_, upcaster)| upcaster.function.emits);
        made.iter().any(|made| row.subscribes(made) || self.leads(row, made))
    }

    /// Whether a function reads a stored event, in whatever form. Commands are nobody's to read.
    pub fn reads(&self, row: &Row, event: &Event) -> bool {
        event.kind == Kind::Event && (row.subscribes(&event.r#type) || self.leads(row, &event.r#type))
    }

    /// What a function gets of a stored event.
    pub fn forms_of(&self, row: &Row, event: &Event) -> Forms {
        if event.kind == Kind::Event { self.forms(row, &event.r#type, &event.data) } else { Vec::new() }
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

    /// What functions with state get of old types, but those of one module.
    pub fn forms_of_stateful(&self, but: &str) -> Vec<(String, Forms)> {
        let stateful = |row: &&Row| row.is_handler() && !row.state.is_empty() && self.modules[&row.module].name != but;
        let rows = self.functions.values().filter(stateful);
        rows.flat_map(|row| {
            ["e.v1", "e.v2", "e.v3", stock::OLD].map(|r#type| (row.function.name.to_owned(), self.forms(row, r#type, b".\x05")))
        })
        .collect()
    }

    /// Whether the event may have been unreadable for the function.
    pub fn can_be_too_old(&self, row: &Row, event: &Event) -> bool {
        is_too_old(&event.data) && self.leads(row, &event.r#type)
    }
}

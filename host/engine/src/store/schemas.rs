//! JSON Schemas of event types: which are in force. The server checks data against them; here they
//! are texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, TableError, WriteTransaction};

use super::error::StoreError;
use super::function::ModuleRow;
use super::group::{Group, json_text};
use super::mirror::Mirror;
use super::proposal::{Accepted, Refused};
use super::tables;
use crate::model::{Digest, Processing, is_reserved_type, limits};

/// The schema of an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRow {
    pub json: String,
    /// The module version whose manifest says it; `None` if it was uploaded.
    pub module: Option<u32>,
}

/// The schemas in force: an uploaded one before a module's, the oldest active module version's before
/// another's.
pub fn in_force(uploaded: &BTreeMap<String, String>, modules: &BTreeMap<u32, Arc<ModuleRow>>) -> BTreeMap<String, SchemaRow> {
    let mut all: BTreeMap<String, SchemaRow> =
        uploaded.iter().map(|(r#type, json)| (r#type.clone(), SchemaRow { json: json.clone(), module: None })).collect();
    for module in modules.values().filter(|module| module.active) {
        for schema in &module.manifest.schemas {
            all.entry(schema.r#type.clone()).or_insert_with(|| SchemaRow { json: schema.json.clone(), module: Some(module.ordinal) });
        }
    }
    all
}

impl Group<'_> {
    pub fn set_schema(&mut self, r#type: String, schema: Option<String>) -> Result<Accepted, Refused> {
        let field = |field, what: &str| Refused::Field { index: 0, field, what: what.to_owned() };
        if r#type.is_empty()
            || r#type.len() > limits::TYPE_BYTES_MAX
            || r#type.contains(|letter: char| letter == '*' || letter.is_control())
        {
            return Err(field("type", "is not the name of an event type"));
        }
        if is_reserved_type(&r#type) {
            return Err(field("type", "begins with retold.: such types are the host's own"));
        }
        if self.mirror.uploaded.get(&r#type) == schema.as_ref() {
            return Ok(Accepted::SchemaSet { position: None });
        }
        let too_large = |what, found, max| if found > max { Err(Refused::TooLarge { what, found, max }) } else { Ok(()) };
        too_large("bytes of schema", schema.as_ref().map_or(0, String::len), limits::SCHEMA_BYTES_MAX)?;
        let added = usize::from(schema.is_some() && !self.mirror.uploaded.contains_key(&r#type));
        too_large("schemas", self.mirror.uploaded.len() + added, limits::SCHEMAS_PER_NAMESPACE_MAX)?;
        let position = match &schema {
            Some(schema) => {
                let digest = Digest::of(schema.as_bytes());
                self.add_record(
                    "retold.schema.set",
                    &r#type,
                    &format!("{{\"type\":{},\"digest\":\"sha256:{digest}\"}}", json_text(&r#type)),
                )
            }
            None => self.add_record("retold.schema.removed", &r#type, &format!("{{\"type\":{}}}", json_text(&r#type))),
        };
        self.process(&Processing::SchemaSet { r#type, schema });
        Ok(Accepted::SchemaSet { position: Some(position) })
    }
}

/// Brings the stored schemas up to the mirror.
pub fn write(transaction: &WriteTransaction, mirror: &mut Mirror) -> Result<(), StoreError> {
    let changed = std::mem::take(&mut mirror.dirty.schemas);
    if changed.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(tables::SCHEMAS)?;
    for r#type in &changed {
        match mirror.uploaded.get(r#type) {
            Some(json) => drop(table.insert(r#type.as_str(), json.as_str())?),
            None => drop(table.remove(r#type.as_str())?),
        }
    }
    Ok(())
}

pub fn read(transaction: &ReadTransaction) -> Result<BTreeMap<String, String>, StoreError> {
    let table = match transaction.open_table(tables::SCHEMAS) {
        Ok(table) => table,
        // The namespace is from before there were any.
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    table
        .iter()?
        .map(|row| row.map(|(r#type, json)| (r#type.value().to_owned(), json.value().to_owned())).map_err(StoreError::from))
        .collect()
}

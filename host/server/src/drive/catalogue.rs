//! The catalogue of types: what is in the log, who makes it, who reads it, and what it must look like.

use std::collections::BTreeMap;

use retold_engine::model::{FunctionKind, Kind, TypePattern};
use retold_engine::store::{FunctionRow, FunctionStatus};

use super::namespace::Namespace;
use super::types::{DriveError, TypeInfo};

impl Namespace {
    /// All types that are stored, declared or have a schema, by name. The host's own are among them.
    pub fn types(&self) -> Result<Vec<TypeInfo>, DriveError> {
        let snapshot = self.reader().snapshot()?;
        let functions = self.reader().functions();
        let live: Vec<&FunctionRow> = functions.values().filter(|row| row.status != FunctionStatus::Retired).map(|row| &**row).collect();
        let mut all = Types::new();
        for counted in snapshot.types()? {
            let info = entry(&mut all, &counted.r#type, counted.kind);
            (info.count, info.first, info.last) = (counted.count, Some(counted.first), Some(counted.last));
        }
        for row in &live {
            for emitted in &row.manifest.emits {
                entry(&mut all, emitted, Kind::Event).emitted_by.push(row.name.clone());
            }
            for sent in &row.manifest.sends {
                entry(&mut all, sent, Kind::Command).emitted_by.push(row.name.clone());
            }
            for decided in &row.manifest.decides {
                entry(&mut all, decided, Kind::Command).read_by.push(row.name.clone());
            }
            for exact in row.manifest.subscribes.iter().filter(|pattern| !pattern.contains('*')) {
                entry(&mut all, exact, Kind::Event);
            }
        }
        let commands: Vec<String> = live.iter().flat_map(|row| row.manifest.decides.iter().cloned()).collect();
        for (name, schema) in snapshot.schemas().iter() {
            let is_command = commands.contains(name)
                || (all.contains_key(&(name.clone(), Kind::Command)) && !all.contains_key(&(name.clone(), Kind::Event)));
            let kind = if is_command { Kind::Command } else { Kind::Event };
            let info = entry(&mut all, name, kind);
            info.schema = Some(schema.json.clone());
            info.schema_module = schema.module.and_then(|module| snapshot.module(module)).map(|module| module.name.clone());
        }
        let mut types: Vec<TypeInfo> = all.into_values().collect();
        for info in types.iter_mut().filter(|info| info.kind == Kind::Event) {
            for row in &live {
                if !row.manifest.subscribes.iter().filter_map(|text| TypePattern::parse(text)).any(|pattern| pattern.matches(&info.r#type))
                {
                    continue;
                }
                match row.manifest.kind {
                    FunctionKind::Upcaster => info.upcast_by = Some(row.name.clone()),
                    _ => info.read_by.push(row.name.clone()),
                }
            }
        }
        Ok(types)
    }
}

/// By name and kind.
type Types = BTreeMap<(String, Kind), TypeInfo>;

fn entry<'a>(all: &'a mut Types, name: &str, kind: Kind) -> &'a mut TypeInfo {
    let empty = || TypeInfo {
        r#type: name.to_owned(),
        kind,
        count: 0,
        first: None,
        last: None,
        emitted_by: Vec::new(),
        read_by: Vec::new(),
        upcast_by: None,
        schema: None,
        schema_module: None,
    };
    all.entry((name.to_owned(), kind)).or_insert_with(empty)
}

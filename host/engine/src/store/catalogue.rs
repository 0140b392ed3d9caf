//! The catalogue of a data directory: which namespaces there are. Its lock is the data directory's.

use std::collections::BTreeSet;

use redb::{Database, ReadableDatabase, ReadableTable, Table};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::namespace_row::NamespaceRow;
use super::tables::{self, FILE_FORMAT};
use crate::model::Position;

const FILE: &str = "catalogue.redb";

pub struct Catalogue {
    database: Database,
}

impl Catalogue {
    /// Opens the catalogue, making it if there is none. One host at a time.
    pub fn open(folder: &dyn Folder) -> Result<Catalogue, StoreError> {
        let names = folder.list().map_err(StoreError::io("the data directory can't be listed"))?;
        if !names.iter().any(|name| name == FILE) {
            create(folder, FILE, Space::Reserved, |backend| {
                let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend)?;
                let transaction = database.begin_write()?;
                transaction.open_table(tables::META)?.insert("format", FILE_FORMAT.to_le_bytes().as_slice())?;
                transaction.open_table(tables::NAMESPACES)?;
                Ok(transaction.commit()?)
            })?;
        } else {
            // Who made it may have been killed before its name was durable.
            folder.sync().map_err(StoreError::io("the data directory can't be synced"))?;
        }
        let backend = folder.open(FILE).map_err(StoreError::io("the catalogue can't be opened"))?;
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse("the data directory".into()),
            other => other.into(),
        })?;
        let catalogue = Catalogue { database };
        let format = catalogue.format()?;
        if format > FILE_FORMAT {
            return Err(StoreError::NewerFormat { file: FILE.into(), found: format, known: FILE_FORMAT });
        }
        Ok(catalogue)
    }

    fn format(&self) -> Result<u32, StoreError> {
        let damaged = || StoreError::Damaged { file: FILE.into(), position: Position::START, what: "format".into() };
        let meta = self.database.begin_read()?.open_table(tables::META)?;
        let format = meta.get("format")?.ok_or_else(damaged)?;
        Ok(u32::from_le_bytes(format.value().try_into().map_err(|_| damaged())?))
    }

    /// Namespaces by name.
    pub fn namespaces(&self) -> Result<Vec<NamespaceRow>, StoreError> {
        read_all(&self.database.begin_read()?.open_table(tables::NAMESPACES)?)
    }

    /// Enters a namespace, or what is known of it now. Its folder must be there already, so that a crash
    /// leaves no entry without one.
    pub fn set(&self, row: &NamespaceRow) -> Result<(), StoreError> {
        self.change(|table| Ok(write(table, row)?))
    }

    /// Forgets a namespace. Its folder, which nobody names then, is removed after.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.change(|table| {
            table.remove(name)?;
            Ok(())
        })
    }

    /// The folders that some namespace has; any other one is a leftover.
    pub fn folders(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.namespaces()?.into_iter().map(|row| row.folder).collect())
    }

    /// The names of forks and retellings of what is in a folder: it must not be dropped before them.
    pub fn uses(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let rows = self.namespaces()?.into_iter();
        Ok(rows.filter(|row| row.role.base_folder() == Some(folder)).map(|row| row.name).collect())
    }

    /// A folder for a new namespace of this name. No folder is ever answered twice.
    pub fn next_folder(&self, name: &str) -> Result<String, StoreError> {
        let path = |number: u64| if number == 1 { format!("namespaces/{name}") } else { format!("namespaces/{name}.{number}") };
        let transaction = self.database.begin_write()?;
        let number = {
            let rows = read_all(&transaction.open_table(tables::NAMESPACES)?)?;
            let taken: BTreeSet<&str> = rows.iter().flat_map(NamespaceRow::folders).collect();
            let mut numbers = transaction.open_table(tables::FOLDERS)?;
            let mut number = numbers.get(name)?.map_or(0, |last| last.value()) + 1;
            while taken.contains(path(number).as_str()) {
                number += 1;
            }
            numbers.insert(name, number)?;
            number
        };
        transaction.commit()?;
        Ok(path(number))
    }

    /// Changes the rows in one transaction.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Rows<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let transaction = self.database.begin_write()?;
        let answer = change(&mut transaction.open_table(tables::NAMESPACES)?)?;
        transaction.commit()?;
        Ok(answer)
    }
}

pub(super) type Rows<'t> = Table<'t, &'static str, &'static [u8]>;

pub(super) fn write(table: &mut Rows<'_>, row: &NamespaceRow) -> Result<(), redb::StorageError> {
    table.insert(row.name.as_str(), row.encode().as_slice()).map(drop)
}

pub(super) fn read(table: &Rows<'_>, name: &str) -> Result<Option<NamespaceRow>, StoreError> {
    let Some(bytes) = table.get(name)? else { return Ok(None) };
    NamespaceRow::decode(name, bytes.value()).map(Some).map_err(StoreError::malformed(FILE, Position::START))
}

fn read_all(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Vec<NamespaceRow>, StoreError> {
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (name, bytes) = row?;
        rows.push(NamespaceRow::decode(name.value(), bytes.value()).map_err(StoreError::malformed(FILE, Position::START))?);
    }
    Ok(rows)
}

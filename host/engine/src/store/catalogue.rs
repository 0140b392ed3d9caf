//! The catalogue of a data directory: which namespaces there are. Its lock is the data directory's.

use redb::{Database, ReadableDatabase, ReadableTable};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::tables::{self, FILE_FORMAT};
use crate::model::{ByteReader, ByteWriter, Position, Timestamp};

const FILE: &str = "catalogue.redb";

pub struct Catalogue {
    database: Database,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRow {
    pub name: String,
    /// Folder beside the catalogue; a name is never used twice for other content.
    pub folder: String,
    pub created: Timestamp,
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
        let table = self.database.begin_read()?.open_table(tables::NAMESPACES)?;
        let mut rows = Vec::new();
        for row in table.iter()? {
            let (name, bytes) = row?;
            let mut reader = ByteReader::new(bytes.value());
            let mut read = || Ok((reader.text("folder")?.to_owned(), Timestamp(reader.u64("created")?)));
            let (folder, created) = read().map_err(StoreError::malformed(FILE, Position::START))?;
            rows.push(NamespaceRow { name: name.value().to_owned(), folder, created });
        }
        Ok(rows)
    }

    /// Enters a namespace. Its folder must be there already, so that a crash leaves no entry without one.
    pub fn add(&self, row: &NamespaceRow) -> Result<(), StoreError> {
        let mut out = ByteWriter::default();
        out.text(&row.folder);
        out.u64(row.created.0);
        let transaction = self.database.begin_write()?;
        transaction.open_table(tables::NAMESPACES)?.insert(row.name.as_str(), out.bytes.as_slice())?;
        transaction.commit()?;
        Ok(())
    }
}

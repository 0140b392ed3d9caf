//! The catalogue of a data directory: which namespaces there are, and which access tokens. Its lock is the data
//! directory's.

use std::collections::BTreeSet;

use redb::{Database, ReadableDatabase, ReadableTable, Table};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::namespace_row::NamespaceRow;
use super::own_quota::OwnQuota;
use super::tables::{self, CATALOGUE_WITH_TOKENS_FORMAT, FILE_FORMAT};
use super::token_row::TokenRow;
use crate::model::{ByteReader, ByteWriter, Position};

const FILE: &str = "catalogue.redb";

pub struct Catalogue {
    database: Database,
}

impl Catalogue {
    /// Whether there is one.
    pub fn is_in(folder: &dyn Folder) -> Result<bool, StoreError> {
        let names = folder.list().map_err(StoreError::io("the data directory can't be listed"))?;
        Ok(names.iter().any(|name| name == FILE))
    }

    /// Opens the catalogue, making it if there is none. One host at a time.
    pub fn open(folder: &dyn Folder) -> Result<Catalogue, StoreError> {
        if !Catalogue::is_in(folder)? {
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
        if format > CATALOGUE_WITH_TOKENS_FORMAT {
            return Err(StoreError::NewerFormat { file: FILE.into(), found: format, known: CATALOGUE_WITH_TOKENS_FORMAT });
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
    /// leaves no entry without one. A new entry has the quota that was said of its name.
    pub fn set(&self, row: &NamespaceRow) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut rows = transaction.open_table(tables::NAMESPACES)?;
            let is_new = rows.get(row.name.as_str())?.is_none();
            let mut quotas = transaction.open_table(tables::QUOTAS)?;
            match quotas.remove(row.name.as_str())?.filter(|_| is_new) {
                Some(bytes) => {
                    let quota = OwnQuota::decode(&mut ByteReader::new(bytes.value()));
                    let quota = quota.map_err(StoreError::malformed(FILE, Position::START))?;
                    write(&mut rows, &NamespaceRow { quota, ..row.clone() })?;
                }
                None => write(&mut rows, row)?,
            }
        }
        Ok(transaction.commit()?)
    }

    /// Gives a namespace a quota of its own, or the host's back. Answers what is known of it then; `None`: there is none of
    /// this name.
    pub fn set_quota(&self, name: &str, quota: OwnQuota) -> Result<Option<NamespaceRow>, StoreError> {
        self.change(|table| {
            let Some(row) = read(table, name)? else { return Ok(None) };
            let row = NamespaceRow { quota, ..row };
            write(table, &row)?;
            Ok(Some(row))
        })
    }

    /// Forgets a namespace. Its folder, which nobody names then, is removed after. A quota of its own stays with the name.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut rows = transaction.open_table(tables::NAMESPACES)?;
            let row = read(&rows, name)?;
            rows.remove(name)?;
            if let Some(row) = row.filter(|row| !row.quota.is_the_hosts()) {
                let mut out = ByteWriter::default();
                row.quota.encode(&mut out);
                transaction.open_table(tables::QUOTAS)?.insert(name, out.bytes.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
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

    /// Access tokens by id. A catalogue in which there never was one has no table for them.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let table = match self.database.begin_read()?.open_table(tables::TOKENS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut rows = Vec::new();
        for row in table.iter()? {
            let (id, bytes) = row?;
            rows.push(TokenRow::decode(id.value(), bytes.value()).map_err(StoreError::malformed(FILE, Position::START))?);
        }
        Ok(rows)
    }

    /// Enters a token. From the first one on, hosts that know no tokens, and would let everybody in, refuse
    /// the catalogue.
    pub fn set_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(tables::META)?.insert("format", CATALOGUE_WITH_TOKENS_FORMAT.to_le_bytes().as_slice())?;
        transaction.open_table(tables::TOKENS)?.insert(row.id.as_str(), row.encode().as_slice())?;
        Ok(transaction.commit()?)
    }

    /// Forgets a token.
    pub fn remove_token(&self, id: &str) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(tables::TOKENS)?.remove(id)?;
        Ok(transaction.commit()?)
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

#[cfg(test)]
mod tests {
    use super::super::testing::MemoryFolder;
    use super::*;
    use crate::model::{Digest, Timestamp};

    fn token(id: &str) -> TokenRow {
        TokenRow {
            id: id.into(),
            name: "ci".into(),
            secret: Digest::of(id.as_bytes()),
            created: Timestamp(5),
            expires: None,
            namespaces: None,
            allow: vec!["operate".into()],
            rate: None,
        }
    }

    #[test]
    fn tokens_are_kept_by_id_and_a_catalogue_without_a_table_for_them_has_none() {
        let folder = MemoryFolder::default();
        let catalogue = Catalogue::open(&folder).expect("it opens");
        assert_eq!((catalogue.tokens().expect("read"), catalogue.format().expect("read")), (Vec::new(), FILE_FORMAT));
        for id in ["b", "a", "c"] {
            catalogue.set_token(&token(id)).expect("entered");
        }
        catalogue.remove_token("b").expect("forgotten");
        drop(catalogue);
        let catalogue = Catalogue::open(&folder).expect("it opens");
        assert_eq!(catalogue.tokens().expect("read"), [token("a"), token("c")]);
    }

    #[test]
    fn a_catalogue_with_tokens_is_refused_by_hosts_that_know_none() {
        let folder = MemoryFolder::default();
        let catalogue = Catalogue::open(&folder).expect("it opens");
        catalogue.set_token(&token("a")).expect("entered");
        // Older hosts take what is of the format of all files, and nothing newer.
        assert!(catalogue.format().expect("read") > FILE_FORMAT);
    }
}

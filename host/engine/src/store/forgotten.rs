//! Events that were erased for good: what is left of each is a keyed hash of its source and id, so that
//! nobody brings it back by sending it again.

use std::hash::Hasher;

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata, TableError, WriteTransaction};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::error::StoreError;
use super::group::Group;
use super::proposal::Refused;
use super::reader::Reader;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::tables;
use crate::model::Digest;

/// Keys the hashes. Drawn once a namespace, and handed on to a log that retells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgetKey(pub [u8; 16]);

impl ForgetKey {
    /// That of a namespace from before there were any.
    pub fn of_term_key(term_key: &[u8; 16]) -> ForgetKey {
        let digest = Digest::link(Digest::of(b"retold.forget.1"), term_key);
        let mut key = [0; 16];
        key.copy_from_slice(&digest.0[..16]);
        ForgetKey(key)
    }

    pub fn hash(&self, source: &str, id: &str) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(source.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(id.as_bytes());
        hasher.finish128().as_bytes()
    }
}

/// The hashes of one moment.
pub struct Forgotten {
    key: ForgetKey,
    hashes: ReadOnlyTable<[u8; 16], ()>,
}

impl Forgotten {
    pub fn holds(&self, source: &str, id: &str) -> Result<bool, StoreError> {
        Ok(self.hashes.get(self.key.hash(source, id))?.is_some())
    }
}

impl Shared {
    /// `None` if nothing was ever forgotten, as is nearly always so.
    pub fn forgotten(&self) -> Result<Option<Forgotten>, StoreError> {
        if !self.view().forgotten {
            return Ok(None);
        }
        let hashes = table(&self.head.begin_read()?)?;
        Ok(hashes.map(|hashes| Forgotten { key: self.forget_key, hashes }))
    }
}

impl Reader {
    /// What stands for an event that is forgotten.
    pub fn forgotten_hash(&self, source: &str, id: &str) -> [u8; 16] {
        self.shared.forget_key.hash(source, id)
    }

    /// For the log that retells this one: under the same key, it can take over what is forgotten here.
    pub fn forget_key(&self) -> [u8; 16] {
        self.shared.forget_key.0
    }
}

impl Snapshot {
    /// Whether the event with this source and id was erased for good.
    pub fn is_forgotten(&self, source: &str, id: &str) -> Result<bool, StoreError> {
        if !self.view.forgotten {
            return Ok(false);
        }
        let Some(hashes) = table(&self.transaction)? else { return Ok(false) };
        Forgotten { key: self.shared.forget_key, hashes }.holds(source, id)
    }

    /// Shows `visit` the hashes of all that is forgotten, in their order.
    pub fn forgotten(&self, visit: &mut dyn FnMut([u8; 16])) -> Result<(), StoreError> {
        let Some(hashes) = table(&self.transaction)? else { return Ok(()) };
        for row in redb::ReadableTable::iter(&hashes)? {
            visit(row?.0.value());
        }
        Ok(())
    }
}

impl Group<'_> {
    /// Refuses an event that isn't known here because it was erased.
    pub fn unless_forgotten(&self, index: usize, source: &str, id: &str) -> Result<Result<(), Refused>, StoreError> {
        match &self.forgotten {
            Some(forgotten) if forgotten.holds(source, id)? => {
                Ok(Err(Refused::Forgotten { index, id: id.to_owned(), source_attribute: source.to_owned() }))
            }
            _ => Ok(Ok(())),
        }
    }
}

/// The table; `None` in a namespace from before there was one.
fn table(transaction: &ReadTransaction) -> Result<Option<ReadOnlyTable<[u8; 16], ()>>, StoreError> {
    match transaction.open_table(tables::FORGOTTEN) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub fn any(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    Ok(table(transaction)?.map(|table| table.is_empty()).transpose()?.is_some_and(|empty| !empty))
}

pub fn write(transaction: &WriteTransaction, hashes: &[[u8; 16]]) -> Result<(), StoreError> {
    let mut table = transaction.open_table(tables::FORGOTTEN)?;
    for hash in hashes {
        table.insert(hash, ())?;
    }
    Ok(())
}

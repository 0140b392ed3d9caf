//! `ConsumerFile`: what is known of a namespace's consumers, in a file of its own, so that acknowledging
//! never waits for the log's writer, nor the writer for it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::tables::{CONSUMER_ENTRIES, CONSUMER_LEASES, CONSUMER_META, CONSUMERS};
use crate::model::{ConsumerEntry, ConsumerRow, LeaseRow, Position};

const FILE: &str = "consumers.redb";
const FORMAT: u32 = 1;
/// Pages of the file that are kept in memory.
const CACHE_BYTES: usize = 1 << 20;

/// Changes are queued in the order in which they were made, and whoever waits for the disk first takes all
/// of them along: as many consumers as there are share one sync.
pub struct ConsumerFile {
    database: Database,
    queue: Mutex<Queue>,
    disk: Mutex<Disk>,
}

#[derive(Default)]
struct Queue {
    changes: Vec<(String, ConsumerChange)>,
    /// How many were ever queued.
    queued: u64,
}

#[derive(Default)]
struct Disk {
    /// Of those that were queued, so many are durable.
    durable: u64,
    /// A commit failed: nobody knows what is on the disk.
    failed: Option<StoreError>,
}

/// What becomes of a consumer's rows: `None` is a row that goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerChange {
    pub row: Option<ConsumerRow>,
    pub entries: Vec<(Position, Option<ConsumerEntry>)>,
    pub leases: Vec<(u64, Option<LeaseRow>)>,
    /// The consumer goes with all that it has, before the rest is written.
    pub removed: bool,
}

impl ConsumerChange {
    pub fn is_empty(&self) -> bool {
        self.row.is_none() && self.entries.is_empty() && self.leases.is_empty() && !self.removed
    }
}

/// All that is stored of one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsumer {
    pub row: ConsumerRow,
    pub entries: BTreeMap<Position, ConsumerEntry>,
    pub leases: BTreeMap<u64, LeaseRow>,
}

/// A place in the queue: everything up to it is durable once [`ConsumerFile::wait`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queued(u64);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConsumerFile {
    /// The file of a folder, if it has one.
    pub fn find(folder: &Arc<dyn Folder>) -> Result<Option<ConsumerFile>, StoreError> {
        let names = folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?;
        if !names.iter().any(|name| name == FILE) {
            return Ok(None);
        }
        let backend = folder.open(FILE).map_err(StoreError::io(format!("{FILE} can't be opened")))?;
        // redb asserts some of what it expects of a file.
        let opened = catch_unwind(AssertUnwindSafe(|| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)));
        let database = opened.map_err(|_| damaged("its pages make no sense"))?.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(FILE.into()),
            other => other.into(),
        })?;
        let format = {
            let meta = database.begin_read()?.open_table(CONSUMER_META)?;
            meta.get("format")?.map_or(0, |format| format.value())
        };
        if format > u64::from(FORMAT) {
            return Err(StoreError::NewerFormat { file: FILE.into(), found: format as u32, known: FORMAT });
        }
        Ok(Some(ConsumerFile { database, queue: Mutex::default(), disk: Mutex::default() }))
    }

    /// Makes the file of a folder, with these consumers, for a log of this generation. One that was there is gone,
    /// with every byte of it.
    pub fn make(folder: &Arc<dyn Folder>, generation: u64, all: &BTreeMap<String, StoredConsumer>) -> Result<ConsumerFile, StoreError> {
        create(&**folder, FILE, Space::Reserved, |backend| {
            let transaction = Database::builder().set_cache_size(1 << 20).create_with_backend(backend)?.begin_write()?;
            {
                let mut meta = transaction.open_table(CONSUMER_META)?;
                meta.insert("format", u64::from(FORMAT))?;
                meta.insert("generation", generation)?;
                transaction.open_table(CONSUMERS)?;
                transaction.open_table(CONSUMER_ENTRIES)?;
                transaction.open_table(CONSUMER_LEASES)?;
            }
            for (name, stored) in all {
                let StoredConsumer { row, entries, leases } = stored.clone();
                let entries = entries.into_iter().map(|(position, entry)| (position, Some(entry))).collect();
                let leases = leases.into_iter().map(|(number, lease)| (number, Some(lease))).collect();
                write(&transaction, name, &ConsumerChange { row: Some(row), entries, leases, removed: false })?;
            }
            Ok(transaction.commit()?)
        })?;
        ConsumerFile::find(folder)?.ok_or_else(|| damaged("what was just written is not there"))
    }

    /// The generation of the log whose positions the rows name.
    pub fn generation(&self) -> Result<u64, StoreError> {
        let meta = self.database.begin_read()?.open_table(CONSUMER_META)?;
        let generation = meta.get("generation")?.ok_or_else(|| damaged("it doesn't tell its generation"))?;
        Ok(generation.value())
    }

    pub fn all(&self) -> Result<BTreeMap<String, StoredConsumer>, StoreError> {
        let transaction = self.database.begin_read()?;
        let mut all = BTreeMap::new();
        for row in transaction.open_table(CONSUMERS)?.iter()? {
            let (name, bytes) = row?;
            let row = ConsumerRow::decode(bytes.value()).map_err(StoreError::malformed(FILE, Position::START))?;
            all.insert(name.value().to_owned(), StoredConsumer { row, entries: BTreeMap::new(), leases: BTreeMap::new() });
        }
        for row in transaction.open_table(CONSUMER_ENTRIES)?.iter()? {
            let (key, bytes) = row?;
            let (name, position) = key.value();
            let entry = ConsumerEntry::decode(bytes.value()).map_err(StoreError::malformed(FILE, Position(position)))?;
            let consumer = all.get_mut(name).ok_or_else(|| damaged("it has an event of no consumer"))?;
            consumer.entries.insert(Position(position), entry);
        }
        for row in transaction.open_table(CONSUMER_LEASES)?.iter()? {
            let (key, bytes) = row?;
            let (name, number) = key.value();
            let lease = LeaseRow::decode(bytes.value()).map_err(StoreError::malformed(FILE, Position::START))?;
            all.get_mut(name).ok_or_else(|| damaged("it has a lease of no consumer"))?.leases.insert(number, lease);
        }
        Ok(all)
    }

    /// Queues a change. Two of one consumer are queued in the order in which they were made.
    pub fn queue(&self, name: &str, change: ConsumerChange) -> Queued {
        let mut queue = lock(&self.queue);
        if !change.is_empty() {
            queue.changes.push((name.to_owned(), change));
            queue.queued += 1;
        }
        Queued(queue.queued)
    }

    /// Answers when everything up to there is on the disk. After a failure nothing is written any more.
    pub fn wait(&self, upto: Queued) -> Result<(), StoreError> {
        let mut disk = lock(&self.disk);
        if disk.durable >= upto.0 {
            return Ok(());
        }
        if let Some(error) = &disk.failed {
            return Err(error.clone());
        }
        let (changes, queued) = {
            let mut queue = lock(&self.queue);
            (std::mem::take(&mut queue.changes), queue.queued)
        };
        match self.commit(&changes) {
            Ok(()) => disk.durable = queued,
            Err(error) => {
                let told = match &error {
                    StoreError::Disk(inner) if StoreError::is_full(inner) => StoreError::Full,
                    other => StoreError::Poisoned(other.to_string().into()),
                };
                disk.failed = Some(told.clone());
                return Err(told);
            }
        }
        Ok(())
    }

    fn commit(&self, changes: &[(String, ConsumerChange)]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        for (name, change) in changes {
            write(&transaction, name, change)?;
        }
        Ok(transaction.commit()?)
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { file: FILE.into(), position: Position::START, what: what.into() }
}

fn write(transaction: &WriteTransaction, name: &str, change: &ConsumerChange) -> Result<(), StoreError> {
    let mut rows = transaction.open_table(CONSUMERS)?;
    let mut entries = transaction.open_table(CONSUMER_ENTRIES)?;
    let mut leases = transaction.open_table(CONSUMER_LEASES)?;
    if change.removed {
        rows.remove(name)?;
        entries.retain_in((name, 0)..=(name, u64::MAX), |_, _| false)?;
        leases.retain_in((name, 0)..=(name, u64::MAX), |_, _| false)?;
    }
    if let Some(row) = &change.row {
        rows.insert(name, row.encode().as_slice())?;
    }
    for (position, entry) in &change.entries {
        match entry {
            Some(entry) => drop(entries.insert((name, position.0), entry.encode().as_slice())?),
            None => drop(entries.remove((name, position.0))?),
        }
    }
    for (number, lease) in &change.leases {
        match lease {
            Some(lease) => drop(leases.insert((name, *number), lease.encode().as_slice())?),
            None => drop(leases.remove((name, *number))?),
        }
    }
    Ok(())
}

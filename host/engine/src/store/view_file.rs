//! `ViewFile`: rows that one version of a function has made, in a file of its own: those of a view, or the
//! shadow in which a replay works. It can always be made again from the log, so bad content is never an
//! error: the file is made new.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, Durability, ReadableDatabase};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::tables;
use super::view_snapshot::ViewSnapshot;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position};

const FORMAT: u32 = 1;

/// One writer at a time; snapshots from any thread.
pub struct ViewFile {
    folder: Arc<dyn Folder>,
    name: String,
    database: Database,
    cursor: AtomicU64,
}

/// What the rows of a file are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A view answers with them.
    View,
    /// A replay works on them: nobody sees them, and what is wanted of them is copied elsewhere.
    Shadow,
}

/// What was found when a view's file was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewOpened {
    Kept,
    New,
    /// What was there is of no use, and why; the rows are made again from the beginning.
    Replaced(String),
}

/// A row that changes: its key, and its value or `None` for a deletion.
pub type RowWrite = (Vec<u8>, Option<Vec<u8>>);
pub type RowRef<'a> = (&'a [u8], Option<&'a [u8]>);

/// Whose rows a file holds.
struct Facts<'a> {
    function: &'a str,
    identity: Digest,
    log: Digest,
}

/// Why a file can't be kept.
enum Unusable {
    Content(String),
    Trouble(StoreError),
}

impl Made {
    fn prefix(self) -> &'static str {
        match self {
            Made::View => "view-",
            Made::Shadow => "shadow-",
        }
    }
}

/// The file of a function as this code and these upcasters make it.
pub fn view_file_name(made: Made, function: &str, identity: Digest) -> String {
    format!("{}{function}-{}.redb", made.prefix(), &identity.to_string()[..16])
}

/// Removes the files of a kind that nobody needs, and what a crash left of making one. `keep` are names of
/// files. Not while such a file is being made.
pub fn sweep_views(folder: &dyn Folder, made: Made, keep: &BTreeSet<String>) -> Result<Vec<String>, StoreError> {
    let names = folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?;
    let gone: Vec<String> = names.into_iter().filter(|name| name.starts_with(made.prefix()) && !keep.contains(name)).collect();
    for name in &gone {
        folder.remove(name).map_err(StoreError::io(format!("{name} can't be removed")))?;
    }
    Ok(gone)
}

impl ViewFile {
    /// Opens the view's file or makes it. `log` is [`Snapshot::log_identity`](super::Snapshot), `head` its
    /// head: rows made of another log, or of events that this one has not, are of no use.
    pub fn open(
        folder: &Arc<dyn Folder>,
        made: Made,
        function: &str,
        identity: Digest,
        log: Digest,
        head: Position,
        cache_bytes: usize,
    ) -> Result<(ViewFile, ViewOpened), StoreError> {
        let name = view_file_name(made, function, identity);
        let facts = Facts { function, identity, log };
        let names = folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?;
        let mut opened = ViewOpened::New;
        if names.contains(&name) {
            match ViewFile::open_there(folder, &name, &facts, head, cache_bytes) {
                Ok(view) => return Ok((view, ViewOpened::Kept)),
                Err(Unusable::Trouble(error)) => return Err(error),
                Err(Unusable::Content(why)) => {
                    folder.remove(&name).map_err(StoreError::io(format!("{name} can't be removed")))?;
                    opened = ViewOpened::Replaced(why);
                }
            }
        }
        create(&**folder, &name, Space::Reserved, |backend| {
            let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend)?;
            let transaction = database.begin_write()?;
            {
                let mut meta = transaction.open_table(tables::VIEW_META)?;
                meta.insert("facts", facts.encode().as_slice())?;
                meta.insert("cursor", Position::START.0.to_le_bytes().as_slice())?;
                transaction.open_table(tables::VIEW_ROWS)?;
            }
            Ok(transaction.commit()?)
        })?;
        match ViewFile::open_there(folder, &name, &facts, head, cache_bytes) {
            Ok(view) => Ok((view, opened)),
            Err(Unusable::Trouble(error)) => Err(error),
            Err(Unusable::Content(what)) => Err(StoreError::Damaged { file: name, position: Position::START, what }),
        }
    }

    fn open_there(
        folder: &Arc<dyn Folder>,
        name: &str,
        facts: &Facts<'_>,
        head: Position,
        cache_bytes: usize,
    ) -> Result<ViewFile, Unusable> {
        let backend = folder.open(name).map_err(|error| Unusable::Trouble(StoreError::io(format!("{name} can't be opened"))(error)))?;
        // redb asserts some of what it expects of a file, and takes a page that nothing was asked of as it is.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut database = Database::builder().set_cache_size(cache_bytes).create_with_backend(backend)?;
            let whole = database.check_integrity()?;
            Ok::<_, redb::DatabaseError>((database, whole))
        }));
        let database = match opened {
            Ok(Ok((database, true))) => database,
            Ok(Ok((_, false))) => return Err(Unusable::Content("its pages were not as redb left them".into())),
            Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => return Err(Unusable::Trouble(StoreError::InUse(name.into()))),
            Ok(Err(error)) => return Err(unusable(error.into())),
            Err(_) => return Err(Unusable::Content("its pages make no sense".into())),
        };
        let (found, cursor) = read_meta(&database)?;
        facts.check(&found)?;
        if cursor > head {
            return Err(Unusable::Content(format!("it is made of events up to {cursor}, and the log ends at {head}")));
        }
        Ok(ViewFile { folder: folder.clone(), name: name.to_owned(), database, cursor: AtomicU64::new(cursor.0) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything up to here is in the rows.
    pub fn cursor(&self) -> Position {
        Position(self.cursor.load(Ordering::Acquire))
    }

    /// Writes rows and moves the cursor, together. Unless `durable`, a crash may undo it, with everything
    /// since the last commit that was.
    pub fn commit(&self, writes: &[RowWrite], cursor: Position, durable: bool) -> Result<(), StoreError> {
        let writes: Vec<RowRef<'_>> = writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        self.commit_rows(&writes, cursor, None, durable)
    }

    /// The same of rows that lie elsewhere, with what a replay has to say of how far it is. In key order they
    /// are written fastest.
    pub fn commit_rows(&self, writes: &[RowRef<'_>], cursor: Position, progress: Option<&[u8]>, durable: bool) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        {
            let mut rows = transaction.open_table(tables::VIEW_ROWS)?;
            for (key, value) in writes {
                match value {
                    Some(value) => drop(rows.insert(*key, *value)?),
                    None => drop(rows.remove(*key)?),
                }
            }
            let mut meta = transaction.open_table(tables::VIEW_META)?;
            meta.insert("cursor", cursor.0.to_le_bytes().as_slice())?;
            if let Some(progress) = progress {
                meta.insert("progress", progress)?;
            }
        }
        transaction.commit()?;
        self.cursor.store(cursor.0, Ordering::Release);
        Ok(())
    }

    /// What a replay last said of how far it is.
    pub fn progress(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let meta = self.database.begin_read()?.open_table(tables::VIEW_META)?;
        Ok(meta.get("progress")?.map(|progress| progress.value().to_vec()))
    }

    /// Drops all rows: the file is as if it were new.
    pub fn clear(&self) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction.delete_table(tables::VIEW_ROWS)?;
        transaction.open_table(tables::VIEW_ROWS)?;
        {
            let mut meta = transaction.open_table(tables::VIEW_META)?;
            meta.insert("cursor", Position::START.0.to_le_bytes().as_slice())?;
            meta.remove("progress")?;
        }
        transaction.commit()?;
        self.cursor.store(Position::START.0, Ordering::Release);
        Ok(())
    }

    pub fn snapshot(&self) -> Result<ViewSnapshot, StoreError> {
        ViewSnapshot::new(&self.database.begin_read()?, &self.name)
    }

    /// Bytes that the file takes on the disk.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.folder.allocated(&self.name).map_err(StoreError::io(format!("{} can't be measured", self.name)))
    }
}

impl Facts<'_> {
    fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u32(FORMAT);
        out.text(self.function);
        out.raw(&self.identity.0);
        out.raw(&self.log.0);
        out.bytes
    }

    fn check(&self, found: &[u8]) -> Result<(), Unusable> {
        let mut reader = ByteReader::new(found);
        let mut read = || -> Result<Option<&'static str>, Malformed> {
            let format = reader.u32("format")?;
            if format != FORMAT {
                return Ok(Some("it has another format"));
            }
            let function = reader.text("function")?;
            let (identity, log) = (reader.raw(32, "identity")?, reader.raw(32, "log")?);
            Ok(match () {
                () if function != self.function => Some("it is another function's"),
                () if identity != self.identity.0 => Some("other code made it"),
                () if log != self.log.0 => Some("it is made of another log"),
                () => None,
            })
        };
        match read() {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Unusable::Content(why.into())),
            Err(malformed) => Err(Unusable::Content(malformed.to_string())),
        }
    }
}

fn read_meta(database: &Database) -> Result<(Vec<u8>, Position), Unusable> {
    let read = || -> Result<Option<(Vec<u8>, Position)>, redb::Error> {
        let transaction = database.begin_read()?;
        let meta = transaction.open_table(tables::VIEW_META)?;
        transaction.open_table(tables::VIEW_ROWS)?;
        let (facts, cursor) = (meta.get("facts")?, meta.get("cursor")?);
        Ok(facts.zip(cursor).and_then(|(facts, cursor)| {
            let cursor = cursor.value().try_into().ok().map(u64::from_le_bytes)?;
            Some((facts.value().to_vec(), Position(cursor)))
        }))
    };
    read().map_err(unusable)?.ok_or_else(|| Unusable::Content("it doesn't say whose it is".into()))
}

/// What a file holds, or the folder's trouble with it?
fn unusable(error: redb::Error) -> Unusable {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match &error {
        redb::Error::Io(io) if !matches!(io.kind(), InvalidData | UnexpectedEof) => Unusable::Trouble(error.into()),
        _ => Unusable::Content(error.to_string()),
    }
}

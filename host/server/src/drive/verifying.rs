//! A data directory that no host runs on, read once from end to end.

use std::path::Path;
use std::sync::Arc;

use retold_engine::model::Digest;
use retold_engine::store::{Catalogue, DiskFolder, Folder, Options, Store, StoreError, Verified};

use super::boundary::caught;
use super::types::DriveError;

/// Memory for pages of a log while it is read.
const CACHE_BYTES: usize = 64 << 20;

/// A log of a data directory: a namespace's, or one of its earlier generations'.
#[derive(Debug)]
pub struct Checked {
    pub namespace: String,
    /// Beside the catalogue.
    pub folder: String,
    /// What was found whole, or where it isn't.
    pub found: Result<Verified, StoreError>,
    /// Modules that are kept, each of which is what its digest says.
    pub modules: usize,
}

/// Reads every log: the hash chain over every record, the positions, the index of ids, and the modules. `each` hears
/// of a log when it is done. Opening a log repairs what a power cut left half done, as any start of a host does.
pub fn verify(data: &Path, mut each: impl FnMut(Checked)) -> Result<(), DriveError> {
    if !data.is_dir() {
        return Err(DriveError::Name(format!("there is no folder {}", data.display())));
    }
    let io = |what: &'static str| move |source| StoreError::Io { what: what.to_owned(), source: Arc::new(source) };
    let folder = DiskFolder::create(data).map_err(io("the data directory can't be opened"))?;
    let names = folder.list().map_err(io("the data directory can't be listed"))?;
    if names.is_empty() {
        return Err(DriveError::Name(format!("{} holds no data of a host", data.display())));
    }
    let rows = Catalogue::open(&folder)?.namespaces()?;
    // An earlier generation that is a namespace of its own by now is read once.
    let folders = rows.iter().flat_map(|row| row.folders().map(move |folder| (&row.name, folder)));
    let mut read: Vec<&str> = Vec::new();
    for (namespace, folder) in folders {
        if read.contains(&folder) || !data.join(folder).is_dir() {
            continue;
        }
        read.push(folder);
        let checked = caught(|| check(data, folder)).unwrap_or_else(|panic| {
            Err(StoreError::Io { what: format!("head.redb in {folder} is damaged"), source: Arc::new(std::io::Error::other(panic)) })
        });
        let (found, modules) = match checked {
            Ok((verified, modules)) => (Ok(verified), modules),
            Err(error) => (Err(error), 0),
        };
        each(Checked { namespace: namespace.clone(), folder: folder.to_owned(), found, modules });
    }
    Ok(())
}

fn check(data: &Path, folder: &str) -> Result<(Verified, usize), StoreError> {
    let opening = DiskFolder::create(data.join(folder))
        .map_err(|source| StoreError::Io { what: format!("{folder} can't be opened"), source: Arc::new(source) })?;
    let store = Store::open(Arc::new(opening), &Options { cache_bytes: CACHE_BYTES, ..Options::default() })?;
    let reader = store.reader();
    let verified = reader.verify()?;
    let snapshot = reader.snapshot()?;
    let mut modules = 0;
    for row in snapshot.modules() {
        // A module that nobody may go back to any more is not kept.
        let Some(component) = snapshot.component(row.digest)? else { continue };
        if Digest::of(&component) != row.digest {
            let what = format!("the module {} {} is not what its digest says: {}", row.name, row.version, row.digest);
            return Err(StoreError::Damaged { file: format!("{folder}/head.redb"), position: snapshot.head(), what });
        }
        modules += 1;
    }
    Ok((verified, modules))
}

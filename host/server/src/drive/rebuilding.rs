//! A namespace of which no host runs, made anew out of its log alone.

use std::path::Path;
use std::sync::Arc;

use retold_engine::store::{self, Catalogue, ConsumerFile, DiskFolder, Folder, NamespaceRow, Options, Rebuilt, Role, StoreError};

use super::boundary::caught;
use super::host::io;
use super::space::{DiskSpace, RESERVE_BYTES};
use super::types::DriveError;

/// Memory for pages of the head while it is made.
const CACHE_BYTES: usize = 64 << 20;

/// Makes everything anew that follows from the log of a namespace: see [`store::rebuild`]. Refused while a host runs on
/// the folder, of a namespace that isn't there, and of a retelling under way, which is made of another log.
pub fn rebuild(data: &Path, namespace: &str) -> Result<Rebuilt, DriveError> {
    let none = || DriveError::Name(format!("{} holds no data of a host", data.display()));
    if !data.is_dir() {
        return Err(DriveError::Name(format!("there is no folder {}", data.display())));
    }
    let folder = DiskFolder::create(data).map_err(io("the data directory can't be opened"))?;
    if !Catalogue::is_in(&folder)? {
        return Err(none());
    }
    // It is held until the end, so that no host starts meanwhile.
    let catalogue = Catalogue::open(&folder)?;
    let row = find(catalogue.namespaces()?, namespace)?;
    let path = data.join(&row.folder);
    let inside = DiskFolder::create(&path).map_err(io("the namespace's folder can't be opened"))?;
    // Until the old files go there are both.
    DiskSpace::of(path, RESERVE_BYTES).check_for(log_bytes(&inside)?)?;
    let inside: Arc<dyn Folder> = Arc::new(inside);
    let options = Options { cache_bytes: CACHE_BYTES, ..Options::default() };
    let rebuilt = caught(|| store::rebuild(inside.clone(), &options));
    let mut rebuilt = rebuilt.unwrap_or_else(|panic| {
        let what = format!("head.redb in {} is damaged, and nothing was changed; restore it from a backup", row.folder);
        Err(StoreError::Io { what, source: Arc::new(std::io::Error::other(panic)) })
    })?;
    if let Err(error) = ConsumerFile::find(&inside).map(drop) {
        rebuilt.lost.push(format!("its consumers, which no log speaks of ({error}): remove consumers.redb and make them again"));
    }
    Ok(rebuilt)
}

fn find(rows: Vec<NamespaceRow>, namespace: &str) -> Result<NamespaceRow, DriveError> {
    let names = rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>().join(", ");
    let row = rows.into_iter().find(|row| row.name == namespace);
    let row = row.ok_or_else(|| DriveError::Name(format!("there is no namespace {namespace:?} here; there are: {names}")))?;
    if let Role::Retelling { base, .. } = &row.role {
        let what = format!("{namespace} is a retelling of {base} under way, which is made of that log: drop it, and retell {base} again");
        return Err(DriveError::Generation { namespace: namespace.to_owned(), what });
    }
    Ok(row)
}

fn log_bytes(folder: &DiskFolder) -> Result<u64, StoreError> {
    let names = folder.list().map_err(io("the namespace's folder can't be listed"))?;
    let of_log = names.iter().filter(|name| name.starts_with("segment-") || *name == "head.redb");
    of_log.map(|name| folder.allocated(name).map_err(io("a file of the log can't be looked at"))).sum()
}

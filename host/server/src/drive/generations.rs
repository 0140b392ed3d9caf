//! Namespaces that come of others: forks, retellings, old generations; and how they go.

use std::future::Future;
use std::path::Path;

use retold_engine::model::Position;
use retold_engine::store::{self, NamespaceRow, OwnQuota, Proposal, Role};
use tokio::sync::watch;

use super::clock;
use super::consumers::close_consumers;
use super::host::{Host, io};
use super::namespace::{Namespace, Standing};
use super::replay_info::{Dropped, ForkOptions, Forked, Generations};
use super::types::DriveError;

/// In a folder that is being dropped: whatever happens, it goes.
const DROPPED: &str = "dropped";

impl Host {
    pub(super) fn row(&self, name: &str) -> Result<NamespaceRow, DriveError> {
        let rows = self.catalogue().namespaces()?;
        rows.into_iter().find(|row| row.name == name).ok_or_else(|| DriveError::UnknownNamespace(name.to_owned()))
    }

    /// One change of which namespaces there are and which log each has at a time; each to its end, also when nobody waits
    /// for it any more.
    pub(super) async fn in_turn<T: Send + 'static, C: Future<Output = Result<T, DriveError>> + Send>(
        &self,
        change: impl FnOnce(Host) -> C + Send + 'static,
    ) -> Result<T, DriveError> {
        let host = self.clone();
        let change = async move {
            let _turn = host.0.changing.lock().await;
            change(host.clone()).await
        };
        tokio::spawn(change).await.map_err(|_| DriveError::Stopping)?
    }

    /// A namespace that shares the base's history up to a position; the head, without one. Its timers fire and
    /// its requests leave only if it is to have effects.
    pub async fn fork(&self, base: &str, name: &str, options: ForkOptions) -> Result<Forked, DriveError> {
        let (base, name) = (base.to_owned(), name.to_owned());
        self.in_turn(move |host| blocking(move || host.fork_now(&base, &name, options))).await
    }

    fn fork_now(&self, base: &str, name: &str, ForkOptions { at, effects }: ForkOptions) -> Result<Forked, DriveError> {
        let began = clock::started();
        let base_row = self.row(base)?;
        self.check_new_name(name)?;
        self.check_space()?;
        let base_inside = self.open_in(&base_row.folder).ok_or_else(|| DriveError::UnknownNamespace(base.to_owned()))?;
        let head = base_inside.reader.head();
        let at = at.unwrap_or(head);
        if at > head {
            let what = format!("{base} ends at position {head}, and a fork at {at} would lie beyond: use a position up to {head}");
            return Err(DriveError::Generation { namespace: base.to_owned(), what });
        }
        let folder = self.catalogue().next_folder(name)?;
        let options = self.store_options()?;
        let forked = store::fork(&base_inside.reader, at, self.folder(&folder)?, &options)?;
        let row = NamespaceRow {
            name: name.to_owned(),
            folder: folder.clone(),
            created: clock::now(),
            generation: 1,
            role: Role::Fork { base_folder: base_row.folder, at: forked.at },
            previous: Vec::new(),
            quota: OwnQuota::default(),
        };
        let mut store = self.open_store(&folder, Some(options))?;
        if effects {
            store.commit(vec![Proposal::Effects { on: true }], clock::now())?;
        }
        self.catalogue().set(&row)?;
        self.start(&row, store)?;
        self.name_all()?;
        Ok(Forked {
            name: name.to_owned(),
            base: base.to_owned(),
            at: forked.at,
            segments: forked.segments_linked,
            bytes_copied: forked.bytes_copied,
            took_us: began.elapsed().as_micros() as u64,
        })
    }

    /// Removes a fork, a retelling or an old generation with all its files.
    pub async fn drop_namespace(&self, name: &str) -> Result<Dropped, DriveError> {
        let name = name.to_owned();
        self.in_turn(move |host| blocking(move || host.drop_now(&name))).await
    }

    fn drop_now(&self, name: &str) -> Result<Dropped, DriveError> {
        let row = self.row(name)?;
        let refuse = |what: String| Err(DriveError::Generation { namespace: name.to_owned(), what });
        if name == super::host::MAIN {
            return refuse(format!("{name} is the namespace that every host has: it can't be dropped"));
        }
        let users: Vec<String> = self.catalogue().uses(&row.folder)?.into_iter().filter(|user| user != name).collect();
        if !users.is_empty() {
            return refuse(format!("{name} can't be dropped while {} refer to it: drop these first", users.join(", ")));
        }
        let olds: Vec<String> = match self.namespace(name) {
            Some(namespace) => namespace.standing().previous.clone(),
            None => Vec::new(),
        };
        if !olds.is_empty() {
            return refuse(format!("{name} can't be dropped before its earlier generations {}: drop these first", olds.join(", ")));
        }
        let folder = self.0.options.data.join(&row.folder);
        mark_dropped(&folder).map_err(io("the namespace can't be marked as dropped"))?;
        self.catalogue().remove(name)?;
        let (files, bytes) = size(&folder);
        self.discard(&row.folder)?;
        Ok(Dropped { namespace: name.to_owned(), files, bytes })
    }

    /// Closes and removes a folder that the catalogue doesn't name any more.
    pub(super) fn discard(&self, folder: &str) -> Result<(), DriveError> {
        let path = self.0.options.data.join(folder);
        mark_dropped(&path).map_err(io("the namespace can't be marked as dropped"))?;
        self.end_retelling(folder);
        if let Some(inside) = self.close(folder) {
            inside.frozen.store(true, std::sync::atomic::Ordering::Release);
            inside.superseded.send_replace(true);
            inside.replays.end_all();
            close_consumers(&inside);
            inside.queue.close();
            inside.set_tasks(Default::default());
            inside.set_views(Default::default());
        }
        self.name_all()?;
        std::fs::remove_dir_all(&path).map_err(io("the namespace's folder can't be removed"))?;
        Ok(sync_parent(&path).map_err(io("the folder of namespaces can't be synced"))?)
    }

    /// Ends what a crash left half dropped; answers the namespaces that are there.
    pub(super) fn finish_drops(&self, rows: Vec<NamespaceRow>) -> Result<Vec<NamespaceRow>, DriveError> {
        let all = self.0.options.data.join("namespaces");
        for entry in std::fs::read_dir(all).into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.path().join(DROPPED).exists())
        {
            let folder = format!("namespaces/{}", entry.file_name().to_string_lossy());
            for row in rows.iter().filter(|row| row.folder == folder) {
                self.catalogue().remove(&row.name)?;
            }
            tracing::info!(%folder, "it was being dropped when the host ended: it goes now");
            std::fs::remove_dir_all(entry.path()).map_err(io("a dropped namespace's folder can't be removed"))?;
        }
        Ok(self.catalogue().namespaces()?)
    }
}

fn mark_dropped(folder: &Path) -> std::io::Result<()> {
    std::fs::File::create(folder.join(DROPPED))?.sync_all()?;
    std::fs::File::open(folder)?.sync_all()
}

fn sync_parent(folder: &Path) -> std::io::Result<()> {
    folder.parent().map_or(Ok(()), |parent| std::fs::File::open(parent)?.sync_all())
}

/// Files in a folder, and the bytes that they take on the disk.
fn size(folder: &Path) -> (usize, u64) {
    const BLOCK_BYTES: u64 = 512;
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => {
                let (more_files, more_bytes) = size(&entry.path());
                files += more_files;
                bytes += more_bytes;
            }
            Ok(facts) => {
                files += 1;
                bytes += std::os::unix::fs::MetadataExt::blocks(&facts) * BLOCK_BYTES;
            }
            Err(_) => {}
        }
    }
    (files, bytes)
}

/// On a thread that may block.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DriveError> + Send + 'static) -> Result<T, DriveError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| DriveError::Stopping)?
}

/// Where a reader with a cursor of an earlier generation goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Delivered first, in order: events before `after` that the reader can't have seen.
    pub first: Vec<Position>,
    /// There may be more of them behind the last of `first`.
    pub more: bool,
    pub after: Position,
}

impl Namespace {
    /// This log's generation, which its cursors begin with.
    pub fn generation(&self) -> u64 {
        self.standing().generation
    }

    pub fn generations(&self) -> Generations {
        let Standing { generation, role, previous, .. } = self.standing().clone();
        Generations { generation, role, previous }
    }

    /// Turns true when another log has taken this one's place: whoever follows it comes again.
    pub fn superseded(&self) -> watch::Receiver<bool> {
        self.inside().superseded.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_with_all_that_is_in_it() {
        let folder = std::env::temp_dir().join(format!("retold-size-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("inner")).expect("made");
        std::fs::write(folder.join("a"), vec![1; 5_000]).expect("written");
        std::fs::write(folder.join("inner/b"), vec![1; 5_000]).expect("written");
        let (files, bytes) = size(&folder);
        assert_eq!(files, 2);
        assert!(bytes >= 10_000, "{bytes}");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}

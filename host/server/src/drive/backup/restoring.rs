//! A backup on its way into a host: made beside everything else, and there once the catalogue says so.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use retold_engine::model::{Position, limits};
use retold_engine::store::{
    self, BackupPiece, BackupPieces, Effects, NamespaceRow, Options, RestoreAs, Restored, Role, Store, StoreError, Until,
};
use tokio::sync::mpsc;

use super::super::clock;
use super::super::generations::blocking;
use super::super::host::{Host, io};
use super::super::inside::Inside;
use super::super::promoting::alone_now;
use super::super::types::DriveError;

/// In a folder that a restore makes. A folder with this mark that the catalogue doesn't name is nothing.
const RESTORING: &str = "restoring";

/// A segment and its index. Until it is written its records are in memory.
const WRITTEN_AT_ONCE_BYTES: u64 = 2 * limits::TAIL_BYTES_MAX as u64;

/// How a backup is restored.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    pub until: Until,
    /// Whether its timers fire and its requests leave.
    pub effects: bool,
}

#[derive(Clone, Debug)]
pub struct RestoredNamespace {
    pub name: String,
    /// What it is a backup of.
    pub of: String,
    pub generation: u64,
    pub at: Position,
    pub commit: u64,
    /// Functions that make their state again before they go on.
    pub rebuilding: Vec<String>,
    /// Modules that the backup has no code of.
    pub without_code: Vec<String>,
    pub took_us: u64,
}

/// The bytes of a backup as they come.
pub enum BackupBytes {
    Some(Bytes),
    End,
}

impl Host {
    /// Makes a namespace out of a backup: whole or not at all. There must be none of this name, or one that nothing was
    /// ever written to. If `bytes` end without saying so, the backup broke off and nothing is made.
    pub async fn restore(
        &self,
        name: &str,
        options: RestoreOptions,
        bytes: mpsc::Receiver<BackupBytes>,
    ) -> Result<RestoredNamespace, DriveError> {
        let (host, name) = (self.clone(), name.to_owned());
        blocking(move || host.restore_now(&name, options, bytes)).await
    }

    fn restore_now(
        &self,
        name: &str,
        RestoreOptions { until, effects }: RestoreOptions,
        mut bytes: mpsc::Receiver<BackupBytes>,
    ) -> Result<RestoredNamespace, DriveError> {
        let began = clock::started();
        self.check_restorable(name)?;
        self.check_space()?;
        let folder = self.catalogue().next_folder(name)?;
        let unfinished = Unfinished::begin(self.0.options.data.join(&folder)).map_err(io("a folder can't be made"))?;
        let options = self.store_options()?;
        let how = RestoreAs { until, effects: if effects { Effects::Leave } else { Effects::Held } };
        let mut pieces = BackupPieces::default();
        let (mut short, mut taken_bytes) = (None, 0);
        let mut next = || {
            let piece = next_piece(&mut pieces, &mut bytes)?;
            if let Some(BackupPiece::Record(record)) = &piece {
                taken_bytes += record.bytes().len() as u64;
            }
            self.check_space_for(taken_bytes.min(WRITTEN_AT_ONCE_BYTES)).map_err(|error| {
                short = Some(error);
                StoreError::Backup("there is no space for it".into())
            })?;
            Ok(piece)
        };
        let restored = store::restore(&mut next, how, self.folder(&folder)?, &options);
        if let Some(short) = short {
            return Err(short);
        }
        let restored = restored?;
        let row = NamespaceRow { generation: restored.generation, ..NamespaceRow::own(name, folder, clock::now()) };
        self.enter(row, options, unfinished)?;
        let Restored { namespace, generation, at, commit, rebuilding, without_code } = restored;
        let took_us = began.elapsed().as_micros() as u64;
        Ok(RestoredNamespace { name: name.to_owned(), of: namespace, generation, at, commit, rebuilding, without_code, took_us })
    }

    /// Enters what was restored into the catalogue, which is when it is there, and lets it run.
    fn enter(&self, row: NamespaceRow, options: Options, unfinished: Unfinished) -> Result<(), DriveError> {
        let store = self.open_store(&row.folder, Some(options))?;
        let _turn = self.0.changing.blocking_lock();
        self.check_restorable(&row.name)?;
        if self.namespace(&row.name).is_none() {
            self.catalogue().set(&row)?;
            unfinished.finish();
            self.start(&row, store)?;
            return self.name_all();
        }
        let NamespaceRow { folder: old, quota, .. } = self.row(&row.name)?;
        // It is of the name, whatever log has it.
        let row = NamespaceRow { quota, ..row };
        let old_inside = self.open_in(&old).ok_or(DriveError::Stopping)?;
        let host = self.clone();
        // Its writer stands still meanwhile: nothing comes between the look and the change.
        let from = old_inside.clone();
        alone_now(&old_inside, move |_| host.take_empty_place(&from, &row, store, unfinished))?;
        self.discard(&old)
    }

    /// On the writer's thread of what is empty. What waits there goes on in the new log.
    fn take_empty_place(&self, from: &Inside, row: &NamespaceRow, store: Store, unfinished: Unfinished) -> Result<(), DriveError> {
        self.check_restorable(&row.name)?;
        self.catalogue().set(row)?;
        unfinished.finish();
        self.start(row, store)?;
        self.name_all()?;
        from.supersede(self.namespace(&row.name).ok_or(DriveError::Stopping)?);
        Ok(())
    }

    /// Whether there is room for a restored namespace of this name.
    fn check_restorable(&self, name: &str) -> Result<(), DriveError> {
        let Some(namespace) = self.namespace(name) else { return self.check_new_name(name) };
        let row = self.row(name)?;
        let consumers = self.0.options.data.join(&row.folder).join("consumers.redb").exists();
        if namespace.is_empty()
            && row.role == Role::Own
            && row.generation == 1
            && !consumers
            && self.catalogue().uses(&row.folder)?.is_empty()
        {
            return Ok(());
        }
        let what = format!("there is a namespace {name:?} already, and it isn't empty: restore under another name, or drop it first");
        Err(DriveError::Generation { namespace: name.to_owned(), what })
    }

    /// Ends what a crash left of restores: a folder that the catalogue names is whole, any other goes.
    pub(in super::super) fn finish_restores(&self) -> Result<(), DriveError> {
        let named = self.catalogue().folders()?;
        let all = self.0.options.data.join("namespaces");
        for entry in fs::read_dir(all).into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.path().join(RESTORING).exists()) {
            let folder = format!("namespaces/{}", entry.file_name().to_string_lossy());
            if named.contains(&folder) {
                unmark(&entry.path());
            } else {
                tracing::info!(%folder, "it was being restored when the host ended: it goes now");
                fs::remove_dir_all(entry.path()).map_err(io("what is left of a restore can't be removed"))?;
            }
        }
        Ok(())
    }
}

/// The next piece of a backup that comes in any portions.
fn next_piece(pieces: &mut BackupPieces, bytes: &mut mpsc::Receiver<BackupBytes>) -> Result<Option<BackupPiece>, StoreError> {
    loop {
        if let Some(piece) = pieces.take()? {
            return Ok(Some(piece));
        }
        match bytes.blocking_recv() {
            Some(BackupBytes::Some(some)) => pieces.push(&some),
            Some(BackupBytes::End) => return pieces.end().map(|()| None),
            None => return Err(StoreError::Backup("the backup broke off before its end: send it again".into())),
        }
    }
}

/// A folder that goes again unless the restore comes to its end.
struct Unfinished {
    folder: PathBuf,
    finished: bool,
}

impl Unfinished {
    fn begin(folder: PathBuf) -> io::Result<Unfinished> {
        fs::create_dir_all(&folder)?;
        let unfinished = Unfinished { folder, finished: false };
        File::create(unfinished.folder.join(RESTORING))?.sync_all()?;
        File::open(&unfinished.folder)?.sync_all()?;
        Ok(unfinished)
    }

    fn finish(mut self) {
        self.finished = true;
        unmark(&self.folder);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(folder = %self.folder.display(), %error, "what is left of a restore can't be removed: the next start does it");
        }
    }
}

/// Best effort: the mark means nothing where the catalogue names the folder.
fn unmark(folder: &Path) {
    let _ = fs::remove_file(folder.join(RESTORING));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as threads;
    use std::time::Duration;

    use retold_engine::model::NewEvent;
    use retold_engine::store::{Append, BackupPacker};

    use super::super::super::committer::Job;
    use super::super::super::host::HostOptions;
    use super::super::super::queue::Cost;
    use super::super::super::types::WaitFor;
    use super::*;

    #[test]
    fn what_waits_for_a_writer_whose_empty_place_is_taken_goes_into_the_new_log_h18() {
        let data = std::env::temp_dir().join(format!("retold-place-{}", std::process::id()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let host = Host::open(HostOptions { data: data.clone(), ..HostOptions::default() }).expect("a host");
        let (empty, _) = runtime.block_on(host.create_namespace("empty")).expect("made");
        let inside = empty.inside().clone();
        let queued = |jobs: usize| {
            while inside.queue.len() < jobs {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        // The writer is held up while both come.
        let (holds, is_held) = threads::channel();
        let (let_go, is_let_go) = threads::channel::<()>();
        let hold = move |_: &mut Store| {
            holds.send(()).expect("the test waits");
            let _ = is_let_go.recv();
        };
        inside.queue.push_own(Job::Alone(Box::new(hold)), Cost { events: 1, bytes: 0 });
        is_held.recv().expect("the writer is at it");
        let (sender, receiver) = mpsc::channel(2);
        let backup = BackupPacker::new("empty", [7; 16]).finish();
        sender.blocking_send(BackupBytes::Some(backup.into())).expect("taken");
        sender.blocking_send(BackupBytes::End).expect("taken");
        let (restores, options) = (host.clone(), RestoreOptions { until: Until::End, effects: true });
        let restoring = runtime.spawn(async move { restores.restore("empty", options, receiver).await });
        queued(1);
        let event = NewEvent {
            id: "1".into(),
            source: "/kept".into(),
            r#type: "test.kept".into(),
            content_type: "text/plain".into(),
            ..NewEvent::default()
        };
        let append = Append { events: vec![event], ..Append::default() };
        let appending = runtime.spawn(async move { empty.append(append, WaitFor::Durable).await });
        queued(2);
        let_go.send(()).expect("it waits");
        runtime.block_on(restoring).expect("it ends").expect("it takes the place");
        let appended = runtime.block_on(appending).expect("it ends").expect("it is taken");
        let head = host.namespace("empty").expect("it is there").reader().head();
        assert_eq!(appended.positions, [head], "what was acknowledged is in the log that has the name");
        host.stop();
        drop(runtime);
        fs::remove_dir_all(data).expect("removed");
    }
}

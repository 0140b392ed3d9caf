//! The replays of a namespace: what runs, what has ended, and the operator's word to each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::inside::Inside;
use super::namespace::Namespace;
use super::replay_files::ReplayFiles;
use super::replay_info::{ModuleVersion, ReplayInfo, ReplayKind, ReplayStatus};
use super::replay_task::ReplayTask;
use super::types::DriveError;

/// How long the operator waits at most until a replay has come to a place where it can end or stand still.
const STILL_TIME_MAX: Duration = Duration::from_secs(10);

pub struct Replays {
    /// With their reports; the oldest that are over go first.
    kept_max: usize,
    /// By number.
    numbered: Mutex<BTreeMap<u64, Arc<ReplayTask>>>,
    /// Retellings of this log, by the name of what is made.
    retellings: Mutex<BTreeMap<String, Arc<ReplayTask>>>,
    /// The last number that was given, as far as is known.
    last: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Replays {
    /// So many are kept, those under way among them.
    pub fn keeping(kept_max: usize) -> Replays {
        Replays {
            kept_max,
            numbered: Mutex::default(),
            retellings: Mutex::default(),
            last: AtomicU64::default(),
            threads: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ReplayTask>>> {
        self.numbered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retellings(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ReplayTask>>> {
        self.retellings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add_retelling(&self, task: Arc<ReplayTask>) {
        self.retellings().insert(task.id.clone(), task);
    }

    pub fn remove_retelling(&self, name: &str) {
        self.retellings().remove(name);
    }

    /// Makes a replay under the next number; forgets old ones that are over. One module is changed by one at
    /// a time.
    pub fn add(
        &self,
        files: &ReplayFiles,
        kind: ReplayKind,
        module: &str,
        make: impl FnOnce(String) -> Arc<ReplayTask>,
    ) -> Result<Arc<ReplayTask>, DriveError> {
        let mut all = self.lock();
        let same = |task: &&Arc<ReplayTask>| {
            task.kind.changes() && !task.is_over() && task.info().module.is_some_and(|replayed| replayed.name == module)
        };
        if let Some(other) = all.values().find(same).filter(|_| kind.changes()) {
            return Err(DriveError::DeployUnderWay { module: module.to_owned(), replay: other.id.clone() });
        }
        // Never one of a replay that was dropped: its thread may not have noticed yet.
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        let task = make(number.to_string());
        all.insert(number, task.clone());
        while all.len() > self.kept_max {
            let Some(oldest) = all.iter().find(|(_, task)| task.is_over()).map(|(number, _)| *number) else { break };
            all.remove(&oldest);
            files.remove(&oldest.to_string());
        }
        Ok(task)
    }

    /// Takes up one that an earlier process began.
    pub fn restore(&self, task: Arc<ReplayTask>) {
        if let Ok(number) = task.id.parse() {
            self.last.fetch_max(number, Ordering::AcqRel);
            self.lock().insert(number, task);
        }
    }

    pub fn get(&self, id: &str) -> Option<Arc<ReplayTask>> {
        let numbered = id.parse().ok().and_then(|number| self.lock().get(&number).cloned());
        numbered.or_else(|| self.retellings().get(id).cloned())
    }

    /// Newest first.
    pub fn all(&self) -> Vec<Arc<ReplayTask>> {
        let mut all: Vec<Arc<ReplayTask>> = self.retellings().values().chain(self.lock().values().rev()).cloned().collect();
        all.sort_by_key(|task| std::cmp::Reverse(task.info().started));
        all
    }

    fn remove(&self, id: &str) {
        if let Ok(number) = id.parse::<u64>() {
            self.lock().remove(&number);
        }
    }

    pub fn keep_thread(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Ends all threads; what was under way goes on when the host is back.
    pub fn end_all(&self) {
        self.lock().values().for_each(|task| task.leave());
    }

    /// Waits until what they had done is on disk.
    pub fn wait_for_threads(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // It has caught what may panic in it.
            let _ = thread.join();
        }
    }
}

impl Inside {
    fn replay_task(&self, id: &str) -> Result<Arc<ReplayTask>, DriveError> {
        self.replays.get(id).ok_or_else(|| DriveError::UnknownReplay(id.to_owned()))
    }
}

impl Namespace {
    /// Newest first.
    pub fn replays(&self) -> Vec<ReplayInfo> {
        self.inside().replays.all().iter().map(|task| task.info()).collect()
    }

    pub fn replay(&self, id: &str) -> Option<ReplayInfo> {
        self.inside().replays.get(id).map(|task| task.info())
    }

    /// Stops it where it is; it goes on from there when it is resumed, also after a restart.
    pub async fn stop_replay(&self, id: &str) -> Result<ReplayInfo, DriveError> {
        let task = self.inside().replay_task(id)?;
        if !task.is_over() {
            task.stop();
            self.inside().note_stopped(&task);
            // It stands still once the portion under way is done.
            let mut changes = task.changes();
            let still =
                async { while matches!(task.status(), ReplayStatus::Running | ReplayStatus::Level) && changes.changed().await.is_ok() {} };
            let _ = tokio::time::timeout(STILL_TIME_MAX, still).await;
        }
        Ok(task.info())
    }

    pub async fn resume_replay(&self, id: &str) -> Result<ReplayInfo, DriveError> {
        let task = self.inside().replay_task(id)?;
        task.resume();
        self.inside().note_stopped(&task);
        Ok(task.info())
    }

    /// Ends it and forgets its report.
    pub async fn drop_replay(&self, id: &str) -> Result<(), DriveError> {
        let task = self.inside().replay_task(id)?;
        if task.kind == ReplayKind::Retelling {
            let what = format!("{id} is a namespace that is being retold: drop it with `retold namespaces drop {id}`");
            return Err(DriveError::Generation { namespace: id.to_owned(), what });
        }
        task.drop_it();
        // What it was about to change is changed or not when this is answered.
        let mut changes = task.changes();
        let ended = async { while !task.has_thread_ended() && changes.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(STILL_TIME_MAX, ended).await;
        let files = &self.inside().replay_files;
        let _turn = files.turn();
        self.inside().replays.remove(id);
        files.remove(id);
        Ok(())
    }

    /// Every version that was ever deployed, oldest first.
    pub fn module_versions(&self, module: Option<&str>) -> Vec<ModuleVersion> {
        let rows = self.reader().modules();
        let functions = self.reader().functions();
        let all = self.inside().all_modules();
        let mut versions = Vec::new();
        for (ordinal, info) in all.iter().filter(|(_, info)| module.is_none_or(|name| name == info.name)) {
            let next = all.iter().find(|(later, other)| later > ordinal && other.name == info.name);
            let kept = functions.values().any(|row| row.kept.iter().any(|kept| kept.module == *ordinal && kept.whole));
            let seen_before =
                all.iter().any(|(earlier, other)| earlier < ordinal && other.name == info.name && other.digest == info.digest);
            versions.push(ModuleVersion {
                module: info.clone(),
                ordinal: *ordinal,
                rolled_back: seen_before && rows.contains_key(ordinal),
                ended_at: if info.active { None } else { next.map(|(_, later)| later.deployed_at) },
                kept,
            });
        }
        versions
    }
}

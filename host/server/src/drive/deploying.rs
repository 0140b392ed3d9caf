//! Deployments, rollbacks and removals: each a replay, checked before it begins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use retold_engine::model::Digest;
use retold_engine::store::{FunctionStatus, ModuleRow, Refused};
use tokio::sync::oneshot;

use super::clock;
use super::generations::blocking;
use super::host::io;
use super::inside::Inside;
use super::modules::Upload;
use super::namespace::Namespace;
use super::prospect::Wanted;
use super::replay_files::{RetellingWord, StoredReplay};
use super::replay_info::{
    DeployOptions, DeployOutcome, Rehearse, RemoveOutcome, ReplayInfo, ReplayKind, ReplayOptions, ReplayStatus, ReplayedModule,
};
use super::replay_task::ReplayTask;
use super::types::{Deployed, DriveError, ModuleInfo};
use super::upgrade::{Outcome, Upgrade, UpgradeEnd};

impl Namespace {
    /// Checks and compiles a module, replays it over history, and activates it. Nothing is changed where any
    /// of it fails.
    pub async fn deploy(&self, name: &str, bytes: Bytes, options: DeployOptions) -> Result<DeployOutcome, DriveError> {
        self.check_writable()?;
        self.inside().check_space()?;
        let (modules, module_name) = (self.inside().modules.clone(), name.to_owned());
        let upload = blocking(move || modules.upload(Some(&module_name), &bytes)).await?;
        if options.rehearse == Rehearse::Only {
            return self.upgrade(upload, ReplayKind::Rehearsal, options).await;
        }
        let active = |(_, info): &(u32, ModuleInfo)| info.active && info.name == name && info.digest == upload.digest;
        if let Some((_, module)) = self.inside().all_modules().into_iter().find(active) {
            // Its code may not have been loaded when the host started.
            self.inside().set_guest(upload.digest, upload.module);
            return Ok(DeployOutcome::Deployed { deployed: Deployed { module, unchanged: true }, replay: None });
        }
        self.upgrade(upload, ReplayKind::Deployment, options).await
    }

    /// Has the version that ran before take over again, or the one with this version text.
    pub async fn rollback(&self, module: &str, to: Option<&str>, options: DeployOptions) -> Result<DeployOutcome, DriveError> {
        self.check_writable()?;
        self.inside().check_space()?;
        let (inside, name, to) = (self.inside().clone(), module.to_owned(), to.map(str::to_owned));
        let upload = blocking(move || inside.former(&name, to.as_deref())).await?;
        let kind = if options.rehearse == Rehearse::Only { ReplayKind::Rehearsal } else { ReplayKind::Rollback };
        self.upgrade(upload, kind, options).await
    }

    async fn upgrade(&self, upload: Upload, kind: ReplayKind, options: DeployOptions) -> Result<DeployOutcome, DriveError> {
        Ok(match self.begin_and_wait(Wanted::Upload(upload), kind, options).await? {
            (replay, None) => DeployOutcome::UnderWay(replay),
            (replay, Some(Outcome::Deployed(deployed))) => DeployOutcome::Deployed { deployed, replay: Some(replay) },
            (replay, Some(Outcome::Rehearsed | Outcome::Removed(_))) => DeployOutcome::Rehearsed(replay),
        })
    }

    /// Retires a module's functions, once the state of others is level that read through its upcasters.
    pub async fn remove_module(&self, name: &str, options: DeployOptions) -> Result<RemoveOutcome, DriveError> {
        self.check_writable()?;
        let Some(module) = self.modules().into_iter().find(|module| module.name == name) else {
            return Err(DriveError::Refused(Refused::UnknownModule(name.to_owned())));
        };
        let removal = Wanted::Removal(ReplayedModule { name: module.name, version: module.version, digest: module.digest });
        let options = DeployOptions { rehearse: Rehearse::Skip, ..options };
        Ok(match self.begin_and_wait(removal, ReplayKind::Removal, options).await? {
            (replay, Some(Outcome::Removed(position))) => RemoveOutcome::Removed { position, replay },
            (replay, _) => RemoveOutcome::UnderWay(replay),
        })
    }

    /// Runs what is deployed over recorded history once more, all of it or one function, and holds outputs, state and
    /// rows against what is there. Changes nothing. Answers how it stands when the caller waits no longer.
    pub async fn verify(&self, function: Option<String>, budget_percent: Option<u8>, wait: Duration) -> Result<ReplayInfo, DriveError> {
        self.check_writable()?;
        if let Some(name) = &function
            && !self.reader().functions().get(name).is_some_and(|row| row.status != FunctionStatus::Retired)
        {
            return Err(DriveError::Refused(Refused::UnknownFunction(name.clone())));
        }
        let replay = ReplayOptions { budget_percent, ..ReplayOptions::default() };
        let options = DeployOptions { rehearse: Rehearse::Only, replay, wait, ..DeployOptions::default() };
        let (replay, _) = self.begin_and_wait(Wanted::AsItIs { function }, ReplayKind::Verification, options).await?;
        Ok(replay)
    }

    /// Begins a replay, unless it could only come to nothing, and waits for its end as long as the caller
    /// does.
    async fn begin_and_wait(
        &self,
        wanted: Wanted,
        kind: ReplayKind,
        options: DeployOptions,
    ) -> Result<(ReplayInfo, Option<Outcome>), DriveError> {
        let (inside, wait) = (self.inside().clone(), options.wait);
        let module = wanted.module().map_or_else(|| "what runs".to_owned(), |module| module.name);
        let (task, ended) = blocking(move || {
            wanted.check(&inside, kind)?;
            inside.begin_upgrade(wanted, kind, options)
        })
        .await?;
        match tokio::time::timeout(wait, ended).await {
            Err(_) => Ok((task.info(), None)),
            Ok(Err(_)) if task.is_dropped() => {
                let what = "it was dropped before it had ended, and nothing is changed".to_owned();
                Err(DriveError::Rehearsal { module, replay: task.id.clone(), reason: "dropped", what })
            }
            Ok(Err(_)) => Err(DriveError::Stopping),
            Ok(Ok(end)) => end.map(|outcome| (task.info(), Some(outcome))),
        }
    }
}

impl Inside {
    /// The code of a version that ran before, loaded: the last other than the active one, or that of this
    /// version text.
    fn former(&self, module: &str, to: Option<&str>) -> Result<Upload, DriveError> {
        let rows = self.reader.modules();
        let active = rows.values().find(|row| row.active && row.name == module);
        let Some(active) = active else { return Err(DriveError::Refused(Refused::UnknownModule(module.to_owned()))) };
        let wanted =
            |row: &&Arc<ModuleRow>| row.name == module && row.digest != active.digest && to.is_none_or(|version| row.version == version);
        let Some(row) = rows.values().rev().find(wanted) else {
            let what = match to {
                Some(version) => {
                    format!("module {module} has no other version {version}: `retold modules --history` lists those that there are")
                }
                None => format!("module {module} has never had another version to go back to"),
            };
            return Err(DriveError::Generation { namespace: self.name.clone(), what });
        };
        let snapshot = self.reader.snapshot()?;
        let component = snapshot.component(row.digest)?.ok_or_else(|| {
            DriveError::Unavailable(format!("the code of {module} {} is no longer here: deploy its file again", row.version))
        })?;
        let module = self.modules.load(&component)?;
        Ok(Upload { manifest: row.manifest.clone(), digest: row.digest, component, module })
    }

    /// Begins a replay, and writes it down so that it goes on after a restart.
    fn begin_upgrade(
        self: &Arc<Self>,
        wanted: Wanted,
        kind: ReplayKind,
        options: DeployOptions,
    ) -> Result<(Arc<ReplayTask>, oneshot::Receiver<UpgradeEnd>), DriveError> {
        let (started, files, module) = (clock::now(), &self.replay_files, wanted.module());
        let name = module.as_ref().map_or("", |module| &module.name);
        let target = match &wanted {
            Wanted::AsItIs { function } => function.clone(),
            Wanted::Upload(_) | Wanted::Removal(_) => None,
        };
        let task = self
            .replays
            .add(files, kind, name, |id| ReplayTask::new(id, kind, started, module.clone(), target.clone(), self.space.clone()))?;
        let mut stored = StoredReplay::new(&task.id, kind, module.as_ref(), started, &options);
        stored.function = target;
        let begun = || {
            if let Wanted::Upload(upload) = &wanted {
                files.write_component(&task.id, &upload.component)?;
            }
            files.write(&stored)
        };
        begun().map_err(|error| {
            task.fail("storage", format!("it can't be written down: {error}"));
            io("the replay can't be written down")(error)
        })?;
        let (reply, ended) = oneshot::channel();
        let upgrade = Upgrade { inside: self.clone(), task: task.clone(), wanted, options, stored };
        upgrade.start(move |end| drop(reply.send(end))).map_err(|error| {
            task.fail("failed", format!("its thread can't be started: {error}"));
            io("the thread of the replay can't be started")(error)
        })?;
        Ok((task, ended))
    }

    /// Keeps the files on which replays of an earlier process go on, before others are swept.
    pub fn keep_shadows(&self) {
        for stored in self.replay_files.all().iter().filter(|stored| stored.ended.is_none()) {
            stored.shadows.iter().for_each(|file| self.note_shadow(&stored.id, file));
        }
    }

    /// Goes on with what an earlier process had begun, and shows what has ended.
    pub fn restore_replays(self: &Arc<Self>) {
        for stored in self.replay_files.all() {
            let Some(info) = stored.info() else { continue };
            let (module, target) = (info.module.clone(), info.target.clone());
            let task = ReplayTask::new(stored.id.clone(), stored.kind(), info.started, module, target, self.space.clone());
            let over = info.ended.is_some();
            task.restore(info);
            self.replays.restore(task.clone());
            if over || self.is_frozen() {
                task.note_thread_ended();
                continue;
            }
            if stored.stopped {
                task.stop();
            }
            if let Err(error) = self.go_on_with(task.clone(), stored) {
                task.fail("failed", format!("it could not go on after a restart: {error}"));
                task.note_thread_ended();
            }
        }
    }

    fn go_on_with(self: &Arc<Self>, task: Arc<ReplayTask>, stored: StoredReplay) -> Result<(), DriveError> {
        let wanted = match (task.kind, task.info().module) {
            (ReplayKind::Removal, Some(module)) => {
                if !self.all_modules().iter().any(|(_, info)| info.active && info.name == module.name) {
                    // It was committed, and the host ended before that was written down.
                    task.set_status(ReplayStatus::Done);
                    let mut stored = stored;
                    stored.note(&task.info());
                    return Ok(self.replay_files.write(&stored).map_err(io("its report can't be written down"))?);
                }
                Wanted::Removal(module)
            }
            (ReplayKind::Verification, _) => Wanted::AsItIs { function: stored.function.clone() },
            _ => {
                let component = self.replay_files.component(&stored.id).map_err(io("its code can't be read"))?;
                let module = self.modules.load(&component)?;
                Wanted::Upload(Upload { manifest: module.describe()?, digest: Digest::of(&component), component, module })
            }
        };
        let upgrade = Upgrade { inside: self.clone(), task, wanted, options: stored.options(), stored };
        upgrade.start(|_| {}).map_err(io("the thread of the replay can't be started"))?;
        Ok(())
    }

    /// Whether the operator wants a replay to stand still, also after a restart.
    pub fn note_stopped(&self, task: &ReplayTask) {
        let _turn = self.replay_files.turn();
        if task.kind == ReplayKind::Retelling {
            let word = RetellingWord { stopped: task.is_stopped(), budget_percent: task.budget() };
            if let Err(error) = self.replay_files.write_word(&task.id, word) {
                tracing::warn!(retelling = %task.id, %error, "the operator's word on it can't be written down");
            }
            return;
        }
        if let Some(mut stored) = self.replay_files.all().into_iter().find(|stored| stored.id == task.id) {
            stored.stopped = task.is_stopped();
            if let Err(error) = self.replay_files.write(&stored) {
                tracing::warn!(replay = %task.id, %error, "the operator's word on it can't be written down");
            }
        }
    }
}

//! Deployments, and schemas that operators give. What would not fit the history that there is, is refused
//! before anything is changed; what is recorded while that is looked at is looked at last by the writer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use retold_engine::model::{Digest, EventRef, Manifest, Position, TypePattern};
use retold_engine::store::{Accepted, Filter, ModuleRow, Proposal, Refused, SchemaRow, Snapshot};
use tokio::sync::oneshot;

use super::clock;
use super::committer::{Job, LastLook};
use super::generations::blocking;
use super::host::io;
use super::modules::Upload;
use super::namespace::{Inside, Namespace};
use super::prospect::Wanted;
use super::queue::Cost;
use super::replay_files::{RetellingWord, StoredReplay};
use super::replay_info::{DeployOptions, DeployOutcome, Rehearse, RemoveOutcome, ReplayInfo, ReplayKind, ReplayStatus, ReplayedModule};
use super::replay_task::ReplayTask;
use super::schemas::{SchemaBook, fits};
use super::types::{Deployed, DriveError, ModuleInfo, SchemaRefused};
use super::upgrade::{self, Outcome, Upgrade, UpgradeEnd};
use crate::schema::Schema;

impl Namespace {
    /// Checks and compiles a module, replays it over history, and activates it. Nothing is changed where any
    /// of it fails.
    pub async fn deploy(&self, name: &str, bytes: Bytes, options: DeployOptions) -> Result<DeployOutcome, DriveError> {
        self.check_writable()?;
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

    /// Begins a replay, unless it could only come to nothing, and waits for its end as long as the caller
    /// does.
    async fn begin_and_wait(
        &self,
        wanted: Wanted,
        kind: ReplayKind,
        options: DeployOptions,
    ) -> Result<(ReplayInfo, Option<Outcome>), DriveError> {
        let (inside, wait, module) = (self.inside().clone(), options.wait, wanted.module().name);
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

    /// Gives a type a schema. Every stored event of the type must fit it. Answers whether it is new.
    pub async fn set_schema(&self, r#type: &str, json: &str) -> Result<bool, DriveError> {
        if r#type.is_empty() || r#type.contains(|letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, ',' | '*'))
        {
            let what = format!("{type:?} is no type: use a name such as order.placed, without spaces, commas and asterisks");
            return Err(DriveError::SchemaRefused(SchemaRefused::NotASchema { r#type: r#type.to_owned(), what }));
        }
        let _turn = self.inside().deploying.lock().await;
        let (name, text) = (r#type.to_owned(), json.to_owned());
        let schema = blocking(move || compile(&name, &text)).await?;
        let rows = self.reader().schemas();
        if let Some(row) = rows.get(r#type) {
            if row.json == json && row.module.is_none() {
                return Ok(false);
            }
            let other = Schema::compile(&row.json).ok().and_then(|other| schema.difference(&other));
            if let (Some(place), Some(module)) = (other, row.module) {
                let owner = owner(self.inside(), module);
                return Err(DriveError::SchemaRefused(SchemaRefused::Other { r#type: r#type.to_owned(), owner, place }));
            }
        }
        let schemas = BTreeMap::from([(r#type.to_owned(), schema)]);
        let check = self.looked(move |snapshot, after| history_fits(snapshot, after, &schemas, &BTreeSet::new())).await?;
        let proposal = Proposal::SetSchema { r#type: r#type.to_owned(), schema: Some(json.to_owned()) };
        self.change_after(proposal, Some(check)).await.map(|_| true)
    }

    /// Takes an uploaded schema away.
    pub async fn remove_schema(&self, r#type: &str) -> Result<(), DriveError> {
        let _turn = self.inside().deploying.lock().await;
        if self.reader().schemas().get(r#type).is_none_or(|row| row.module.is_some()) {
            return Err(DriveError::SchemaRefused(SchemaRefused::None { r#type: r#type.to_owned() }));
        }
        self.change_after(Proposal::SetSchema { r#type: r#type.to_owned(), schema: None }, None).await.map(drop)
    }

    /// Looks at history until little is left of it, and answers what the writer has still to look at.
    async fn looked(
        &self,
        look: impl Fn(&Snapshot, Position) -> Result<(), DriveError> + Send + Sync + 'static,
    ) -> Result<LastLook, DriveError> {
        let inside = self.inside().clone();
        blocking(move || {
            let after = upgrade::looked(&inside, &look)?;
            let last: LastLook = Box::new(move |snapshot, proposal| look(snapshot, after).map(|()| proposal));
            Ok(last)
        })
        .await
    }

    async fn change_after(&self, proposal: Proposal, last_look: Option<LastLook>) -> Result<Accepted, DriveError> {
        self.check_writable()?;
        let (reply, answer) = oneshot::channel();
        self.inside().queue.push(Job::Change { proposal: Box::new(proposal), last_look, reply }, Cost { events: 1, bytes: 0 })?;
        answer.await.map_err(|_| DriveError::Stopping)?
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
        let task = self.replays.add(files, kind, &module.name, |id| ReplayTask::new(id, kind, started, Some(module.clone()), None))?;
        let stored = StoredReplay::new(&task.id, kind, (&module.name, &module.version, module.digest), started, &options);
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
            let task = ReplayTask::new(stored.id.clone(), stored.kind(), info.started, info.module.clone(), None);
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

pub fn compile(r#type: &str, json: &str) -> Result<Schema, DriveError> {
    Schema::compile(json)
        .map_err(|error| DriveError::SchemaRefused(SchemaRefused::NotASchema { r#type: r#type.to_owned(), what: error.to_string() }))
}

fn owner(inside: &Inside, module: u32) -> String {
    inside.reader.modules().get(&module).map_or_else(|| "another module".to_owned(), |row| format!("module {:?}", row.name))
}

/// The schemas of a manifest that say something new, compiled; refused where another module, or an
/// operator, has given the type another one.
pub fn new_schemas(inside: &Inside, manifest: &Manifest) -> Result<BTreeMap<String, Schema>, DriveError> {
    let rows = inside.reader.schemas();
    let modules = inside.reader.modules();
    let mut schemas: BTreeMap<String, Schema> = BTreeMap::new();
    for declared in &manifest.schemas {
        let schema = compile(&declared.r#type, &declared.json)?;
        let refuse = |owner: String, place: String| {
            Err(DriveError::SchemaRefused(SchemaRefused::Other { r#type: declared.r#type.clone(), owner, place }))
        };
        if let Some(place) = schemas.get(&declared.r#type).and_then(|other| schema.difference(other)) {
            return refuse("the same manifest".into(), place);
        }
        let uploaded = rows.get(&declared.r#type).filter(|row| row.module.is_none());
        if let Some(place) = uploaded.and_then(|row| Schema::compile(&row.json).ok()).and_then(|other| schema.difference(&other)) {
            return refuse("an operator".into(), place);
        }
        for other in modules.values().filter(|module| module.active && module.name != manifest.name) {
            let same_type = other.manifest.schemas.iter().filter(|other| other.r#type == declared.r#type);
            for theirs in same_type.filter_map(|theirs| Schema::compile(&theirs.json).ok()) {
                if let Some(place) = schema.difference(&theirs) {
                    return refuse(format!("module {:?}", other.name), place);
                }
            }
        }
        schemas.insert(declared.r#type.clone(), schema);
    }
    let known = |name: &str, schema: &Schema| {
        rows.get(name).and_then(|row| Schema::compile(&row.json).ok()).is_some_and(|other| schema.difference(&other).is_none())
    };
    schemas.retain(|name, schema| !known(name, schema));
    Ok(schemas)
}

/// Whether every stored event of these types fits, those after `after`. Those of types in `taken`, which
/// upcasters take, may look as they did: nobody need read them as they are.
pub fn history_fits(
    snapshot: &Snapshot,
    after: Position,
    schemas: &BTreeMap<String, Schema>,
    taken: &BTreeSet<String>,
) -> Result<(), DriveError> {
    let looked_at: Vec<&String> = schemas.keys().filter(|name| !taken.contains(*name)).collect();
    if looked_at.is_empty() {
        return Ok(());
    }
    let filter = Filter::types(looked_at.iter().filter_map(|name| TypePattern::parse(name)));
    let mut refused = None;
    snapshot.scan(after, snapshot.head(), &filter, &mut |event: EventRef<'_>| {
        let Some(schema) = schemas.get(event.r#type) else { return ControlFlow::Continue(()) };
        match fits(schema, event.content_type, event.data) {
            Ok(()) => ControlFlow::Continue(()),
            Err(violation) => {
                refused = Some(SchemaRefused::History {
                    r#type: event.r#type.to_owned(),
                    position: event.position,
                    path: violation.path,
                    what: violation.what,
                });
                ControlFlow::Break(())
            }
        }
    })?;
    refused.map_or(Ok(()), |refused| Err(DriveError::SchemaRefused(refused)))
}

/// The schemas as they would be with these beside them.
pub fn book_with(inside: &Inside, manifest: &Manifest) -> Arc<SchemaBook> {
    let mut rows: BTreeMap<String, SchemaRow> = (*inside.reader.schemas()).clone();
    for declared in &manifest.schemas {
        rows.insert(declared.r#type.clone(), SchemaRow { json: declared.json.clone(), module: None });
    }
    Arc::new(SchemaBook::next(&inside.book(), &rows))
}

//! Retellings begin, go on after a restart, and end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};

use retold_engine::model::{FunctionKind, Kind, Position, Timestamp, TypePattern, timer_source};
use retold_engine::run::{RetellPlan, RetoldModule, Rule, SubjectPattern};
use retold_engine::store::{Filter, Folder, NamespaceRow, Options, Refused, Role, Snapshot, StoreError};
use tokio::sync::watch;

use super::clock;
use super::comparing::Comparing;
use super::generations::blocking;
use super::host::{Host, io};
use super::inside::Inside;
use super::priority::give_way;
use super::replay_files::{RetellingWord, write_whole};
use super::replay_info::{ReplayInfo, ReplayKind, RetellRequest, RetellRule};
use super::replay_task::ReplayTask;
use super::retelling::{Retelling, noted};
use super::retelling_work::Work;
use super::types::DriveError;

/// In the folder of a retelling until it is promoted: what it tells and what not.
const PLAN: &str = "plan";
/// Retelling gives way to everything that lives.
const NICENESS: i32 = 5;

impl Host {
    /// Begins a retelling. It follows its base until it is promoted or dropped.
    pub async fn retell(&self, request: RetellRequest) -> Result<ReplayInfo, DriveError> {
        self.in_turn(move |host| blocking(move || host.retell_now(request))).await
    }

    fn retell_now(&self, request: RetellRequest) -> Result<ReplayInfo, DriveError> {
        self.check_new_name(&request.name)?;
        self.check_space()?;
        let base_row = self.row(&request.base)?;
        if !matches!(base_row.role, Role::Own | Role::Fork { .. }) {
            let what = format!("{} is not live, and only what is live is retold: retell the namespace that it is of", request.base);
            return Err(DriveError::Generation { namespace: request.base, what });
        }
        let base = self.open_in(&base_row.folder).ok_or_else(|| DriveError::UnknownNamespace(request.base.clone()))?;
        let plan = plan(&base, &request)?;
        let folder = self.catalogue().next_folder(&request.name)?;
        // What the base has erased stays erased under the same key.
        let options = Options { forget_key: base.reader.forget_key(), holds_filters: false, ..self.store_options()? };
        let store = self.open_store(&folder, Some(options))?;
        // Not into the catalogue: it may name who is to be forgotten, and what was in a database stays in its
        // free pages.
        write_whole(&self.0.options.data.join(&folder), PLAN, &plan.encode()).map_err(io("the plan can't be written"))?;
        let row = NamespaceRow {
            role: Role::Retelling { base: request.base.clone(), base_folder: base_row.folder, plan: Vec::new() },
            ..NamespaceRow::own(&request.name, folder, clock::now())
        };
        self.catalogue().set(&row)?;
        let word = RetellingWord { stopped: false, budget_percent: request.budget_percent };
        base.replay_files.write_word(&request.name, word).map_err(io("the budget can't be written down"))?;
        self.start(&row, store)?;
        self.name_all()?;
        self.resume_retelling(&row)?;
        let retelling = self.retellings().get(&row.folder).cloned().ok_or(DriveError::Stopping)?;
        Ok(retelling.task.info())
    }

    /// Goes on with a retelling that is in the catalogue.
    pub(super) fn resume_retelling(&self, row: &NamespaceRow) -> Result<(), DriveError> {
        let Role::Retelling { base, base_folder, .. } = &row.role else {
            // A promotion may have been cut off before the plan was gone.
            self.forget_plan(&row.folder);
            return Ok(());
        };
        let (Some(base_inside), Some(target)) = (self.open_in(base_folder), self.open_in(&row.folder)) else { return Ok(()) };
        let task =
            ReplayTask::new(row.name.clone(), ReplayKind::Retelling, row.created, None, Some(row.name.clone()), target.space.clone());
        let Some(store) = target.take_store() else { return Ok(()) };
        let plan = std::fs::read(self.0.options.data.join(&row.folder).join(PLAN)).map_err(io("the plan of a retelling can't be read"))?;
        let plan = RetellPlan::decode(&plan).map_err(StoreError::malformed(PLAN, Position::START))?;
        for module in &plan.modules {
            if target.guest(module.digest).is_none() {
                target.set_guest(module.digest, target.modules.load(&module.component)?);
            }
        }
        let info = noted(base, target.reader.note()?.as_deref());
        task.set_retelling(info.clone());
        let word = base_inside.replay_files.word(&row.name);
        task.set_budget(word.budget_percent);
        if word.stopped {
            task.stop();
        }
        let base_row = self.row(base)?;
        let folder: Arc<dyn Folder> = self.folder(&row.folder)?;
        let comparing = Comparing::mapped([base, &row.name], base_row.generation, &base_inside, &target, folder)?;
        let (orders, received) = channel();
        let shared = Arc::new(Retelling {
            task: task.clone(),
            base: base_inside,
            target,
            orders: std::sync::Mutex::new(orders),
            comparing: std::sync::Mutex::new(comparing),
            compared: watch::Sender::new(false),
            level_at: AtomicU64::new(0),
        });
        shared.base.replays.add_retelling(task.clone());
        self.retellings().insert(row.folder.clone(), shared.clone());
        let work = Work::new(shared, store, plan, info, received);
        let thread = std::thread::Builder::new().name(format!("retelling-{}", row.name)).spawn(move || {
            give_way(NICENESS);
            work.run();
        });
        self.keep_thread(thread.map_err(io("the thread of the retelling can't be started"))?);
        Ok(())
    }

    /// What was told by it is told; it may name who was to be forgotten.
    pub(super) fn forget_plan(&self, folder: &str) {
        match std::fs::remove_file(self.0.options.data.join(folder).join(PLAN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%folder, %error, "the plan of a retelling can't be removed: remove it by hand");
            }
            _ => {}
        }
    }

    pub(super) fn retellings(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<String, Arc<Retelling>>> {
        self.0.retellings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread of a retelling, if there is one in the folder.
    pub(super) fn end_retelling(&self, folder: &str) {
        if let Some(retelling) = self.retellings().remove(folder) {
            retelling.base.replays.remove_retelling(&retelling.task.id);
            retelling.base.replay_files.remove_word(&retelling.task.id);
            retelling.task.drop_it();
        }
    }

    /// Ends all replays' threads, so that the host can stop.
    pub(super) fn end_replays(&self) {
        self.retellings().values().for_each(|retelling| retelling.task.drop_it());
        self.namespaces().iter().for_each(|namespace| namespace.inside().replays.end_all());
    }
}

/// The modules of the new log, and what of the old one goes into it.
fn plan(base: &Inside, request: &RetellRequest) -> Result<RetellPlan, DriveError> {
    let snapshot = base.reader.snapshot()?;
    let mut plan = RetellPlan::default();
    for name in &request.without {
        if !snapshot.modules().any(|module| module.active && module.name == *name) {
            return Err(DriveError::Refused(Refused::UnknownModule(name.clone())));
        }
    }
    let mut uploads = Vec::new();
    for (name, bytes) in &request.modules {
        uploads.push(base.modules.upload(Some(name.as_str()).filter(|name| !name.is_empty()), bytes)?);
    }
    for module in snapshot.modules().filter(|module| module.active && !request.without.contains(&module.name)) {
        if uploads.iter().any(|upload| upload.manifest.name == module.name) {
            continue;
        }
        let component = snapshot.component(module.digest)?.ok_or_else(|| {
            DriveError::Unavailable(format!(
                "the code of module {} is missing: deploy it again, or give it with the retelling",
                module.name
            ))
        })?;
        plan.modules.push(RetoldModule { manifest: module.manifest.clone(), digest: module.digest, component });
    }
    plan.modules.extend(uploads.into_iter().map(|upload| RetoldModule {
        manifest: upload.manifest,
        digest: upload.digest,
        component: upload.component,
    }));
    let told = |name: &str| plan.modules.iter().any(|module| module.manifest.functions.iter().any(|function| function.name == name));
    let late = snapshot.functions().filter(|row| row.start > Position::START && row.manifest.kind == FunctionKind::Handler);
    plan.starts = late.filter(|row| told(&row.name)).map(|row| (row.name.clone(), row.start)).collect();
    plan.scheduled = scheduled(&snapshot)?;
    plan.drop = request.drop.iter().map(rule).collect::<Result<_, _>>()?;
    plan.keep = request.keep.iter().map(rule).collect::<Result<_, _>>()?;
    plan.forget = request.forget.iter().map(|subject| SubjectPattern::parse(subject)).collect();
    Ok(plan)
}

/// When each schedule came first; one that has not come yet, when it will.
fn scheduled(base: &Snapshot) -> Result<BTreeMap<(String, String), Timestamp>, DriveError> {
    let next = base.schedules()?.into_iter().map(|row| ((row.function, row.key), row.next.due));
    let mut first: BTreeMap<(String, String), Timestamp> = next.collect();
    for function in base.functions() {
        let source = timer_source(&function.name);
        for schedule in &function.manifest.schedules {
            let types = vec![TypePattern::Exact(schedule.r#type.clone())];
            let filter = Filter { types, subjects: vec![schedule.key.clone()], kind: Some(Kind::Event), ..Filter::default() };
            base.scan(Position::START, base.head(), &filter, &mut |event| {
                if event.source != source || event.cause.is_some() {
                    return ControlFlow::Continue(());
                }
                first.insert((function.name.clone(), schedule.key.clone()), event.time);
                ControlFlow::Break(())
            })?;
        }
    }
    Ok(first)
}

fn rule(rule: &RetellRule) -> Result<Rule, DriveError> {
    let r#type = match &rule.r#type {
        None => None,
        Some(text) => Some(TypePattern::parse(text).ok_or_else(|| {
            DriveError::Name(format!(
                "{text:?} is no event type: use one such as order.placed, or a pattern that ends in *, such as order.*"
            ))
        })?),
    };
    Ok(Rule {
        r#type,
        subject: rule.subject.as_deref().map(SubjectPattern::parse),
        tag: rule.tag.clone(),
        positions: None,
        times: rule.before.map(|before| (Timestamp::default(), before)),
    })
}

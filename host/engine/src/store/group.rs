//! A group: proposals judged one after the other, each seeing those before it, and none of it
//! written yet. A refused one leaves no trace.

use std::collections::VecDeque;
use std::sync::{Arc, RwLockWriteGuard};

use super::error::StoreError;
use super::mirror::Mirror;
use super::proposal::{Accepted, Append, Appended, Control, Deploy, Different, Proposal, Reacted, Refused, SubjectSnapshot};
use super::shared::{Shared, View};
use super::tail::{Indexed, Tail};
use super::terms::HashedMap;
use super::upcasting::Upcasting;
use crate::model::{
    Commit, Digest, EventRef, FunctionKind, Kind, NewEvent, Plan, PlanMode, Position, Processing, Record, RecordBuilder, StatePart,
    function_source, limits,
};

use super::function::FunctionStatus;

/// Where a record of a group ends and the next one begins: small enough that one event is read
/// without much beside it.
const RECORD_BYTES: usize = 256 << 10;
/// Records of known events at hand while repeats are compared.
const CACHED_RECORDS: usize = 8;
/// Broken streams remembered; each has but a few parts under way when it breaks.
const BROKEN_STREAMS: usize = 1_024;

pub fn note_broken(broken: &mut VecDeque<u64>, stream: u64) {
    if broken.len() == BROKEN_STREAMS {
        broken.pop_front();
    }
    broken.push_back(stream);
}

pub struct Group<'a> {
    pub shared: &'a Shared,
    pub view: Arc<View>,
    pub tail: RwLockWriteGuard<'a, Tail>,
    pub mirror: &'a mut Mirror,
    pub cache: &'a mut Vec<Arc<Record>>,
    /// Streams of which a part was refused, the latest last.
    pub broken: &'a mut VecDeque<u64>,
    pub builder: RecordBuilder,
    pub state: StatePart,
    /// Folded states to keep: no part of any commit, as anybody can make them again.
    pub snapshots: Vec<SubjectSnapshot>,
    pub finished: Vec<Commit>,
    pub chain: Digest,
}

impl Group<'_> {
    /// Judges one proposal. `Err` is the host's own trouble; nothing of the group is written then.
    pub fn judge(&mut self, proposal: Proposal) -> Result<Result<Accepted, Refused>, StoreError> {
        let answer = match proposal {
            Proposal::Append(append) => self.append_in_stream(append).map(|answer| answer.map(Accepted::Appended)),
            Proposal::Reaction(plan) => self.react(plan).map(|answer| answer.map(Accepted::Reacted)),
            Proposal::Deploy(deploy) => self.deploy(deploy),
            Proposal::Remove { module } => self.remove(&module),
            Proposal::Control { function, control } => self.control(&function, control),
            Proposal::Decide(decision) => self.decide(decision).map(|answer| answer.map(Accepted::Decided)),
            Proposal::Snapshot(snapshot) => Ok(self.keep_snapshot(snapshot).map(|()| Accepted::Kept)),
            Proposal::SetSchema { r#type, schema } => Ok(self.set_schema(r#type, schema)),
        };
        if self.builder.bytes() >= RECORD_BYTES {
            self.finish_record();
        }
        answer
    }

    /// Closes the open record, if there is anything in it.
    pub fn finish_record(&mut self) {
        if self.builder.is_empty() {
            return;
        }
        let commit = self.view.commit + 1 + self.finished.len() as u64;
        let next = RecordBuilder::new(commit + 1, self.builder.next(), self.builder.recorded());
        let record = std::mem::replace(&mut self.builder, next).finish(self.chain);
        assert_eq!(record.commit, commit, "gap in the commits");
        self.chain = record.chain;
        self.finished.push(Commit { record, state: std::mem::take(&mut self.state) });
    }

    pub fn process(&mut self, entry: &Processing) {
        self.builder.add_processing(entry);
        self.mirror.apply(entry).expect("the entry was made here");
    }

    // Append.

    fn append_in_stream(&mut self, append: Append) -> Result<Result<Appended, Refused>, StoreError> {
        let Some(stream) = append.stream else { return self.append(append) };
        if self.broken.contains(&stream) {
            return Ok(Err(Refused::StreamBroken));
        }
        let answer = self.append(append)?;
        if answer.is_err() {
            note_broken(self.broken, stream);
        }
        Ok(answer)
    }

    fn append(&mut self, append: Append) -> Result<Result<Appended, Refused>, StoreError> {
        if let Err(refused) = check_append(&append) {
            return Ok(Err(refused));
        }
        let hashes: Vec<u64> = append.events.iter().map(|event| self.shared.hasher.id(&event.source, &event.id)).collect();
        let mut known: Vec<Known> = match self.known(&append.events, &hashes)? {
            Ok(known) => known,
            Err(refused) => return Ok(Err(refused)),
        };
        let new = known.iter().filter(|known| matches!(known, Known::New)).count();
        if new > 0
            && let Some(condition) = &append.condition
            && let Some(found) = self.first_match(condition)?
        {
            return Ok(Err(Refused::Condition { after: condition.after, found }));
        }
        let mut positions = Vec::with_capacity(known.len());
        for (index, event) in append.events.iter().enumerate() {
            let position = match std::mem::replace(&mut known[index], Known::New) {
                Known::At(position) => position,
                Known::SameAs(earlier) => positions[earlier],
                Known::New => self.add(hashes[index], event),
            };
            positions.push(position);
        }
        Ok(Ok(Appended { positions, new }))
    }

    fn add(&mut self, hash: u64, event: &NewEvent) -> Position {
        let position = self.builder.add_source(event);
        self.index(position, hash, (Kind::Event, &event.r#type, &event.subject), &event.tags);
        position
    }

    /// Enters what was just added into the tail's index.
    pub fn index(&mut self, position: Position, id_hash: u64, (kind, r#type, subject): (Kind, &str, &str), tags: &[String]) {
        let entry = Indexed { id_hash, kind, r#type, subject };
        self.tail.push(&self.shared.hasher, position, entry, tags.iter().map(String::as_str));
    }

    /// Which of the events the log or the request itself has already.
    fn known(&mut self, events: &[NewEvent], hashes: &[u64]) -> Result<Result<Vec<Known>, Refused>, StoreError> {
        let mut known = Vec::with_capacity(events.len());
        let mut here: HashedMap<usize> = HashedMap::default();
        let suspects = self.suspects(hashes);
        for (index, event) in events.iter().enumerate() {
            let mut found = Known::New;
            for position in self.positions(hashes[index], suspects[index])? {
                let judged = self.with_event(position, |stored| {
                    (stored.source == event.source && stored.id == event.id).then(|| stored.same_content(Kind::Event, event))
                })?;
                match judged {
                    None => {}
                    Some(true) => found = Known::At(position),
                    Some(false) => return Ok(Err(content_refused(index, event, position))),
                }
            }
            if events.len() > 1
                && matches!(found, Known::New)
                && let Some(earlier) = here.insert(hashes[index], index)
            {
                let other = &events[earlier];
                if other.source == event.source && other.id == event.id {
                    here.insert(hashes[index], earlier);
                    if !same_request_content(other, event) {
                        return Ok(Err(content_refused(index, event, self.builder.next())));
                    }
                    found = Known::SameAs(earlier);
                }
            }
            known.push(found);
        }
        Ok(Ok(known))
    }

    /// Which hashes some segment may hold. Filter by filter, so that the processor can look up many
    /// at once.
    pub fn suspects(&self, hashes: &[u64]) -> Vec<bool> {
        let mut suspects = vec![false; hashes.len()];
        for segment in self.view.segments.iter() {
            for (suspect, hash) in suspects.iter_mut().zip(hashes) {
                *suspect |= segment.may_hold(*hash);
            }
        }
        suspects
    }

    pub fn positions(&self, hash: u64, suspect: bool) -> Result<Vec<Position>, StoreError> {
        let mut positions: Vec<Position> = self.tail.with_id(hash).collect();
        if suspect {
            for segment in self.view.segments.iter().rev() {
                positions.extend(segment.with_id(hash)?);
            }
        }
        Ok(positions)
    }

    /// Shows `look` the event at a position, wherever it is by now.
    pub fn with_event<T>(&mut self, position: Position, look: impl FnOnce(&EventRef<'_>) -> T) -> Result<T, StoreError> {
        let missing = || StoreError::Damaged { file: "the log".into(), position, what: "the event is missing".into() };
        if position >= self.builder.first() {
            return self.builder.event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        let holds = |record: &Record| record.first <= position && position <= record.last();
        if let Some(commit) = self.finished.iter().rev().find(|commit| holds(&commit.record)) {
            return commit.record.event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        if let Some(at) = self.cache.iter().position(|record| holds(record)) {
            return self.cache[at].event(position).map(|event| look(&event)).ok_or_else(missing);
        }
        let record = match self.tail.recent(position) {
            Some(record) => record,
            None => self.shared.stored_record(&self.view, position)?,
        };
        if self.cache.len() >= CACHED_RECORDS {
            self.cache.remove(0);
        }
        self.cache.push(record.clone());
        record.event(position).map(|event| look(&event)).ok_or_else(missing)
    }

    // Reactions.

    fn react(&mut self, plan: Plan) -> Result<Result<Reacted, Refused>, StoreError> {
        let stale = |why| Ok(Err(Refused::Stale { function: plan.function.clone(), why }));
        let Some(row) = self.mirror.function(&plan.function) else { return Ok(Err(Refused::UnknownFunction(plan.function))) };
        if row.status != FunctionStatus::Active {
            return stale("it is not active");
        }
        if row.module != plan.module {
            return stale("another module version runs it now");
        }
        if row.epoch != plan.epoch {
            return stale("it was changed by an operator");
        }
        if row.cursor != plan.from {
            return stale("its cursor is elsewhere");
        }
        // Another plan may have led to the same cursor with other state.
        if plan.stands_on.is_some() && plan.stands_on != row.standing {
            return stale("the plan it stands on was not committed");
        }
        let mut reacted = Reacted {
            function: plan.function.clone(),
            parked: plan.parked.iter().map(|parked| parked.position).collect(),
            ..Reacted::default()
        };
        if !matches!(plan.mode, PlanMode::Rebuild { .. }) {
            let source = function_source(&plan.function);
            for output in &plan.emitted {
                let hash = self.shared.hasher.id(&source, &output.id);
                let suspect = self.suspects(&[hash])[0];
                let mut found = None;
                for position in self.positions(hash, suspect)? {
                    let same = self.with_event(position, |stored| {
                        (stored.source == source && stored.id == output.id).then(|| {
                            stored.r#type == output.r#type
                                && stored.subject == output.subject
                                && stored.data == output.data
                                && stored.content_type == output.content_type
                                && stored.tags().eq(output.tags.iter().map(String::as_str))
                        })
                    })?;
                    if let Some(same) = same {
                        found = Some(position);
                        if !same {
                            reacted.different.push(Different { id: output.id.clone(), position });
                        }
                    }
                }
                let position = match found {
                    Some(position) => position,
                    None => {
                        let position = self.builder.add_derived(&source, plan.module, output);
                        self.index(position, hash, (Kind::Event, &output.r#type, &output.subject), &output.tags);
                        position
                    }
                };
                reacted.outputs.push((output.cause, position));
            }
        }
        reacted.handled = plan.handled;
        self.process(&Processing::Reaction {
            function: plan.function.clone(),
            module: plan.module,
            from: plan.from,
            to: plan.to,
            rebuild: match plan.mode {
                PlanMode::Rebuild { through_commit } => Some(through_commit),
                PlanMode::Live | PlanMode::Release => None,
            },
            state: plan.state_digest,
            parked: plan.parked,
            unparked: plan.unparked,
            halted: plan.halted,
        });
        if !plan.state.is_empty() {
            self.state.writes.push((plan.function, plan.state));
        }
        Ok(Ok(reacted))
    }

    // Deployments and control.

    fn deploy(&mut self, deploy: Deploy) -> Result<Result<Accepted, Refused>, StoreError> {
        let manifest = &deploy.manifest;
        if let Some(active) = self.mirror.active_module(&manifest.name)
            && active.digest == deploy.digest
        {
            return Ok(Ok(Accepted::Deployed { module: active.ordinal, position: active.deployed_at, unchanged: true }));
        }
        let mut total = self.mirror.functions.len();
        for function in &manifest.functions {
            let Some(row) = self.mirror.function(&function.name) else {
                total += 1;
                continue;
            };
            let owner = self.mirror.modules.get(&row.module);
            if let Some(owner) = owner.filter(|owner| owner.name != manifest.name) {
                return Ok(Err(Refused::NameTaken { function: function.name.clone(), owner: owner.name.clone() }));
            }
            let other_code = owner.is_some_and(|owner| owner.digest != deploy.digest);
            if other_code && self.has_state(row.ordinal, &function.name)? {
                return Ok(Err(Refused::HasState { module: manifest.name.clone(), function: function.name.clone() }));
            }
        }
        if let Some(refused) = self.command_taken(manifest) {
            return Ok(Err(refused));
        }
        if total > limits::FUNCTIONS_PER_NAMESPACE_MAX {
            return Ok(Err(Refused::TooManyFunctions { found: total, max: limits::FUNCTIONS_PER_NAMESPACE_MAX }));
        }
        let module = self.mirror.next_module();
        if let Err(refused) = self.check_upcasting(&Processing::Deployed {
            module,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: deploy.digest,
            manifest: manifest.encode(),
            at: self.builder.next(),
        })? {
            return Ok(Err(refused));
        }
        let position = self.add_record("retold.module.deployed", &manifest.name, &deployed_json(&deploy));
        self.process(&Processing::Deployed {
            module,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: deploy.digest,
            manifest: manifest.encode(),
            at: position,
        });
        self.state.modules.push((deploy.digest, deploy.component));
        Ok(Ok(Accepted::Deployed { module, position, unchanged: false }))
    }

    /// Whether the upcasters that a deployment or a removal would leave fit together, and with the state
    /// that functions have.
    fn check_upcasting(&self, entry: &Processing) -> Result<Result<(), Refused>, StoreError> {
        let mut after = self.mirror.clone();
        after.apply(entry).expect("the entry was made here");
        if after.upcasting.is_empty() && self.mirror.upcasting.is_empty() {
            return Ok(Ok(()));
        }
        if let Err(refused) = Upcasting::check(after.functions.values()) {
            return Ok(Err(refused));
        }
        for row in self.mirror.functions.values().filter(|row| row.manifest.kind == FunctionKind::Handler) {
            let patterns: Vec<_> = row.patterns().collect();
            // Its own module's upcasters come and go with it: other code of it is refused for its state anyway.
            let own = self.mirror.modules.get(&row.module).map(|module| &module.name);
            let passed = |mirror: &Mirror| -> Vec<(String, String, Option<Digest>)> {
                let module = |ordinal: u32| mirror.modules.get(&ordinal);
                let passed = mirror.upcasting.passed(&patterns).into_iter();
                passed
                    .filter(|(_, upcaster)| module(upcaster.module).map(|module| &module.name) != own)
                    .map(|(taken, upcaster)| (taken, upcaster.function.clone(), module(upcaster.module).map(|module| module.digest)))
                    .collect()
            };
            let (before, after) = (passed(self.mirror), passed(&after));
            let differs = after.iter().find(|passed| !before.contains(passed)).or(before.iter().find(|passed| !after.contains(passed)));
            if let Some((_, upcaster, _)) = differs
                && self.has_state(row.ordinal, &row.name)?
            {
                return Ok(Err(Refused::ReadsDifferently { function: row.name.clone(), upcaster: upcaster.clone() }));
            }
        }
        Ok(Ok(()))
    }

    fn has_state(&self, ordinal: u32, function: &str) -> Result<bool, StoreError> {
        let in_group = self
            .finished
            .iter()
            .map(|commit| &commit.state)
            .chain([&self.state])
            .any(|state| state.writes.iter().any(|(name, _)| name == function));
        Ok(in_group || self.shared.has_state(ordinal)?)
    }

    pub fn add_record(&mut self, r#type: &str, subject: &str, data: &str) -> Position {
        let source = "/retold/host";
        let position = self.builder.add_record(source, r#type, subject, data.as_bytes());
        let hash = self.shared.hasher.id(source, &position.to_string());
        self.index(position, hash, (Kind::Event, r#type, subject), &[]);
        position
    }

    fn remove(&mut self, module: &str) -> Result<Result<Accepted, Refused>, StoreError> {
        if self.mirror.active_module(module).is_none() {
            return Ok(Err(Refused::UnknownModule(module.to_owned())));
        }
        if let Err(refused) = self.check_upcasting(&Processing::Removed { name: module.to_owned() })? {
            return Ok(Err(refused));
        }
        let position = self.add_record("retold.module.removed", module, &format!("{{\"module\":{}}}", json_text(module)));
        self.process(&Processing::Removed { name: module.to_owned() });
        Ok(Ok(Accepted::Removed { position }))
    }

    fn control(&mut self, function: &str, control: Control) -> Result<Result<Accepted, Refused>, StoreError> {
        let Some(row) = self.mirror.function(function).cloned() else { return Ok(Err(Refused::UnknownFunction(function.to_owned()))) };
        let refuse = |why: String| Ok(Err(Refused::Control { function: function.to_owned(), why }));
        if row.status == FunctionStatus::Retired {
            return refuse("it is retired: deploy a module version that has it".into());
        }
        if row.manifest.kind == FunctionKind::Upcaster {
            return refuse("an upcaster works whenever an old event is read: remove its module to end that".into());
        }
        if let (Control::Rewind(_) | Control::Release { .. }, Some(why)) = (&control, no_cursor(row.manifest.kind)) {
            return refuse(why.into());
        }
        let function = function.to_owned();
        let entry = match control {
            Control::Pause if row.status == FunctionStatus::Paused => return Ok(Ok(Accepted::Controlled { parked: row.parked })),
            Control::Pause => Processing::Paused { function },
            Control::Resume if row.is_active() => return Ok(Ok(Accepted::Controlled { parked: row.parked })),
            Control::Resume => Processing::Resumed { function },
            Control::Rewind(_) if row.rebuild.is_some() => return refuse("its state is being rebuilt: wait until that is done".into()),
            Control::Rewind(to) if to > row.cursor => {
                return refuse(format!("its cursor is {}, before {to}: a rewind goes back only", row.cursor));
            }
            Control::Rewind(to) if to < row.start => {
                return refuse(format!("it began to read after {}: rewind to that or later", row.start));
            }
            Control::Rewind(to) => Processing::Rewound { function, to, rebuild: row.stateful },
            Control::Release { subject } => Processing::Released { function, subject },
        };
        self.process(&entry);
        Ok(Ok(Accepted::Controlled { parked: row.parked }))
    }
}

enum Known {
    New,
    At(Position),
    /// As an earlier one in the request.
    SameAs(usize),
}

fn check_append(append: &Append) -> Result<(), Refused> {
    let too_large = |what, found, max| if found > max { Err(Refused::TooLarge { what, found, max }) } else { Ok(()) };
    too_large("events", append.events.len(), limits::EVENTS_PER_APPEND_MAX)?;
    too_large("bytes", append.events.iter().map(NewEvent::bytes).sum(), limits::APPEND_BYTES_MAX)?;
    if let Some(condition) = &append.condition {
        too_large("condition terms", condition.types.len() + condition.subjects.len() + condition.tags.len(), limits::FILTER_TERMS_MAX)?;
    }
    for (index, event) in append.events.iter().enumerate() {
        event.check().map_err(|(field, what)| Refused::Field { index, field, what })?;
    }
    Ok(())
}

/// Why a function of this kind can't be sent back in the log, nor parks anything.
fn no_cursor(kind: FunctionKind) -> Option<&'static str> {
    match kind {
        FunctionKind::Handler => None,
        FunctionKind::Aggregate => {
            Some("an aggregate has no place in the log to go back from, and parks nothing: its state is folded when it is asked")
        }
        FunctionKind::View => Some("a view parks nothing, and is built anew as a whole: deploy it again, or delete its file and restart"),
        FunctionKind::Upcaster | FunctionKind::Ingress => Some("it has no place in the log to go back from, and parks nothing"),
    }
}

pub fn content_refused(index: usize, event: &NewEvent, position: Position) -> Refused {
    Refused::Content { index, id: event.id.clone(), source_attribute: event.source.clone(), position }
}

fn same_request_content(one: &NewEvent, other: &NewEvent) -> bool {
    one.r#type == other.r#type
        && one.subject == other.subject
        && one.data == other.data
        && one.content_type == other.content_type
        && one.tags == other.tags
        && one.time == other.time
}

fn deployed_json(deploy: &Deploy) -> String {
    let functions: Vec<String> = deploy.manifest.functions.iter().map(|function| json_text(&function.name)).collect();
    format!(
        "{{\"module\":{},\"version\":{},\"digest\":\"sha256:{}\",\"functions\":[{}]}}",
        json_text(&deploy.manifest.name),
        json_text(&deploy.manifest.version),
        deploy.digest,
        functions.join(",")
    )
}

/// A text as JSON writes it (RFC 8259, section 7).
pub fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

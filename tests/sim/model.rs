//! The reference: what a namespace must be, out of nothing but its records in order. It is fed every
//! record, and refuses one that breaks a guarantee: a gap, a doubled id, an output that doesn't follow
//! from what was handled, a cursor and outputs that disagree, a subject out of order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use retold_engine::model::{
    Class, CommandDraft, DerivedId, Digest, Event, EventDraft, FailurePolicy, FunctionKind, Kind, Manifest, NewEvent, Output, OutputKind,
    ParkedEvent, Plan, PlanMode, Position, Processing, Record, StateWrite, Timestamp, TypePattern, WhichParked, derived_id, limits,
};

use crate::guests::{Function, MODULES, ModelCalls, Seen, behave, can_fail};
use crate::stock::{self, Stock};
use crate::upcasting::Code;

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The event at position 1 is the first.
    pub log: Vec<Event>,
    pub ids: BTreeMap<(String, String), Position>,
    /// Events from clients, as they were accepted.
    pub accepted: BTreeMap<(String, String), NewEvent>,
    /// Commands as they were accepted, with their places.
    pub asked: BTreeMap<(String, String), (NewEvent, Position, Vec<Position>)>,
    pub uploaded: BTreeMap<String, String>,
    pub commit: u64,
    pub chain: Digest0,
    pub recorded: Timestamp,
    pub functions: BTreeMap<String, Row>,
    pub modules: BTreeMap<u32, Version>,
    /// Known outputs that were made again with other content since this was last taken.
    pub different: RefCell<Vec<Position>>,
    /// Functions whose state was made ready for the code that is deployed next.
    pub ready: BTreeSet<String>,
    /// Commands that functions sent and that some aggregate has dealt with, and up to where each type is.
    pub dealt: BTreeSet<Position>,
    pub decided: BTreeMap<String, Position>,
    /// What the code of each function was, by its identity: all functions and modules as they stood with it.
    pub codes: BTreeMap<(String, Digest), Rc<Model>>,
}

/// A digest that begins as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest0(pub Digest);

impl Default for Digest0 {
    fn default() -> Self {
        Digest0(Digest::ZERO)
    }
}

/// A subject's stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub stock: Stock,
    pub events: u64,
    /// The last event that counts.
    pub last: Position,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub name: String,
    pub version: u8,
    pub digest: Digest,
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    Paused,
    Halted(Position),
    Retired,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub module: u32,
    pub version: u8,
    pub function: Function,
    pub status: Status,
    pub start: Position,
    pub cursor: Position,
    /// Where a rebuild of the state ends.
    pub rebuilding: Option<Position>,
    pub parked: BTreeMap<Position, Parked>,
    /// What was given up at an operator's word.
    pub skipped: BTreeSet<Position>,
    /// What was handled, in the order in which it was.
    pub applied: Vec<Position>,
    pub state: BTreeMap<String, Vec<u8>>,
    /// Whether it ever wrote any.
    pub wrote: bool,
    /// What the state is made by.
    pub code: Code,
    /// Codes that took over when no state was ever written, and so without a replay, each with how much was handled by then: none of
    /// that is in their state, though they might have made some of it.
    pub begun_empty: Vec<(Code, usize)>,
    /// How much was handled after commits that changed that, and the commit of the last rewind.
    pub history: Vec<(u64, usize)>,
    pub rewound: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub subject: String,
    pub reason: String,
    pub released: bool,
}

impl Row {
    pub fn subscribes(&self, r#type: &str) -> bool {
        self.function.subscribes.iter().any(|pattern| TypePattern::parse(pattern).is_some_and(|pattern| pattern.matches(r#type)))
    }

    pub fn is_aggregate(&self) -> bool {
        self.function.kind == FunctionKind::Aggregate
    }

    pub fn is_handler(&self) -> bool {
        self.function.kind == FunctionKind::Handler
    }

    pub fn holds_back(&self, subject: &str) -> bool {
        !subject.is_empty() && self.parked.values().any(|parked| parked.subject == subject)
    }

    pub fn park(&mut self, event: &ParkedEvent) {
        // One that was released alone lets none behind it go.
        let last = self.parked.values().rev().find(|other| !event.subject.is_empty() && other.subject == event.subject);
        let released = last.is_some_and(|last| last.released);
        self.parked.insert(event.position, Parked { subject: event.subject.clone(), reason: event.reason.clone(), released });
    }
}

impl Row {
    fn meant(&self, which: &WhichParked) -> Vec<Position> {
        let is_meant = |position: &Position, parked: &Parked| match which {
            WhichParked::All => true,
            WhichParked::Subject(subject) => *subject == parked.subject,
            WhichParked::One(one) => one == position,
        };
        self.parked.iter().filter(|(position, parked)| is_meant(position, parked)).map(|(position, _)| *position).collect()
    }
}

impl Model {
    pub fn head(&self) -> Position {
        Position(self.log.len() as u64)
    }

    /// Where a fork at a position really parts: a command and what was decided on it stay together.
    pub fn before_decision(&self, at: Position) -> Position {
        let next = self.log.get(at.0 as usize).and_then(|next| next.cause);
        match next.filter(|cause| *cause <= at && self.event(*cause).kind == retold_engine::model::Kind::Command) {
            Some(command) if self.event(command).class == Class::Source => Position(command.0 - 1),
            // What comes of one that a function sent stays together.
            Some(command) => {
                let apart = |at: &u64| *at > command.0 && self.event(Position(*at)).cause == Some(command);
                Position((0..at.0).rev().map(|back| back + 1).find(|at| !apart(at)).unwrap_or(0))
            }
            None => at,
        }
    }

    pub fn event(&self, position: Position) -> &Event {
        &self.log[position.0 as usize - 1]
    }

    /// Takes the next record.
    pub fn feed(&mut self, record: &Record) {
        assert_eq!(record.commit, self.commit + 1, "a commit is missing or came twice");
        assert_eq!(record.first, self.head().next(), "positions have a gap");
        assert!(record.follows(self.chain.0), "the chain is broken at commit {}", record.commit);
        assert!(record.recorded >= self.recorded, "recorded time went back from {:?} to {:?}", self.recorded, record.recorded);
        let events: Vec<Event> = record.events().map(|event| event.to_event()).collect();
        assert_eq!(events.len(), record.count as usize, "an event of the record can't be read");
        for event in &events {
            assert_eq!(event.position, self.head().next());
            assert_eq!(event.recorded, record.recorded);
            let before = self.ids.insert((event.source.clone(), event.id.clone()), event.position);
            assert_eq!(before, None, "the id {:?} of {} is there twice, again at {}", event.id, event.source, event.position);
            self.log.push(event.clone());
        }
        self.check_commands(&events);
        let mut derived: VecDeque<&Event> = events.iter().filter(|event| event.class == Class::Derived).collect();
        for entry in record.processing().expect("processing entries can be read") {
            self.process(entry, record.first, &mut derived);
        }
        assert!(derived.is_empty(), "derived events that follow from nothing: {derived:?}");
        self.note_history(record.commit);
        (self.commit, self.chain, self.recorded) = (record.commit, Digest0(record.chain), record.recorded);
    }

    fn process(&mut self, entry: Processing, first: Position, derived: &mut VecDeque<&Event>) {
        match entry {
            Processing::Reaction { function, module, from, to, rebuild, state, parked, unparked, halted } => {
                let mut row = self.functions.remove(&function).unwrap_or_else(|| panic!("no function {function}"));
                assert_eq!(row.status, Status::Active, "{function} moved though it doesn't run");
                assert_eq!(row.module, module, "{function} moved by code that is not its own any more");
                assert_eq!(row.cursor, from, "{function} jumped: from {from}, its cursor was {}", row.cursor);
                assert!(to < first, "{function} handled {to} before it was durable");
                row.wrote |= state.is_some();
                if let Some(through) = rebuild {
                    let until = row.rebuilding.expect("only a function that is being rebuilt rebuilds");
                    assert!(parked.is_empty() && unparked.is_empty());
                    if through == u64::MAX {
                        assert_eq!(to, until, "a rebuild ended elsewhere");
                        row.rebuilding = None;
                        // By the upcasters of now: others may have come while there was no state.
                        row.state = self.refold(self, &row, &row.applied);
                    }
                } else {
                    assert_eq!(row.rebuilding, None, "{function} went on before its state was there again");
                    let mut written = BTreeMap::new();
                    let releasing = from == to && !(unparked.is_empty() && parked.is_empty());
                    if row.is_aggregate() {
                        if releasing {
                            self.decide_released(&mut row, &parked, &unparked, derived);
                        } else {
                            assert!(unparked.is_empty());
                            self.decide_on(&mut row, (from, to), &parked, derived);
                        }
                    } else if releasing {
                        self.released(&function, &mut row, &parked, &unparked, &mut written, derived);
                    } else {
                        assert!(unparked.is_empty());
                        self.read_on(&function, &mut row, from, to, &parked, &mut written, derived);
                    }
                    assert_eq!(state, digest_of(written), "{function} wrote other state than what follows from {from} to {to}");
                }
                row.cursor = to;
                if let Some(halted) = halted {
                    let event = self.event(halted.position);
                    assert!(rebuild.is_some() || (row.function.policy == FailurePolicy::Halt && self.reads(&row, event)));
                    assert!(
                        can_fail(&function, &event.data) || self.can_be_too_old(&row, event),
                        "{function} halted at {event:?}, which can't fail: {halted:?}"
                    );
                    let passed = (to.0 + 1..halted.position.0).map(Position).find(|position| self.reads(&row, self.event(*position)));
                    assert!(rebuild.is_some() || passed.is_none(), "{function} passed over {passed:?} and halted at {}", halted.position);
                    row.status = Status::Halted(halted.position);
                }
                self.functions.insert(function, row);
            }
            Processing::Retold { .. } | Processing::Began { .. } | Processing::Forgot { .. } => {
                panic!("only a log that is retold has {entry:?}")
            }
            Processing::SchemaSet { r#type, schema } => match schema {
                Some(schema) => drop(self.uploaded.insert(r#type, schema)),
                None => drop(self.uploaded.remove(&r#type)),
            },
            Processing::Deployed { module, name, digest, manifest, at, .. } => {
                self.deployed(module, &name, digest, &manifest, at);
                self.switched();
            }
            Processing::Removed { name } => {
                self.retire(&name, |_| true);
                self.switched();
            }
            // Functions of this story set no timers and send nothing.
            Processing::Scheduled { .. } | Processing::Held { .. } | Processing::Unheld { .. } | Processing::Sends { .. } => {}
            Processing::Ready { function } => {
                self.row(&function).wrote = true;
                self.ready.insert(function);
            }
            Processing::Paused { function } => self.row(&function).status = Status::Paused,
            Processing::Resumed { function } => self.row(&function).status = Status::Active,
            Processing::Rewound { function, to, rebuild } => self.rewound(&function, to, rebuild),
            Processing::Released { function, which } => {
                let row = self.row(&function);
                for position in row.meant(&which) {
                    let parked = &row.parked[&position];
                    let earlier = |other: &Parked| !other.subject.is_empty() && other.subject == parked.subject;
                    let waits = matches!(which, WhichParked::One(_)) && row.parked.range(..position).any(|(_, other)| earlier(other));
                    row.parked.get_mut(&position).expect("it is meant").released |= !waits;
                }
            }
            Processing::Skipped { function, which } => {
                let row = self.row(&function);
                for position in row.meant(&which) {
                    row.parked.remove(&position);
                    row.skipped.insert(position);
                }
            }
        }
    }

    /// Each command of a record was decided on all that came before it, and what follows is its answer.
    fn check_commands(&self, events: &[Event]) {
        let mut left = events;
        while let Some((event, rest)) = left.split_first() {
            left = rest;
            if event.kind == Kind::Event || event.class == Class::Derived {
                assert!(event.class == Class::Derived || event.cause.is_none(), "an event of no command: {event:?}");
                continue;
            }
            let decides = |row: &&Row| row.status == Status::Active && row.function.decides.contains(&event.r#type.as_str());
            let row = self.functions.values().find(decides).unwrap_or_else(|| panic!("nobody decides {event:?}"));
            let before = self.level(row.function.name, &event.subject, event.position);
            let answer = stock::decide(row.version, &event.r#type, &event.data, before.stock.level);
            let drafts = answer.unwrap_or_else(|rejection| panic!("{event:?} was accepted: {rejection:?}"));
            let made = left.split_off(..drafts.len()).expect("a command and its events are one record");
            let mut ordinals: BTreeMap<String, u32> = BTreeMap::new();
            for (draft, found) in drafts.into_iter().zip(made) {
                let next = ordinals.entry(draft.r#type.clone()).or_default();
                let ordinal = if draft.key.is_some() { 0 } else { *next };
                *next += u32::from(draft.key.is_none());
                let id = derived_id(&DerivedId {
                    cause_source: &event.source,
                    cause_id: &event.id,
                    function: row.function.name,
                    kind: OutputKind::Event,
                    r#type: &draft.r#type,
                    subject: &event.subject,
                    key: draft.key.as_deref(),
                    ordinal,
                });
                let expected = Event {
                    position: found.position,
                    kind: Kind::Event,
                    class: Class::Source,
                    id,
                    source: format!("/aggregates/{}", row.function.name),
                    r#type: draft.r#type,
                    subject: event.subject.clone(),
                    time: event.time,
                    recorded: event.recorded,
                    content_type: draft.content_type.unwrap_or_else(|| "application/json".into()),
                    data: draft.data,
                    hops: 1,
                    cause: Some(event.position),
                    causation_id: Some(event.id.clone()),
                    correlation_id: event.correlation_id.clone(),
                    producer: Some(retold_engine::model::Producer { module: row.module }),
                    tags: draft.tags,
                    extensions: Vec::new(),
                };
                assert_eq!(*found, expected);
            }
        }
    }

    /// What the events of a subject up to a position make of its stock, as an aggregate reads them today.
    pub fn level(&self, function: &str, subject: &str, at: Position) -> Level {
        self.functions.get(function).map_or(Level::default(), |row| self.level_of(row, subject, at))
    }

    /// The same, as this aggregate reads them.
    pub fn level_of(&self, row: &Row, subject: &str, at: Position) -> Level {
        let mut level = Level::default();
        for event in self.log.iter().take(at.0 as usize).filter(|event| event.subject == subject && !subject.is_empty()) {
            let forms = self.forms_of(row, event);
            for (r#type, data) in &forms {
                level.stock = level.stock.evolve(r#type, data).expect("the stock fell below zero");
            }
            if !forms.is_empty() {
                level.events += 1;
                level.last = event.position;
            }
        }
        level
    }

    /// The schemas in force: uploaded ones, then those of active modules in the order of their deployment.
    pub fn schemas(&self) -> BTreeMap<String, (String, Option<u32>)> {
        let mut all = BTreeMap::new();
        for (ordinal, version) in self.modules.iter().rev().filter(|(_, version)| version.active) {
            let code = MODULES.iter().find(|code| code.name == version.name && code.version == version.version).expect("it was uploaded");
            all.extend(code.manifest().schemas.into_iter().map(|schema| (schema.r#type, (schema.json, Some(*ordinal)))));
        }
        all.extend(self.uploaded.iter().map(|(r#type, json)| (r#type.clone(), (json.clone(), None))));
        all
    }

    fn row(&mut self, function: &str) -> &mut Row {
        self.functions.get_mut(function).unwrap_or_else(|| panic!("no function {function}"))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
    fn read_on(
        &self,
        function: &str,
        row: &mut Row,
        from: Position,
        to: Position,
        parked: &[ParkedEvent],
        written: &mut BTreeMap<String, Option<Vec<u8>>>,
        derived: &mut VecDeque<&Event>,
    ) {
        let mut parked = parked.iter().peekable();
        for position in (from.0 + 1..=to.0).map(Position) {
            let event = self.event(position);
            if !self.reads(row, event) {
                row.applied.push(position);
                continue;
            }
            let behind = row.holds_back(&event.subject);
            let nothing = self.forms_of(row, event).is_empty();
            match parked.next_if(|parked| parked.position == position) {
                Some(entry) => {
                    assert_eq!(entry.subject, event.subject);
                    assert!(!nothing || self.can_be_too_old(row, event), "{function} parked {position}, of which nothing is made");
                    match entry.reason.as_str() {
                        "hops" => assert!(event.hops > limits::HOPS_MAX),
                        "upcast" => assert!(!behind && self.can_be_too_old(row, event), "{function} could not read {event:?}: {entry:?}"),
                        "behind" => assert!(behind, "{function} parked {position} behind nothing"),
                        _ => assert!(!behind && can_fail(function, &event.data), "{function} parked {event:?}: {entry:?}"),
                    }
                    row.park(entry);
                }
                None => {
                    assert!(!behind || nothing, "{function} handled {position} before an earlier parked event of {:?}", event.subject);
                    assert!(event.hops <= limits::HOPS_MAX);
                    self.handled(function, row, event, written, derived);
                }
            }
        }
        assert_eq!(parked.next(), None, "{function} parked what it doesn't read");
    }

    fn released(
        &self,
        function: &str,
        row: &mut Row,
        parked: &[ParkedEvent],
        unparked: &[Position],
        written: &mut BTreeMap<String, Option<Vec<u8>>>,
        derived: &mut VecDeque<&Event>,
    ) {
        let check = |row: &Row, position: Position| {
            let entry = row.parked.get(&position).unwrap_or_else(|| panic!("{function} released {position}, which isn't parked"));
            assert!(entry.released, "{function} released {position} unasked");
            let first = row
                .parked
                .iter()
                .find(|(_, other)| !other.subject.is_empty() && other.subject == entry.subject)
                .map_or(position, |(first, _)| *first);
            assert_eq!(first, position, "{function} released {position} before {first}, which is of the same subject");
        };
        for position in unparked {
            check(row, *position);
            row.parked.remove(position);
            self.handled(function, row, self.event(*position), written, derived);
        }
        for entry in parked {
            check(row, entry.position);
            let event = self.event(entry.position);
            let can_fail = can_fail(function, &event.data) || self.can_be_too_old(row, event);
            assert!(can_fail, "{function} failed again where nothing can fail");
            row.parked
                .values_mut()
                .filter(|other| !entry.subject.is_empty() && other.subject == entry.subject)
                .for_each(|other| other.released = false);
            row.parked.insert(entry.position, Parked { subject: entry.subject.clone(), reason: entry.reason.clone(), released: false });
        }
    }

    /// Applies one event and expects its outputs, those that the log has not had before.
    fn handled(
        &self,
        function: &str,
        row: &mut Row,
        event: &Event,
        written: &mut BTreeMap<String, Option<Vec<u8>>>,
        derived: &mut VecDeque<&Event>,
    ) {
        row.applied.push(event.position);
        let mut ordinals: BTreeMap<(bool, String, String), u32> = BTreeMap::new();
        let source = format!("/functions/{function}");
        let mut outputs = Vec::new();
        for (r#type, data) in self.forms_of(row, event) {
            outputs.extend(apply(function, row.version, row.function.split, event, (&r#type, &data), &mut row.state, written));
        }
        for output in outputs {
            let (kind, EventDraft { r#type, subject, tags, content_type, data, key, time: _ }) = match output {
                Output::Emit(draft) => (Kind::Event, draft),
                Output::Command(CommandDraft { r#type, subject, content_type, data, key }) => {
                    (Kind::Command, EventDraft { r#type, subject, content_type, data, key, ..EventDraft::default() })
                }
                other => panic!("nobody makes {other:?}"),
            };
            let ordinal = match key {
                Some(_) => 0,
                None => {
                    let next = ordinals.entry((kind == Kind::Command, r#type.clone(), subject.clone())).or_default();
                    *next += 1;
                    *next - 1
                }
            };
            let id = derived_id(&DerivedId {
                cause_source: &event.source,
                cause_id: &event.id,
                function,
                kind: kind.into(),
                r#type: &r#type,
                subject: &subject,
                key: key.as_deref(),
                ordinal,
            });
            let at = self
                .ids
                .get(&(source.clone(), id.clone()))
                .unwrap_or_else(|| panic!("{function} handled {} without its output {type} {subject:?}", event.position));
            let found = self.event(*at);
            let is_new = derived.front().is_some_and(|next| next.position == *at);
            if is_new {
                derived.pop_front();
            } else {
                // Made before a rewind: the log's stands, whatever today's code makes.
                assert!(derived.front().is_none_or(|next| *at < next.position), "{function} made {at} out of order");
                assert_eq!((found.cause, &found.r#type, &found.subject), (Some(event.position), &r#type, &subject));
                let content_type = content_type.unwrap_or_else(|| "application/json".into());
                if (&found.data, &found.content_type, &found.tags) != (&data, &content_type, &tags) {
                    self.different.borrow_mut().push(*at);
                }
                continue;
            }
            let expected = Event {
                position: *at,
                kind,
                class: Class::Derived,
                id,
                source: source.clone(),
                r#type,
                subject,
                time: event.time,
                recorded: found.recorded,
                content_type: content_type.unwrap_or_else(|| "application/json".into()),
                data,
                hops: event.hops + 1,
                cause: Some(event.position),
                causation_id: Some(event.id.clone()),
                correlation_id: event.correlation_id.clone(),
                producer: Some(retold_engine::model::Producer { module: row.module }),
                tags,
                extensions: Vec::new(),
            };
            assert_eq!(*found, expected, "{function} made something else of {}", event.position);
        }
    }

    fn deployed(&mut self, module: u32, name: &str, digest: Digest, manifest: &[u8], at: Position) {
        let manifest = Manifest::decode(manifest).expect("a manifest can be read");
        assert!(matches!(self.event(at).r#type.as_str(), "retold.module.deployed" | "retold.module.rolledback"));
        let code = MODULES
            .iter()
            .find(|code| code.name == name && digest == Digest::of(&code.component()))
            .expect("only what was uploaded is deployed");
        assert_eq!(manifest, code.manifest());
        self.install(module, code, at);
        let deciding: Vec<&str> =
            self.functions.values().filter(|row| row.status != Status::Retired).flat_map(|row| row.function.decides).copied().collect();
        assert_eq!(deciding.len(), deciding.iter().collect::<BTreeSet<_>>().len(), "two decide the same: {deciding:?}");
    }

    pub fn retire(&mut self, module: &str, which: impl Fn(&str) -> bool) {
        let Some((ordinal, version)) = self.modules.iter_mut().find(|(_, version)| version.active && version.name == module) else {
            return;
        };
        version.active = false;
        for (_, row) in self.functions.iter_mut().filter(|(name, row)| row.module == *ordinal && which(name)) {
            row.status = Status::Retired;
        }
    }

    fn rewound(&mut self, function: &str, to: Position, rebuild: bool) {
        let mut row = self.functions.remove(function).unwrap_or_else(|| panic!("no function {function}"));
        assert_eq!(row.rebuilding, None);
        if row.is_aggregate() {
            Model::release_after(&mut row, to);
            self.functions.insert(function.to_owned(), row);
            return;
        }
        assert!(rebuild || row.state.is_empty(), "{function} was rewound to {to} and lost its state: {:?}", row.state);
        assert!(row.start <= to && to <= row.cursor, "{function} was rewound to {to}");
        row.parked.retain(|position, _| *position <= to);
        row.skipped.retain(|position| *position <= to);
        row.applied.retain(|position| *position <= to);
        (row.history, row.rewound) = (Vec::new(), self.commit + 1);
        row.state = BTreeMap::new();
        if rebuild {
            (row.cursor, row.rebuilding) = (row.start, Some(to));
        } else {
            row.cursor = to;
        }
        self.functions.insert(function.to_owned(), row);
    }
}

/// What a function makes of one form of an event.
pub fn apply(
    function: &str,
    version: u8,
    split: Option<u32>,
    event: &Event,
    (r#type, data): (&str, &[u8]),
    state: &mut BTreeMap<String, Vec<u8>>,
    written: &mut BTreeMap<String, Option<Vec<u8>>>,
) -> Vec<Output> {
    let lane = split
        .map_or(String::new(), |parts| format!("{}\u{1f}", event.subject.split('/').take(parts as usize).collect::<Vec<_>>().join("/")));
    let seen = Seen { position: event.position, r#type, subject: &event.subject, data };
    behave(function, version, &seen, 0, &mut ModelCalls { state, written, lane }).expect("the model's state is never refused")
}

fn digest_of(written: BTreeMap<String, Option<Vec<u8>>>) -> Option<Digest> {
    let mut plan = Plan {
        function: String::new(),
        module: 0,
        epoch: 0,
        from: Position::START,
        to: Position::START,
        stands_on: None,
        mode: PlanMode::Live,
        handled: Vec::new(),
        emitted: Vec::new(),
        state: Vec::new(),
        state_digest: None,
        parked: Vec::new(),
        unparked: Vec::new(),
        halted: None,
        folded: Vec::new(),
    };
    plan.set_state(written.into_iter().map(|(key, value)| StateWrite { key, value }).collect());
    plan.state_digest
}

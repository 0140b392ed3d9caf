//! Commands, from the question to the log and back, on a stock that never falls below zero.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::testing::{World, event, function};
use super::{AggregateFault, Decided, FoldedState, Guests, Hot, Reading, decide, fold};
use crate::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, Digest, EventDraft, EventRef, Failure, FailureKind, FunctionKind,
    FunctionManifest, Guest, GuestFault, Kind, LogLevel, Manifest, NewEvent, NotAnswered, Position, Reactions, Rejection, Schema,
    Timestamp, limits,
};
use crate::store::testing::{MemoryFolder, open};
use crate::store::{self, Accepted, Append, Condition, Control, Decision, Deploy, Proposal, Refused};

/// Events add or take what their data says; `stock.take` is refused where too little is left, and
/// `stock.book` makes the events that its data names.
#[derive(Default)]
struct Stock {
    evolved: AtomicUsize,
    calls: AtomicUsize,
    fresh: Mutex<Vec<bool>>,
}

fn number(bytes: &[u8]) -> i64 {
    String::from_utf8_lossy(bytes).parse().unwrap_or_default()
}

fn draft(r#type: &str, data: &[u8]) -> EventDraft {
    EventDraft { r#type: r#type.into(), data: data.to_vec(), ..EventDraft::default() }
}

impl Guest for Stock {
    fn handle(&self, _: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        Answer::Reactions(Reactions::default())
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.fresh.lock().expect("one thread").push(limits.fresh_instance);
        let level = aggregate.state.map_or(0, number);
        Ok(match command.data {
            b"nothing" => Ok(Vec::new()),
            b"two" => Ok(vec![draft("stock.added", b"1"), draft("stock.added", b"1")]),
            b"undeclared" => Ok(vec![draft("stock.stolen", b"1")]),
            b"elsewhere" => Ok(vec![EventDraft { subject: "item/other".into(), ..draft("stock.added", b"1") }]),
            b"trap" => return Err(NotAnswered::Fault(GuestFault::Trapped("boom".into()))),
            b"trap once" if !limits.fresh_instance => return Err(NotAnswered::Fault(GuestFault::Trapped("boom".into()))),
            b"time" => Ok(vec![draft("stock.added", command.time.0.to_string().as_bytes())]),
            data if command.r#type == "stock.add" => Ok(vec![draft("stock.added", data)]),
            data if number(data) <= level => Ok(vec![draft("stock.taken", data)]),
            _ => Err(Rejection { code: "empty".into(), message: format!("only {level} are left"), data: Vec::new() }),
        })
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        _: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.evolved.fetch_add(events.len(), Ordering::Relaxed);
        let mut level = aggregate.state.map_or(0, number);
        for (index, event) in events.iter().enumerate() {
            match event.data {
                b"trap" => return Err(NotAnswered::Fault(GuestFault::Trapped("boom".into()))),
                b"trap in company" if !limits.fresh_instance => return Err(NotAnswered::Fault(GuestFault::Trapped("boom".into()))),
                b"reject" => return Ok(Err(Failure { event: index as u32, kind: FailureKind::Reject, message: "never".into() })),
                b"large" => return Ok(Ok(vec![b'1'; limits::STATE_VALUE_BYTES_MAX + 1])),
                data if event.r#type == "stock.taken" => level -= number(data),
                data => level += number(data),
            }
        }
        Ok(Ok(level.to_string().into_bytes()))
    }
}

struct Loaded(Arc<Stock>);

impl Guests for Loaded {
    fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
        Some(self.0.clone())
    }
}

fn stock(name: &str) -> FunctionManifest {
    FunctionManifest {
        kind: FunctionKind::Aggregate,
        decides: vec!["stock.add".into(), "stock.take".into()],
        ..function(name, &["stock.*"], &["stock.added", "stock.taken"])
    }
}

fn command(id: &str, r#type: &str, data: &str) -> NewEvent {
    NewEvent { data: data.into(), ..event(id, r#type, "item/7") }
}

fn manifest(name: &str, functions: Vec<FunctionManifest>) -> Manifest {
    Manifest { name: name.into(), version: "1.0.0".into(), functions, schemas: Vec::new() }
}

/// Other code has another version.
fn deploy(manifest: Manifest, code: &[u8]) -> Proposal {
    let manifest = Manifest { version: format!("1.0.0-{}", String::from_utf8_lossy(code)), ..manifest };
    Proposal::Deploy(Deploy {
        manifest,
        digest: Digest::of(code),
        component: code.to_vec(),
        levels: Vec::new(),
        rollback: false,
        send: false,
    })
}

struct Shop {
    world: World,
    stock: Arc<Stock>,
    hot: Option<Hot>,
}

impl Shop {
    /// The deployment is at position 1.
    fn new() -> Shop {
        Shop { world: World::new(&[stock("stock")]), stock: Arc::default(), hot: None }
    }

    fn decide(&mut self, command: &NewEvent) -> Decided {
        let (snapshot, loaded) = (self.world.snapshot(), Loaded(self.stock.clone()));
        let reading = Reading::new(&snapshot, &loaded);
        decide(&reading, "stock", command, &mut self.hot, self.world.now, &mut |_: LogLevel, _: &str| {}).expect("nothing fails in memory")
    }

    fn propose(&mut self, command: &NewEvent) -> Decision {
        match self.decide(command) {
            Decided::Propose(decision) => *decision,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, decision: Decision) -> Result<store::Decided, Refused> {
        self.world.propose(Proposal::Decide(decision)).map(|accepted| match accepted {
            Accepted::Decided(decided) => decided,
            other => panic!("{other:?}"),
        })
    }

    fn execute(&mut self, command: &NewEvent) -> store::Decided {
        let decision = self.propose(command);
        self.commit(decision).expect("nobody came between")
    }

    fn fold(&mut self, at: Option<u64>) -> Result<FoldedState, AggregateFault> {
        let (snapshot, loaded) = (self.world.snapshot(), Loaded(self.stock.clone()));
        let reading = Reading::new(&snapshot, &loaded);
        fold(&reading, "stock", "item/7", at.map(Position), &mut self.hot, &mut |_, _| {}).expect("nothing fails in memory")
    }

    fn level(&mut self) -> i64 {
        number(&self.fold(None).expect("it can be folded").state.unwrap_or_default())
    }

    /// Many events of the subject, past the aggregate.
    fn fill(&mut self, from: u64, events: u64) {
        let id = |number: u64| format!("fill {number}");
        let of = |number: u64| NewEvent { data: b"1".to_vec(), ..event(&id(number), "stock.added", "item/7") };
        for start in (from..from + events).step_by(4_000) {
            self.world.append((start..(start + 4_000).min(from + events)).map(of).collect());
        }
    }
}

#[test]
fn a_command_is_recorded_with_its_events_and_a_repeat_gets_its_first_answer() {
    let mut shop = Shop::new();
    let add = NewEvent { correlation_id: Some("story".into()), ..command("c1", "stock.add", "two") };
    let decision = shop.propose(&add);
    let first = shop.commit(decision.clone()).expect("accepted");
    assert_eq!(first, store::Decided { command: Position(2), events: vec![Position(3), Position(4)], new: true });
    assert_eq!(shop.commit(decision), Ok(store::Decided { new: false, ..first }));
    let other = shop.execute(&command("c2", "stock.take", "2"));
    assert_eq!((other.command, shop.level()), (Position(5), 0));
    shop.world.control("stock", Control::Pause);
    let calls = shop.stock.calls.load(Ordering::Relaxed);
    let Decided::Known { command: at, events } = shop.decide(&add) else { panic!("it is known") };
    assert_eq!((at, events, shop.stock.calls.load(Ordering::Relaxed)), (Position(2), vec![Position(3), Position(4)], calls));
    let snapshot = shop.world.snapshot();
    let stored = |position| snapshot.event(Position(position)).expect("the log can be read").expect("it is there");
    let (asked, made, twin) = (stored(2), stored(3), stored(4));
    assert_eq!((asked.kind, asked.cause, asked.time), (Kind::Command, None, shop.world.now));
    assert_eq!((made.kind, made.class, made.source.as_str()), (Kind::Event, crate::model::Class::Source, "/aggregates/stock"));
    assert_eq!((made.cause, made.causation_id.as_deref(), made.correlation_id.as_str()), (Some(Position(2)), Some("c1"), "story"));
    assert_eq!((made.hops, made.time, made.subject.as_str(), made.producer.map(|code| code.module)), (1, asked.time, "item/7", Some(1)));
    assert_ne!(made.id, twin.id);
}

#[test]
fn an_id_stands_for_one_command_or_for_one_event() {
    let mut shop = Shop::new();
    let add = command("c1", "stock.add", "1");
    shop.execute(&add);
    shop.world.append(vec![event("e1", "stock.seen", "item/7")]);
    let refused = |decided: Decided| matches!(decided, Decided::Refused(Refused::Content { .. }));
    assert!(refused(shop.decide(&NewEvent { data: b"2".to_vec(), ..add.clone() })));
    assert!(refused(shop.decide(&NewEvent { time: Some(Timestamp(1)), ..add.clone() })));
    assert!(refused(shop.decide(&NewEvent { r#type: "stock.add".into(), ..event("e1", "", "item/7") })));
    let same = event("e1", "stock.seen", "item/7");
    assert!(refused(shop.decide(&same)), "an event is no command, though it says the same");
    let append = Proposal::Append(Append { events: vec![add], ..Append::default() });
    assert!(matches!(shop.world.propose(append), Err(Refused::Content { .. })));
}

#[test]
fn of_two_decisions_on_one_state_the_second_is_decided_again() {
    let mut shop = Shop::new();
    shop.execute(&command("c1", "stock.add", "1"));
    let (one, other) = (shop.propose(&command("c2", "stock.take", "1")), shop.propose(&command("c3", "stock.take", "1")));
    let answers = shop.world.store.commit([Proposal::Decide(one), Proposal::Decide(other)], shop.world.now).expect("committed").answers;
    assert!(matches!(answers[0], Ok(Accepted::Decided(_))));
    let conflict = Refused::Conflict { subject: "item/7".into(), folded: Position(3), found: Position(5) };
    assert_eq!(answers[1].as_ref().map(|_| ()), Err(&conflict));
    assert!(matches!(shop.decide(&command("c3", "stock.take", "1")), Decided::Rejected(_)));
    assert_eq!(shop.level(), 0);
}

#[test]
fn only_events_that_the_aggregate_folds_are_a_conflict() {
    let mut shop = Shop::new();
    let decision = shop.propose(&command("c1", "stock.add", "1"));
    let others = vec![event("1", "price.changed", "item/7"), event("2", "stock.added", "item/8"), event("3", "stock.added", "")];
    shop.world.append(others);
    assert!(shop.commit(decision).is_ok());
    let decision = shop.propose(&command("c2", "stock.take", "1"));
    shop.world.append(vec![NewEvent { data: b"-1".to_vec(), ..event("4", "stock.added", "item/7") }]);
    assert!(matches!(shop.commit(decision), Err(Refused::Conflict { found: Position(7), .. })));
    assert!(matches!(shop.decide(&command("c2", "stock.take", "1")), Decided::Rejected(_)), "a plain event counts");
}

#[test]
fn a_command_alone_is_recorded_too_and_is_no_conflict() {
    let mut shop = Shop::new();
    let (one, other) = (shop.propose(&command("c1", "stock.add", "nothing")), shop.propose(&command("c2", "stock.add", "nothing")));
    assert_eq!(shop.commit(one), Ok(store::Decided { command: Position(2), events: Vec::new(), new: true }));
    assert_eq!(shop.commit(other), Ok(store::Decided { command: Position(3), events: Vec::new(), new: true }));
    let Decided::Known { events, .. } = shop.decide(&command("c1", "stock.add", "nothing")) else { panic!("it is known") };
    assert_eq!(events, []);
}

#[test]
fn functions_and_conditions_never_see_a_command() {
    let mut shop = Shop::new();
    // `stock` itself reads stock.*, and the commands are of such types.
    shop.execute(&command("c1", "stock.add", "5"));
    assert_eq!(shop.fold(None), Ok(FoldedState { state: Some(b"5".to_vec()), position: Position(3), events: 1 }));
    for (types, subjects) in [(vec!["stock.add".to_owned()], Vec::new()), (Vec::new(), vec!["item/7".to_owned()]), (Vec::new(), Vec::new())]
    {
        shop.execute(&command(&format!("alone {types:?} {subjects:?}"), "stock.add", "nothing"));
        let condition = Condition { after: Position(3), types, subjects, tags: Vec::new() };
        let id = format!("{condition:?}");
        let append = Append { events: vec![event(&id, "other", "else")], condition: Some(condition), stream: None };
        let answer = shop.world.propose(Proposal::Append(append));
        let last = shop.world.store.head();
        if id.contains("types: [], subjects: [], ") {
            assert!(matches!(answer, Err(Refused::Condition { found: Position(5), .. })), "{answer:?}: the first event is there");
        } else {
            assert!(answer.is_ok(), "{answer:?} at {last}");
        }
    }
}

#[test]
fn a_decision_by_other_code_or_under_another_epoch_is_stale() {
    let mut shop = Shop::new();
    let decision = shop.propose(&command("c1", "stock.add", "1"));
    for wrong in [
        Decision { module: 2, ..decision.clone() },
        Decision { epoch: 7, ..decision.clone() },
        Decision { command: command("c1", "stock.count", "1"), ..decision.clone() },
    ] {
        assert!(matches!(shop.commit(wrong), Err(Refused::Stale { .. })));
    }
    let field = |refused: Result<_, Refused>, name: &str| matches!(refused, Err(Refused::Field { field, .. }) if field == name);
    let with = |command: NewEvent| Decision { command, ..decision.clone() };
    assert!(field(shop.commit(with(NewEvent { subject: String::new(), ..command("c1", "stock.add", "1") })), "subject"));
    assert!(field(shop.commit(with(NewEvent { source: "/functions/x".into(), ..command("c1", "stock.add", "1") })), "source"));
    assert!(field(shop.commit(with(command("c1", "retold.add", "1"))), "type"));
    assert!(field(shop.commit(Decision { events: vec![draft("stock.stolen", b"1")], ..decision.clone() }), "type"));
    shop.world.control("stock", Control::Pause);
    assert!(matches!(shop.commit(decision), Err(Refused::Stale { .. })));
    let Decided::Refused(Refused::NotRunning { why, .. }) = shop.decide(&command("c1", "stock.add", "1")) else { panic!("it is paused") };
    assert!(why.contains("resume"), "{why}");
    shop.world.control("stock", Control::Resume);
    assert!(matches!(shop.decide(&command("c1", "stock.add", "1")), Decided::Propose(_)));
}

#[test]
fn a_warm_decision_costs_the_same_for_a_long_subject_in_a_long_log() {
    let cost = |events: u64, sealed: bool| {
        let mut shop = Shop::new();
        shop.fill(0, events);
        if sealed {
            shop.world.store.close_tail();
            let work = shop.world.store.reader().seal_due().expect("there is something to seal");
            let segment = shop.world.store.reader().housekeep(work).expect("written");
            shop.world.store.adopt(segment).expect("named");
        }
        shop.execute(&command("warm up", "stock.add", "1"));
        let before = shop.stock.evolved.load(Ordering::Relaxed);
        assert!(before >= events as usize);
        // The subject's other entries don't count either.
        shop.world.append((0..3).map(|number| event(&number.to_string(), "price.changed", "item/7")).collect());
        let (snapshot, loaded) = (shop.world.snapshot(), Loaded(shop.stock.clone()));
        let take = command("warm", "stock.take", "1");
        let decided = decide(&Reading::new(&snapshot, &loaded), "stock", &take, &mut shop.hot, Timestamp(1), &mut |_, _| {});
        assert!(matches!(decided, Ok(Decided::Propose(_))));
        (shop.stock.evolved.load(Ordering::Relaxed) - before, snapshot.reads.load(Ordering::Relaxed))
    };
    let (short, long) = (cost(10, false), cost(100_000, false));
    assert_eq!(short, long);
    assert_eq!(cost(100_000, true), long);
    // What the warm-up gave, and what this decision would give.
    assert!(long.0 == 2 && long.1 <= 12, "{long:?}");
}

#[test]
fn the_past_is_folded_without_disturbing_the_present() {
    let mut shop = Shop::new();
    shop.fill(0, 10);
    assert_eq!(shop.level(), 10);
    let hot = shop.hot.as_ref().map(|hot| (hot.position(), hot.state().map(<[u8]>::to_vec)));
    for at in [0, 1, 2, 7, 10, 11, 99] {
        let folded = shop.fold(Some(at)).expect("it can be folded");
        let events = at.clamp(1, 11) - 1;
        assert_eq!((folded.events, number(&folded.state.unwrap_or_default())), (events, events as i64), "at {at}");
        assert_eq!(folded.position, Position(if events == 0 { 0 } else { events + 1 }));
    }
    assert_eq!(shop.hot.as_ref().map(|hot| (hot.position(), hot.state().map(<[u8]>::to_vec))), hot);
}

#[test]
fn what_was_folded_once_is_kept_and_read_by_the_same_code_only() {
    let folder = MemoryFolder::default();
    let mut shop = Shop { world: World { store: open(&folder), now: Timestamp(1) }, stock: Arc::default(), hot: None };
    shop.world.propose(deploy(manifest("module", vec![stock("stock")]), b"one")).expect("deployed");
    shop.fill(0, limits::SNAPSHOT_DISTANCE - 1);
    let decision = shop.propose(&command("c1", "stock.add", "1"));
    assert_eq!(decision.snapshot, None, "not yet worth it");
    shop.commit(decision).expect("accepted");
    // A refused command may have folded much.
    assert!(matches!(shop.decide(&command("c2", "stock.take", "1000")), Decided::Rejected(_)));
    let due = shop.hot.as_mut().and_then(Hot::snapshot_due).expect("so much was folded");
    assert_eq!(shop.hot.as_mut().and_then(Hot::snapshot_due), None);
    let commits = shop.world.snapshot().commit();
    assert!(matches!(shop.world.propose(Proposal::Snapshot(due)), Ok(Accepted::Kept)));
    assert_eq!(shop.world.snapshot().commit(), commits, "it is not in the log");
    let cold = |shop: Shop, code: &[u8]| {
        drop(shop);
        let mut shop = Shop { world: World { store: open(&folder), now: Timestamp(1) }, stock: Arc::default(), hot: None };
        shop.world.propose(deploy(manifest("module", vec![stock("stock")]), code)).expect("deployed");
        assert_eq!(shop.level(), 256);
        let evolved = shop.stock.evolved.load(Ordering::Relaxed);
        (shop, evolved)
    };
    let (mut again, evolved) = cold(shop, b"one");
    assert_eq!(evolved, 0);
    let folded = again.fold(None).expect("it can be folded");
    assert_eq!((folded.events, folded.position), (256, Position(258)));
    assert_eq!(again.fold(Some(100)).expect("it can be folded").events, 99, "a later snapshot is not the past");
    let (mut other, evolved) = cold(again, b"two");
    assert_eq!(evolved, 256, "other code folds from the first event");
    let kept = other.propose(&command("c3", "stock.add", "0"));
    assert!(kept.snapshot.is_some());
    other.commit(kept).expect("accepted");
    let (_, evolved) = cold(other, b"two");
    assert_eq!(evolved, 1);
}

#[test]
fn a_fault_counts_once_it_happened_alone_in_a_fresh_instance() {
    let mut shop = Shop::new();
    assert!(matches!(shop.decide(&command("c1", "stock.add", "trap once")), Decided::Propose(_)));
    assert_eq!(*shop.stock.fresh.lock().expect("one thread"), [false, true]);
    let failed = |decided: Decided| match decided {
        Decided::Failed(fault) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(shop.decide(&command("c2", "stock.add", "trap"))).reason, "trap");
    assert_eq!(failed(shop.decide(&command("c3", "stock.add", "undeclared"))).reason, "undeclared");
    let fault = failed(shop.decide(&command("c4", "stock.add", "elsewhere")));
    assert!(fault.reason == "output" && fault.message.contains("item/other"), "{fault:?}");
    shop.fill(0, 5);
    shop.world.append(vec![NewEvent { data: b"trap in company".to_vec(), ..event("x", "stock.added", "item/7") }]);
    shop.fill(5, 5);
    assert_eq!(shop.level(), 10, "what passes alone passes");
}

#[test]
fn an_event_that_can_not_be_folded_is_named_and_what_came_before_it_stays_folded() {
    for (data, reason) in [("trap", "trap"), ("reject", "reject"), ("large", "state")] {
        let mut shop = Shop::new();
        shop.fill(0, 6);
        shop.world.append(vec![NewEvent { data: data.into(), ..event("x", "stock.added", "item/7") }]);
        shop.fill(6, 3);
        let fault = shop.fold(None).expect_err("it can't be folded");
        assert_eq!((fault.reason, fault.position), (reason, Some(Position(8))), "{fault:?}");
        assert_eq!(shop.hot.as_ref().map(Hot::position), Some(Position(7)));
        assert_eq!(shop.fold(Some(7)).map(|folded| folded.events), Ok(6));
        let Decided::Failed(fault) = shop.decide(&command("c1", "stock.add", "1")) else { panic!("it can't be folded") };
        assert_eq!(fault.position, Some(Position(8)));
    }
}

#[test]
fn a_decision_is_told_the_time_that_is_recorded_with_it() {
    let mut shop = Shop::new();
    shop.world.now = Timestamp(2_000_000);
    let decision = shop.propose(&command("c1", "stock.add", "time"));
    // It is committed later.
    shop.world.now = Timestamp(3_000_000);
    let decided = shop.commit(decision).expect("accepted");
    let snapshot = shop.world.snapshot();
    let times = [decided.command, decided.events[0]].map(|at| snapshot.event(at).expect("read").expect("there").time.0);
    assert_eq!((times, shop.level()), ([2_000_000; 2], 2_000_000));
}

#[test]
fn a_command_type_has_one_addressee() {
    let mut shop = Shop::new();
    let rival = manifest("rival", vec![stock("other")]);
    let Err(Refused::CommandTaken { command, function, module }) = shop.world.propose(deploy(rival.clone(), b"rival")) else {
        panic!("it is taken")
    };
    assert_eq!((command.as_str(), function.as_str(), module.as_str()), ("stock.add", "stock", "module"));
    let twice = deploy(manifest("twice", vec![stock("one"), stock("two")]), b"twice");
    assert!(matches!(shop.world.propose(twice), Err(Refused::CommandTaken { .. })));
    shop.execute(&self::command("c1", "stock.add", "1"));
    shop.world.propose(deploy(manifest("module", vec![stock("stock")]), b"new code")).expect("an aggregate has no state to lose");
    shop.world.propose(Proposal::Remove { module: "module".into(), levels: Vec::new() }).expect("removed");
    shop.world.propose(deploy(rival, b"rival")).expect("it is free again");
}

#[test]
fn an_uploaded_schema_is_in_force_before_those_of_modules_and_survives_a_restart() {
    let folder = MemoryFolder::default();
    let mut world = World { store: open(&folder), now: Timestamp(1) };
    let schema = |json: &str| Schema { r#type: "stock.added".into(), json: json.into() };
    let with = |name: &str, json: &str| Manifest { schemas: vec![schema(json)], ..manifest(name, vec![function(name, &["a"], &[])]) };
    world.propose(deploy(with("one", "1"), b"one")).expect("deployed");
    world.propose(deploy(with("two", "2"), b"two")).expect("deployed");
    let in_force = |world: &World| {
        let schemas = world.store.reader().schemas();
        assert_eq!(*schemas, **world.snapshot().schemas());
        schemas.get("stock.added").map(|row| (row.json.clone(), row.module))
    };
    assert_eq!(in_force(&world), Some(("1".into(), Some(1))));
    let set = |world: &mut World, json: Option<&str>| match world
        .propose(Proposal::SetSchema { r#type: "stock.added".into(), schema: json.map(str::to_owned) })
    {
        Ok(Accepted::SchemaSet { position }) => position,
        other => panic!("{other:?}"),
    };
    assert_eq!(set(&mut world, Some("3")), Some(Position(3)));
    assert_eq!(set(&mut world, Some("3")), None);
    assert_eq!(in_force(&world), Some(("3".into(), None)));
    drop(world);
    let mut world = World { store: open(&folder), now: Timestamp(1) };
    assert_eq!(in_force(&world), Some(("3".into(), None)));
    assert_eq!(set(&mut world, None), Some(Position(4)));
    world.propose(Proposal::Remove { module: "one".into(), levels: Vec::new() }).expect("removed");
    assert_eq!(in_force(&world), Some(("2".into(), Some(2))));
    drop(world);
    let mut world = World { store: open(&folder), now: Timestamp(1) };
    assert_eq!(in_force(&world), Some(("2".into(), Some(2))));
    let names: Vec<_> = world.snapshot().types().expect("counted").into_iter().map(|seen| seen.r#type).collect();
    assert_eq!(names, ["retold.module.deployed", "retold.module.removed", "retold.schema.removed", "retold.schema.set"]);
    let too_large = "x".repeat(limits::SCHEMA_BYTES_MAX + 1);
    for (r#type, schema) in [("retold.x", "{}"), ("", "{}"), ("a.*", "{}"), ("a", too_large.as_str())] {
        let refused = world.propose(Proposal::SetSchema { r#type: r#type.into(), schema: Some(schema.into()) });
        assert!(matches!(refused, Err(Refused::Field { .. } | Refused::TooLarge { .. })), "{type}: {refused:?}");
    }
}

#[test]
fn nobody_waits_for_an_aggregate_that_reads_what_a_command_gave() {
    let mut shop = Shop::new();
    let decided = shop.execute(&command("c1", "stock.add", "1"));
    let functions: std::collections::BTreeMap<_, _> =
        shop.world.snapshot().functions().map(|row| (row.name.clone(), row.clone())).collect();
    let mut subscriptions = super::Subscriptions::new(functions.values(), crate::model::FunctionKind::Handler);
    let world = &mut super::World { subscriptions: &mut subscriptions, functions: &functions };
    assert_eq!(
        super::Waits::default().begin(super::Whom::All, &[(decided.events[0], "stock.added")], world),
        Err(super::Outcome::default())
    );
}

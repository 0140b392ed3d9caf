//! What readers see of old events: the newest form that each asks for, in parts that stay together.

use std::sync::Arc;

use super::testing::{OneGuest, World, emit, event, function};
use super::{Guests, Reading, Runner, Step, Taken, Waits, Whom, check_upcaster};
use crate::model::{
    Answer, CallLimits, Calls, EventDraft, EventRef, Failure, FailurePolicy, FunctionKind, FunctionManifest, Guest, Manifest, NotAnswered,
    Position, Reaction, WhichParked, limits,
};
use crate::store::{Control, Deploy, Filter, FunctionStatus, Portion, Proposal, Refused};

/// Upcasts `x.v1` to as many `x.v2` as its data has letters, `x.v2` to one `x.v3`; data `bad` is
/// refused as long as it is broken. As a handler it emits one event a part, with the part's data.
struct Chain {
    broken: bool,
}

impl Guest for Chain {
    fn handle(&self, _: &str, events: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        let mut reactions = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if event.data == b"!" {
                return Answer::Fault(crate::model::GuestFault::Trapped("unreachable".into()));
            }
            let whole = events.iter().filter(|other| other.position == event.position).count();
            let subject = format!("{} {} of {whole}", event.r#type, String::from_utf8_lossy(event.data));
            reactions.push(Reaction { cause: index as u32, output: emit("done", &subject, None) });
            reactions.push(Reaction { cause: index as u32, output: emit("done", "same", None) });
        }
        Answer::Reactions(reactions.into())
    }

    fn upcast(
        &self,
        _: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        assert!(limits.fuel > 0 && calls.state_get(0, "k").is_err());
        let part = |r#type: &str, data: &[u8]| EventDraft { r#type: r#type.into(), data: data.to_vec(), ..EventDraft::default() };
        let mut lists = Vec::new();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event.r#type, events[0].r#type, "one type a call");
            lists.push(match (event.r#type, event.data) {
                (_, b"bad") if self.broken => {
                    return Ok(Err(Failure { event: index as u32, kind: crate::model::FailureKind::Retry, message: "too old".into() }));
                }
                (_, b"elsewhere") => vec![EventDraft { subject: "z".into(), ..part("x.v2", b"") }],
                ("x.v1", data) => data.chunks(1).map(|letter| part("x.v2", letter)).collect(),
                (_, data) => vec![part("x.v3", data)],
            });
        }
        Ok(Ok(lists))
    }
}

fn upcaster(name: &str, takes: &str, makes: &str) -> FunctionManifest {
    FunctionManifest { kind: FunctionKind::Upcaster, ..function(name, &[takes], &[makes]) }
}

fn chain() -> [FunctionManifest; 2] {
    [upcaster("one", "x.v1", "x.v2"), upcaster("two", "x.v2", "x.v3")]
}

/// Positions 2 and on hold these as `x.v1`; the module with the chain and the handlers is at 1.
fn world(handlers: &[FunctionManifest], data: &[&str]) -> World {
    let functions: Vec<_> = chain().into_iter().chain(handlers.iter().cloned()).collect();
    let mut world = World::new(&functions);
    for (index, data) in data.iter().enumerate() {
        world.append(vec![crate::model::NewEvent { data: data.as_bytes().to_vec(), ..event(&index.to_string(), "x.v1", "s") }]);
    }
    world
}

fn guest(broken: bool) -> Arc<dyn Guest> {
    Arc::new(Chain { broken })
}

fn told(taken: &Taken) -> Vec<String> {
    let events = taken.batch.events();
    events.iter().map(|event| format!("{} {} {}", event.position, event.r#type, String::from_utf8_lossy(event.data))).collect()
}

const ALL: Portion = Portion { events: 1_000, bytes: usize::MAX };

#[track_caller]
fn check_reads(subscribes: &str, expected: &[&str]) {
    let world = world(&[function("f", &[subscribes], &["done"])], &["ab", "", "c"]);
    let (snapshot, guests) = (world.snapshot(), OneGuest(guest(false)));
    let reading = Reading::new(&snapshot, &guests);
    let taken = reading.take(&world.row("f"), Position(1), Position(100), ALL).expect("the log can be read");
    assert_eq!(told(&taken), expected, "{subscribes}");
    let subject = reading.take_subject(&world.row("f"), "s", Position(1), Position(100), ALL).expect("the log can be read");
    assert_eq!(told(&subject), expected);
}

#[test]
fn each_reader_gets_the_newest_form_that_it_subscribes_to() {
    check_reads("x.v3", &["2 x.v3 a", "2 x.v3 b", "4 x.v3 c"]);
    check_reads("x.*", &["2 x.v3 a", "2 x.v3 b", "4 x.v3 c"]);
    check_reads("x.v2", &["2 x.v2 a", "2 x.v2 b", "4 x.v2 c"]);
    check_reads("x.v1", &["2 x.v1 ab", "3 x.v1 ", "4 x.v1 c"]);
    check_reads("y", &[]);
}

#[test]
fn the_whole_log_can_be_read_in_its_newest_form_and_filtered_by_that() {
    let world = world(&[], &["ab", "c"]);
    let (snapshot, guests) = (world.snapshot(), OneGuest(guest(false)));
    let reading = Reading::new(&snapshot, &guests);
    let read = |types: &[&str]| {
        let filter = Filter::types(types.iter().filter_map(|text| crate::model::TypePattern::parse(text)));
        let taken = reading.all(Position::START, Position(100), &filter, ALL).expect("the log can be read");
        told(&taken).into_iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(read(&[]), ["1 retold.module.deployed", "2 x.v3", "2 x.v3", "3 x.v3"]);
    assert_eq!(read(&["x.v3"]), ["2 x.v3", "2 x.v3", "3 x.v3"]);
    assert_eq!(read(&["x.v1"]), [""; 0]);
}

#[test]
fn the_parts_of_one_event_are_never_split_over_portions() {
    let world = world(&[function("f", &["x.v3"], &["done"])], &["abc", "de", "", "f", "ghi"]);
    let (snapshot, guests) = (world.snapshot(), OneGuest(guest(false)));
    let reading = Reading::new(&snapshot, &guests);
    for events in 1..12 {
        let (mut after, mut all) = (Position(1), Vec::new());
        while after < snapshot.head() {
            let taken = reading.take(&world.row("f"), after, Position(100), Portion { events, ..ALL }).expect("the log can be read");
            assert!(taken.batch.len() < events + 3);
            assert!(taken.seen > after);
            all.push(told(&taken));
            after = taken.seen;
        }
        assert!(all.iter().all(|lines| lines.iter().all(|line| line.starts_with("2 "))
            || !lines.iter().any(|line| line.starts_with("2 "))
            || lines.len() >= 3));
        let all: Vec<String> = all.concat();
        assert_eq!(all.iter().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect::<String>(), "abcdefghi");
    }
}

#[test]
fn outputs_are_counted_over_all_parts_of_their_cause_whatever_the_batches_are() {
    let ids = |batched: bool| {
        let mut world = world(&[function("f", &["x.v3"], &["done"])], &[]);
        let mut runner = Runner::new("f");
        let mut ids = Vec::new();
        for (id, data) in [("1", "ab"), ("2", "cd")] {
            world.append(vec![crate::model::NewEvent { data: data.as_bytes().to_vec(), ..event(id, "x.v1", "s") }]);
            if batched && id == "1" {
                continue;
            }
            for position in world.work(&mut runner, &guest(false)).outputs.into_iter().map(|made| made.position) {
                let event = world.snapshot().event(position).expect("the log can be read").expect("it is there");
                ids.push((event.id, event.subject));
            }
        }
        ids
    };
    let (one, other) = (ids(true), ids(false));
    assert_eq!(one, other);
    assert_eq!(one.iter().map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>().len(), 8);
    assert!(one.iter().filter(|(_, subject)| subject.starts_with("x.v3")).all(|(_, subject)| subject.ends_with("of 2")));
}

#[test]
fn an_event_that_its_upcaster_can_not_turn_stops_only_itself_and_is_parked_by_that_name() {
    let manifest = FunctionManifest {
        limits: crate::model::LimitsAsked { attempts: Some(2), ..Default::default() },
        ..function("f", &["x.v3"], &["done"])
    };
    let mut world = world(&[manifest], &["a", "bad", "b"]);
    let mut runner = Runner::new("f");
    let reacted = world.work(&mut runner, &guest(true));
    assert_eq!(reacted.handled, [Position(2)]);
    assert_eq!(runner.retrying().map(|retrying| (retrying.position, retrying.reason)), Some((Position(3), "upcast")));
    world.now = world.now.plus_ms(limits::RETRY_DELAY_MS_MAX);
    let reacted = world.work(&mut runner, &guest(true));
    assert_eq!((reacted.handled, reacted.parked), (vec![Position(3)], vec![Position(3)]));
    let page = world.snapshot().parked(world.row("f").ordinal, Position::START, 10).expect("nothing fails in memory");
    assert_eq!(page.events[0].event.reason, "upcast");
    assert!(page.events[0].event.message.contains("one") && page.events[0].event.message.contains("too old"));
    // Behind it waits what is of its subject; released, it is read again.
    assert_eq!(world.work(&mut runner, &guest(true)).parked, [Position(4)]);
    world.control("f", Control::Release(WhichParked::All));
    assert_eq!(world.work(&mut runner, &guest(true)).parked, [Position(3)]);
    world.control("f", Control::Release(WhichParked::All));
    assert_eq!(world.work(&mut runner, &guest(false)).outputs.len(), 6);
    assert_eq!(world.work(&mut runner, &guest(false)).handled, [Position(4)]);
}

#[test]
fn an_upcaster_may_not_change_the_subject() {
    let world = world(&[function("f", &["x.v2"], &["done"])], &["elsewhere"]);
    let (snapshot, guests) = (world.snapshot(), OneGuest(guest(false)));
    let taken = Reading::new(&snapshot, &guests).take(&world.row("f"), Position(1), Position(9), ALL).expect("the log can be read");
    let unreadable = taken.unreadable.expect("it is refused");
    assert!(unreadable.fault.message.contains("another subject"), "{}", unreadable.fault.message);
    assert_eq!((unreadable.position, taken.seen, taken.batch.len()), (Position(2), Position(1), 0));
}

#[test]
fn when_one_part_of_an_event_fails_none_of_its_parts_is_handled() {
    let manifest = FunctionManifest {
        failure_policy: FailurePolicy::Halt,
        limits: crate::model::LimitsAsked { attempts: Some(1), ..Default::default() },
        ..function("f", &["x.v3"], &["done"])
    };
    let mut world = world(&[manifest], &["ab", "c!d", "e"]);
    let reacted = world.work(&mut Runner::new("f"), &guest(false));
    assert_eq!((reacted.handled, reacted.outputs.len()), (vec![Position(2)], 4));
    assert!(matches!(world.row("f").status, FunctionStatus::Halted { position: Position(3), .. }));
}

#[test]
fn who_waits_for_an_event_of_which_nothing_is_made_is_answered() {
    let mut world = world(&[function("f", &["x.v3"], &["done"])], &[""]);
    let functions: std::collections::BTreeMap<_, _> = world.snapshot().functions().map(|row| (row.name.clone(), row.clone())).collect();
    let mut subscriptions = super::Subscriptions::new(functions.values(), FunctionKind::Handler);
    let mut waits = Waits::default();
    let mut waited = super::World { subscriptions: &mut subscriptions, functions: &functions };
    let id = waits.begin(Whom::All, &[(Position(2), "x.v1")], &mut waited).expect("f reads what x.v1 becomes");
    let reacted = world.work(&mut Runner::new("f"), &guest(false));
    assert_eq!(waits.reacted(&reacted, &mut waited).iter().map(|(ended, _)| *ended).collect::<Vec<_>>(), [id]);
}

#[test]
fn a_handler_waits_where_the_module_of_an_upcaster_is_not_loaded() {
    struct Nothing;
    impl Guests for Nothing {
        fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
            None
        }
    }
    let world = world(&[function("f", &["x.v3"], &["done"])], &["a"]);
    let snapshot = world.snapshot();
    let step = Runner::new("f").step(&Reading::new(&snapshot, &Nothing), world.now, &mut |_, _| {}).expect("the log can be read");
    assert!(matches!(step, Step::Later(_)));
}

fn deploy(name: &str, functions: &[FunctionManifest]) -> Proposal {
    let version = format!("{}.0.0", functions.len());
    let manifest = Manifest { name: name.into(), version, functions: functions.to_vec(), schemas: Vec::new() };
    let digest = crate::model::Digest::of(format!("{manifest:?}").as_bytes());
    Proposal::Deploy(Deploy { manifest, digest, component: Vec::new(), levels: Vec::new(), rollback: false, send: false })
}

#[test]
fn upcasters_that_do_not_fit_together_are_refused_by_name() {
    let mut world = world(&[], &[]);
    let mut refused = |functions: &[FunctionManifest]| world.propose(deploy("other", functions)).expect_err("it is refused");
    assert!(matches!(refused(&[upcaster("again", "x.v1", "y")]), Refused::TwoUpcasters { .. }));
    assert!(matches!(refused(&[upcaster("back", "x.v3", "x.v1")]), Refused::UpcastCircle { .. }));
    assert!(matches!(refused(&[upcaster("far", "x.v4", "x.v5")]), Refused::UpcastGap { .. }));
    assert!(matches!(refused(&[upcaster("one-a", "w", "z"), upcaster("one-b", "w", "z")]), Refused::TwoUpcasters { .. }));
}

#[test]
fn an_upcaster_that_would_change_what_a_function_with_state_reads_is_refused() {
    let mut world = World::new(&[function("old", &["x.v1"], &[]), function("new", &["x.v2"], &[])]);
    world.append(vec![event("1", "x.v1", "s")]);
    world.put_state("old", &[("k", "1")]);
    let before = world.snapshot().identity(&world.row("new"));
    let (old, epoch) = (world.snapshot().identity(&world.row("old")), world.row("new").epoch);
    world.propose(deploy("chain", &chain())).expect("old reads on as before, new has no state");
    assert_ne!(world.snapshot().identity(&world.row("new")), before);
    assert_eq!(world.snapshot().identity(&world.row("old")), old);
    assert!(world.row("new").epoch > epoch, "plans made without the upcaster are stale");
    world.put_state("new", &[("k", "1")]);
    let remove = Proposal::Remove { module: "chain".into(), levels: Vec::new() };
    assert_eq!(world.propose(remove).err(), Some(Refused::NotLevel { function: "new".into() }));
    // Another code of the upcaster, too.
    let other = [upcaster("one", "x.v1", "x.v2")];
    assert_eq!(world.propose(deploy("chain", &other)).err(), Some(Refused::NotLevel { function: "new".into() }));
}

#[test]
fn a_module_with_an_upcaster_and_a_function_with_state_can_be_removed_and_come_back() {
    let mut world = world(&[function("f", &["x.v3"], &[])], &["a"]);
    world.put_state("f", &[("k", "1")]);
    let module = world.snapshot().modules().next().expect("one is deployed").clone();
    world.propose(Proposal::Remove { module: "module".into(), levels: Vec::new() }).expect("its own upcasters go with it");
    assert!(world.snapshot().upcasting().is_empty());
    world
        .propose(Proposal::Deploy(Deploy {
            manifest: module.manifest.clone(),
            digest: module.digest,
            component: Vec::new(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        }))
        .expect("it is the same code");
}

#[test]
fn a_candidate_upcaster_is_run_over_every_stored_event_of_its_types_first() {
    let mut world = World::new(&[function("f", &["x.v3"], &[])]);
    for (id, data) in [("1", "a"), ("2", "bad"), ("3", "b")] {
        world.append(vec![crate::model::NewEvent { data: data.as_bytes().to_vec(), ..event(id, "x.v1", "s") }]);
    }
    let (snapshot, guests) = (world.snapshot(), OneGuest(guest(false)));
    let reading = Reading::new(&snapshot, &guests);
    let manifest = Manifest { name: "chain".into(), version: "1.0.0".into(), functions: chain().to_vec(), schemas: Vec::new() };
    let check =
        |broken| check_upcaster(&reading, &manifest, guest(broken), Position::START, Position(100), ALL).expect("the log can be read");
    let failed = check(true).failed.expect("one is bad");
    assert_eq!((failed.position, failed.fault.reason), (Position(3), "upcast"));
    let good = check(false);
    assert!(good.failed.is_none());
    assert_eq!((good.seen, good.events), (snapshot.head(), 3));
}

#[test]
fn code_that_answers_twice_in_two_ways_is_halted_with_what_differs() {
    let calls = std::sync::atomic::AtomicU64::new(0);
    let moody = super::testing::coded(move |event: &EventRef<'_>, _: u32, _: &mut dyn Calls| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(vec![emit("done", &format!("{} {call}", event.subject), None)])
    });
    let mut world = World::new(&[function("f", &["a"], &["done"])]);
    world.append(vec![event("1", "a", "x")]);
    assert_eq!(world.work(&mut Runner::new("f"), &moody).outputs, []);
    let FunctionStatus::Halted { reason, message, position } = world.row("f").status else { panic!("it is halted") };
    assert_eq!((reason.as_str(), position, world.row("f").cursor), ("nondeterministic", Position(2), Position::START));
    assert!(message.contains("one by one") && message.contains("x 1"), "{message}");
}

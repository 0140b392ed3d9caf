//! Commands that functions send: decided once, in order, and what became of them is heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::desk_testing::{Desk, added, code, desk, entries, functions, order, stock, take, told};
use super::retell::testing::{derived, live, plan, retold, run};
use super::testing::{World, coded, emit, event, function};
use super::{Guests, Reading, Runner, Step, Subscriptions, Waits, Whom, first_unread, waits};
use crate::model::{
    Answer, Calls, Class, DerivedId, Digest, EventRef, FailurePolicy, FunctionKind, FunctionManifest, Guest, Kind, Manifest, OutputKind,
    Position, WhichParked, derived_id, limits,
};
use crate::store::{Accepted, Control, Deploy, FunctionRow, Options, Proposal, Refused, fork, testing};

/// One order that the stock has enough for, and one that it has not.
fn story() -> World {
    live(&functions(), &code(), vec![added("1", "item/1", "3"), order("2", "item/1", "2"), order("3", "item/1", "2")])
}

#[test]
fn a_command_that_a_function_sends_is_decided_once_and_its_sender_alone_hears_that_it_was_refused() {
    let world = story();
    let all = entries(&world);
    assert_eq!(
        all.iter().map(|entry| entry.r#type.as_str()).collect::<Vec<_>>()[1..],
        ["stock.added", "order", "stock.take", "stock.taken", "order.done", "order", "stock.take", "retold.command.refused", "order.lost"]
    );
    let (command, taken, asked, refused) = (&all[3], &all[4], &all[7], &all[8]);
    assert_eq!((command.kind, command.class, command.source.as_str(), command.hops), (Kind::Command, Class::Derived, "/functions/desk", 1));
    assert_eq!((taken.kind, taken.class, taken.source.as_str(), taken.hops), (Kind::Event, Class::Derived, "/aggregates/stock", 2));
    assert_eq!((taken.cause, taken.causation_id.as_ref(), taken.correlation_id.as_str()), (Some(command.position), Some(&command.id), "2"));
    assert_eq!((taken.time, taken.producer.map(|code| code.module)), (command.time, Some(1)));
    let id = |command: &crate::model::Event, r#type| {
        derived_id(&DerivedId {
            cause_source: "/functions/desk",
            cause_id: &command.id,
            function: "stock",
            kind: OutputKind::Event,
            r#type,
            subject: "item/1",
            key: None,
            ordinal: 0,
        })
    };
    assert_eq!((&taken.id, &refused.id), (&id(command, "stock.taken"), &id(asked, "retold.command.refused")));
    assert_eq!(
        (refused.class, refused.source.as_str(), refused.cause, refused.hops),
        (Class::Derived, "/aggregates/stock", Some(asked.position), 2)
    );
    assert_eq!(refused.extensions, [("addressee".to_owned(), "desk".to_owned())]);
    let data = format!(
        "{{\"command\":{{\"type\":\"stock.take\",\"id\":\"{}\"}},\"code\":\"empty\",\"message\":\"only 1 are \\\"left\\\"\",\"data\":\"more\"}}",
        asked.id
    );
    assert_eq!(String::from_utf8_lossy(&refused.data), data);
    assert_eq!((told(&world, "bystander").len(), world.row("stock").cursor), (0, Position(8)));
    let unread =
        |world: &World| ["bystander", "desk", "stock"].map(|name| first_unread(&world.snapshot(), &world.row(name)).expect("read"));
    assert_eq!(unread(&world), [None; 3], "a refusal is not unread by whom it is not for");
    let mut behind = World::new(&functions());
    behind.append(vec![order("1", "a", "9"), order("2", "b", "9")]);
    assert_eq!(unread(&behind), [None, Some(Position(2)), None]);
    behind.work(&mut Runner::new("desk"), &code());
    assert_eq!(unread(&behind), [None, None, Some(Position(4))]);
}

#[test]
fn an_event_that_comes_while_a_command_is_decided_has_it_decided_again() {
    let mut world = World::new(&functions());
    let (guest, mut handler, mut aggregate) = (code(), Runner::new("desk"), Runner::new("stock"));
    world.append(vec![added("1", "item/1", "1"), order("2", "item/1", "2"), order("3", "item/2", "0"), order("4", "item/2", "0")]);
    world.work(&mut handler, &guest);
    let Step::Plan(ticket, plan) = world.step(&mut aggregate, &guest) else { panic!("there are commands") };
    // A subject once in a plan: the second order of item/2 waits.
    assert_eq!((plan.handled.len(), plan.emitted.len(), plan.folded.len()), (2, 2, 2));
    assert!(matches!(world.step(&mut aggregate, &guest), Step::Waiting));
    world.append(vec![added("5", "item/1", "1")]);
    assert!(matches!(world.propose(Proposal::Reaction(*plan)), Err(Refused::Stale { .. })));
    aggregate.settled(ticket, super::Settled::Refused);
    run(&mut world, &guest);
    assert_eq!(told(&world, "order.").len(), 3);
    assert_eq!(told(&world, "stock.taken"), ["stock.taken item/1", "stock.taken item/2", "stock.taken item/2"]);
}

fn trapped(policy: FailurePolicy) -> (World, Arc<Desk>, Arc<dyn Guest>) {
    let guest = Arc::new(Desk::default());
    let code: Arc<dyn Guest> = guest.clone();
    let mut all = functions();
    all[1].failure_policy = policy;
    let events = [
        added("0", "b", "9"),
        added("-1", "a", "1"),
        order("1", "a", "trap"),
        order("2", "a", "0"),
        order("3", "b", "1"),
        order("4", "a", "9"),
    ];
    (live(&all, &code, events.to_vec()), guest, code)
}

#[test]
fn a_command_that_its_aggregate_can_not_decide_is_parked_with_those_behind_it_and_released_in_order() {
    let (mut world, guest, code) = trapped(FailurePolicy::Park);
    let page = world.snapshot().parked(world.row("stock").ordinal, Position::START, 10).expect("read");
    let parked: Vec<_> = page.events.iter().map(|parked| (parked.event.reason.as_str(), parked.event.attempts)).collect();
    assert_eq!(
        (parked, told(&world, "stock.taken")),
        (vec![("trap", limits::ATTEMPTS_DEFAULT), ("behind", 0), ("behind", 0)], vec!["stock.taken b".to_owned()])
    );
    world.control("stock", Control::Release(WhichParked::Subject("a".into())));
    run(&mut world, &code);
    assert_eq!((world.row("stock").parked, world.row("stock").released), (3, 0), "it fails again and holds back its subject");
    guest.mended.store(true, Ordering::Relaxed);
    world.control("stock", Control::Release(WhichParked::All));
    run(&mut world, &code);
    assert_eq!(world.row("stock").parked, 0);
    assert_eq!(told(&world, "stock.taken")[1..], ["stock.taken a", "stock.taken a"]);
    assert_eq!(told(&world, "order."), ["order.done b", "order.done a", "order.done a", "order.lost a"]);
}

#[test]
fn a_halted_aggregate_goes_on_when_it_is_resumed_and_a_paused_one_decides_nothing() {
    let (mut world, guest, code) = trapped(FailurePolicy::Halt);
    assert!(matches!(world.row("stock").status, crate::store::FunctionStatus::Halted { .. }));
    assert_eq!(told(&world, "stock.taken").len(), 0);
    guest.mended.store(true, Ordering::Relaxed);
    world.control("stock", Control::Pause);
    run(&mut world, &code);
    assert_eq!(told(&world, "stock.taken").len(), 0);
    world.control("stock", Control::Resume);
    run(&mut world, &code);
    assert_eq!(told(&world, "order.").len(), 4);
}

#[test]
fn a_rewind_of_an_aggregate_tries_what_is_parked_again_and_decides_nothing_twice() {
    let (mut world, guest, code) = trapped(FailurePolicy::Park);
    guest.mended.store(true, Ordering::Relaxed);
    world.append(vec![added("5", "b", "100")]);
    let cursor = world.row("stock").cursor;
    let second = world.snapshot().parked(world.row("stock").ordinal, Position::START, 2).expect("read").events[1].event.position;
    world.control("stock", Control::Rewind(Position(second.0 - 1)));
    run(&mut world, &code);
    assert_eq!((world.row("stock").parked, world.row("stock").released), (3, 0), "an earlier one of the subject is parked still");
    world.control("stock", Control::Rewind(Position::START));
    assert_eq!(world.row("stock").cursor, cursor);
    run(&mut world, &code);
    let taken = told(&world, "stock.taken");
    assert_eq!((told(&world, "order.").len(), taken.iter().filter(|taken| taken.ends_with('b')).count()), (4, 1));
}

#[test]
fn a_process_manager_that_is_rewound_sends_no_command_twice() {
    let mut world = story();
    let before = entries(&world);
    world.control("desk", Control::Rewind(Position(1)));
    run(&mut world, &code());
    assert_eq!(entries(&world), before);
}

fn deploy(world: &mut World, module: &str, functions: Vec<FunctionManifest>) {
    let manifest = Manifest { name: module.into(), version: format!("{}", world.store.head()), functions, schemas: Vec::new() };
    let digest = Digest::of(&manifest.encode());
    world
        .propose(Proposal::Deploy(Deploy { manifest, digest, component: b"c".to_vec(), levels: Vec::new(), rollback: false, send: false }))
        .expect("deployed");
}

#[test]
fn commands_wait_for_an_aggregate_and_another_one_goes_on_where_it_stopped() {
    let mut world = World::new(&[desk()]);
    let guest = code();
    let orders = |world: &mut World, from: u32| {
        world.append((from..from + 3).map(|number| order(&number.to_string(), &format!("item/{number}"), "0")).collect());
        run(world, &guest);
    };
    orders(&mut world, 0);
    assert_eq!(told(&world, "stock.taken").len(), 0);
    // It decides another type first; the commands that wait are behind its cursor then.
    deploy(&mut world, "stocks", vec![stock("stock", &["stock.add"])]);
    orders(&mut world, 3);
    assert_eq!(told(&world, "stock.taken").len(), 0);
    deploy(&mut world, "stocks", vec![stock("stock", &["stock.add", "stock.take"])]);
    run(&mut world, &guest);
    assert_eq!(told(&world, "stock.taken").len(), 6);
    deploy(&mut world, "stocks", vec![stock("stock", &["stock.add"])]);
    orders(&mut world, 6);
    deploy(&mut world, "others", vec![stock("shelf", &["stock.take"])]);
    let row = world.row("shelf");
    assert_eq!((row.start, row.decided.len(), world.row("stock").decided.len()), (Position::START, 0, 1));
    run(&mut world, &guest);
    world.propose(Proposal::Remove { module: "others".into(), levels: Vec::new() }).expect("removed");
    orders(&mut world, 9);
    // The place survives where nobody decides the type, and a restart.
    deploy(&mut world, "stocks", vec![stock("stock", &["stock.take"])]);
    run(&mut world, &guest);
    let taken: BTreeMap<String, usize> =
        entries(&world).into_iter().filter(|entry| entry.r#type == "stock.taken").fold(BTreeMap::new(), |mut all, entry| {
            *all.entry(entry.subject).or_default() += 1;
            all
        });
    assert_eq!((taken.len(), taken.values().max()), (12, Some(&1)), "{taken:?}");
    assert_eq!(told(&world, "order.done").len(), 12);
}

#[test]
fn functions_that_command_each_other_in_a_circle_are_parked() {
    struct Circle(Arc<dyn Guest>);
    impl Guest for Circle {
        fn handle(&self, _: &str, events: &[EventRef<'_>], _: &crate::model::CallLimits, _: &mut dyn Calls) -> Answer {
            let reactions = events.iter().enumerate();
            Answer::Reactions(
                reactions.map(|(cause, event)| crate::model::Reaction { cause: cause as u32, output: take(event.subject, b"0") }).collect(),
            )
        }
        fn decide(
            &self,
            aggregate: &crate::model::AggregateCall<'_>,
            command: &crate::model::CommandRef<'_>,
            limits: &crate::model::CallLimits,
            calls: &mut dyn Calls,
        ) -> Result<Result<Vec<crate::model::EventDraft>, crate::model::Rejection>, crate::model::NotAnswered> {
            self.0.decide(aggregate, command, limits, calls)
        }
        fn evolve(
            &self,
            aggregate: &crate::model::AggregateCall<'_>,
            events: &[EventRef<'_>],
            limits: &crate::model::CallLimits,
            calls: &mut dyn Calls,
        ) -> Result<Result<Vec<u8>, crate::model::Failure>, crate::model::NotAnswered> {
            self.0.evolve(aggregate, events, limits, calls)
        }
    }
    let circle = FunctionManifest { sends: vec!["stock.take".into()], ..function("circle", &["stock.taken", "order"], &[]) };
    let guest: Arc<dyn Guest> = Arc::new(Circle(code()));
    let world = live(&[circle, stock("stock", &["stock.take"])], &guest, vec![order("1", "a", "0")]);
    let parked = |function: &str| world.snapshot().parked(world.row(function).ordinal, Position::START, 10).expect("read").events;
    let all: Vec<_> = parked("circle").into_iter().chain(parked("stock")).collect();
    assert_eq!((all.len(), all[0].event.reason.as_str()), (1, "hops"));
    assert!(entries(&world).len() <= 3 + usize::from(limits::HOPS_MAX));
}

#[test]
fn code_that_decides_in_two_ways_halts_its_aggregate_and_nothing_of_it_is_kept() {
    let guest = Arc::new(Desk::default());
    guest.fickle.store(true, Ordering::Relaxed);
    let code: Arc<dyn Guest> = guest;
    let world = live(&functions(), &code, vec![added("1", "a", "9"), order("2", "a", "1")]);
    let crate::store::FunctionStatus::Halted { reason, .. } = &world.row("stock").status else { panic!("it is halted") };
    assert_eq!((reason.as_str(), told(&world, "stock.taken").len()), ("nondeterministic", 0));
}

#[test]
fn who_waits_until_an_event_is_handled_waits_for_commands_too_and_not_for_who_is_not_told() {
    let mut world = World::new(&functions());
    let (guest, mut waits) = (code(), Waits::default());
    world.append(vec![order("1", "a", "1")]);
    let functions = |world: &World| {
        world.snapshot().functions().map(|row| (row.name.clone(), row.clone())).collect::<BTreeMap<String, Arc<FunctionRow>>>()
    };
    let rows = functions(&world);
    let mut subscriptions = Subscriptions::new(rows.values(), FunctionKind::Handler);
    let id = waits
        .begin(Whom::All, &[(Position(2), "order")], &mut waits::World { subscriptions: &mut subscriptions, functions: &rows })
        .expect("the desk reads it");
    let mut ended = Vec::new();
    for name in ["desk", "stock", "desk"] {
        assert_eq!(ended, []);
        let reacted = world.work(&mut Runner::new(name), &guest);
        let rows = functions(&world);
        ended = waits.reacted(&reacted, &mut waits::World { subscriptions: &mut subscriptions, functions: &rows });
    }
    assert_eq!((ended[0].0, &ended[0].1.derived, ended[0].1.waiting.len()), (id, &vec![Position(4), Position(5)], 0));
    world.control("stock", Control::Pause);
    world.append(vec![order("2", "a", "1")]);
    let rows = functions(&world);
    waits
        .begin(Whom::All, &[(Position(6), "order")], &mut waits::World { subscriptions: &mut subscriptions, functions: &rows })
        .expect("the desk reads it");
    let reacted = world.work(&mut Runner::new("desk"), &guest);
    let rows = functions(&world);
    let ended = waits.reacted(&reacted, &mut waits::World { subscriptions: &mut subscriptions, functions: &rows });
    assert_eq!(ended[0].1.waiting, ["stock"]);
    let mut deciders = Subscriptions::new(rows.values(), FunctionKind::Aggregate);
    assert_eq!((deciders.readers("stock.take").len(), deciders.readers("stock.taken").len()), (1, 0));
}

#[test]
fn a_retelling_decides_commands_again_in_their_turn_and_makes_the_ids_of_the_live_log() {
    let subjects = ["item/1", "item/2", "item/3"];
    let mut events = Vec::new();
    for number in 0..60 {
        let subject = subjects[number % 3];
        events.push(if number % 4 == 0 { added(&number.to_string(), subject, "3") } else { order(&number.to_string(), subject, "2") });
    }
    let base = live(&functions(), &code(), events);
    let plan = plan(&functions());
    let target = retold(&base, &plan, &code());
    let (was, now) = (entries(&base), target.entries());
    assert_eq!(derived(&was), derived(&now));
    assert!(was.iter().any(|entry| entry.r#type == "retold.command.refused") && was.iter().any(|entry| entry.r#type == "order.done"));
    for units in [1, 7] {
        let mut other = super::retell::testing::Target::new();
        other.run(&base, &plan, &code(), units);
        assert!(other.bytes() == target.bytes(), "in steps of {units} units");
    }
    // What was retold goes on: nothing is decided again.
    let mut went_on = World { store: target.store, now: base.now };
    run(&mut went_on, &code());
    assert_eq!(went_on.store.head().0 as usize, now.len());
}

#[test]
fn a_fork_in_the_midst_of_a_decision_does_not_decide_again() {
    let mut base = World::new(&functions());
    let (guest, mut handler, mut aggregate) = (code(), Runner::new("desk"), Runner::new("stock"));
    base.append(vec![order("1", "a", "twice"), order("2", "b", "9"), order("3", "c", "twice")]);
    base.work(&mut handler, &guest);
    base.work(&mut aggregate, &guest);
    run(&mut base, &guest);
    let all: Vec<_> = entries(&base).into_iter().map(|entry| (entry.source, entry.id)).collect();
    for at in 1..=base.store.head().0 {
        let folder = testing::MemoryFolder::default();
        fork(&base.store.reader(), Position(at), Arc::new(folder.clone()), &Options::default()).expect("forked");
        let mut forked = World { store: testing::open(&folder), now: base.now };
        run(&mut forked, &guest);
        let commands = entries(&forked).into_iter().filter(|entry| entry.kind == Kind::Command).count();
        let cut = entries(&base).iter().filter(|entry| entry.r#type == "order" && entry.position.0 > at).count();
        assert_eq!(commands, 3 - cut, "at {at}");
        // An aggregate that has come to its command has come behind it in the fork, too.
        for entry in entries(&forked) {
            assert!(all.contains(&(entry.source.clone(), entry.id.clone())), "at {at}: {entry:?}");
        }
        let partly = entries(&base).iter().any(|entry| entry.position.0 == at && entry.r#type == "stock.taken" && entry.subject == "a");
        let missing = entries(&base).len() - entries(&forked).len();
        assert!(
            cut > 0 || missing == 0 || partly || entries(&base)[at as usize - 1].r#type == "stock.taken",
            "at {at}: {missing} are missing"
        );
    }
}

#[test]
fn an_emitted_event_of_the_type_of_a_command_is_no_command() {
    let shout = FunctionManifest { ..function("shout", &["order"], &["stock.take"]) };
    let guest = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("stock.take", event.subject, None)]));
    let mut world = live(&[shout, stock("stock", &["stock.take"])], &guest, vec![event("1", "order", "a")]);
    let step = {
        let (snapshot, guests) = (world.snapshot(), super::testing::OneGuest(guest.clone()));
        assert!(guests.guest(1).is_some());
        Runner::new("stock").step(&Reading::new(&snapshot, &guests), world.now, &mut |_, _| {}).expect("read")
    };
    assert!(matches!(step, Step::Idle));
    assert!(matches!(
        world.propose(Proposal::Control { function: "stock".into(), control: Control::Pause }),
        Ok(Accepted::Controlled { .. })
    ));
}

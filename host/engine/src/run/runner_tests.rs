//! The rules of a runner: bisecting, attempts, parking, halting, release, plans on plans.

use std::sync::Arc;

use super::testing::{World, coded, emit, event, function};
use super::{Runner, Settled, Step};
use crate::model::{
    Answer, Calls, EventRef, Failure, FailureKind, FailurePolicy, Guest, GuestFault, LimitsAsked, Output, PlanMode, Position, Timestamp,
    WhichParked, limits,
};
use crate::store::{Accepted, Control, FunctionStatus, Proposal, Refused};

fn trap() -> Answer {
    Answer::Fault(GuestFault::Trapped("unreachable".into()))
}

/// Emits one event for each; fails at data `bad` in the way that `fail` says.
fn code(fail: impl Fn(u32) -> Answer + Send + Sync + 'static) -> Arc<dyn Guest> {
    coded(
        move |event: &EventRef<'_>, index: u32, _: &mut dyn Calls| {
            if event.data.starts_with(b"bad") { Err(fail(index)) } else { Ok(vec![emit("done", event.subject, None)]) }
        },
    )
}

fn counting() -> Arc<dyn Guest> {
    coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| -> Result<Vec<Output>, Answer> {
        let before = calls.state_get(index, "count").expect("state can be read").map_or(0, |bytes| bytes[0]);
        calls.state_put(index, "count", &[before + 1]).expect("within limits");
        Ok(vec![emit("done", &format!("{} is {}", event.id, before + 1), None)])
    })
}

fn world(policy: FailurePolicy) -> World {
    let manifest = function("f", &["a"], &["done"]);
    World::new(&[crate::model::FunctionManifest {
        failure_policy: policy,
        limits: LimitsAsked { attempts: Some(2), ..LimitsAsked::default() },
        ..manifest
    }])
}

fn parked(world: &World) -> Vec<(u64, String, bool)> {
    let page = world.snapshot().parked(world.row("f").ordinal, Position::START, 100).expect("nothing fails in memory");
    page.events.into_iter().map(|parked| (parked.event.position.0, parked.event.reason, parked.released)).collect()
}

fn positions(all: &[Position]) -> Vec<u64> {
    all.iter().map(|position| position.0).collect()
}

fn three(world: &mut World) {
    // Positions 2, 3, 4; the module's deployment is 1.
    world.append(vec![event("1", "a", "x"), event("bad", "a", "x"), event("3", "a", "y")]);
}

#[test]
fn what_comes_before_an_event_that_traps_is_committed_and_the_event_is_tried_again_later() {
    let mut world = world(FailurePolicy::Park);
    three(&mut world);
    let mut runner = Runner::new("f");
    let guest = code(|_| trap());
    assert_eq!(positions(&world.work(&mut runner, &guest).handled), [2]);
    assert_eq!(world.row("f").cursor, Position(2));
    let retrying = runner.retrying().cloned().expect("it is tried again");
    assert_eq!((retrying.position, retrying.attempts, retrying.reason), (Position(3), 1, "trap"));
    assert_eq!(retrying.not_before, world.now.plus_ms(limits::RETRY_DELAY_MS_MIN));
    assert!(matches!(world.step(&mut runner, &guest), Step::Later(at) if at == retrying.not_before));
}

#[test]
fn the_last_attempt_parks_the_event_and_what_follows_of_its_subject_waits_behind_it() {
    let mut world = world(FailurePolicy::Park);
    three(&mut world);
    world.append(vec![event("4", "a", "x")]);
    let (mut runner, guest) = (Runner::new("f"), code(|_| trap()));
    world.work(&mut runner, &guest);
    world.now = world.now.plus_ms(limits::RETRY_DELAY_MS_MIN);
    let reacted = world.work(&mut runner, &guest);
    assert_eq!((positions(&reacted.handled), positions(&reacted.parked)), (vec![3], vec![3]));
    let reacted = world.work(&mut runner, &guest);
    assert_eq!((positions(&reacted.handled), positions(&reacted.parked), reacted.outputs.len()), (vec![4, 5], vec![5], 1));
    assert_eq!(parked(&world), [(3, "trap".into(), false), (5, "behind".into(), false)]);
    assert_eq!(runner.audit().failed_attempts, 2);
}

#[test]
fn a_rejected_event_is_parked_at_once_and_a_pause_doubles_with_each_attempt() {
    let reject = |index| Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() });
    let mut world = world(FailurePolicy::Park);
    three(&mut world);
    let reacted = world.work(&mut Runner::new("f"), &code(reject));
    assert_eq!((positions(&reacted.handled), positions(&reacted.parked)), (vec![2, 3], vec![3]));

    let manifest = function("f", &["a"], &["done"]);
    let limits = LimitsAsked { attempts: Some(limits::ATTEMPTS_MAX), ..LimitsAsked::default() };
    let mut world = World::new(&[crate::model::FunctionManifest { limits, ..manifest }]);
    world.append(vec![event("bad", "a", "x")]);
    let (mut runner, guest) = (Runner::new("f"), code(|_| trap()));
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let Step::Later(at) = world.step(&mut runner, &guest) else { panic!("it is tried again") };
        pauses.push((at.0 - world.now.0) / 1_000);
        world.now = at;
    }
    assert_eq!(pauses[..4], [50, 100, 200, 400]);
    assert_eq!(pauses[11], limits::RETRY_DELAY_MS_MAX);
}

#[test]
fn where_each_event_fails_there_are_pauses_until_one_is_handled_again_w22() {
    let mut world = World::new(&[crate::model::FunctionManifest {
        limits: LimitsAsked { attempts: Some(1), ..LimitsAsked::default() },
        ..function("f", &["a"], &["done"])
    }]);
    let in_a_row = u64::from(limits::FAULTS_IN_A_ROW_MAX);
    let bad = |number: u64| event(&format!("bad {number}"), "a", &format!("s/{number}"));
    world.append((0..in_a_row + 3).map(bad).chain([event("good", "a", "x"), bad(100), bad(101)]).collect());
    let (mut runner, guest) = (Runner::new("f"), code(|_| trap()));
    let mut pauses = Vec::new();
    loop {
        match world.step(&mut runner, &guest) {
            Step::Later(at) => {
                let retrying = runner.retrying().expect("it tells why");
                assert!(retrying.attempts == 0 && retrying.message.contains("in a row"), "{retrying:?}");
                // The module's deployment is at 1.
                pauses.push((world.row("f").cursor.0 - 1, (at.0 - world.now.0) / 1_000));
                world.now = at;
            }
            Step::Plan(ticket, plan) => {
                world.propose(Proposal::Reaction(*plan)).expect("committed");
                runner.settled(ticket, Settled::Committed);
            }
            Step::Idle => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.row("f").parked, in_a_row + 5);
    assert_eq!(pauses, [(in_a_row + 1, 50), (in_a_row + 2, 100), (in_a_row + 3, 200)]);
}

#[test]
fn a_function_that_halts_stays_before_the_event_until_it_is_resumed() {
    let mut world = world(FailurePolicy::Halt);
    three(&mut world);
    let (mut runner, guest) = (Runner::new("f"), code(|_| trap()));
    world.work(&mut runner, &guest);
    world.now = world.now.plus_ms(60_000);
    world.work(&mut runner, &guest);
    let row = world.row("f");
    assert_eq!(row.cursor, Position(2));
    assert!(matches!(row.status, FunctionStatus::Halted { position: Position(3), .. }));
    assert!(matches!(world.step(&mut runner, &guest), Step::Inactive));
    world.control("f", Control::Resume);
    let well = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("done", event.subject, None)]));
    assert_eq!(positions(&world.work(&mut runner, &well).handled), [3, 4]);
}

#[test]
fn released_events_of_a_subject_are_tried_in_order_and_a_new_failure_holds_the_rest_back() {
    let mut world = world(FailurePolicy::Park);
    world.append(vec![event("bad 1", "a", "x"), event("bad 2", "a", "x"), event("3", "a", "x")]);
    let reject = |index| Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() });
    let mut runner = Runner::new("f");
    world.work(&mut runner, &code(reject));
    world.work(&mut runner, &code(reject));
    assert_eq!(parked(&world), [(2, "reject".into(), false), (3, "behind".into(), false), (4, "behind".into(), false)]);
    world.control("f", Control::Release(WhichParked::Subject("x".into())));
    world.append(vec![event("5", "a", "x")]);
    // The first passes now, the second doesn't.
    let second_fails = coded(|event: &EventRef<'_>, index: u32, _: &mut dyn Calls| {
        if event.id == "bad 2" {
            Err(Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() }))
        } else {
            Ok(vec![emit("done", event.subject, None)])
        }
    });
    assert_eq!(positions(&world.work(&mut runner, &second_fails).handled), [2]);
    assert_eq!(positions(&world.work(&mut runner, &second_fails).parked), [3]);
    assert_eq!(parked(&world), [(3, "reject".into(), false), (4, "behind".into(), false)]);
    // What is new waits too.
    assert_eq!(positions(&world.work(&mut runner, &second_fails).parked), [5]);
    world.control("f", Control::Release(WhichParked::All));
    let well = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("done", event.subject, None)]));
    let order: Vec<Vec<u64>> = (0..3).map(|_| positions(&world.work(&mut runner, &well).handled)).collect();
    assert_eq!(order, [[3], [4], [5]]);
    assert_eq!(world.row("f").parked, 0);
}

#[test]
fn one_parked_event_is_released_only_if_it_is_the_first_of_its_subject_and_those_behind_it_stay() {
    let mut world = world(FailurePolicy::Park);
    world.append(vec![event("bad 1", "a", "x"), event("2", "a", "x"), event("bad 3", "a", "y"), event("bad 4", "a", "")]);
    let reject = |index| Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() });
    let mut runner = Runner::new("f");
    while world.row("f").cursor < Position(5) {
        world.work(&mut runner, &code(reject));
    }
    let one = |world: &mut World, position: u64| {
        let control = Control::Release(WhichParked::One(Position(position)));
        world.propose(Proposal::Control { function: "f".into(), control })
    };
    let refused = one(&mut world, 3).expect_err("another is before it");
    assert_eq!(refused, Refused::NotFirstParked { function: "f".into(), position: Position(3), first: Position(2) });
    let refused = one(&mut world, 1).expect_err("it isn't parked");
    assert_eq!(refused, Refused::NotParked { function: "f".into(), position: Position(1) });
    one(&mut world, 2).expect("it is the first");
    // What is new waits behind the one that was not released.
    world.append(vec![event("6", "a", "x")]);
    let well = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("done", event.subject, None)]));
    assert_eq!(positions(&world.work(&mut runner, &well).handled), [2]);
    assert_eq!(positions(&world.work(&mut runner, &well).parked), [6]);
    let left = [(3, "behind".into(), false), (4, "reject".into(), false), (5, "reject".into(), false), (6, "behind".into(), false)];
    assert_eq!(parked(&world), left);
    let reasons = world.snapshot().parked_reasons(world.row("f").ordinal, 3).expect("counted");
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), [("behind".to_owned(), 1), ("reject".to_owned(), 2)]);
    // One without a subject waits behind nobody.
    one(&mut world, 5).expect("it is alone");
    assert_eq!(positions(&world.work(&mut runner, &well).handled), [5]);
}

#[test]
fn what_is_skipped_is_never_tried_again_and_whoever_tries_it_meanwhile_comes_too_late() {
    let mut world = world(FailurePolicy::Park);
    world.append(vec![event("bad 1", "a", "x"), event("2", "a", "x"), event("bad 3", "a", "y")]);
    let reject = |index| Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() });
    let mut runner = Runner::new("f");
    while world.row("f").cursor < Position(4) {
        world.work(&mut runner, &code(reject));
    }
    world.control("f", Control::Release(WhichParked::One(Position(2))));
    let well = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("done", event.subject, None)]));
    let Step::Plan(ticket, plan) = world.step(&mut runner, &well) else { panic!("there is something to try") };
    let skip = |which| Control::Skip { which, reason: "it says \"bad\"".into() };
    world.control("f", skip(WhichParked::One(Position(2))));
    let late = world.propose(Proposal::Reaction(*plan)).expect_err("it is skipped");
    assert!(matches!(late, Refused::Stale { .. }), "{late:?}");
    runner.settled(ticket, Settled::Refused);
    let said = world.snapshot().event(Position(5)).expect("read").expect("the log says so");
    let data = String::from_utf8(said.data).expect("text");
    assert_eq!((said.r#type.as_str(), said.subject.as_str()), ("retold.parked.skipped", "f"));
    assert_eq!(data, r#"{"function":"f","position":"2","reason":"it says \"bad\""}"#);
    assert_eq!(parked(&world), [(3, "behind".into(), false), (4, "reject".into(), false)]);
    world.control("f", skip(WhichParked::Subject("y".into())));
    world.control("f", Control::Release(WhichParked::All));
    assert_eq!(positions(&world.work(&mut runner, &well).handled), [3]);
    assert_eq!(parked(&world), []);
    let none = world.propose(Proposal::Control { function: "f".into(), control: skip(WhichParked::One(Position(2))) });
    assert!(matches!(none, Err(Refused::NotParked { .. })), "{none:?}");
}

#[test]
fn a_chain_of_causes_that_is_too_long_is_parked_by_name() {
    let mut world = World::new(&[function("f", &["a", "done"], &["done"])]);
    world.append(vec![event("1", "a", "x")]);
    let circle = coded(|event: &EventRef<'_>, _: u32, _: &mut dyn Calls| Ok(vec![emit("done", event.subject, None)]));
    let mut runner = Runner::new("f");
    for _ in 0..=limits::HOPS_MAX {
        assert_eq!(world.work(&mut runner, &circle).parked, []);
    }
    let reacted = world.work(&mut runner, &circle);
    assert_eq!((reacted.parked.len(), reacted.outputs.len()), (1, 0));
    assert_eq!(parked(&world)[0].1, "hops");
    assert!(matches!(world.step(&mut runner, &circle), Step::Idle));
}

#[test]
fn a_host_that_can_not_run_a_call_decides_nothing_of_its_events() {
    let mut world = world(FailurePolicy::Halt);
    three(&mut world);
    let (mut runner, guest) = (Runner::new("f"), code(|_| Answer::Unavailable("no instance is free".into())));
    for _ in 0..10 {
        match world.step(&mut runner, &guest) {
            Step::Later(at) => world.now = at,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((world.row("f").cursor, runner.audit().failed_attempts), (Position::START, 0));
}

#[test]
fn a_plan_stands_on_the_one_in_flight_and_falls_with_it() {
    let mut world = world(FailurePolicy::Park);
    let mut runner = Runner::new("f");
    world.append(vec![event("1", "a", "x")]);
    let Step::Plan(first, under) = world.step(&mut runner, &counting()) else { panic!("a plan") };
    world.append(vec![event("2", "a", "x")]);
    let Step::Plan(second, over) = world.step(&mut runner, &counting()) else { panic!("a plan on the plan") };
    assert_eq!((under.from, under.to, over.from, over.to), (Position(0), Position(2), Position(2), Position(3)));
    assert_eq!(over.emitted[0].subject, "2 is 2");
    assert!(matches!(world.step(&mut runner, &counting()), Step::Waiting), "two plans at most are in flight");
    // The upper one alone is refused, and leaves no trace.
    assert!(matches!(world.propose(Proposal::Reaction((*over).clone())), Err(Refused::Stale { .. })));
    assert!(matches!(world.propose(Proposal::Reaction((*under).clone())), Ok(Accepted::Reacted(_))));
    assert!(matches!(world.propose(Proposal::Reaction((*under).clone())), Err(Refused::Stale { .. })), "twice");
    assert!(matches!(world.propose(Proposal::Reaction(*over)), Ok(Accepted::Reacted(_))));
    runner.settled(first, Settled::Committed);
    runner.settled(second, Settled::Committed);
    assert!(matches!(world.step(&mut runner, &counting()), Step::Idle));

    world.append(vec![event("3", "a", "x")]);
    let Step::Plan(first, _) = world.step(&mut runner, &counting()) else { panic!("a plan") };
    world.append(vec![event("4", "a", "x")]);
    let Step::Plan(second, _) = world.step(&mut runner, &counting()) else { panic!("a plan on the plan") };
    runner.settled(first, Settled::Refused);
    runner.settled(second, Settled::Refused);
    let Step::Plan(_, again) = world.step(&mut runner, &counting()) else { panic!("it is made again") };
    assert_eq!(again.emitted.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>(), ["3 is 3", "4 is 4"]);
}

#[test]
fn a_plan_on_a_plan_that_another_one_took_the_place_of_is_refused() {
    let mut world = world(FailurePolicy::Park);
    world.append(vec![event("1", "a", "x")]);
    let (mut runner, mut rival) = (Runner::new("f"), Runner::new("f"));
    let Step::Plan(..) = world.step(&mut runner, &counting()) else { panic!("a plan") };
    world.append(vec![event("2", "a", "x")]);
    let Step::Plan(_, over) = world.step(&mut runner, &counting()) else { panic!("a plan on the plan") };
    // The rival leads to the same cursor with other state: it parked the event.
    let reject = coded(|event: &EventRef<'_>, index: u32, _: &mut dyn Calls| {
        if event.id == "1" {
            Err(Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() }))
        } else {
            Ok(Vec::new())
        }
    });
    assert_eq!(positions(&world.work(&mut rival, &reject).parked), [2]);
    assert_eq!(world.row("f").cursor, over.from);
    assert!(matches!(world.propose(Proposal::Reaction(*over)), Err(Refused::Stale { .. })));
}

#[test]
fn a_pause_a_rewind_and_a_deployment_refuse_the_plans_that_did_not_see_them() {
    for control in [Control::Pause, Control::Rewind(Position::START)] {
        let mut world = world(FailurePolicy::Park);
        world.append(vec![event("1", "a", "x")]);
        let mut runner = Runner::new("f");
        let Step::Plan(_, plan) = world.step(&mut runner, &counting()) else { panic!("a plan") };
        world.control("f", control);
        assert!(matches!(world.propose(Proposal::Reaction(*plan)), Err(Refused::Stale { .. })));
    }
}

#[test]
fn a_rewound_function_makes_its_state_again_without_appending_anything_twice() {
    let mut world = world(FailurePolicy::Park);
    let mut runner = Runner::new("f");
    for id in ["1", "2", "3"] {
        world.append(vec![event(id, "a", "x")]);
        world.work(&mut runner, &counting());
    }
    let head = world.store.head();
    let until = Position(4);
    world.control("f", Control::Rewind(until));
    let Step::Plan(ticket, plan) = world.step(&mut runner, &counting()) else { panic!("a rebuild") };
    assert_eq!((plan.mode, plan.to), (PlanMode::Rebuild { through_commit: u64::MAX }, until));
    assert!(matches!(world.propose(Proposal::Reaction(*plan)), Ok(Accepted::Reacted(_))));
    runner.settled(ticket, Settled::Committed);
    let count = |world: &World| world.snapshot().state(world.row("f").slot, "count").expect("nothing fails in memory");
    assert_eq!(count(&world), Some(vec![2]));
    let reacted = world.work(&mut runner, &counting());
    assert_eq!((count(&world), world.store.head()), (Some(vec![3]), head));
    assert!(reacted.different.is_empty() && reacted.outputs.iter().all(|made| made.position <= head));
}

#[test]
fn a_rebuild_that_the_host_can_not_run_now_is_tried_again_and_halts_nothing() {
    let mut world = world(FailurePolicy::Park);
    let mut runner = Runner::new("f");
    world.append(vec![event("1", "a", "x")]);
    world.work(&mut runner, &counting());
    world.control("f", Control::Rewind(Position(2)));
    let full = coded(|_: &EventRef<'_>, _: u32, _: &mut dyn Calls| Err(Answer::Unavailable("no instance is free".into())));
    assert!(matches!(world.step(&mut runner, &full), Step::Later(_)));
    world.work(&mut runner, &counting());
    assert_eq!((world.row("f").rebuild, world.row("f").status), (None, FunctionStatus::Active));
}

#[test]
fn state_that_was_deleted_again_is_made_again_by_a_rewind() {
    let mut world = world(FailurePolicy::Park);
    let once = coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        if event.id == "1" {
            calls.state_put(index, "open", b"yes").expect("within limits")
        } else {
            calls.state_delete(index, "open").expect("within limits")
        }
        Ok(Vec::new())
    });
    world.append(vec![event("1", "a", "x"), event("2", "a", "x")]);
    let mut runner = Runner::new("f");
    world.work(&mut runner, &once);
    assert_eq!(world.snapshot().has_state(world.row("f").slot).ok(), Some(false));
    world.control("f", Control::Rewind(Position(2)));
    world.work(&mut runner, &once);
    assert_eq!(world.row("f").cursor, Position(2));
    assert_eq!(world.snapshot().state(world.row("f").slot, "open").expect("nothing fails in memory"), Some(b"yes".to_vec()));
}

#[test]
fn a_rebuild_of_many_commits_goes_on_from_plan_to_plan() {
    let mut world = world(FailurePolicy::Park);
    let mut runner = Runner::new("f");
    let total = |world: &World| {
        let bytes = world.snapshot().state(world.row("f").slot, "total").expect("nothing fails in memory").unwrap_or_default();
        u64::from_le_bytes(bytes.try_into().unwrap_or_default())
    };
    let adding = coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        let before = calls
            .state_get(index, "total")
            .expect("state can be read")
            .map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        let number: u64 = event.id.parse().expect("a number");
        calls.state_put(index, "total", &before.wrapping_mul(31).wrapping_add(number).to_le_bytes()).expect("within limits");
        Ok(Vec::new())
    });
    for id in 0..1_100u64 {
        world.append(vec![event(&id.to_string(), "a", "x")]);
        world.work(&mut runner, &adding);
    }
    let (before, cursor) = (total(&world), world.row("f").cursor);
    world.control("f", Control::Rewind(cursor));
    world.work(&mut runner, &adding);
    assert!(world.row("f").rebuild.is_some(), "one plan is not enough");
    world.work(&mut runner, &adding);
    assert_eq!((world.row("f").rebuild, world.row("f").cursor, total(&world)), (None, cursor, before));
}

#[test]
fn a_time_that_goes_back_is_not_recorded() {
    let mut world = world(FailurePolicy::Park);
    world.append(vec![event("1", "a", "x")]);
    world.now = Timestamp(5);
    world.append(vec![event("2", "a", "x")]);
    let recorded = |position| world.snapshot().event(Position(position)).ok().flatten().map(|event| event.recorded);
    assert_eq!(recorded(3), recorded(2));
}

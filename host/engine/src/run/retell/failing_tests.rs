//! Retellings in which functions fail, halt, or don't end.

use std::sync::Arc;

use super::testing::{Target, Tens, count, derived, entries, history, live, made, named, plan, retold};
use super::{Ending, Retelling, Retold};
use crate::model::{Answer, Failure, FailureKind, FailurePolicy, FunctionManifest, Guest, GuestFault, Position, limits};
use crate::run::Guests;
use crate::run::testing::{event, function};

fn failing(answer: impl Fn(u32) -> Answer + Send + Sync + 'static) -> Arc<dyn Guest> {
    named(move |_, event, index, calls| {
        if event.id.ends_with('5') {
            return Err(answer(index));
        }
        Ok(vec![made("b", event.subject, count(calls, index, event.subject).to_string())])
    })
}

fn trap(_: u32) -> Answer {
    Answer::Fault(GuestFault::Trapped("unreachable".into()))
}

#[test]
fn what_fails_is_parked_as_it_would_be_live_with_what_follows_of_its_subject() {
    let functions = [function("f", &["a"], &["b"])];
    let reject = |index| Answer::Failed(Failure { event: index, kind: FailureKind::Reject, message: "no".into() });
    for guest in [failing(trap), failing(reject)] {
        let base = live(&functions, &guest, history(40));
        let target = retold(&base, &plan(&functions), &guest);
        let parked = |store: &crate::store::Store| {
            let snapshot = store.reader().snapshot().expect("readable");
            let ordinal = snapshot.function("f").expect("deployed").ordinal;
            let page = snapshot.parked(ordinal, Position::START, 100).expect("readable");
            let told = page.events.into_iter().map(|parked| {
                let event = snapshot.event(parked.event.position).expect("readable").expect("there");
                (event.id, parked.event.subject, parked.event.reason, parked.event.message, parked.event.attempts)
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(parked(&target.store), parked(&base.store));
        assert!(parked(&base.store).iter().any(|(.., reason, _, _)| reason == "behind"));
        assert_eq!(target.told.parked, parked(&base.store).len() as u64);
        assert_eq!(derived(&target.entries()), derived(&entries(&base.store)));
    }
}

#[test]
fn a_function_that_halts_ends_the_retelling_and_says_at_which_event() {
    let functions = [FunctionManifest { failure_policy: FailurePolicy::Halt, ..function("f", &["a"], &["b"]) }];
    let base = live(&functions, &named(|_, _, _, _| Ok(Vec::new())), history(300));
    let at = entries(&base.store).iter().find(|event| event.id == "e285").expect("there").position;
    let guest = named(|_, event, index, _| if event.id == "e285" { Err(trap(index)) } else { Ok(Vec::new()) });
    let mut target = Target::new();
    let end = target.run(&base, &plan(&functions), &guest, 100_000);
    let Retold::Halted { function, position, reason, .. } = end else { panic!("{end:?}") };
    assert_eq!((function.as_str(), position, reason.as_str()), ("f", at, "trap"));
    // The record before it stands.
    assert_eq!(target.told.kept, limits::RETOLD_UNITS_PER_RECORD as u64);
}

#[test]
fn code_that_is_not_there_stops_a_retelling_and_nothing_is_decided() {
    struct Nobody;
    impl Guests for Nobody {
        fn guest(&self, _: u32) -> Option<Arc<dyn Guest>> {
            None
        }
    }
    let (functions, guest) = ([function("counting", &["a"], &["b"])], named(|_, _, _, _| Ok(Vec::new())));
    let base = live(&functions, &guest, history(3));
    let (mut target, mut retelling) = (Target::new(), Retelling::new(plan(&functions), std::sync::Arc::new(Tens)));
    assert!(target.step(&base, &mut retelling, &guest, 100, Ending::AtTheHead).is_none());
    let step = retelling.step(&base.snapshot(), &target.store.reader(), &Nobody, 100, Ending::AtTheHead);
    assert!(matches!(step, Ok(Retold::Unavailable(why)) if why.contains("counting")));
    assert_eq!(target.store.head(), Position(1));
}

#[test]
fn functions_that_feed_each_other_in_a_circle_are_parked_as_they_are_live() {
    let functions = [function("ping", &["a", "c"], &["b"]), function("pong", &["b"], &["c"])];
    let guest = named(|function, event, _, _| Ok(vec![made(if function == "ping" { "b" } else { "c" }, event.subject, "")]));
    let base = live(&functions, &guest, vec![event("1", "a", "x"), event("2", "a", "y")]);
    let target = retold(&base, &plan(&functions), &guest);
    assert_eq!(derived(&target.entries()), derived(&entries(&base.store)));
    assert_eq!((target.told.parked, derived(&target.entries()).len()), (2, 2 * (usize::from(limits::HOPS_MAX) + 1)));
}

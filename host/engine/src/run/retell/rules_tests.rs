//! What a retelling leaves out.

use super::testing::{entries, history, live, made, named, plan, retold, sources};
use super::{RetellPlan, RetoldModule, Rule, SubjectPattern};
use crate::model::{Class, EventDraft, FunctionKind, FunctionManifest, Position, Timestamp, TypePattern};
use crate::run::testing::{World, event, function};
use crate::store::{Accepted, Append, Decision, Proposal, Refused};

/// Twelve events `a`, three `n.1`, and a command with two events.
fn base() -> World {
    let aggregate = FunctionManifest {
        kind: FunctionKind::Aggregate,
        decides: vec!["take".into()],
        ..function("stock", &["t.*"], &["t.one", "t.two"])
    };
    let guest = named(|_, _, _, _| Ok(Vec::new()));
    let noise = (0..3).map(|number| event(&format!("n{number}"), "n.1", "noise"));
    let mut base = live(&[aggregate], &guest, history(12).into_iter().chain(noise).collect());
    let row = base.row("stock");
    let draft = |r#type: &str| EventDraft { r#type: r#type.into(), ..EventDraft::default() };
    let decision = Decision {
        function: "stock".into(),
        module: row.module,
        epoch: row.epoch,
        command: event("c", "take", "item/1"),
        time: base.now,
        events: vec![draft("t.one"), draft("t.two")],
        folded: Position::START,
        snapshot: None,
    };
    base.propose(Proposal::Decide(decision)).expect("decided");
    base
}

const NOTHING: [&str; 0] = [];

/// What is left of the source events, the decided ones by their types.
#[track_caller]
fn check(plan: &RetellPlan, expected: &[&str]) {
    let base = base();
    let target = retold(&base, plan, &named(|_, _, _, _| Ok(Vec::new())));
    let told = target.entries();
    let of = |event: &crate::model::Event| if event.r#type.starts_with("t.") { event.r#type.clone() } else { event.id.clone() };
    let left: Vec<String> = told.iter().filter(|event| event.class == Class::Source).map(of).collect();
    assert_eq!(left, expected);
    assert_eq!((target.told.kept, target.told.dropped), (expected.len() as u64, 18 - expected.len() as u64));
}

fn of_type(pattern: &str) -> Rule {
    Rule { r#type: TypePattern::parse(pattern), ..Rule::default() }
}

fn of_subject(pattern: &str) -> Rule {
    Rule { subject: Some(SubjectPattern::parse(pattern)), ..Rule::default() }
}

fn dropping(drop: Vec<Rule>) -> RetellPlan {
    RetellPlan { drop, ..RetellPlan::default() }
}

fn keeping(keep: Vec<Rule>) -> RetellPlan {
    RetellPlan { keep, ..RetellPlan::default() }
}

const AS: [&str; 12] = ["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e10", "e11"];

#[test]
fn a_rule_names_types_subjects_tags_places_and_times_and_all_that_it_says_must_be_so() {
    check(&dropping(vec![of_type("n.*")]), &[&AS[..], &["c", "t.one", "t.two"]].concat());
    check(&keeping(vec![of_subject("s/*")]), &AS);
    check(&keeping(vec![of_subject("s/3")]), &["e3", "e10"]);
    check(&keeping(vec![of_subject("s*")]), &NOTHING);
    check(&keeping(vec![Rule { tag: Some("tag-1".into()), ..Rule::default() }]), &["e1", "e6", "e11"]);
    check(&keeping(vec![Rule { tag: Some("tag-1".into()), ..of_subject("s/6") }, of_subject("s/2")]), &["e2", "e6", "e9"]);
    // The deployment stands at 1.
    check(&keeping(vec![Rule { positions: Some((Position(3), Position(5))), ..Rule::default() }]), &["e1", "e2", "e3"]);
    check(&keeping(vec![Rule { times: Some((Timestamp(3), Timestamp(9))), ..Rule::default() }]), &["e3", "e6"]);
    check(&dropping(vec![Rule::default()]), &NOTHING);
    check(&RetellPlan { keep: vec![of_subject("s/*")], drop: vec![of_subject("s/0")], ..RetellPlan::default() }, &{
        AS.into_iter().filter(|id| !["e0", "e7"].contains(id)).collect::<Vec<_>>()
    });
}

#[test]
fn a_command_that_is_dropped_takes_what_was_decided_along_and_one_that_is_kept_is_kept_whole() {
    check(&dropping(vec![of_type("take"), of_type("a"), of_type("n.*")]), &NOTHING);
    check(&dropping(vec![of_type("t.one"), of_type("a"), of_type("n.*")]), &["c", "t.two"]);
    check(&keeping(vec![of_type("t.two")]), &["c", "t.one", "t.two"]);
}

#[test]
fn what_is_forgotten_is_not_taken_again_and_nobody_finds_it() {
    let base = base();
    let functions = [function("f", &["a"], &["b"])];
    let forget = vec![SubjectPattern::parse("s/3"), SubjectPattern::parse("item/*")];
    let guest = named(|_, event, _, _| Ok(vec![made("b", "told", event.data)]));
    let target = retold(&base, &RetellPlan { forget, ..plan(&functions) }, &guest);
    assert_eq!((target.told.kept, target.told.dropped, target.told.forgotten), (13, 5, 5));
    assert!(target.bytes().iter().all(|record| !record.windows(3).any(|bytes| bytes == b"s/3")));
    let mut promoted = World { store: target.store, now: base.now };
    let mut append = |id: &str| promoted.propose(Proposal::Append(Append { events: vec![event(id, "a", "s/9")], ..Append::default() }));
    assert!(matches!(append("e3"), Err(Refused::Forgotten { .. })));
    assert!(matches!(append("c"), Err(Refused::Forgotten { .. })));
    assert!(matches!(append("e4"), Err(Refused::Content { .. })));
    assert!(matches!(append("new"), Ok(Accepted::Appended(_))));
    // It stays forgotten in what retells this one.
    let again = retold(&promoted, &plan(&functions), &guest);
    assert_eq!(sources(&again.entries()), sources(&entries(&promoted.store)));
    let mut again = World { store: again.store, now: promoted.now };
    let append = again.propose(Proposal::Append(Append { events: vec![event("e10", "a", "s/9")], ..Append::default() }));
    assert!(matches!(append, Err(Refused::Forgotten { .. })));
}

#[test]
fn a_plan_is_what_it_was_after_it_was_written_down() {
    let mut plan = plan(&[function("f", &["a"], &["b"])]);
    plan.modules.push(RetoldModule { component: vec![1, 2], ..plan.modules[0].clone() });
    plan.drop = vec![Rule { tag: Some("x".into()), times: Some((Timestamp(1), Timestamp(2))), ..of_type("n.*") }, Rule::default()];
    plan.keep = vec![Rule { positions: Some((Position(3), Position(4))), ..of_subject("s/*") }, of_type("exact")];
    plan.forget = vec![SubjectPattern::parse("s/3"), SubjectPattern::parse("item/*"), SubjectPattern::parse("odd*")];
    plan.starts.insert("f".into(), Position(9));
    let bytes = plan.encode();
    assert_eq!(RetellPlan::decode(&bytes).expect("readable"), plan);
    assert!((0..bytes.len()).all(|end| RetellPlan::decode(&bytes[..end]).is_err()));
}

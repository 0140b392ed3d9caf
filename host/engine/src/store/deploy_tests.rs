//! Activation, rollback and removal: one commit, and no function ever goes on with state that is not its own.

use std::sync::Arc;

use super::function::FunctionStatus;
use super::open::Options;
use super::proposal::{Accepted, Control, Deploy, Level, PreparePart, Proposal, Refused};
use super::upgrade_testing::{
    SUM, Shop, control, deploy, deploy_of, digest_of, function, manifest, not_level, put, remove, rollback, upcaster,
};
use super::writer::Store;
use crate::model::limits::VERSIONS_KEPT;
use crate::model::{Digest, FunctionKind, Manifest, PlanMode, Position};

fn worked() -> Shop {
    let mut shop = Shop::new();
    shop.append(3);
    shop.work(1);
    shop.append(2);
    shop.work(1);
    shop.check(1);
    shop
}

#[test]
fn a_new_version_goes_on_from_the_old_cursor_with_state_of_its_own() {
    let mut shop = worked();
    let before = shop.row();
    shop.upgrade(2);
    let after = shop.row();
    shop.check(2);
    assert_eq!((after.cursor, after.epoch, after.module), (before.cursor, before.epoch + 1, 2));
    let kept = after.kept(before.identity).expect("the old version is kept");
    assert_eq!((kept.slot, kept.module, kept.whole), (before.slot, 1, true));
    shop.append(4);
    shop.work(2);
    shop.check(2);
    shop.reopen();
    shop.check(2);
}

#[test]
fn a_version_whose_state_is_not_level_is_refused() {
    let mut shop = worked();
    assert_eq!(shop.propose(deploy(2, Vec::new())).err(), not_level());
    shop.prepare(2, PreparePart::Begin).expect("it fits");
    let half = shop.level(2);
    assert_eq!(shop.propose(deploy(2, vec![half])).err(), not_level(), "its state is half made");
    shop.ready(2);
    let level = shop.level(2);
    let wrong = [
        Level { identity: shop.identity(3), ..level.clone() },
        Level { epoch: level.epoch + 1, ..level.clone() },
        Level { cursor: Position(level.cursor.0 - 1), ..level.clone() },
        Level { stands_on: level.stands_on - 1, ..level.clone() },
        Level { function: "page".into(), ..level.clone() },
    ];
    for level in wrong {
        assert_eq!(shop.propose(deploy(2, vec![level.clone()])).err(), not_level(), "{level:?}");
    }
    shop.append(1);
    shop.work(1);
    assert_eq!(shop.propose(deploy(2, vec![level.clone()])).err(), not_level(), "the cursor moved since");
    let level = shop.level(2);
    shop.accept(control(Control::Pause));
    assert_eq!(shop.propose(deploy(2, vec![level])).err(), not_level(), "it was paused since");
    let level = shop.level(2);
    shop.accept(deploy(2, vec![level]));
    shop.check(2);
    assert_eq!(shop.row().status, FunctionStatus::Paused);
}

#[test]
fn a_plan_of_the_version_before_is_stale_from_the_switch_on() {
    let mut shop = worked();
    shop.ready(2);
    shop.append(1);
    let (plan, level) = (shop.plan(1), shop.level(2));
    let answers = shop.propose_all(vec![deploy(2, vec![level]), Proposal::Reaction(plan.clone())]);
    assert!(matches!(answers[..], [Ok(Accepted::Deployed { .. }), Err(Refused::Stale { .. })]), "{answers:?}");
    assert!(matches!(shop.propose(Proposal::Reaction(plan)), Err(Refused::Stale { .. })));
    shop.check(2);
}

#[test]
fn a_rollback_right_away_or_after_further_events_finds_what_the_record_says() {
    let mut shop = worked();
    shop.upgrade(2);
    assert_eq!(shop.propose(rollback(1, Vec::new())).err(), not_level());
    let level = shop.level(1);
    let Accepted::Deployed { position, unchanged: false, module: 3 } = shop.accept(rollback(1, vec![level])) else { panic!("rolled back") };
    shop.check(1);
    let event = shop.store.reader().snapshot().ok().and_then(|snapshot| snapshot.event(position).ok().flatten()).expect("it is recorded");
    assert_eq!((event.r#type.as_str(), event.subject.as_str()), ("retold.module.rolledback", "shop"));
    for (version, events) in [(2, 0), (1, 3), (2, 1), (1, 0)] {
        shop.append(events);
        let running = 3 - version;
        shop.work(running);
        let level = shop.level(version);
        shop.accept(rollback(version, vec![level]));
        shop.check(version);
        shop.reopen();
    }
    shop.append(1);
    shop.work(1);
    shop.check(1);
}

#[test]
fn a_reaction_in_the_group_of_the_switch_is_in_the_old_state_once() {
    let mut shop = worked();
    shop.ready(2);
    shop.append(5);
    let plan = shop.plan(1);
    // Made for the function as it will stand after that plan.
    let level = Level { cursor: plan.to, writes: vec![put(SUM, 20)], ..shop.level(2) };
    let answers = shop.propose_all(vec![Proposal::Reaction(plan), deploy(2, vec![level])]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    shop.check(2);
    shop.append(1);
    shop.work(2);
    let level = shop.level(1);
    shop.accept(rollback(1, vec![level]));
    shop.check(1);
}

#[test]
fn state_goes_along_when_an_upcaster_on_its_events_comes_and_goes() {
    let mut shop = worked();
    let affected = shop.affected(&upcaster());
    let sum = affected.iter().find(|affected| affected.row.name == SUM).expect("it reads what the upcaster makes");
    assert!(sum.stateful && !sum.of_module && sum.identity != sum.row.identity);
    assert_eq!(affected.len(), 2, "the view too");
    assert_eq!(shop.propose(deploy_of(upcaster(), Vec::new())).err(), not_level());

    let identity = sum.identity;
    let row = shop.row();
    let through_commit = shop.commit();
    let part = |part| Proposal::Prepare(super::proposal::Prepare { function: SUM.into(), identity, part });
    shop.accept(part(PreparePart::Begin));
    shop.accept(part(PreparePart::Done { through_commit }));
    let writes = vec![put(SUM, 7)];
    let level = Level { function: SUM.into(), identity, cursor: row.cursor, epoch: row.epoch, stands_on: through_commit, writes };
    let plan = shop.plan(1);
    shop.accept(deploy_of(upcaster(), vec![level]));
    assert!(matches!(shop.propose(Proposal::Reaction(plan)), Err(Refused::Stale { .. })), "it was made without the upcaster");
    assert_eq!((shop.row().identity, shop.value(shop.row().slot), shop.row().epoch), (identity, 7, row.epoch + 1));

    let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
    let back = snapshot.affected_by_removal("forms").into_iter().find(|affected| affected.row.name == SUM).expect("it is affected");
    assert_eq!(back.identity, row.identity);
    let remove = |levels| Proposal::Remove { module: "forms".into(), levels };
    assert_eq!(shop.propose(remove(Vec::new())).err(), not_level());
    let kept = shop.row().kept(row.identity).expect("it is kept").through_commit;
    let (identity, epoch) = (row.identity, shop.row().epoch);
    let level = Level { function: SUM.into(), identity, cursor: row.cursor, epoch, stands_on: kept, writes: Vec::new() };
    shop.accept(remove(vec![level]));
    shop.check(1);
}

#[test]
fn a_version_is_what_was_deployed_under_it_first() {
    let mut shop = Shop::new();
    let other = |version| {
        Proposal::Deploy(Deploy {
            manifest: manifest(version),
            digest: Digest::of(b"other"),
            component: Vec::new(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        })
    };
    let taken = Some(Refused::VersionTaken { module: "shop".into(), version: "1.0.0".into() });
    assert_eq!(shop.propose(other(1)).err(), taken);
    assert!(matches!(shop.accept(deploy(1, Vec::new())), Accepted::Deployed { unchanged: true, .. }));
    shop.accept(deploy(2, Vec::new()));
    assert_eq!(shop.propose(other(1)).err(), taken);
    shop.accept(remove(Vec::new()));
    assert_eq!(shop.propose(other(1)).err(), taken);
    shop.accept(deploy(1, Vec::new()));
}

#[test]
fn a_function_that_never_wrote_needs_nothing_and_one_that_did_makes_its_state_anew() {
    let mut shop = Shop::new();
    shop.append(2);
    let first = shop.row();
    shop.accept(deploy(2, Vec::new()));
    assert!(shop.row().rebuild.is_none() && shop.row().slot != first.slot);
    shop.work(2);
    let mut emptied = shop.plan(2);
    emptied.set_state(vec![crate::model::StateWrite { key: SUM.into(), value: None }]);
    shop.accept(Proposal::Reaction(emptied));
    assert_eq!(shop.rows().len(), 0);
    shop.accept(deploy(3, Vec::new()));
    let (row, cursor) = (shop.row(), shop.store.head().0 - 1);
    assert_eq!(row.rebuild.map(|rebuild| (rebuild.until, rebuild.through_commit)), Some((Position(cursor), 0)));
    assert_eq!(row.cursor, Position(cursor));
    assert!(matches!(shop.propose(Proposal::Reaction(shop.plan(3))), Err(Refused::Stale { .. })), "it goes on before its state is there");
}

#[test]
fn state_that_is_being_made_again_is_waited_for_unless_that_has_come_to_a_halt() {
    let mut shop = worked();
    shop.accept(control(Control::Rewind(shop.row().cursor)));
    let rewound = shop.row();
    assert_eq!(shop.propose(deploy(2, Vec::new())).err(), not_level());
    let mut halting = shop.plan(1);
    let event = crate::model::ParkedEvent {
        position: Position(2),
        subject: "s".into(),
        reason: "trap".into(),
        message: "m".into(),
        attempts: 1,
        since: crate::model::Timestamp(1),
    };
    (halting.mode, halting.to, halting.halted) = (PlanMode::Rebuild { through_commit: 3 }, halting.from, Some(event));
    shop.accept(Proposal::Reaction(halting));
    shop.accept(deploy(2, Vec::new()));
    let row = shop.row();
    assert_eq!((row.rebuild.map(|rebuild| rebuild.through_commit), row.status), (Some(0), FunctionStatus::Active));
    assert_eq!(row.rebuild.map(|rebuild| rebuild.until), rewound.rebuild.map(|rebuild| rebuild.until));
    assert!(row.slot != rewound.slot && row.kept.is_empty(), "half a state is kept for nobody");
}

#[test]
fn a_retired_function_goes_on_with_its_state_when_its_code_returns_and_other_code_does_not() {
    let mut shop = worked();
    shop.accept(remove(Vec::new()));
    assert_eq!(shop.row().status, FunctionStatus::Retired);
    shop.reopen();
    assert_eq!(shop.propose(deploy(2, Vec::new())).err(), not_level());
    shop.accept(deploy(1, Vec::new()));
    shop.check(1);
    shop.accept(remove(Vec::new()));
    shop.upgrade(2);
    shop.check(2);
    let level = shop.level(1);
    shop.accept(rollback(1, vec![level]));
    shop.check(1);
}

#[test]
fn who_has_the_log_alone_never_goes_on_with_foreign_state() {
    let mut shop = worked();
    shop.upgrade(2);
    let row = shop.told_by_the_log();
    assert_eq!((row.identity, row.cursor, row.epoch), (shop.identity(2), shop.row().cursor, shop.row().epoch));
    assert_eq!(row.rebuild.map(|rebuild| (rebuild.until, rebuild.through_commit)), Some((row.cursor, 0)));
    shop.append(2);
    shop.work(2);
    let level = shop.level(1);
    shop.accept(rollback(1, vec![level]));
    let row = shop.told_by_the_log();
    assert_eq!((row.identity, row.rebuild.map(|rebuild| rebuild.until)), (shop.identity(1), Some(shop.row().cursor)));
    assert!(row.kept.iter().all(|kept| kept.slot != row.slot));
}

#[test]
fn the_log_tells_that_state_was_made_for_code_whose_forerunner_had_none() {
    let mut shop = Shop::new();
    shop.append(3);
    let mut stateless = shop.plan(1);
    stateless.set_state(Vec::new());
    shop.accept(Proposal::Reaction(stateless));
    assert!(!shop.row().stateful);
    shop.upgrade(2);
    shop.check(2);
    assert!(shop.row().stateful, "a rewind must make it again");
    assert_eq!(shop.told_by_the_log().rebuild.map(|rebuild| rebuild.until), Some(shop.row().cursor));
}

#[test]
fn the_last_versions_are_kept_and_older_ones_are_not() {
    let mut shop = worked();
    let first = shop.row().slot;
    for version in 2..=5 {
        shop.upgrade(version);
    }
    let row = shop.row();
    let kept: Vec<(u32, Digest)> = row.kept.iter().map(|kept| (kept.module, kept.identity)).collect();
    assert_eq!(kept, [2, 3, 4].map(|version: u32| (version, shop.identity(version.into()))));
    assert_eq!(kept.len(), VERSIONS_KEPT);
    // Going back to the oldest doesn't lose it to the one that comes in.
    let level = shop.level(2);
    shop.accept(rollback(2, vec![level]));
    shop.check(2);
    assert_eq!(shop.row().kept.iter().map(|kept| kept.module).collect::<Vec<_>>(), [3, 4, 5]);
    while shop.store.delete_leftover_rows().expect("nothing fails in memory") {}
    assert!(!shop.rows().contains_key(&first));
    shop.check(2);
}

#[test]
fn as_many_former_versions_are_kept_as_the_store_is_told_and_more_go_with_the_next_deployment() {
    let mut shop = worked();
    let kept = |shop: &Shop| shop.row().kept.iter().map(|kept| kept.module).collect::<Vec<_>>();
    (2..=4).for_each(|version| shop.upgrade(version));
    assert_eq!(kept(&shop), [1, 2, 3]);
    for (versions_kept, upgrade, expected) in [(2, 5, vec![3, 4]), (5, 6, vec![3, 4, 5]), (1, 7, vec![6])] {
        shop.folder = shop.folder.copy();
        let options = Options { versions_kept, ..Options::default() };
        shop.store = Store::open(Arc::new(shop.folder.clone()), &options).expect("it opens");
        shop.upgrade(upgrade);
        assert_eq!(kept(&shop), expected);
        shop.check(upgrade);
    }
}

#[test]
fn what_is_kept_of_a_view_is_named_by_its_identity() {
    let mut shop = Shop::new();
    let first = shop.row_of("page");
    shop.accept(deploy(2, Vec::new()));
    let second = shop.row_of("page");
    assert_eq!(second.kept.iter().map(|kept| (kept.identity, kept.slot, kept.module)).collect::<Vec<_>>(), [(first.identity, 0, 1)]);
    assert_eq!((second.slot, second.rebuild), (0, None));
    shop.accept(rollback(1, Vec::new()));
    let third = shop.row_of("page");
    assert_eq!((third.identity, third.kept.iter().map(|kept| kept.identity).collect()), (first.identity, vec![second.identity]));
}

#[test]
fn a_handler_that_becomes_a_view_and_comes_back_has_its_own_state() {
    let mut shop = worked();
    let viewing = Manifest { version: "2.0.0".into(), functions: vec![function(SUM, FunctionKind::View, &["a"])], ..manifest(1) };
    assert_eq!(shop.affected(&viewing).iter().map(|affected| affected.stateful).collect::<Vec<_>>(), [false]);
    shop.accept(deploy_of(viewing.clone(), Vec::new()));
    assert_eq!((shop.row().slot, shop.row().identity == shop.identity(1)), (0, false));
    shop.accept(rollback(1, Vec::new()));
    let row = shop.row();
    assert_eq!((row.rebuild.map(|rebuild| rebuild.until), shop.value(row.slot)), (Some(row.cursor), 0));
    assert_eq!(digest_of(&viewing), shop.store.reader().modules()[&2].digest);
}

#[test]
fn outputs_that_history_lacks_are_appended_once_and_nothing_else_moves() {
    let mut shop = worked();
    let mut live = shop.plan(1);
    live.emitted = vec![shop.emitted("known", Position(2))];
    shop.append(1);
    live.to = shop.store.head();
    shop.accept(Proposal::Reaction(live));
    let before = shop.row();
    let mut backfill = shop.plan(1);
    (backfill.mode, backfill.from, backfill.to) = (PlanMode::Backfill, Position::START, Position::START);
    backfill.emitted = ["known", "lacking"].map(|id| shop.emitted(id, Position(2))).to_vec();
    for new in [1, 0] {
        let Accepted::Reacted(reacted) = shop.accept(Proposal::Reaction(backfill.clone())) else { panic!("reacted") };
        assert_eq!((reacted.outputs.len(), reacted.new, reacted.different.len()), (2, new, 0));
    }
    let after = shop.row();
    assert_eq!((after.cursor, after.epoch, shop.value(after.slot)), (before.cursor, before.epoch, shop.value(before.slot)));
    shop.accept(control(Control::Pause));
    assert!(matches!(shop.propose(Proposal::Reaction(backfill)), Err(Refused::Stale { .. })));
}

#[test]
fn a_circle_that_another_deployment_closes_is_found_before_and_by_the_writer() {
    let mut shop = worked();
    let turning = |name: &str, from: &str, to: &str| {
        let turn = crate::model::FunctionManifest { emits: vec![to.into()], ..function(name, FunctionKind::Upcaster, &[from]) };
        Manifest { name: format!("{name}s"), version: "1.0.0".into(), functions: vec![turn], schemas: Vec::new() }
    };
    let (there, back) = (turning("there", "x", "y"), turning("back", "y", "x"));
    let checked = |shop: &Shop| {
        let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
        snapshot.check_deployment(&there, digest_of(&there))
    };
    assert_eq!(checked(&shop), Ok(()));
    shop.accept(deploy_of(back, Vec::new()));
    assert!(matches!(checked(&shop), Err(Refused::UpcastCircle { .. })));
    let (head, commit) = (shop.store.head(), shop.commit());
    assert!(matches!(shop.propose(deploy_of(there.clone(), Vec::new())), Err(Refused::UpcastCircle { .. })));
    assert_eq!((shop.store.head(), shop.commit()), (head, commit), "nothing of it is recorded");
}

#[test]
fn what_the_writer_would_refuse_for_its_names_is_known_before() {
    let shop = worked();
    let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
    let named = |module: &str, function: &str| {
        let mut taking = super::upgrade_testing::function(function, FunctionKind::Aggregate, &["a"]);
        taking.decides = vec!["make".into()];
        Manifest { name: module.into(), version: "1.0.0".into(), functions: vec![taking], schemas: Vec::new() }
    };
    for (manifest, digest) in [(named("other", SUM), Digest::of(b"x")), (manifest(1), Digest::of(b"other"))] {
        let before = snapshot.check_version(&manifest, digest).and_then(|()| snapshot.check_deployment(&manifest, digest));
        let mut shop = worked();
        let deploy = Deploy { manifest, digest, component: Vec::new(), levels: Vec::new(), rollback: false, send: false };
        assert_eq!(shop.propose(Proposal::Deploy(deploy)).err(), Some(before.expect_err("it is refused")));
    }
    let mut shop = worked();
    shop.accept(deploy_of(named("first", "one"), Vec::new()));
    let second = named("second", "two");
    let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
    let before = snapshot.check_deployment(&second, digest_of(&second)).expect_err("the command is taken");
    assert!(matches!(before, Refused::CommandTaken { .. }), "{before}");
    assert_eq!(shop.propose(deploy_of(second, Vec::new())).err(), Some(before));
}

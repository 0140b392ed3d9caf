//! State that is made ready beside the live one: step by step, through crashes, and gone when nobody
//! keeps it. And the rows that say where state is.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::folder::Folder;
use super::function::{FunctionRow, FunctionStatus, Rebuild};
use super::head::HEAD;
use super::kept::Kept;
use super::proposal::{Control, Prepare, PreparePart, Proposal, Refused};
use super::tables;
use super::upgrade_testing::{SUM, Shop, control, deploy, manifest, not_level, put};
use crate::model::limits::CANDIDATES_KEPT;
use crate::model::{Digest, ParkedEvent, Position, StateWrite, Timestamp};

fn worked() -> Shop {
    let mut shop = Shop::new();
    shop.append(3);
    shop.work(1);
    shop
}

fn many(count: u64) -> Vec<StateWrite> {
    (0..count).map(|nth| put(&format!("row/{nth:05}"), nth)).collect()
}

/// Goes on with the preparation of version 2 from wherever it stands.
fn go_on(shop: &mut Shop) -> Option<PreparePart> {
    let (row, identity) = (shop.row(), shop.identity(2));
    let through_commit = shop.commit();
    match row.kept(identity) {
        None => Some(PreparePart::Begin),
        Some(kept) if !kept.whole && shop.value(kept.slot) == 0 => Some(PreparePart::Rows(vec![put(SUM, shop.replayed(2, 0))])),
        Some(kept) if !kept.whole => Some(PreparePart::Done { through_commit }),
        Some(kept) if kept.through_commit < through_commit => {
            let writes = vec![put(SUM, shop.value(kept.slot) + shop.replayed(2, kept.through_commit))];
            Some(PreparePart::On { stands_on: kept.through_commit, writes, through_commit })
        }
        Some(_) => None,
    }
}

#[test]
fn a_preparation_survives_a_crash_between_any_two_of_its_steps() {
    for crash in 0..6 {
        let mut shop = worked();
        for step in 0.. {
            assert!(step < 9, "it doesn't get on");
            if step == crash {
                shop.reopen();
                let half = shop.row().kept(shop.identity(2)).is_some_and(|kept| !kept.whole);
                if half {
                    // Nobody knows what is in it.
                    shop.prepare(2, PreparePart::Begin).expect("it is begun again");
                }
            }
            let Some(part) = go_on(&mut shop) else { break };
            let done = matches!(part, PreparePart::Done { .. });
            shop.prepare(2, part).expect("it fits");
            if done {
                shop.append(2);
                shop.work(1);
            }
        }
        shop.check(1);
        let level = shop.level(2);
        shop.accept(deploy(2, vec![level]));
        shop.check(2);
        shop.reopen();
        shop.check(2);
    }
}

#[test]
fn nothing_of_a_preparation_is_in_the_log() {
    let mut shop = worked();
    let (head, commit) = (shop.store.head(), shop.commit());
    shop.ready(2);
    assert_eq!((shop.store.head(), shop.commit()), (head, commit));
    assert!(shop.row().kept(shop.identity(2)).is_some_and(|kept| kept.whole && kept.is_candidate()));
}

#[test]
fn a_step_that_does_not_go_on_from_what_is_there_is_refused() {
    let mut shop = worked();
    let commit = shop.commit();
    let done = |through_commit| PreparePart::Done { through_commit };
    let on = |stands_on, through_commit| PreparePart::On { stands_on, writes: Vec::new(), through_commit };
    let refused = |shop: &mut Shop, part: PreparePart| {
        let answer = shop.prepare(2, part.clone());
        assert!(matches!(answer, Err(Refused::NotPrepared { .. })), "{part:?} was answered {answer:?}");
    };
    for part in [PreparePart::Rows(Vec::new()), done(commit), on(commit, commit), PreparePart::Drop] {
        refused(&mut shop, part);
    }
    shop.prepare(2, PreparePart::Begin).expect("it fits");
    for part in [on(0, commit), done(commit + 1)] {
        refused(&mut shop, part);
    }
    shop.prepare(2, done(commit)).expect("it fits");
    for part in [PreparePart::Rows(Vec::new()), done(commit), on(commit - 1, commit), on(commit, commit - 1), on(commit, commit + 1)] {
        refused(&mut shop, part);
    }
    shop.prepare(2, on(commit, commit)).expect("it fits");
    shop.prepare(2, PreparePart::Drop).expect("it is there");

    assert!(matches!(shop.prepare(1, PreparePart::Begin), Err(Refused::NotPrepared { .. })), "it is what runs");
    let begin = |function: &str| Proposal::Prepare(Prepare { function: function.into(), identity: Digest::ZERO, part: PreparePart::Begin });
    assert!(matches!(shop.propose(begin("page")), Err(Refused::NotPrepared { .. })), "a view has a file");
    assert_eq!(shop.propose(begin("nobody")).err(), Some(Refused::UnknownFunction("nobody".into())));
}

#[test]
fn state_that_nobody_keeps_is_deleted_a_little_with_each_commit_and_its_slot_is_not_used_meanwhile() {
    let mut shop = worked();
    // The last one has the highest number of all, functions' ordinals among them.
    let slots = [(); 3].map(|()| shop.prepare(2, PreparePart::Begin).expect("it fits"));
    let slot = slots[2];
    shop.prepare(2, PreparePart::Rows(many(500))).expect("it fits");
    assert_eq!(shop.rows()[&slot], 500);
    assert_eq!(shop.prepare(2, PreparePart::Drop), Ok(slot));
    let left = shop.rows()[&slot];
    assert!((400..500).contains(&left), "{left} rows are left");
    shop.reopen();
    for _ in 0..3 {
        let fresh = shop.prepare(3, PreparePart::Begin).expect("it fits");
        assert!(fresh > slot, "{fresh} was given out before");
    }
    shop.append(1);
    assert!(shop.rows()[&slot] < left);
    while shop.store.delete_leftover_rows().expect("nothing fails in memory") {}
    assert_eq!(shop.rows().keys().copied().collect::<Vec<_>>(), [shop.row().slot]);
    assert!(!shop.store.delete_leftover_rows().expect("nothing fails in memory"));
    shop.check(1);
}

#[test]
fn a_rewind_takes_a_fresh_slot_and_what_was_kept_goes() {
    let mut shop = worked();
    shop.upgrade(2);
    shop.ready(3);
    let before = shop.row();
    shop.append(1);
    let plan = shop.plan(2);
    let answers = shop.propose_all(vec![Proposal::Reaction(plan), control(Control::Rewind(Position(3)))]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let row = shop.row();
    assert!(row.kept.is_empty() && row.slot != before.slot && !row.straight);
    assert_eq!(shop.value(row.slot), 0, "the plan wrote to the state of before");
    while shop.store.delete_leftover_rows().expect("nothing fails in memory") {}
    assert_eq!(shop.rows().len(), 0);
    let answer = shop.prepare(3, PreparePart::On { stands_on: 1, writes: Vec::new(), through_commit: 1 });
    assert!(matches!(answer, Err(Refused::NotPrepared { .. })), "its events are no longer dealt with");
}

#[test]
fn candidates_that_never_ran_push_out_the_oldest_of_their_kind_only() {
    let mut shop = worked();
    shop.upgrade(2);
    for version in 3..=5 {
        shop.prepare(version, PreparePart::Begin).expect("it fits");
    }
    let row = shop.row();
    assert_eq!(row.kept.iter().filter(|kept| kept.is_candidate()).count(), CANDIDATES_KEPT);
    assert!(row.kept(shop.identity(3)).is_none() && row.kept(shop.identity(1)).is_some());
}

#[test]
fn a_function_is_straight_until_something_of_it_is_parked() {
    let mut shop = worked();
    assert!(shop.row().straight);
    shop.append(1);
    let mut plan = shop.plan(1);
    let (subject, reason, message) = ("s".into(), "trap".into(), "m".into());
    plan.parked = vec![ParkedEvent { position: plan.to, subject, reason, message, attempts: 1, since: Timestamp(1) }];
    shop.accept(Proposal::Reaction(plan));
    assert!(!shop.row().straight);
    shop.reopen();
    assert!(!shop.row().straight);
}

#[test]
fn rows_of_the_format_before_have_their_state_under_the_ordinal() {
    let mut shop = worked();
    let before = shop.row();
    shop.folder = shop.folder.copy();
    let head = redb::Database::builder().create_with_backend(shop.folder.open(HEAD).expect("it is there")).expect("it opens");
    let transaction = head.begin_write().expect("a transaction");
    {
        let mut functions = transaction.open_table(tables::FUNCTIONS).expect("it is there");
        let mut bytes = functions.get(SUM).expect("read").expect("it is there").value().to_vec();
        // Format, ordinal, module, start, status, rebuild, stateful: that was all.
        bytes.truncate(1 + 4 + 4 + 8 + 1 + 1 + 1);
        bytes[0] = 1;
        functions.insert(SUM, bytes.as_slice()).expect("written");
    }
    transaction.commit().expect("committed");
    drop(head);
    shop.reopen();
    let row = shop.row();
    assert_eq!((row.slot, row.ordinal, row.straight, row.kept.len()), (before.ordinal, before.ordinal, false, 0));
    shop.check(1);
    assert_eq!(shop.propose(deploy(2, Vec::new())).err(), not_level());
    shop.reopen();
    assert_eq!(stored(&shop)[0], 3, "the row is of today's format by now");
    shop.upgrade(2);
    shop.check(2);
}

fn stored(shop: &Shop) -> Vec<u8> {
    let transaction = redb::ReadableDatabase::begin_read(&shop.store.shared.head).expect("nothing fails in memory");
    let table = transaction.open_table(tables::FUNCTIONS).expect("it is there");
    table.get(SUM).expect("read").expect("it is there").value().to_vec()
}

#[test]
fn a_function_has_the_bytes_that_the_page_on_the_data_file_says() {
    let function = manifest(1).functions.remove(0);
    let row = FunctionRow {
        name: SUM.into(),
        ordinal: 2,
        module: 3,
        manifest: function.clone(),
        status: FunctionStatus::Paused,
        start: Position(4),
        cursor: Position(4),
        epoch: 0,
        rebuild: Some(Rebuild { until: Position(5), through_commit: 6 }),
        stateful: true,
        slot: 7,
        identity: Digest([8; 32]),
        kept: vec![Kept { identity: Digest([9; 32]), module: 1, slot: 10, through_commit: 11, whole: true }],
        straight: true,
        held_through: Position(12),
        decided: BTreeMap::from([("take".to_owned(), Position(12))]),
        standing: None,
        parked: 0,
        released: 0,
    };
    let bytes = row.encode();
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let expected = [
        &[3][..],
        &words(&[2, 3]),
        &longs(&[4]),
        &[1, 1],
        &longs(&[5, 6]),
        &[1],
        &words(&[7]),
        &[8; 32],
        &[1, 1],
        &[9; 32],
        &words(&[1, 10]),
        &longs(&[11]),
        &[1],
        &longs(&[12]),
        b"\x01\x04take",
        &longs(&[12]),
    ];
    assert_eq!(bytes, expected.concat());
    let decode = |bytes: &[u8]| FunctionRow::decode(SUM, bytes, |_| Some(function.clone()));
    assert_eq!(decode(&bytes).map(|row| (row.encode(), row.kept)), Ok((bytes.clone(), row.kept)));
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    // As an earlier host wrote it: nothing was held, and nobody sent commands.
    let before = [&[2][..], &bytes[1..bytes.len() - 22]].concat();
    let decoded = decode(&before).map(|row| (row.kept.len(), row.held_through, row.decided));
    assert_eq!(decoded, Ok((1, Position(0), BTreeMap::new())));
}

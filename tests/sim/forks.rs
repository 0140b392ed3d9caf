//! Forks, with power lost at every operation: there is a whole one, or none and it can be made again.

use std::sync::Arc;

use retold_engine::model::{NewEvent, Position, Timestamp};
use retold_engine::store::{Append, Forked, Options, Proposal, Store, StoreError, fork};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};

/// Events a commit, of which every third is sealed.
const COMMITS: u64 = 8;

fn append(store: &mut Store, id: &str) {
    let event = |number: u64| NewEvent {
        id: format!("{id}/{number}"),
        source: "/test".into(),
        r#type: "it.happened".into(),
        content_type: "text/plain".into(),
        ..NewEvent::default()
    };
    let append = Append { events: (0..3).map(event).collect(), ..Append::default() };
    store.commit([Proposal::Append(append)], Timestamp(1)).expect("committed");
}

fn base() -> Store {
    let mut store = Store::open(Arc::new(FaultFolder::new()), &Options::default()).expect("it opens");
    for commit in 0..COMMITS {
        append(&mut store, &commit.to_string());
        if commit % 3 == 2 {
            store.close_tail();
            let sealed = store.reader().housekeep(store.reader().seal_due().expect("due")).expect("written");
            store.adopt(sealed).expect("named");
        }
    }
    store
}

fn make(base: &Store, at: u64, folder: &FaultFolder) -> Result<Forked, StoreError> {
    fork(&base.reader(), Position(at), Arc::new(folder.clone()), &Options { identity: [7; 16], ..Options::default() })
}

#[track_caller]
fn check(at: u64, then: impl Fn(&FaultFolder, &mut Chance) -> FaultFolder) {
    let base = base();
    for operation in 1.. {
        let folder = FaultFolder::new();
        let mut chance = Chance::new(operation);
        folder.lose_power_at(operation);
        let acknowledged = make(&base, at, &folder).is_ok();
        let over = folder.has_power();
        let folder = then(&folder, &mut chance);
        match make(&base, at, &folder) {
            Ok(_) => assert!(!acknowledged, "a fork was lost at {operation}"),
            Err(StoreError::NotEmpty) => {}
            Err(error) => panic!("{error} at {operation}"),
        }
        let mut fork = Store::open(Arc::new(folder.clone()), &Options::default()).expect("it opens");
        assert_eq!(fork.reader().verify().expect("whole").events, at, "at {operation}");
        append(&mut fork, "own");
        assert_eq!(fork.reader().verify().expect("whole").events, at + 3);
        if over {
            assert!(operation > 20, "it takes only {operation} operations");
            break;
        }
    }
    assert_eq!(base.reader().verify().expect("whole").events, COMMITS * 3);
}

#[test]
fn a_fork_is_there_whole_or_not_at_all_wherever_power_is_lost() {
    // At a border of segments, in a sealed commit, and in the tail.
    for at in [9, 14, 22] {
        check(at, |folder, chance| folder.crash(Crash::Lost, chance));
        check(at, |folder, chance| folder.crash(Crash::Kept, chance));
        check(at, |folder, chance| folder.crash(Crash::Torn { percent: 50, garbage: true }, chance));
        check(at, |folder, chance| folder.crash(Crash::Reordered { percent: 50 }, chance));
        check(at, |folder, _| folder.kill());
    }
}

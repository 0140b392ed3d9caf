//! Rebuilds of what the simulated namespace is, with power lost at every operation on the disk: everything is as it
//! was, or everything is new.

use std::sync::Arc;

use retold_engine::store::{Folder, Options as StoreOptions, Rebuilt, Space, Store, StoreError, rebuild};

use crate::disk::{Crash, FaultFolder};
use crate::oracle;
use crate::script::tell;
use crate::world::World;

const VIEW: &str = "view-of-the-story-0123456789abcdef.redb";

fn make(folder: &FaultFolder) -> Result<Rebuilt, StoreError> {
    rebuild(Arc::new(folder.clone()), &StoreOptions::default())
}

#[test]
fn a_rebuild_is_whole_or_never_was_wherever_power_is_lost_c8() {
    let mut world = World::quiet();
    let mut host = world.open(&[]).expect("there is power");
    tell(&mut world, &mut host).unwrap_or_else(|_| panic!("there is power"));
    let expected = host.store.reader().verify().expect("whole");
    drop(host);
    world.disk.create(VIEW, Space::Sparse).expect("there is power");
    let before = world.disk.crash(Crash::Kept, &mut world.chance);
    for operation in 1.. {
        let folder = before.copy();
        folder.lose_power_at(operation);
        let made = make(&folder);
        let over = folder.has_power();
        let percent = (operation * 37 % 91) as u8 + 5;
        let crash =
            [Crash::Lost, Crash::Kept, Crash::Torn { percent, garbage: true }, Crash::Reordered { percent }][operation as usize % 4];
        let folder = folder.crash(crash, &mut world.chance);
        let store = Store::open(Arc::new(folder.clone()), &StoreOptions::default()).expect("it opens");
        assert_eq!(store.reader().verify().expect("whole"), expected, "at {operation}");
        let snapshot = store.reader().snapshot().expect("a snapshot");
        oracle::check_log(&world.model.log, &snapshot);
        oracle::check_reads(&world.model.log, &snapshot, &mut world.chance, 4);
        // State is still to be made behind a new head, and nowhere else.
        let anew = snapshot.functions().any(|row| row.rebuild.is_some());
        let stateful = snapshot.functions().filter(|row| row.stateful).count();
        assert!(stateful > 0 && snapshot.functions().filter(|row| row.rebuild.is_some()).count() <= stateful);
        assert!(anew || made.is_err(), "a rebuild was lost at {operation}");
        assert!(!anew || !folder.list().expect("there is power").iter().any(|name| name == VIEW), "old rows at {operation}");
        drop((snapshot, store));
        let again = make(&folder).expect("rebuilt");
        assert_eq!((again.at.0, again.commit, again.chain), (expected.events, expected.commits, expected.chain), "at {operation}");
        if over {
            assert!(operation > 20, "it takes only {operation} operations");
            break;
        }
    }
}

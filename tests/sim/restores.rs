//! Restores of what the simulated namespace is, with power lost at every operation on the disk: all is there, or
//! nothing.

use std::sync::Arc;

use retold_engine::store::{
    BackupPieces, Effects, Options as StoreOptions, Reader, RestoreAs, Restored, Store, StoreError, Until, restore,
};

use crate::disk::{Crash, FaultFolder};
use crate::oracle;
use crate::script::tell;
use crate::world::World;

fn backup(reader: &Reader) -> Vec<u8> {
    let mut stream = reader.backup("main", 1, None).expect("begun");
    let mut bytes = Vec::new();
    while let Some(portion) = stream.next(4_096).expect("read") {
        bytes.extend(portion);
    }
    bytes
}

fn make(backup: &[u8], folder: &FaultFolder) -> Result<Restored, StoreError> {
    let mut pieces = BackupPieces::default();
    pieces.push(backup);
    let how = RestoreAs { until: Until::End, effects: Effects::Held };
    restore(&mut || pieces.take(), how, Arc::new(folder.clone()), &StoreOptions::default())
}

#[test]
fn a_restore_is_whole_or_not_there_wherever_power_is_lost() {
    let mut world = World::quiet();
    let mut host = world.open(&[]).expect("there is power");
    tell(&mut world, &mut host).unwrap_or_else(|_| panic!("there is power"));
    let reader = host.store.reader();
    let (bytes, expected) = (backup(&reader), reader.verify().expect("whole"));
    for operation in 1.. {
        let folder = FaultFolder::new();
        folder.lose_power_at(operation);
        let made = make(&bytes, &folder);
        let over = folder.has_power();
        let percent = (operation * 37 % 91) as u8 + 5;
        let crash =
            [Crash::Lost, Crash::Kept, Crash::Torn { percent, garbage: true }, Crash::Reordered { percent }][operation as usize % 4];
        let folder = folder.crash(crash, &mut world.chance);
        match make(&bytes, &folder) {
            Ok(_) => assert!(made.is_err(), "a restore was lost at {operation}"),
            Err(error) => assert!(matches!(error, StoreError::NotEmpty), "{error} at {operation}"),
        }
        let store = Store::open(Arc::new(folder), &StoreOptions::default()).expect("it opens");
        assert_eq!(store.reader().verify().expect("whole"), expected, "at {operation}");
        let snapshot = store.reader().snapshot().expect("a snapshot");
        oracle::check_log(&world.model.log, &snapshot);
        oracle::check_reads(&world.model.log, &snapshot, &mut world.chance, 4);
        if over {
            assert!(operation > 20, "it takes only {operation} operations");
            break;
        }
    }
}

//! Forks of the simulated namespace as it stands in the midst of everything: at any position, with power lost
//! while they are made. A fork then lives on as a namespace of its own.

use std::sync::Arc;

use retold_engine::model::Position;
use retold_engine::store::{Forked, Options as StoreOptions, Reader, StoreError, fork};

use crate::disk::{Crash, FaultFolder};
use crate::model::{Model, Status};
use crate::oracle;
use crate::script::{append, event, tell};
use crate::world::{Host, PowerLost, World};

impl World {
    /// Forks what is there now, at some position, and lets the fork live until it rests.
    pub fn fork(&mut self, host: &Host) -> Result<(), PowerLost> {
        let reader = host.store.reader();
        let (at, model) = match self.draw_border(&reader) {
            Ok(drawn) => drawn,
            Err(error) => return self.lost(&error),
        };
        let between = self.chance.percent(25) && at < self.model.head();
        let at = if between { Position(self.chance.between(at.0, self.model.head().0)) } else { at };
        let mut folder = FaultFolder::new();
        let forked = loop {
            if self.chance.percent(60) {
                folder.lose_power_at(self.chance.between(1, 150));
            }
            match make(&reader, at, &folder) {
                Ok(forked) => break forked,
                Err(StoreError::NotEmpty) => break Forked { at: self.model.before_decision(at), ..Forked::default() },
                Err(error) if folder.has_power() => return self.lost(&error),
                Err(_) => {
                    self.counts.fork_cuts += 1;
                    folder = folder.crash(self.options.crash, &mut self.chance);
                }
            }
        };
        self.counts.forks += 1;
        assert_eq!(forked.at, self.model.before_decision(at), "asked for {at}");
        let at = forked.at;
        if !folder.has_power() {
            folder = folder.crash(self.options.crash, &mut self.chance);
        }
        folder.heal();
        if between {
            self.check_log_of(&folder, at);
        } else {
            self.live_on(folder, model);
        }
        Ok(())
    }

    /// Where a record ends, and what the log was up to there.
    fn draw_border(&mut self, reader: &Reader) -> Result<(Position, Model), StoreError> {
        let snapshot = reader.snapshot()?;
        let drawn = Position(self.chance.between(0, snapshot.head().0));
        let mut model = Model::default();
        snapshot.records(0, Position::START, &mut |record| {
            let before = record.last() <= drawn;
            if before {
                model.feed(record);
            }
            Ok(before)
        })?;
        model.different.take();
        model.accepted = self.model.accepted.clone();
        model.accepted.retain(|name, _| model.ids.contains_key(name));
        model.asked = self.model.asked.clone();
        model.asked.retain(|name, _| model.ids.contains_key(name));
        Ok((model.head(), model))
    }

    fn check_log_of(&mut self, folder: &FaultFolder, at: Position) {
        let fork = retold_engine::store::Store::open(Arc::new(folder.clone()), &StoreOptions::default()).expect("it opens");
        let snapshot = fork.reader().snapshot().expect("a snapshot can be taken");
        let log = &self.model.log[..at.0 as usize];
        oracle::check_log(log, &snapshot);
        oracle::check_reads(log, &snapshot, &mut self.chance, 4);
        fork.reader().verify().expect("it is whole");
    }

    /// The functions of a fork make their state again and go on; what was not handled is.
    fn live_on(&mut self, folder: FaultFolder, mut model: Model) {
        for row in model.functions.values_mut().filter(|row| row.wrote && row.is_handler()) {
            row.rebuilding = row.rebuilding.or(Some(row.cursor));
            (row.cursor, row.state) = (row.start, Default::default());
        }
        let mut fork = World::with(self.options.clone(), self.chance.split());
        (fork.disk, fork.model, fork.now) = (folder, model, self.now);
        fork.outside.calm();
        let mut host = fork.open(&[]).expect("there is power");
        fork.drain(&mut host);
        fork.ask(&mut host, vec![append(vec![event("of the fork", "a.small", "s/1", b".")])]).unwrap_or_else(|_| panic!("there is power"));
        fork.drain(&mut host);
        oracle::check_all(&fork.model, &host.store.reader(), &mut fork.chance);
        assert!(fork.model.functions.values().all(|row| row.rebuilding.is_none() || row.status == Status::Retired));
    }
}

fn make(base: &Reader, at: Position, folder: &FaultFolder) -> Result<Forked, StoreError> {
    fork(base, at, Arc::new(folder.clone()), &StoreOptions { identity: [9; 16], ..StoreOptions::default() })
}

#[test]
fn a_fork_of_functions_at_work_is_whole_wherever_power_is_lost() {
    let mut world = World::quiet();
    let mut host = world.open(&[]).expect("there is power");
    tell(&mut world, &mut host).unwrap_or_else(|_| panic!("there is power"));
    let reader = host.store.reader();
    let (at, model) = world.draw_border(&reader).expect("there is power");
    for operation in 1.. {
        let folder = FaultFolder::new();
        folder.lose_power_at(operation);
        let made = make(&reader, at, &folder);
        let over = folder.has_power();
        let percent = (operation * 37 % 91) as u8 + 5;
        let crash =
            [Crash::Lost, Crash::Kept, Crash::Torn { percent, garbage: true }, Crash::Reordered { percent }][operation as usize % 4];
        let folder = folder.crash(crash, &mut world.chance);
        match make(&reader, at, &folder) {
            Ok(_) => assert!(made.is_err(), "a fork was lost at {operation}"),
            Err(error) => assert!(matches!(error, StoreError::NotEmpty), "{error} at {operation}"),
        }
        world.live_on(folder, model.clone());
        if over {
            assert!(operation > 20, "it takes only {operation} operations");
            break;
        }
    }
    oracle::check_all(&world.model, &reader, &mut world.chance);
}

//! Views in the simulated namespace: folded, closed, torn, deleted, spoiled; and what must be in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::StorageBackend;
use retold_engine::model::{Digest, Event, FunctionKind, Position};
use retold_engine::run::{Folded, Guests, Prepared, Projector, Reading, ViewStep};
use retold_engine::store::{Folder, Made, Portion, Snapshot, StoreError, ViewFile, ViewOpened, sweep_views, view_file_name};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};
use crate::every_operation::at_every_operation;
use crate::guests::{MODULES, ModelCalls, Seen, can_fail, project};
use crate::model::Model;
use crate::script::{append, event};
use crate::upgrades::Upgrade;
use crate::world::{Host, PowerLost, World, deploy};

/// The views that a host has open, by function.
#[derive(Default)]
pub struct Views(BTreeMap<String, Open>);

struct Open {
    file: ViewFile,
    projector: Projector,
    identity: Digest,
}

/// What is known of files, over power cuts.
#[derive(Debug, Default)]
pub struct Known {
    /// What was made durable must be there again.
    durable: BTreeMap<String, Position>,
    /// Files that somebody deleted or spoiled.
    spoiled: BTreeSet<String>,
}

impl Known {
    /// Whether somebody spoiled the file, and no view has found that yet.
    pub fn is_spoiled(&self, file: &str) -> bool {
        self.spoiled.contains(file)
    }
}

impl Views {
    /// Closes what is open with this identity.
    pub fn close(&mut self, identity: Digest) {
        self.0.retain(|_, view| view.identity != identity);
    }
}

impl World {
    /// One thing happens to some view.
    pub fn act_on_view(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let fresh = host.store.reader().snapshot().or_else(|error| self.lost(&error))?;
        let names: Vec<String> =
            fresh.functions().filter(|row| row.manifest.kind == FunctionKind::View).map(|row| row.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let name = self.chance.pick(&names).clone();
        match self.chance.below(16) {
            0 => drop(host.views.0.remove(&name)),
            1 | 2 => self.spoil(host, &name)?,
            3 | 4 => {
                if let Some(view) = host.views.0.get_mut(&name) {
                    let flushed = view.projector.flush(&view.file);
                    flushed.or_else(|error| self.lost(&error))?;
                    self.views.durable.insert(view.file.name().to_owned(), view.file.cursor());
                }
            }
            5 => self.sweep(host)?,
            _ => {
                let stale = !host.held.is_empty() && self.chance.percent(self.options.stale_snapshots);
                let events = self.chance.between(1, 40) as usize;
                let mut view = self.opened(host, &name, &fresh)?;
                let held = stale.then(|| self.chance.pick(&host.held));
                // An old snapshot may show other upcasters.
                let held = held.filter(|held| held.function(&name).is_some_and(|row| held.identity(row) == view.identity));
                self.fold(&mut view, &name, held.unwrap_or(&fresh), events)?;
                if self.chance.percent(20) {
                    self.check_rows(&self.model, &name, &view.file)?;
                }
                host.views.0.insert(name, view);
            }
        }
        Ok(())
    }

    /// The view's file and place, as the code of today needs it.
    fn opened(&mut self, host: &mut Host, name: &str, snapshot: &Snapshot) -> Result<Open, PowerLost> {
        let row = snapshot.function(name).expect("it is listed");
        let identity = snapshot.identity(row);
        if let Some(view) = host.views.0.remove(name).filter(|view| view.identity == identity) {
            return Ok(view);
        }
        // Nobody else may have it open.
        host.upgrade.take_if(|upgrade| upgrade.holds(identity));
        let file = self.open_file(name, identity, snapshot)?;
        self.check_rows(&self.model, name, &file)?;
        let lanes = self.chance.between(1, 3) as usize;
        Ok(Open { file, projector: Projector::new(name, lanes), identity })
    }

    /// The file of a view with this identity, which is there as far as it was made durable.
    pub fn open_file(&mut self, name: &str, identity: Digest, snapshot: &Snapshot) -> Result<ViewFile, PowerLost> {
        let folder: Arc<dyn Folder> = Arc::new(self.disk.clone());
        let opened = ViewFile::open(&folder, Made::View, name, identity, snapshot.log_identity(), snapshot.head(), 1 << 20);
        let (file, how) = opened.or_else(|error| self.lost(&error))?;
        self.note(&how);
        let durable = self.views.durable.get(file.name()).copied();
        let spoiled = self.views.spoiled.remove(file.name());
        match &how {
            ViewOpened::Kept => {
                self.counts.views_kept += 1;
                assert!(spoiled || Some(file.cursor()) >= durable, "{name} went back to {}, before {durable:?}", file.cursor());
            }
            ViewOpened::New => assert!(spoiled || durable.is_none(), "the file of {name} is gone"),
            ViewOpened::Replaced(why) => {
                self.counts.views_replaced += 1;
                assert!(spoiled, "the file of {name} was spoiled by nobody: {why}");
            }
        }
        self.views.durable.insert(file.name().to_owned(), file.cursor());
        Ok(file)
    }

    /// What is in a view's file is safe from here on.
    pub fn note_durable(&mut self, file: &ViewFile) {
        self.views.durable.insert(file.name().to_owned(), file.cursor());
    }

    fn fold(&mut self, view: &mut Open, name: &str, snapshot: &Snapshot, events: usize) -> Result<bool, PowerLost> {
        let guests = self.guests();
        let row = snapshot.function(name).expect("it is listed").clone();
        let portion = Portion { events, bytes: usize::MAX };
        let reading = Reading::new(snapshot, &guests);
        let prepared = view.projector.prepare(&reading, &row, &view.file, portion, self.now).or_else(|error| self.lost(&error))?;
        let parts = match prepared {
            Prepared::Parts(parts) => parts,
            Prepared::Later(at) => {
                self.now = self.now.max(at);
                return Ok(true);
            }
            Prepared::Idle | Prepared::Inactive => return Ok(false),
        };
        let guest = guests.guest(row.module).expect("every module has code");
        let mut folded: Vec<Folded> = parts.iter().map(|part| part.fold(&*guest, &mut |_, _| {})).collect();
        self.chance.shuffle(&mut folded);
        let before = view.file.cursor();
        let step = view.projector.finish(&view.file, folded, self.now).or_else(|error| self.lost(&error))?;
        self.note(&step);
        self.counts.folds += 1;
        if let ViewStep::Failed { position, reason, .. } = &step {
            let (event, row) = (self.model.event(*position), &self.model.functions[name]);
            assert!(
                can_fail(name, &event.data) || (*reason == "upcast" && self.model.can_be_too_old(row, event)),
                "{name} failed at {event:?}: {step:?}"
            );
        }
        assert!(view.file.cursor() >= before);
        Ok(true)
    }

    /// The rows are the fold of the log up to the cursor.
    pub fn check_rows(&self, code: &Model, name: &str, file: &ViewFile) -> Result<(), PowerLost> {
        let rows = file.snapshot().and_then(|snapshot| Ok((snapshot.cursor(), snapshot.scan("", None, usize::MAX)?)));
        let (cursor, rows) = rows.or_else(|error: StoreError| self.lost(&error))?;
        let expected: Vec<(String, Vec<u8>)> = rows_of(code, &self.model.log, name, cursor).into_iter().collect();
        assert_eq!(rows, expected, "{name} at {cursor}");
        Ok(())
    }

    /// Somebody deletes a view's file, or a byte of it changes.
    fn spoil(&mut self, host: &mut Host, name: &str) -> Result<(), PowerLost> {
        let Some(view) = host.views.0.remove(name) else { return Ok(()) };
        let file = view.file.name().to_owned();
        drop(view);
        let delete = self.chance.percent(40);
        let at = self.chance.number();
        let disk = self.disk.clone();
        let spoil = || {
            if delete {
                return disk.remove(&file);
            }
            let backend = disk.open(&file)?;
            // Most of a young file is unused.
            let at = at % backend.len()?.min(if at.is_multiple_of(4) { u64::MAX } else { 64 << 10 });
            let mut byte = [0];
            backend.read(at, &mut byte)?;
            backend.write(at, &[byte[0] ^ 0x10])
        };
        let _ = spoil();
        self.views.spoiled.insert(file);
        if self.disk.has_power() { Ok(()) } else { Err(PowerLost) }
    }

    /// Files of versions that are neither today's nor kept go.
    fn sweep(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let mut keep: BTreeSet<String> = host.views.0.values().map(|view| view.file.name().to_owned()).collect();
        keep.extend(host.upgrade.iter().flat_map(Upgrade::files));
        for row in host.store.reader().functions().values() {
            keep.extend(row.kept.iter().map(|kept| view_file_name(Made::View, &row.name, kept.identity)));
        }
        for gone in sweep_views(&self.disk, Made::View, &keep).or_else(|error| self.lost(&error))? {
            // Its removal may not be durable: it may be there again, spoiled if it was.
            self.views.durable.remove(&gone);
        }
        Ok(())
    }

    /// With everything working, every view reaches the head, and equals one that is made anew.
    pub fn finish_views(&mut self, host: &mut Host) {
        let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
        let names: Vec<String> = snapshot
            .functions()
            .filter(|row| row.manifest.kind == FunctionKind::View && row.is_active())
            .map(|row| row.name.clone())
            .collect();
        for name in names {
            let mut view = self.opened(host, &name, &snapshot).unwrap_or_else(|_| panic!("there is power"));
            let folder: Arc<dyn Folder> = Arc::new(self.disk.clone());
            let anew = ViewFile::open(&folder, Made::View, &name, Digest::of(b"anew"), snapshot.log_identity(), snapshot.head(), 1 << 20);
            let mut anew = Open { file: anew.expect("it can be made").0, projector: Projector::new(&name, 2), identity: Digest::ZERO };
            view.projector = Projector::new(&name, 1);
            for (view, events) in [(&mut view, 7), (&mut anew, 1_000)] {
                while self.fold(view, &name, &snapshot, events).unwrap_or_else(|_| panic!("there is power")) {}
                assert_eq!(view.projector.halted(), None);
                assert_eq!(view.projector.position(&view.file), snapshot.head());
                view.projector.flush(&view.file).expect("there is power");
                self.check_rows(&self.model, &name, &view.file).unwrap_or_else(|_| panic!("there is power"));
            }
            let digest = |view: &Open| view.file.snapshot().and_then(|snapshot| snapshot.digest()).expect("there is power");
            assert_eq!(digest(&view), digest(&anew));
        }
        host.views.0.clear();
    }
}

/// The rows that follow from the log up to a position.
fn rows_of(code: &Model, log: &[Event], name: &str, upto: Position) -> BTreeMap<String, Vec<u8>> {
    let row = &code.functions[name];
    let mut rows = BTreeMap::new();
    for event in &log[row.start.0 as usize..(upto.0.max(row.start.0)) as usize] {
        let lane = match row.function.split {
            None => String::new(),
            Some(parts) => {
                let mut lane: Vec<&str> = event.subject.split('/').take(parts as usize).collect();
                lane.resize(parts as usize, "");
                lane.iter().map(|part| format!("{part}/")).collect()
            }
        };
        for (_, data) in code.forms_of(row, event) {
            let seen = Seen { position: event.position, r#type: &event.r#type, subject: &event.subject, data: &data };
            let mut calls = ModelCalls { state: &mut rows, written: &mut BTreeMap::new(), lane: lane.clone() };
            project(name, row.version, &seen, 0, &mut calls).expect("the model's rows are never refused");
        }
    }
    rows
}

#[test]
fn a_view_goes_on_from_what_it_made_durable_when_power_is_lost() {
    let mut world = World::quiet();
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    let module = MODULES.iter().find(|module| module.name == "views").expect("there is such a module");
    let events = (0..40u8).map(|id| event(&id.to_string(), "a.small", &format!("s/{}", id % 3), &[b'.', id])).collect();
    world.ask(&mut host, vec![deploy(module), append(events)]).unwrap_or_else(|_| panic!("there is power"));
    let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
    let mut view = world.opened(&mut host, "rows", &snapshot).expect("there is power");
    for _ in 0..3 {
        world.fold(&mut view, "rows", &snapshot, 5).expect("there is power");
    }
    view.projector.flush(&view.file).expect("there is power");
    let durable = view.file.cursor();
    world.fold(&mut view, "rows", &snapshot, 5).expect("there is power");
    assert!(view.file.cursor() > durable);
    world.lose_power(Crash::Lost);
    drop((view, snapshot, host));
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
    let mut view = world.opened(&mut host, "rows", &snapshot).expect("there is power");
    assert_eq!((view.file.cursor(), world.counts.views_kept), (durable, 1));
    while world.fold(&mut view, "rows", &snapshot, 7).expect("there is power") {}
    assert_eq!(view.file.cursor(), snapshot.head());
    world.check_rows(&world.model, "rows", &view.file).expect("there is power");
}

/// Rows and cursor `at`, as the story below writes them.
fn write(file: &ViewFile, at: u64, durable: bool) -> Result<(), StoreError> {
    let row =
        |key: u64, value: Option<u64>| (key.to_be_bytes().map(|byte| byte + b'a').to_vec(), value.map(|value| vec![value as u8; 900]));
    file.commit(&[row(at % 7, Some(at)), row(7 + at % 3, (!at.is_multiple_of(2)).then_some(at))], Position(at), durable)
}

#[test]
fn a_view_file_has_the_rows_of_its_cursor_whenever_power_is_lost() {
    let open = |disk: &FaultFolder| {
        let folder: Arc<dyn Folder> = Arc::new(disk.clone());
        ViewFile::open(&folder, Made::View, "rows", Digest::of(b"code"), Digest::of(b"log"), Position(1_000), 1 << 20)
    };
    let crashes = [Crash::Lost, Crash::Torn { percent: 50, garbage: true }, Crash::Reordered { percent: 50 }];
    for crash in crashes {
        at_every_operation(|operation| {
            let mut chance = Chance::new(operation);
            let disk = FaultFolder::new();
            disk.lose_power_at(operation);
            let mut durable = 0;
            let told = open(&disk).and_then(|(file, _)| {
                for at in 1..=100 {
                    write(&file, at, at % 4 == 0)?;
                    durable = if at % 4 == 0 { at } else { durable };
                }
                Ok(())
            });
            let over = told.is_ok() && disk.has_power();
            let after = disk.crash(crash, &mut chance);
            let (file, how) = open(&after).expect("there is power");
            assert!(!matches!(how, ViewOpened::Replaced(_)), "{how:?}");
            let cursor = file.cursor().0;
            assert!(cursor >= durable, "{cursor} is left of {durable}");
            let expected = FaultFolder::new();
            let (fresh, _) = open(&expected).expect("there is power");
            (1..=cursor).for_each(|at| write(&fresh, at, false).expect("there is power"));
            let digest = |file: &ViewFile| file.snapshot().and_then(|snapshot| snapshot.digest()).expect("there is power");
            assert_eq!(digest(&file), digest(&fresh), "at {cursor}");
            over
        });
    }
}

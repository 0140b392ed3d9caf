//! A view at work: its rows are the fold of the log up to its cursor, whatever the portions, the lanes
//! and the failures are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::testing::{OneGuest, World, event, function};
use super::{Prepared, Projector, QueryRefused, Reading, ViewStep, audit, query};
use crate::model::{
    Answer, CallLimits, Calls, Digest, EventRef, Failure, FailureKind, FunctionKind, FunctionManifest, Guest, GuestFault, LimitsAsked,
    NotAnswered, Payload, Position, Query, Rejection,
};
use crate::store::{Control, Folder, Made, Portion, ViewFile, ViewOpened, testing::MemoryFolder};

/// Counts events by the second part of the subject, in the unit of the first; keeps the last id. Data
/// `bad` fails while it is broken, after it has written.
struct Counting {
    broken: AtomicBool,
}

impl Guest for Counting {
    fn handle(&self, _: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
        panic!("a view is not handed events as a handler is")
    }

    fn project(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        _: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<(), Failure>, NotAnswered> {
        for (index, event) in events.iter().enumerate() {
            let index = index as u32;
            let key = event.subject.split('/').nth(1).unwrap_or_default();
            let before = calls.state_get(index, key).map_err(refused)?.map_or(0, |bytes| bytes[0]);
            calls.state_put(index, key, &[before + 1]).map_err(refused)?;
            calls.state_put(index, "last", event.id.as_bytes()).map_err(refused)?;
            if event.data == b"bad" && self.broken.load(Ordering::Relaxed) {
                return Err(NotAnswered::Fault(GuestFault::Trapped("unreachable".into())));
            }
            if event.data == b"never" {
                return Ok(Err(Failure { event: index, kind: FailureKind::Reject, message: "no".into() }));
            }
            if event.data.starts_with(b"large") {
                calls.state_put(index, event.id, &vec![b'x'; 1 << 20]).map_err(refused)?;
            }
            if event.data == b"delete" {
                calls.state_delete(index, key).map_err(refused)?;
            }
            if event.data == b"sum" {
                let rows = calls.state_scan(index, "", None, 100).map_err(refused)?;
                calls.state_put(index, "sum", format!("{} of {function}", rows.len()).as_bytes()).map_err(refused)?;
            }
        }
        Ok(Ok(()))
    }

    fn query(&self, _: &str, query: &Query, _: &CallLimits, calls: &mut dyn Calls) -> Result<Result<Payload, Rejection>, NotAnswered> {
        match query.name.as_str() {
            "get" => {
                let key = String::from_utf8_lossy(&query.data).into_owned();
                let data = calls.state_get(77, &key).map_err(refused)?.unwrap_or_default();
                Ok(Ok(Payload { content_type: "text/plain".into(), data }))
            }
            "write" => calls.state_put(0, "k", b"v").map_err(refused).map(|()| panic!("a query wrote")),
            _ => Ok(Err(Rejection { code: "unknown".into(), message: "no such query".into(), data: Vec::new() })),
        }
    }
}

fn refused(error: crate::model::StateError) -> NotAnswered {
    NotAnswered::Fault(GuestFault::StateRefused(error))
}

fn view(split: Option<u32>) -> FunctionManifest {
    FunctionManifest {
        kind: FunctionKind::View,
        split,
        limits: LimitsAsked { attempts: Some(3), ..LimitsAsked::default() },
        ..function("v", &["a"], &[])
    }
}

struct Story {
    world: World,
    folder: MemoryFolder,
    guest: Arc<Counting>,
    projector: Projector,
    portion: usize,
}

impl Story {
    fn new(split: Option<u32>, lanes: usize, portion: usize) -> Story {
        let world = World::new(&[view(split)]);
        let guest = Arc::new(Counting { broken: AtomicBool::new(true) });
        Story { world, folder: MemoryFolder::default(), guest, projector: Projector::new("v", lanes), portion }
    }

    fn append(&mut self, data: &[&str]) {
        for data in data {
            let number = self.world.store.head().0;
            let subject = format!("u{}/{}", number % 3, number % 2);
            let event = event(&number.to_string(), if number.is_multiple_of(5) { "other" } else { "a" }, &subject);
            self.world.append(vec![crate::model::NewEvent { data: data.as_bytes().to_vec(), ..event }]);
        }
    }

    fn open(&self) -> ViewFile {
        let snapshot = self.world.snapshot();
        let folder: Arc<dyn Folder> = Arc::new(self.folder.clone());
        let identity = snapshot.identity(&self.world.row("v"));
        ViewFile::open(&folder, Made::View, "v", identity, snapshot.log_identity(), snapshot.head(), 1 << 20).expect("it opens").0
    }

    fn step(&mut self, view: &ViewFile) -> Option<ViewStep> {
        let (snapshot, guests) = (self.world.snapshot(), OneGuest(self.guest.clone()));
        let portion = Portion { events: self.portion, bytes: usize::MAX };
        let reading = Reading::new(&snapshot, &guests);
        let prepared = self.projector.prepare(&reading, &self.world.row("v"), view, portion, self.world.now).expect("the log can be read");
        let Prepared::Parts(parts) = prepared else { return None };
        let folded = parts.iter().rev().map(|part| part.fold(&*self.guest, &mut |_, _| {})).collect();
        Some(self.projector.finish(view, folded, self.world.now).expect("rows can be written"))
    }

    fn work(&mut self, view: &ViewFile) {
        while let Some(step) = self.step(view) {
            assert!(matches!(step, ViewStep::Folded { .. }), "{step:?}");
        }
    }
}

fn rows(view: &ViewFile) -> Vec<(String, String)> {
    let rows = view.snapshot().and_then(|snapshot| snapshot.scan("", None, 1_000)).expect("rows can be read");
    let shown =
        |value: Vec<u8>| if value.len() == 1 && value[0] < 32 { value[0].to_string() } else { String::from_utf8_lossy(&value).into() };
    rows.into_iter().map(|(key, value)| (key, shown(value))).collect()
}

fn digest(view: &ViewFile) -> Digest {
    view.snapshot().and_then(|snapshot| snapshot.digest()).expect("rows can be read")
}

#[test]
fn the_rows_do_not_depend_on_portions_lanes_and_restarts() {
    for split in [None, Some(1), Some(2), Some(3)] {
        let mut digests = Vec::new();
        for (lanes, portion) in [(1, 1_000), (1, 1), (2, 3), (3, 7), (5, 1_000)] {
            let mut story = Story::new(split, lanes, portion);
            story.append(&["."; 20]);
            let file = story.open();
            story.work(&file);
            story.append(&["delete", ".", "sum", ".", "delete", "sum", "."]);
            story.work(&file);
            story.projector.flush(&file).expect("written");
            assert_eq!(story.projector.position(&file), story.world.store.head());
            drop(file);
            story.append(&["sum", ".", "."]);
            story.projector = Projector::new("v", lanes);
            let file = story.open();
            story.work(&file);
            digests.push((digest(&file), rows(&file)));
        }
        assert!(digests.iter().all(|other| *other == digests[0]), "{split:?}: {digests:?}");
    }
}

#[test]
fn a_lane_of_many_may_hold_more_than_its_share_of_the_memory_for_rows() {
    let mut story = Story::new(Some(1), 2, 50);
    // Each alone in its call, and a row of a mebibyte for each.
    let large = format!("large{}", "-".repeat(600 << 10));
    story.append(&[large.as_str(); 48]);
    story.append(&["."; 200]);
    let file = story.open();
    let mut steps = 0;
    while let Some(step) = story.step(&file) {
        assert!(matches!(step, ViewStep::Folded { .. }), "{step:?}");
        steps += 1;
        assert!(steps < 20, "it does not get on: {}", file.cursor());
    }
    assert_eq!(story.projector.position(&file), story.world.store.head());
    let large = file.snapshot().and_then(|snapshot| snapshot.stored_bytes()).expect("rows can be read");
    assert!(large > 30 << 20, "{large}");
}

#[test]
fn keys_of_a_split_view_lie_under_their_unit_and_a_query_sees_them_whole() {
    let mut story = Story::new(Some(1), 2, 100);
    story.append(&[".", ".", "."]);
    let file = story.open();
    story.work(&file);
    assert!(rows(&file).contains(&("u1/1".to_owned(), "1".to_owned())), "{:?}", rows(&file));
    let snapshot = file.snapshot().expect("rows can be read");
    let ask = |name: &str, data: &str| {
        let asked = Query { name: name.into(), content_type: None, data: data.into() };
        query(&snapshot, &story.world.row("v"), &*story.guest, &asked, &LimitsAsked::default().of_a_call(), &mut |_, _| {})
    };
    assert_eq!(ask("get", "u1/1").map(|payload| payload.data), Ok(vec![1]));
    assert!(matches!(ask("write", ""), Err(QueryRefused::Fault(fault)) if fault.reason == "state" && fault.message.contains("only reads")));
    assert!(matches!(ask("?", ""), Err(QueryRefused::Rejected(rejection)) if rejection.code == "unknown"));
}

#[test]
fn a_view_stays_before_the_first_event_that_it_can_not_fold_tries_it_again_and_halts() {
    for (split, lanes) in [(None, 1), (Some(1), 1), (Some(1), 3)] {
        let mut story = Story::new(split, lanes, 100);
        // Positions 2 to 9; of the bad ones 4 is the first.
        story.append(&[".", ".", "bad", ".", ".", "bad", ".", "."]);
        let file = story.open();
        let mut delays = Vec::new();
        while story.projector.halted().is_none() {
            match story.step(&file) {
                Some(ViewStep::Failed { position, reason, not_before, .. }) => {
                    assert_eq!((position, reason), (Position(4), "trap"), "{split:?} {lanes}");
                    delays.extend(not_before.map(|time| (time.0 - story.world.now.0) / 1_000));
                }
                Some(ViewStep::Folded { to, .. }) => assert!(to <= Position(3)),
                None => story.world.now = story.world.now.plus_ms(1_000),
            }
        }
        assert_eq!((delays.as_slice(), file.cursor()), (&[50, 100][..], Position(3)));
        assert!(rows(&file).iter().all(|(_, value)| *value != "4"), "nothing of a failed call is kept: {:?}", rows(&file));
        assert!(story.step(&file).is_none());
        // Resumed and repaired, it goes on, and ends as if nothing had been.
        story.guest.broken.store(false, Ordering::Relaxed);
        story.world.control("v", Control::Pause);
        story.world.control("v", Control::Resume);
        story.work(&file);
        assert_eq!(file.cursor(), Position(9));
        let mut fresh = Story::new(split, 1, 100);
        fresh.guest.broken.store(false, Ordering::Relaxed);
        fresh.append(&[".", ".", "bad", ".", ".", "bad", ".", "."]);
        let other = fresh.open();
        fresh.work(&other);
        assert_eq!(rows(&file), rows(&other));
    }
}

#[test]
fn a_rejected_event_halts_the_view_at_once() {
    let mut story = Story::new(None, 1, 100);
    story.append(&[".", "never", "."]);
    let file = story.open();
    assert!(matches!(story.step(&file), Some(ViewStep::Failed { position: Position(3), reason: "reject", not_before: None, .. })));
    assert_eq!((file.cursor(), story.projector.halted().map(|halted| halted.position)), (Position(2), Some(Position(3))));
}

#[test]
fn other_code_has_a_file_of_its_own_and_the_old_one_is_swept() {
    let mut story = Story::new(None, 1, 100);
    story.append(&["."]);
    let old = story.open();
    story.work(&old);
    let folder: Arc<dyn Folder> = Arc::new(story.folder.clone());
    let log = story.world.snapshot().log_identity();
    let (new, opened) = ViewFile::open(&folder, Made::View, "v", Digest::of(b"new"), log, Position(9), 1 << 20).expect("it opens");
    assert_eq!(opened, ViewOpened::New);
    assert_ne!(old.name(), new.name());
    assert_eq!(crate::store::sweep_views(&story.folder, Made::View, &[new.name().to_owned()].into()).expect("swept"), [old.name()]);
}

#[test]
fn an_audit_finds_rows_that_depend_on_the_batch() {
    struct Hasty;
    impl Guest for Hasty {
        fn handle(&self, _: &str, _: &[EventRef<'_>], _: &CallLimits, _: &mut dyn Calls) -> Answer {
            panic!("it is a view")
        }
        fn project(
            &self,
            _: &str,
            events: &[EventRef<'_>],
            _: &CallLimits,
            calls: &mut dyn Calls,
        ) -> Result<Result<(), Failure>, NotAnswered> {
            calls.state_put(0, "count", events.len().to_string().as_bytes()).map_err(refused)?;
            Ok(Ok(()))
        }
    }
    let mut story = Story::new(None, 1, 100);
    story.append(&[".", ".", "."]);
    let (snapshot, guests) = (story.world.snapshot(), OneGuest(story.guest.clone()));
    let reading = Reading::new(&snapshot, &guests);
    let taken = reading.latest(&view(None), 256).expect("the log can be read");
    assert_eq!(taken.batch.len(), 3);
    assert_eq!(audit(&reading, &view(None), &*story.guest, &taken.batch), Ok(()));
    let message = audit(&reading, &view(None), &Hasty, &taken.batch).expect_err("it shows the batch");
    assert!(message.contains("\"count\"") && message.contains("one by one"), "{message}");
}

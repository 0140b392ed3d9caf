//! A replay makes the state and the outputs that the live run made, whatever happened on the way; what it
//! makes otherwise is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::testing::{OneGuest, World, coded, event, function};
use super::{Finding, Prepared, Reading, Replay, ReplayOptions, ReplayStep, Replayed, Runner, Step};
use crate::model::{
    Answer, Calls, Digest, EventDraft, EventRef, Failure, FailureKind, FunctionManifest, Guest, NewEvent, Output, PlanMode, Position,
    WhichParked, limits,
};
use crate::store::{Control, Portion, Proposal, ViewFile};

const IDENTITY: Digest = Digest([7; 32]);

fn reject(event: u32) -> Answer {
    Answer::Failed(Failure { event, kind: FailureKind::Reject, message: "no".into() })
}

pub(super) fn output(subject: &str, key: &str, data: String) -> Output {
    Output::Emit(EventDraft {
        r#type: "done".into(),
        subject: subject.into(),
        key: Some(key.into()),
        data: data.into_bytes(),
        ..EventDraft::default()
    })
}

/// Counts, in the unit of its subject, and answers for each event; refuses events whose data is a number that
/// is greater than how far it was mended.
fn counting(mended: &Arc<AtomicU8>) -> Arc<dyn Guest> {
    let mended = mended.clone();
    coded(move |event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        calls.used(5);
        assert!(calls.details(event.position).is_some(), "details of {} are at hand", event.position);
        let before = calls.state_get(index, "count").expect("state can be read").map_or(0, |bytes| bytes[0]);
        calls.state_put(index, "count", &[before + 1]).expect("within limits");
        calls.state_put(index, &format!("last/{}", event.subject), event.id.as_bytes()).expect("within limits");
        if event.data[0].is_ascii_digit() && event.data[0] - b'0' > mended.load(Ordering::Relaxed) {
            return Err(reject(index));
        }
        Ok(vec![output(event.subject, "k", event.id.to_owned())])
    })
}

pub(super) fn handler(split: Option<u32>) -> FunctionManifest {
    FunctionManifest { split, ..function("f", &["a"], &["done"]) }
}

pub(super) fn rows(file: &ViewFile) -> BTreeMap<String, Vec<u8>> {
    file.snapshot().and_then(|snapshot| snapshot.scan("", None, 10_000)).expect("rows can be read").into_iter().collect()
}

pub(super) fn live_rows(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let visit = |key: &str, value: &[u8]| rows.insert(key.to_owned(), value.to_vec()).is_none();
    world.snapshot().scan_state(world.row("f").slot, "", None, visit).expect("state can be read");
    rows
}

/// Events with these numbers, over three units. `bad` are some of them that fail until they are mended so far.
fn append(world: &mut World, numbers: std::ops::Range<u64>, bad: &[(u64, &str)]) {
    for number in numbers {
        let data = bad.iter().find(|(bad, _)| *bad == number).map_or(".", |(_, data)| data);
        let r#type = if number % 5 == 4 { "other" } else { "a" };
        let event = event(&number.to_string(), r#type, &format!("u{}/{}", number % 3, number % 2));
        world.append(vec![NewEvent { data: data.into(), ..event }]);
    }
}

pub(super) fn handle_all(world: &mut World, runner: &mut Runner, guest: &Arc<dyn Guest>) {
    loop {
        match world.step(runner, guest) {
            Step::Plan(ticket, plan) => {
                world.propose(Proposal::Reaction(*plan)).expect("committed");
                runner.settled(ticket, super::Settled::Committed);
            }
            Step::Later(at) => world.now = at,
            Step::Idle => return,
            other => panic!("{other:?}"),
        }
    }
}

fn seal(world: &mut World) {
    world.store.close_tail();
    while let Some(work) = world.store.reader().housekeeping_due() {
        let sealed = world.store.reader().housekeep(work).expect("written");
        world.store.adopt(sealed).expect("named");
    }
}

/// A history in which events were parked, released, rewound over, parked again, and some are parked still.
fn eventful(split: Option<u32>) -> (World, Arc<AtomicU8>) {
    let mut world = World::new(&[handler(split)]);
    let (mended, mut runner) = (Arc::new(AtomicU8::new(0)), Runner::new("f"));
    let guest = counting(&mended);
    append(&mut world, 0..20, &[(5, "1"), (12, "2")]);
    handle_all(&mut world, &mut runner, &guest);
    assert!(world.row("f").parked >= 2);
    seal(&mut world);
    append(&mut world, 20..30, &[(22, "1")]);
    mended.store(1, Ordering::Relaxed);
    world.control("f", Control::Release(WhichParked::Subject("u2/1".into())));
    handle_all(&mut world, &mut runner, &guest);
    world.control("f", Control::Rewind(Position(17)));
    handle_all(&mut world, &mut runner, &guest);
    append(&mut world, 30..40, &[(31, "2"), (38, "2")]);
    handle_all(&mut world, &mut runner, &guest);
    seal(&mut world);
    world.control("f", Control::Rewind(Position(9)));
    handle_all(&mut world, &mut runner, &guest);
    append(&mut world, 40..45, &[]);
    handle_all(&mut world, &mut runner, &guest);
    assert!(world.row("f").parked >= 1 && !world.row("f").straight);
    (world, mended)
}

fn straight(split: Option<u32>, events: u64) -> World {
    let mut world = World::new(&[handler(split)]);
    let mut runner = Runner::new("f");
    append(&mut world, 0..events, &[]);
    handle_all(&mut world, &mut runner, &counting(&Arc::default()));
    assert!(world.row("f").straight);
    world
}

fn recorded_outputs(world: &World) -> u64 {
    let snapshot = world.snapshot();
    let outputs = (1..=snapshot.head().0).filter_map(|position| snapshot.event(Position(position)).expect("the log can be read"));
    outputs.filter(|event| event.source == "/functions/f").count() as u64
}

pub(super) struct Rehearsal<'a> {
    world: &'a World,
    guest: Arc<dyn Guest>,
    pub(super) replayed: Replayed,
    pub(super) options: ReplayOptions,
    pub(super) portion: usize,
}

impl Rehearsal<'_> {
    pub(super) fn of<'a>(world: &'a World, guest: &Arc<dyn Guest>) -> Rehearsal<'a> {
        let row = Arc::new(world.row("f"));
        let replayed = Replayed { manifest: row.manifest.clone(), follows: Some(row), identity: IDENTITY };
        Rehearsal { world, guest: guest.clone(), replayed, options: ReplayOptions::default(), portion: 1_000 }
    }

    fn open(&self) -> (ViewFile, Replay) {
        let (snapshot, guests) = (self.world.snapshot(), OneGuest(self.guest.clone()));
        let (file, _) = self.world.store.reader().open_shadow("f", self.replayed.identity, 1 << 20).expect("it opens");
        let replay = Replay::new(&Reading::new(&snapshot, &guests), &self.replayed, self.options, &file).expect("it begins");
        (file, replay)
    }

    fn step(&self, replay: &mut Replay, file: &ViewFile) -> ReplayStep {
        let (snapshot, guests) = (self.world.snapshot(), OneGuest(self.guest.clone()));
        let portion = Portion { events: self.portion, bytes: usize::MAX };
        let prepared = replay.prepare(&Reading::new(&snapshot, &guests), &self.replayed, file, portion).expect("the log can be read");
        let Prepared::Parts(parts) = prepared else { panic!("parts") };
        let ahead = replay.read_ahead(&Reading::new(&snapshot, &guests), &self.replayed, portion).expect("the log can be read");
        replay.take_ahead(ahead);
        let folded = parts.iter().rev().map(|part| part.fold(&*self.guest, &mut |_, _| {})).collect();
        replay.finish(file, folded).expect("rows can be written")
    }

    pub(super) fn run(&self) -> (ViewFile, Replay, ReplayStep) {
        let (file, mut replay) = self.open();
        for _ in 0..1_000 {
            match self.step(&mut replay, &file) {
                ReplayStep::Went { .. } | ReplayStep::StartAgain => {}
                step => return (file, replay, step),
            }
        }
        panic!("it doesn't end: {:?}", replay.report());
    }
}

#[test]
fn state_and_outputs_of_a_replay_are_those_of_the_live_run_whatever_was_parked_released_and_rewound() {
    for split in [None, Some(1), Some(2)] {
        let (world, mended) = eventful(split);
        mended.store(2, Ordering::Relaxed);
        let expected = (live_rows(&world), recorded_outputs(&world));
        for (lanes, portion) in [(1, 1_000), (1, 1), (2, 3), (3, 7), (2, 1_000)] {
            let mut rehearsal = Rehearsal::of(&world, &counting(&mended));
            (rehearsal.options.threads, rehearsal.portion) = (lanes, portion);
            let (file, replay, step) = rehearsal.run();
            let report = replay.report().clone();
            assert_eq!(step, ReplayStep::Level { through_commit: world.snapshot().commit() }, "{split:?}, {lanes} lanes by {portion}");
            assert_eq!((rows(&file), report.equal), expected, "{split:?}, {lanes} lanes by {portion}");
            assert_eq!((report.new, report.missing, report.different, report.failures), (0, 0, 0, 0), "{report:?}");
            assert!(report.skipped > 0 && report.is_same());
            assert!(report.examples.is_empty(), "{:?}", report.examples);
            assert_eq!((report.passes_now, report.fails_still), (world.row("f").parked, 0));
            assert_eq!(replay.position(), world.row("f").cursor);
            assert_eq!(report.state_rows, expected.0.len() as u64);
            assert!(report.state_bytes > 0 && report.calls > 0 && report.fuel >= 5 * report.events);
        }
    }
}

#[test]
fn a_replay_goes_on_from_its_shadow_wherever_it_was_closed() {
    for split in [None, Some(1)] {
        let (world, mended) = eventful(split);
        let mut rehearsal = Rehearsal::of(&world, &counting(&mended));
        (rehearsal.options.threads, rehearsal.portion) = (2, 2);
        let whole = rehearsal.run().1.report().clone();
        rehearsal.replayed.identity = Digest([8; 32]);
        let mut closed = 0;
        loop {
            // Some steps are lost, as after a crash.
            let (file, mut replay) = rehearsal.open();
            let mut step = rehearsal.step(&mut replay, &file);
            if matches!(step, ReplayStep::Went { events: 0, .. }) {
                // Lanes met, which the next process doesn't know.
                step = rehearsal.step(&mut replay, &file);
            }
            closed += 1;
            if let ReplayStep::Level { .. } = step {
                assert_eq!(rows(&file), live_rows(&world));
                let counts =
                    |report: &super::FunctionReport| (report.events, report.skipped, report.equal, report.missing, report.fails_still);
                assert_eq!(counts(replay.report()), counts(&whole));
                break;
            }
        }
        assert!(closed > 10, "{closed}");
    }
}

#[test]
fn a_replay_follows_the_function_on_as_it_works_and_begins_anew_where_it_is_rewound() {
    for straight_on in [true, false] {
        let mut world = straight(None, 10);
        let (mended, mut runner) = (Arc::new(AtomicU8::new(0)), Runner::new("f"));
        let guest = counting(&mended);
        let (file, mut replay) = Rehearsal::of(&world, &guest).open();
        let run = |world: &World, replay: &mut Replay| {
            let rehearsal = Rehearsal { portion: 3, ..Rehearsal::of(world, &guest) };
            let mut begun = 0;
            loop {
                match rehearsal.step(replay, &file) {
                    ReplayStep::Went { .. } => {}
                    ReplayStep::StartAgain => begun += 1,
                    step => {
                        assert_eq!(step, ReplayStep::Level { through_commit: world.snapshot().commit() });
                        assert_eq!(rows(&file), live_rows(world));
                        assert_eq!((replay.report().equal, replay.report().missing), (recorded_outputs(world), 0));
                        return begun;
                    }
                }
            }
        };
        assert_eq!(run(&world, &mut replay), 0);
        append(&mut world, 10..20, if straight_on { &[] } else { &[(12, "1")] });
        handle_all(&mut world, &mut runner, &guest);
        assert_eq!(run(&world, &mut replay), 0);
        world.control("f", Control::Rewind(Position(7)));
        handle_all(&mut world, &mut runner, &guest);
        assert_eq!(run(&world, &mut replay), 1);
    }
}

/// Code that the host can't run for the time being, if told so.
struct Away(Arc<dyn Guest>, AtomicU8);

impl Guest for Away {
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &crate::model::CallLimits, calls: &mut dyn Calls) -> Answer {
        if self.1.load(Ordering::Relaxed) > 0 {
            return Answer::Unavailable("away".into());
        }
        self.0.handle(function, events, limits, calls)
    }
}

#[test]
fn a_portion_that_was_read_ahead_is_of_no_use_where_the_one_before_failed_or_the_function_went_on() {
    // The first portion ends at 5, and what is read ahead at 10 or, with the larger one, at the end.
    for (portion, rewound, away) in [(4, None, false), (4, None, true), (4, Some(8), false), (4, Some(3), false), (12, None, false)] {
        let mut world = straight(None, 20);
        let (mended, mut runner) = (Arc::new(AtomicU8::new(0)), Runner::new("f"));
        let guest = counting(&mended);
        let code = Arc::new(Away(guest.clone(), AtomicU8::new(u8::from(away))));
        let code_of_host: Arc<dyn Guest> = code.clone();
        let (file, mut replay) = Rehearsal::of(&world, &code_of_host).open();
        let step = |world: &World, replay: &mut Replay| Rehearsal { portion, ..Rehearsal::of(world, &code_of_host) }.step(replay, &file);
        assert_eq!(matches!(step(&world, &mut replay), ReplayStep::Unavailable(_)), away);
        assert_eq!(replay.ahead.is_some(), portion == 4);
        code.1.store(0, Ordering::Relaxed);
        append(&mut world, 20..25, &[]);
        if let Some(to) = rewound {
            world.control("f", Control::Rewind(Position(to)));
        }
        handle_all(&mut world, &mut runner, &guest);
        let mut begun_again = 0;
        let level = loop {
            match step(&world, &mut replay) {
                ReplayStep::StartAgain => begun_again += 1,
                ReplayStep::Went { .. } => {}
                step => break step,
            }
        };
        let case = format!("{portion} at a time, rewound to {rewound:?}, away: {away}");
        assert_eq!(level, ReplayStep::Level { through_commit: world.snapshot().commit() }, "{case}");
        assert_eq!(rows(&file), live_rows(&world), "{case}");
        assert_eq!((replay.report().equal, replay.report().missing), (recorded_outputs(&world), 0), "{case}");
        assert_eq!(begun_again, u64::from(rewound == Some(3)), "{case}");
    }
}

#[test]
fn no_output_is_shown_as_missing_that_was_made_again_whichever_lane_made_it() {
    let mut world = World::new(&[handler(None)]);
    append(&mut world, 0..100, &[]);
    handle_all(&mut world, &mut Runner::new("f"), &answering(false));
    for lanes in [1, 2, 3] {
        let mut rehearsal = Rehearsal::of(&world, &answering(false));
        rehearsal.options.threads = lanes;
        let (_, replay, _) = rehearsal.run();
        assert_eq!((findings(replay.report()), replay.report().examples.len()), ([80, 0, 0, 0], 0), "{lanes} lanes");
    }
}

/// Answers once an event, and keeps no state. The new version answers other things for some ids.
fn answering(new: bool) -> Arc<dyn Guest> {
    coded(move |event: &EventRef<'_>, _: u32, _: &mut dyn Calls| {
        let mut outputs = vec![output(event.subject, "k", event.id.to_owned())];
        match event.id {
            "1" | "16" if new => outputs.push(output(event.subject, "more", "more".into())),
            "2" if new => outputs.clear(),
            "3" | "18" if new => outputs = vec![output(event.subject, "k", "other".into())],
            _ => {}
        }
        Ok(outputs)
    })
}

/// A function without state has handled twenty events, sixteen of them its own, at positions from 2 on.
fn answered() -> World {
    let mut world = World::new(&[handler(None)]);
    append(&mut world, 0..20, &[]);
    handle_all(&mut world, &mut Runner::new("f"), &answering(false));
    world
}

fn findings(report: &super::FunctionReport) -> [u64; 4] {
    [report.equal, report.new, report.missing, report.different]
}

#[test]
fn outputs_that_are_new_missing_or_different_are_counted_and_the_first_are_shown() {
    let world = answered();
    for (lanes, portion) in [(1, 1_000), (3, 1_000), (2, 5), (1, 1)] {
        let mut rehearsal = Rehearsal::of(&world, &answering(true));
        (rehearsal.options.threads, rehearsal.portion) = (lanes, portion);
        let (_, replay, _) = rehearsal.run();
        let report = replay.report();
        assert_eq!((report.events, findings(report)), (16, [13, 2, 1, 2]), "{lanes} lanes by {portion}");
        let shown: Vec<_> = report.examples.iter().map(|example| (example.finding, example.cause.0)).collect();
        for expected in [(Finding::New, 3), (Finding::New, 18), (Finding::Missing, 4), (Finding::Different, 5), (Finding::Different, 20)] {
            assert!(shown.contains(&expected), "{shown:?}");
        }
        assert_eq!(shown.len(), 5);
        let different = report.examples.iter().find(|example| example.finding == Finding::Different).expect("shown");
        let data = |content: &Option<super::Content>| content.as_ref().map(|content| content.data.clone());
        assert_eq!((data(&different.recorded), data(&different.made)), (Some(b"3".to_vec()), Some(b"other".to_vec())));
        assert!(!report.is_same());
    }
}

#[test]
fn outputs_that_a_rewind_left_where_they_were_are_counted_once_their_causes_are_read_again() {
    let mut world = answered();
    world.control("f", Control::Rewind(Position(2)));
    for portion in [1_000, 3] {
        let mut rehearsal = Rehearsal::of(&world, &answering(true));
        (rehearsal.replayed.identity, rehearsal.portion) = (Digest([portion as u8; 32]), portion);
        assert_eq!(findings(rehearsal.run().1.report()), [1, 0, 0, 0]);
    }
    handle_all(&mut world, &mut Runner::new("f"), &answering(false));
    for portion in [1_000, 3] {
        // Also where the replay goes on from before that.
        let mut rehearsal = Rehearsal::of(&world, &answering(true));
        (rehearsal.replayed.identity, rehearsal.portion) = (Digest([portion as u8; 32]), portion);
        assert_eq!(findings(rehearsal.run().1.report()), [13, 2, 1, 2]);
    }
}

#[test]
fn a_comparison_begins_where_it_is_asked_to() {
    let world = answered();
    let mut rehearsal = Rehearsal::of(&world, &answering(true));
    rehearsal.options.from = Position(5);
    assert_eq!(findings(rehearsal.run().1.report()), [11, 1, 0, 1]);
    // A function with state reads all, and compares from there on.
    let (world, mended) = eventful(None);
    let mut rehearsal = Rehearsal::of(&world, &counting(&mended));
    (rehearsal.options.from, rehearsal.portion) = (Position(30), 4);
    let (file, replay, _) = rehearsal.run();
    assert_eq!(rows(&file), live_rows(&world));
    let report = replay.report();
    let snapshot = world.snapshot();
    let late = (31..=snapshot.head().0).filter_map(|position| snapshot.event(Position(position)).expect("the log can be read"));
    let late = late.filter(|event| event.source == "/functions/f" && event.cause.is_some_and(|cause| cause.0 > 30));
    assert_eq!((findings(report), report.is_same()), ([late.count() as u64, 0, 0, 0], true));
}

#[test]
fn a_sample_is_compared_with_its_own_outputs_only() {
    for split in [None, Some(2)] {
        let mut world = World::new(&[handler(split)]);
        append(&mut world, 0..40, &[]);
        handle_all(&mut world, &mut Runner::new("f"), &answering(false));
        world.control("f", Control::Rewind(Position(9)));
        handle_all(&mut world, &mut Runner::new("f"), &answering(false));
        for portion in [1_000, 3] {
            let mut rehearsal = Rehearsal::of(&world, &answering(false));
            (rehearsal.options.sample, rehearsal.portion, rehearsal.replayed.identity) = (2, portion, Digest([portion as u8; 32]));
            let (_, replay, _) = rehearsal.run();
            let report = replay.report();
            assert_eq!(findings(report), [report.events, 0, 0, 0]);
            assert!(0 < report.events && report.events < 32, "{report:?}");
        }
    }
}

#[test]
fn shares_that_turn_out_to_have_state_are_done_again_in_one_lane_from_the_start() {
    // Writes from its tenth event on, which lies in the second share.
    let late = coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        let before = calls.state_get(index, "after").expect("state can be read").unwrap_or_default();
        if event.id == "12" || !before.is_empty() {
            calls.state_put(index, "after", &[&before, event.id.as_bytes()].concat()).expect("within limits");
        }
        Ok(vec![output(event.subject, "k", event.id.to_owned())])
    });
    let world = answered();
    for (from, equal, begun_again) in [(0, 16, 0), (5, 12, 1)] {
        for portion in [1_000, 4] {
            let mut rehearsal = Rehearsal::of(&world, &late);
            (rehearsal.options.threads, rehearsal.options.from, rehearsal.portion) = (3, Position(from), portion);
            rehearsal.replayed.identity = Digest([portion as u8; 32]);
            let (file, mut replay) = rehearsal.open();
            let mut again = 0;
            loop {
                match rehearsal.step(&mut replay, &file) {
                    ReplayStep::Level { .. } => break,
                    step => again += u64::from(step == ReplayStep::StartAgain),
                }
            }
            let report = replay.report();
            assert_eq!(rows(&file), BTreeMap::from([("after".to_owned(), b"121315161718".to_vec())]));
            assert_eq!((report.events, again, report.is_same(), report.equal), (16, begun_again, true, equal));
        }
    }
}

#[test]
fn an_event_that_fails_now_is_shown_and_the_replay_goes_on_without_it() {
    let world = straight(Some(1), 20);
    let fails = coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        calls.state_put(index, event.id, b"").expect("within limits");
        if event.id == "7" { Err(reject(index)) } else { Ok(vec![output(event.subject, "k", event.id.to_owned())]) }
    });
    for (lanes, portion) in [(1, 1_000), (2, 3)] {
        let mut rehearsal = Rehearsal::of(&world, &fails);
        (rehearsal.options.threads, rehearsal.portion) = (lanes, portion);
        let (file, replay, step) = rehearsal.run();
        assert!(matches!(step, ReplayStep::Level { .. }), "{step:?}");
        let report = replay.report();
        assert_eq!((findings(report), report.failures, report.is_same()), ([15, 0, 1, 0], 1, false));
        let failed = &report.failed[0];
        assert_eq!((failed.position, failed.r#type.as_str(), failed.subject.as_str()), (Position(9), "a", "u1/1"));
        assert_eq!((failed.reason.as_str(), failed.message.as_str()), ("reject", "no"));
        assert_eq!(rows(&file).len(), 15);
    }
}

#[test]
fn too_many_failures_end_a_replay_and_so_does_state_without_end_and_code_that_answers_in_two_ways() {
    let mut world = World::new(&[handler(None)]);
    for _ in 0..12 {
        let first = world.store.head().0;
        world.append((0..100).map(|number| event(&(first + number).to_string(), "a", "x")).collect());
    }
    handle_all(&mut world, &mut Runner::new("f"), &answering(false));
    let ended = |number: u8, guest: Arc<dyn Guest>, shadow_bytes_max| {
        let mut rehearsal = Rehearsal::of(&world, &guest);
        rehearsal.replayed.identity = Digest([number; 32]);
        (rehearsal.options.shadow_bytes_max, rehearsal.portion) = (shadow_bytes_max, 100);
        match rehearsal.run() {
            (_, replay, ReplayStep::Failed { reason, message, .. }) => (reason, message, replay.report().failures),
            (_, _, step) => panic!("{step:?}"),
        }
    };
    let never = coded(|_: &EventRef<'_>, index: u32, _: &mut dyn Calls| Err(reject(index)));
    let (reason, message, failures) = ended(1, never, limits::SHADOW_BYTES_MAX);
    assert_eq!((reason, message.as_str()), ("failures", "more than 1000 events failed"));
    assert!(failures > limits::REPLAY_FAILURES_MAX, "{failures}");
    let (reason, message, _) = ended(2, answering(false), 1);
    assert!(reason == "state" && message.contains("`shadow-bytes`"), "{message}");
    let calls = AtomicU8::new(0);
    let by_chance = coded(move |event: &EventRef<'_>, _: u32, _: &mut dyn Calls| {
        Ok(vec![output(event.subject, "k", calls.fetch_add(1, Ordering::Relaxed).to_string())])
    });
    let (reason, message, _) = ended(3, by_chance, limits::SHADOW_BYTES_MAX);
    assert!(reason == "nondeterministic" && message.contains("one by one"), "{message}");
}

#[test]
fn events_that_are_parked_still_are_tried_and_leave_no_trace() {
    let (world, mended) = eventful(None);
    let parked = world.row("f").parked;
    for (level, passes) in [(1, false), (2, true)] {
        mended.store(level, Ordering::Relaxed);
        let mut rehearsal = Rehearsal::of(&world, &counting(&mended));
        rehearsal.replayed.identity = Digest([level; 32]);
        let (file, replay, _) = rehearsal.run();
        assert_eq!(rows(&file), live_rows(&world));
        let report = replay.report();
        // Those that are parked behind others pass in any case.
        let behind = world.snapshot().parked(world.row("f").ordinal, Position::START, 100).expect("it can be read").events;
        let behind = behind.iter().filter(|parked| parked.event.reason == "behind").count() as u64;
        let expected = if passes { (parked, 0) } else { (behind, parked - behind) };
        assert_eq!((report.passes_now, report.fails_still, report.failures), (expected.0, expected.1, 0));
    }
}

#[test]
fn a_new_function_reads_everything_and_all_that_it_makes_is_new() {
    let world = answered();
    let mut rehearsal = Rehearsal::of(&world, &answering(true));
    rehearsal.replayed.follows = None;
    rehearsal.replayed.manifest.name = "g".into();
    let (_, replay, step) = rehearsal.run();
    assert!(matches!(step, ReplayStep::Level { .. }));
    assert_eq!((findings(replay.report()), replay.position()), ([0, 17, 0, 0], world.store.head()));
}

#[test]
fn outputs_that_the_log_lacks_are_handed_out_before_the_shadow_says_so() {
    let world = answered();
    let mut rehearsal = Rehearsal::of(&world, &answering(true));
    (rehearsal.options.collect_new, rehearsal.portion) = (true, 4);
    let (mut lacking, mut lost) = (Vec::new(), 0);
    for round in 0.. {
        // Every other time the host dies before what was handed out is in the log.
        let (file, mut replay) = rehearsal.open();
        let before = file.progress().expect("it can be read");
        let step = rehearsal.step(&mut replay, &file);
        let new = replay.take_lacking();
        if !new.is_empty() {
            assert_eq!(file.progress().expect("it can be read"), before);
            if round % 2 == 0 {
                lost += 1;
                continue;
            }
        }
        let record = |position| world.snapshot().record(position).expect("it can be read").expect("it is there");
        for made in &new {
            let (record, ids) = (record(made.cause), (made.causation_id.as_str(), made.correlation_id.as_str()));
            let cause = record.event(made.cause).expect("it is there");
            assert_eq!(ids, (cause.id, cause.correlation()), "of {}", made.cause);
        }
        lacking.extend(new.into_iter().map(|made| (made.cause.0, made.subject)));
        replay.flush(&file).expect("written");
        if matches!(step, ReplayStep::Level { .. }) {
            break;
        }
    }
    assert_eq!(lacking, [(3, "u1/1".to_owned()), (18, "u1/0".to_owned())]);
    assert!(lost > 0);
}

#[test]
fn a_replay_that_is_asked_for_something_else_begins_anew() {
    let world = answered();
    let mut rehearsal = Rehearsal::of(&world, &answering(false));
    let events = rehearsal.run().1.report().events;
    assert_eq!(rehearsal.open().1.report().events, events);
    rehearsal.options.from = Position(3);
    let (file, replay) = rehearsal.open();
    assert_eq!((replay.report().events, file.cursor()), (0, Position::START));
    drop(file);
    assert_eq!(world.store.reader().sweep_shadows(&Default::default()).expect("swept").len(), 1);
}

#[test]
fn what_is_appended_late_is_not_counted_where_it_was_found_lacking_and_is_where_it_is_found() {
    let mut world = answered();
    let guest = answering(true);
    let mut rehearsal = Rehearsal::of(&world, &guest);
    rehearsal.options.collect_new = true;
    let (file, mut replay, _) = rehearsal.run();
    let mut plan = super::runner::empty_plan(&world.row("f"), world.row("f").cursor, world.row("f").cursor, PlanMode::Live);
    plan.emitted = replay.take_lacking();
    replay.flush(&file).expect("written");
    assert_eq!((plan.emitted.len(), findings(replay.report())), (2, [13, 2, 1, 2]));
    world.propose(Proposal::Reaction(plan)).expect("committed");
    append(&mut world, 20..24, &[]);
    handle_all(&mut world, &mut Runner::new("f"), &answering(false));
    let rehearsal = Rehearsal { options: ReplayOptions { collect_new: true, ..ReplayOptions::default() }, ..Rehearsal::of(&world, &guest) };
    while !matches!(rehearsal.step(&mut replay, &file), ReplayStep::Level { .. }) {}
    assert_eq!(findings(replay.report()), [17, 2, 1, 2]);
    drop(file);
    for portion in [1_000, 3] {
        let mut rehearsal = Rehearsal::of(&world, &guest);
        (rehearsal.replayed.identity, rehearsal.portion) = (Digest([portion as u8; 32]), portion);
        assert_eq!(findings(rehearsal.run().1.report()), [19, 0, 1, 2]);
    }
}

#[test]
fn commands_are_held_against_the_record_like_events_and_handed_out_only_if_somebody_asks() {
    use super::desk_testing::{Desk, desk, functions, order};
    use super::retell::testing::live;
    let code: Arc<dyn Guest> = Arc::new(Desk::default());
    let world = live(&functions(), &code, (0..9).map(|id| order(&id.to_string(), &format!("item/{id}"), "0")).collect());
    let snapshot = world.snapshot();
    let replayed = Replayed { manifest: desk(), follows: Some(Arc::new(world.row("desk"))), identity: IDENTITY };
    let rehearse = |guest: Desk, follows: bool, options: ReplayOptions| {
        let guest: Arc<dyn Guest> = Arc::new(guest);
        let guests = OneGuest(guest.clone());
        let reading = Reading::new(&snapshot, &guests);
        let (file, _) = snapshot.reader().open_shadow("desk", IDENTITY, 1 << 20).expect("opened");
        file.clear().expect("written");
        let name = if follows { "desk" } else { "other" };
        let manifest = FunctionManifest { name: name.into(), ..replayed.manifest.clone() };
        let replayed = Replayed { manifest, follows: replayed.follows.clone().filter(|_| follows), identity: IDENTITY };
        let mut replay = Replay::new(&reading, &replayed, options, &file).expect("begun");
        let mut lacking = Vec::new();
        loop {
            let Prepared::Parts(parts) =
                replay.prepare(&reading, &replayed, &file, Portion { events: 4, bytes: usize::MAX }).expect("read")
            else {
                panic!("it is taken")
            };
            let folded = parts.iter().map(|part| part.fold(&*guest, &mut |_, _| {})).collect();
            let step = replay.finish(&file, folded).expect("written");
            lacking.extend(replay.take_lacking());
            if matches!(step, ReplayStep::Level { .. }) {
                return (findings(replay.report()), lacking, replay.report().examples.clone());
            }
        }
    };
    let (same, _, _) = rehearse(Desk::default(), true, ReplayOptions::default());
    assert_eq!(same, [18, 0, 0, 0], "nine commands and nine events");
    let (other, _, examples) = rehearse(Desk { version: 1, ..Desk::default() }, true, ReplayOptions::default());
    assert_eq!(other, [9, 0, 0, 9]);
    assert_eq!(examples[0].recorded.as_ref().map(|content| content.kind), Some(crate::model::Kind::Command));
    let collect = ReplayOptions { collect_new: true, ..ReplayOptions::default() };
    let kinds = |(_, lacking, _): (_, Vec<crate::model::Emitted>, _)| {
        [crate::model::Kind::Event, crate::model::Kind::Command].map(|kind| lacking.iter().filter(|made| made.kind == kind).count())
    };
    assert_eq!(kinds(rehearse(Desk::default(), false, collect)), [9, 0]);
    assert_eq!(kinds(rehearse(Desk::default(), false, ReplayOptions { collect_sent: true, ..collect })), [9, 9]);
}

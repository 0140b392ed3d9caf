//! Replays in lanes of a state that is one unit.

use std::sync::Arc;

use super::replay_tests::{Rehearsal, handle_all, handler, live_rows, output, rows};
use super::testing::{World, coded, event};
use super::{ReplayStep, Runner};
use crate::model::{Calls, Digest, EventRef, Guest, NewEvent};

/// Keeps a row for each subject, and does what an event's data says: `w` writes a row that all share, `r` reads it,
/// `s` looks over all rows, `d` deletes its own.
fn sharing() -> Arc<dyn Guest> {
    coded(|event: &EventRef<'_>, index: u32, calls: &mut dyn Calls| {
        let mut own = calls.state_get(index, event.subject).expect("state can be read").unwrap_or_default();
        match event.data {
            b"w" => {
                let before = calls.state_get(index, "shared").expect("state can be read").unwrap_or_default();
                calls.state_put(index, "shared", &[&before, event.id.as_bytes()].concat()).expect("within limits");
            }
            b"r" => own.extend(calls.state_get(index, "shared").expect("state can be read").unwrap_or_default()),
            b"s" => own.push(calls.state_scan(index, "", None, 100).expect("state can be read").len() as u8),
            _ => own.extend(event.id.as_bytes()),
        }
        match event.data {
            b"d" => calls.state_delete(index, event.subject).expect("within limits"),
            _ => calls.state_put(index, event.subject, &own).expect("within limits"),
        }
        Ok(vec![output(event.subject, "k", format!("{own:?}"))])
    })
}

#[test]
fn a_state_of_one_unit_that_is_replayed_in_lanes_by_guess_is_what_one_lane_makes_it() {
    let mut random = 7_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    // What of a hundred events do something else than keep a row of their own.
    for (case, (others, rarely)) in [("", 0), ("r", 20), ("d", 20), ("w", 2), ("wr", 10), ("wrsd", 30), ("s", 5)].into_iter().enumerate() {
        let mut world = World::new(&[handler(None)]);
        for number in 0..300 {
            let data = if next(100) < rarely { &others[next(others.len() as u64) as usize..][..1] } else { "o" };
            world.append(vec![NewEvent { data: data.into(), ..event(&number.to_string(), "a", &format!("subject/{}", next(12))) }]);
        }
        let guest = sharing();
        handle_all(&mut world, &mut Runner::new("f"), &guest);
        for (lanes, portion) in [(1, 50), (2, 50), (3, 7), (2, 1)] {
            let mut rehearsal = Rehearsal::of(&world, &guest);
            (rehearsal.options.threads, rehearsal.portion) = (lanes, portion);
            rehearsal.replayed.identity = Digest([case as u8 * 10 + lanes as u8 + portion as u8; 32]);
            let (file, replay, step) = rehearsal.run();
            assert!(matches!(step, ReplayStep::Level { .. }), "{step:?}");
            assert_eq!(rows(&file), live_rows(&world), "{others} {lanes} {portion}");
            let report = replay.report();
            assert_eq!((report.events, report.equal, report.is_same()), (300, 300, true), "{others} {lanes} {portion}");
            if lanes > 1 && portion > 1 {
                let apart = ["", "r", "d"].contains(&others);
                assert_eq!(replay.guessed_wrong(), !apart, "{others} {lanes} {portion}");
            }
        }
    }
}

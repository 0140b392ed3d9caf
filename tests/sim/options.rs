//! What a seed draws before it begins: which faults are on, and how often.

use crate::chance::Chance;
use crate::disk::Crash;

#[derive(Clone, Debug)]
pub struct Options {
    /// Power cuts, and what is done between two of them at most.
    pub cuts: u64,
    pub actions: u64,
    pub subjects: u64,
    pub batch: u64,
    pub proposals_per_commit: u64,
    // In a hundred.
    pub repeats: u64,
    pub conditions: u64,
    pub streams: u64,
    pub marked: u64,
    pub circles: u64,
    pub large: u64,
    pub unavailable: u64,
    pub stale_snapshots: u64,
    pub shuffled: u64,
    // Weights of actions.
    pub appends: u64,
    pub steps: u64,
    pub controls: u64,
    pub commands: u64,
    pub deploys: u64,
    pub housekeeping: u64,
    pub folds: u64,
    pub upgrades: u64,
    pub rivals: bool,
    pub one_event_a_call: bool,
    pub waits: bool,
    /// Operations until the power goes, at most.
    pub fuel: u64,
    /// How many in a hundred power cuts come at a sync.
    pub at_syncs: u64,
    pub crash: Crash,
    /// How many in a hundred cuts end the process only.
    pub kills: u64,
    /// How many in a hundred power cuts are followed by a look at every page.
    pub looked_into: u64,
    /// Whether in the end every module is upgraded and goes back: what costs most.
    pub upgraded_all: bool,
    pub forked_at_the_end: bool,
    /// Stands in all data that clients send.
    pub tag: &'static str,
}

impl Options {
    pub fn draw(chance: &mut Chance) -> Options {
        // Each is off in a third of the seeds: what one feature hides, another seed shows.
        let some = |chance: &mut Chance, all: &[u64]| if chance.percent(33) { 0 } else { *chance.pick(all) };
        Options {
            cuts: chance.between(1, 4),
            actions: *chance.pick(&[40, 100, 240]),
            subjects: *chance.pick(&[1, 2, 4, 12]),
            batch: *chance.pick(&[1, 3, 8, 30]),
            proposals_per_commit: *chance.pick(&[1, 2, 5]),
            repeats: some(chance, &[5, 30]),
            conditions: some(chance, &[10, 50]),
            streams: some(chance, &[5, 30]),
            marked: some(chance, &[3, 15, 50]),
            circles: some(chance, &[1, 3]),
            large: some(chance, &[1, 4]),
            unavailable: some(chance, &[2, 20]),
            stale_snapshots: some(chance, &[5, 30]),
            shuffled: some(chance, &[5, 40]),
            appends: *chance.pick(&[4, 10, 20]),
            steps: *chance.pick(&[10, 20, 40]),
            controls: some(chance, &[2, 8]),
            commands: some(chance, &[5, 15, 40]),
            deploys: *chance.pick(&[1, 2, 4]),
            housekeeping: some(chance, &[4, 15, 30]),
            folds: some(chance, &[4, 12]),
            upgrades: some(chance, &[15, 40]),
            rivals: chance.percent(40),
            one_event_a_call: chance.percent(20),
            waits: chance.percent(60),
            fuel: *chance.pick(&[80, 600, 3_000, 8_000]),
            at_syncs: some(chance, &[30, 80]),
            crash: draw_crash(chance),
            kills: some(chance, &[20, 60]),
            looked_into: 20,
            upgraded_all: chance.percent(25),
            forked_at_the_end: chance.percent(50),
            tag: "",
        }
    }
}

impl Options {
    pub fn quiet() -> Options {
        Options {
            cuts: 0,
            actions: 0,
            subjects: 2,
            batch: 3,
            proposals_per_commit: 3,
            repeats: 0,
            conditions: 0,
            streams: 0,
            marked: 0,
            circles: 0,
            large: 0,
            unavailable: 0,
            stale_snapshots: 0,
            shuffled: 0,
            appends: 1,
            steps: 1,
            controls: 1,
            commands: 1,
            deploys: 1,
            housekeeping: 1,
            folds: 1,
            upgrades: 0,
            rivals: false,
            one_event_a_call: false,
            waits: true,
            fuel: 1,
            at_syncs: 0,
            crash: Crash::Lost,
            kills: 0,
            looked_into: 100,
            upgraded_all: true,
            forked_at_the_end: true,
            tag: "",
        }
    }
}

fn draw_crash(chance: &mut Chance) -> Crash {
    let percent = chance.between(5, 95) as u8;
    match chance.below(6) {
        0 => Crash::Lost,
        1 => Crash::Kept,
        2 => Crash::Reordered { percent },
        _ => Crash::Torn { percent, garbage: chance.percent(50) },
    }
}

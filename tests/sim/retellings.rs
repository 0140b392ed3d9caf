//! Retellings and promotions by chance, and with power lost at every operation.

use crate::chance::Chance;
use crate::disk::Crash;
use crate::every_operation::at_every_operation_of;
use crate::generations::{Act, Counts, Land};
use crate::world::PowerLost;

const SEEDS: u64 = 200;

fn draw(chance: &mut Chance) -> Vec<Act> {
    let count = *chance.pick(&[30, 80, 160]);
    let mut acts: Vec<Act> = (0..count)
        .map(|_| match chance.below(20) {
            0..=4 => Act::Append(chance.between(1, 60)),
            5 | 6 => Act::Ask,
            7 if chance.percent(30) => Act::Release,
            7..=10 => Act::Work,
            11 => Act::Seal(chance.percent(50)),
            12..=16 => Act::Tell(*chance.pick(&[1, 256, 700])),
            _ => Act::Compare,
        })
        .collect();
    let at = chance.index(acts.len());
    acts.insert(at, Act::Promote);
    acts
}

fn crash(chance: &mut Chance) -> Crash {
    let percent = chance.between(5, 95) as u8;
    *chance.pick(&[Crash::Lost, Crash::Kept, Crash::Reordered { percent }, Crash::Torn { percent, garbage: true }])
}

/// Runs a seed.
pub fn run(seed: u64) -> Land {
    let mut chance = Chance::new(seed);
    let (acts, mut cuts) = (draw(&mut chance), chance.between(0, 4));
    let (fuel, crash, promoting) = (*chance.pick(&[50, 200, 800]), crash(&mut chance), chance.percent(40));
    let mut land = Land::new(chance);
    land.crash = crash;
    let mut left = acts.iter();
    let mut life = None;
    let mut next = left.next();
    while let Some(act) = next {
        if cuts > 0 && (life.is_none() || (promoting && matches!(act, Act::Promote))) {
            let operation = land.chance.between(1, fuel);
            let folder = land.chance.index(3);
            land.folders()[folder].lose_power_at(operation);
        }
        let mut now = match life.take() {
            Some(life) => Ok(life),
            None => land.open(),
        };
        let acted = now.as_mut().map_err(|_| PowerLost).and_then(|life| land.act(life, *act));
        match (now, acted) {
            (Ok(living), Ok(())) => {
                life = Some(living);
                next = left.next();
            }
            (now, _) => {
                drop(now);
                cuts = cuts.saturating_sub(1);
                land.cut(crash);
                if !matches!(act, Act::Promote) {
                    next = left.next();
                }
            }
        }
    }
    drop(life);
    // Power may go while the host stops in good order, too.
    if !land.has_power() {
        land.cut(crash);
    }
    land.finish();
    land
}

#[test]
fn no_seed_loses_anything_in_a_retelling_or_its_promotion() {
    let mut counts = Counts::default();
    for seed in 1..=SEEDS {
        let land = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            eprintln!("seed {seed} of retellings fails");
            std::panic::resume_unwind(panic)
        });
        if seed % 50 == 0 {
            assert_eq!(run(seed).trace, land.trace, "seed {seed} doesn't tell the same story twice");
        }
        let Counts { cuts, told, promoted, found, repeated, back, decided, parked } = land.counts;
        counts.back += back;
        counts.decided += decided;
        counts.parked += parked;
        counts.cuts += cuts;
        counts.told += told;
        counts.promoted += promoted;
        counts.found += found;
        counts.repeated += repeated;
    }
    eprintln!("{SEEDS} seeds of retellings: {counts:?}");
    assert!(counts.back > 0 && counts.decided > 0 && counts.parked > 0, "{counts:?}");
}

/// A short story, with power lost at one operation of one folder.
fn tell_with_a_cut_at(operation: u64, folder: usize, crash: Crash) -> bool {
    const STORY: [Act; 15] = [
        Act::Append(20),
        Act::Ask,
        Act::Work,
        Act::Tell(700),
        Act::Append(280),
        Act::Ask,
        Act::Work,
        Act::Release,
        Act::Tell(700),
        Act::Compare,
        Act::Seal(false),
        Act::Seal(true),
        Act::Append(5),
        Act::Promote,
        Act::Append(2),
    ];
    let mut land = Land::new(Chance::new(3));
    land.crash = crash;
    land.folders()[folder].lose_power_at(operation);
    let told = land.open().and_then(|mut life| STORY.iter().try_for_each(|act| land.act(&mut life, *act)));
    let over = told.is_ok() && land.has_power();
    land.cut(crash);
    land.finish();
    over
}

#[test]
fn a_retelling_and_its_promotion_are_whole_or_not_at_all_wherever_power_is_lost() {
    for folder in 0..3 {
        at_every_operation_of(50, |operation| {
            let crash = match operation % 3 {
                0 => Crash::Lost,
                1 => Crash::Torn { percent: (operation * 37 % 91) as u8 + 5, garbage: true },
                _ => Crash::Reordered { percent: (operation * 53 % 91) as u8 + 5 },
            };
            tell_with_a_cut_at(operation, folder, crash)
        });
    }
}

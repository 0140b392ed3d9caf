//! Does the simulator find anything? Every mistake that can be planted in the engine
//! (`host/engine/src/plant.rs`) is found within a minute, by the seeds that are run every day:
//! `cargo test -p retold-tests --features plant --test sim planted -- --nocapture`.
#![expect(clippy::disallowed_methods, reason = "how long the search takes is asked")]

use std::panic::{catch_unwind, set_hook, take_hook};
use std::time::{Duration, Instant};

use retold_engine::plant::{Bug, plant};

use crate::stories::{Story, Sums};

const FOUND_WITHIN: Duration = Duration::from_secs(60);

/// The seeds that are to find it.
fn story(bug: Bug) -> Story {
    match bug {
        Bug::TimerOnlyInMemory | Bug::ReplyCountedTwice => Story::Outside,
        Bug::WallClockForLeases => Story::Consumers,
        Bug::SyncSkipped | Bug::FolderSyncSkipped | Bug::NoRenameAtCreation => Story::Storage,
        _ => Story::Engine,
    }
}

/// The first seed that fails, and what it says.
fn find(bug: Bug) -> Option<(u64, String)> {
    let began = Instant::now();
    (1..).take_while(|_| began.elapsed() < FOUND_WITHIN).find_map(|seed| {
        let found = catch_unwind(|| {
            plant(Some(bug));
            story(bug).run(seed);
        });
        plant(None);
        let panic = found.err()?;
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Some((seed, said.unwrap_or_default().lines().next().unwrap_or_default().chars().take(90).collect()))
    })
}

#[test]
fn with_nothing_planted_no_seed_of_any_kind_fails() {
    let mut all = Sums::default();
    for story in Story::ALL {
        (1..=20).for_each(|seed| all.add(story.run(seed)));
    }
    let Sums { seeds, cuts, commits, events } = all;
    eprintln!("{seeds} seeds, {cuts} power cuts, {commits} commits, {events} events");
}

#[test]
fn every_planted_mistake_is_found_within_a_minute() {
    // Thousands of panics are to be expected, and what they say is not what this is about.
    let told = take_hook();
    set_hook(Box::new(|_| {}));
    let found = Bug::ALL.map(|bug| {
        let began = Instant::now();
        let how = find(bug);
        (bug, how, began.elapsed())
    });
    set_hook(told);
    for (bug, how, took) in &found {
        let (seed, said) = how.clone().unwrap_or_default();
        eprintln!("{:22} {:9} seed {seed:3} {:4.1} s  {said}", format!("{bug:?}"), story(*bug).name(), took.as_secs_f64());
    }
    let missed: Vec<Bug> = found.iter().filter(|(_, how, _)| how.is_none()).map(|(bug, ..)| *bug).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

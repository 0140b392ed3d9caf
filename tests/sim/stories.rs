//! All kinds of seeds, for whoever runs many of them.

use crate::outside_world::OutsideWorld;
use crate::retellings;
use crate::shop::Shop;
use crate::storage::Storage;
use crate::world::World;

/// What a seed is a seed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// The store alone.
    Storage,
    /// A namespace with everything at work.
    Engine,
    /// Timers and requests.
    Outside,
    /// Consumers and their members.
    Consumers,
    /// A retelling and its promotion.
    Retelling,
}

/// What came of some seeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub seeds: u64,
    pub cuts: u64,
    pub commits: u64,
    pub events: u64,
}

impl Sums {
    pub fn add(&mut self, other: Sums) {
        let Sums { seeds, cuts, commits, events } = other;
        self.seeds += seeds;
        self.cuts += cuts;
        self.commits += commits;
        self.events += events;
    }
}

impl Story {
    pub const ALL: [Story; 5] = [Story::Storage, Story::Engine, Story::Outside, Story::Consumers, Story::Retelling];

    pub fn name(self) -> &'static str {
        match self {
            Story::Storage => "storage",
            Story::Engine => "engine",
            Story::Outside => "outside",
            Story::Consumers => "consumers",
            Story::Retelling => "retelling",
        }
    }

    /// Runs a seed, which panics if it breaks a promise.
    pub fn run(self, seed: u64) -> Sums {
        let (cuts, commits, events) = match self {
            Story::Storage => {
                let mut storage = Storage::new(seed);
                storage.run();
                (storage.counts.cuts, storage.counts.commits, storage.counts.events)
            }
            Story::Engine => {
                let mut world = World::new(seed);
                world.run();
                (world.counts.cuts, world.counts.commits, world.model.head().0)
            }
            Story::Outside => {
                let mut world = OutsideWorld::new(seed);
                world.run();
                (world.counts.cuts, world.counts.commits, world.counts.entries)
            }
            Story::Consumers => {
                let mut shop = Shop::new(seed);
                shop.run();
                (shop.counts.cuts, shop.counts.acknowledged, shop.counts.given)
            }
            Story::Retelling => {
                let land = retellings::run(seed);
                (land.counts.cuts, land.counts.told, land.sent.len() as u64)
            }
        };
        Sums { seeds: 1, cuts, commits, events }
    }
}

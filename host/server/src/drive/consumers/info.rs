//! What is said to consumers, and what they tell.

use std::time::Duration;

use retold_engine::model::{ConsumerEntry, ConsumerSettings, Position};
use retold_engine::run::{ConsumerStatus, Given};

/// A consumer as its owner wants it.
#[derive(Clone, Debug)]
pub struct NewConsumer {
    pub settings: ConsumerSettings,
    /// Of one that isn't there yet.
    pub start: StartAt,
}

/// Where a new consumer begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    Now,
    /// Behind this place, as a cursor names it: generation, position, and how far it was shown this one.
    After {
        generation: u64,
        position: Position,
        from: Position,
    },
}

#[derive(Clone, Debug)]
pub struct FetchAsk {
    pub member: String,
    pub events: usize,
    pub bytes: usize,
    /// How long to wait if there is nothing yet.
    pub wait: Duration,
}

/// What a member is given.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    pub lease: Option<String>,
    pub events: Vec<Given>,
}

#[derive(Clone, Debug)]
pub struct ConsumerInfo {
    pub name: String,
    pub status: ConsumerStatus,
    /// What went wrong last at its endpoint, until something goes well.
    pub trouble: Option<String>,
}

/// A parked event of a consumer.
#[derive(Clone, Debug)]
pub struct ParkedAside {
    pub position: Position,
    pub entry: ConsumerEntry,
}

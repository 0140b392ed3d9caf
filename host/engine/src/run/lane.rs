//! Units of state: where a subject's rows lie, and who folds them.

use crate::model::{FunctionKind, FunctionManifest, Glance};
use crate::store::Portion;

/// What goes before the keys that a function uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing.
    Whole,
    /// Of a view: so many parts of the subject, a slash after each.
    Parts(u32),
    /// Of a handler: so many parts of the subject as they are, and a sign that no subject holds.
    Marked(u32),
}

impl Unit {
    pub fn of(manifest: &FunctionManifest) -> Unit {
        match (manifest.split, manifest.kind) {
            (None, _) => Unit::Whole,
            (Some(parts), FunctionKind::Handler) => Unit::Marked(parts),
            (Some(parts), _) => Unit::Parts(parts),
        }
    }

    pub fn write(self, out: &mut String, subject: &str) {
        match self {
            Unit::Whole => {}
            Unit::Parts(parts) => lane_into(out, subject, parts),
            Unit::Marked(parts) => {
                let end = subject.match_indices('/').nth(parts as usize - 1).map_or(subject.len(), |(at, _)| at);
                out.push_str(&subject[..end]);
                out.push('\u{1f}');
            }
        }
    }
}

/// Where much is to be read, as many lanes for each thread, so that none is at its last lane for long while the others have
/// nothing to do, and a call meets fewer rows.
const LANES_PER_THREAD: usize = 6;
/// More only where there are more threads: a lane's share of a portion should fill a call or two.
const LANES_MAX: usize = 12;
/// Much is as many portions.
const PORTIONS_AHEAD: u64 = 4;

/// How many lanes for so many threads, where so many positions are still to be read in such portions.
pub fn lanes_for(threads: usize, left: u64, portion: Portion) -> usize {
    if threads > 1 && left / PORTIONS_AHEAD >= portion.events as u64 {
        threads.max(LANES_MAX.min(threads * LANES_PER_THREAD))
    } else {
        threads
    }
}

/// How the events of a portion are shared out among parts that run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    One,
    /// By units of so many parts of the subject.
    Units(u32, usize),
    Subjects(usize),
    /// By subject, in the hope that no row is any lane's but one's: see `guess.rs`.
    Guessed(usize),
    /// In any way: the events have nothing to do with each other. Whoever has the portion marks it.
    Shares(usize),
}

impl Lanes {
    /// How a function's events may be replayed; `stateful`: it is known to write state; `guess`: whose rows are whose
    /// may be guessed.
    pub fn of(manifest: &FunctionManifest, lanes: usize, stateful: bool, guess: bool) -> Lanes {
        match (manifest.kind, manifest.split) {
            _ if lanes <= 1 && (stateful || manifest.kind != FunctionKind::Handler) => Lanes::One,
            (FunctionKind::Aggregate, _) => Lanes::Subjects(lanes),
            (_, Some(parts)) => Lanes::Units(parts, lanes.max(1)),
            (FunctionKind::Handler, None) if !stateful => Lanes::Shares(lanes.max(1)),
            (FunctionKind::Handler, None) if guess => Lanes::Guessed(lanes),
            _ => Lanes::One,
        }
    }

    pub fn count(self) -> usize {
        match self {
            Lanes::One => 1,
            Lanes::Units(_, lanes) | Lanes::Subjects(lanes) | Lanes::Guessed(lanes) | Lanes::Shares(lanes) => lanes,
        }
    }

    pub fn lane(self, event: &Glance<'_>) -> u32 {
        match self {
            Lanes::One | Lanes::Shares(_) => 0,
            Lanes::Units(parts, lanes) => lane_of(event.subject(), parts, lanes) as u32,
            Lanes::Subjects(lanes) | Lanes::Guessed(lanes) => lane_of_subject(event.subject(), lanes) as u32,
        }
    }
}

/// Whether an event's unit, or subject, is one of a sample of one in `every`. Says nothing of its lane.
pub fn is_sampled(manifest: &FunctionManifest, every: u32, event: &Glance<'_>) -> bool {
    let hash = match manifest.split {
        Some(parts) if manifest.kind != FunctionKind::Aggregate => unit_hash(event.subject(), parts),
        _ => subject_hash(event.subject()),
    };
    every <= 1 || (hash as u32).wrapping_mul(0x9e37_79b1).is_multiple_of(every)
}

/// The first `parts` parts of a subject, with a slash after each: what goes before the keys of its
/// unit. A subject with fewer parts counts as having empty ones, so that a key belongs to one unit only.
pub fn lane_into(out: &mut String, subject: &str, parts: u32) {
    let mut rest = Some(subject);
    for _ in 0..parts {
        if let Some(text) = rest {
            let (part, later) = text.split_once('/').map_or((text, None), |(part, later)| (part, Some(later)));
            out.push_str(part);
            rest = later;
        }
        out.push('/');
    }
}

/// Which of `lanes` a subject's unit goes to. Any place is right, as long as a unit has one; FNV-1a.
pub fn lane_of(subject: &str, parts: u32, lanes: usize) -> usize {
    ((unit_hash(subject, parts) >> 32) as usize * lanes) >> 32
}

/// The same for functions that have a unit for each subject.
pub fn lane_of_subject(subject: &str, lanes: usize) -> usize {
    ((subject_hash(subject) >> 32) as usize * lanes) >> 32
}

fn subject_hash(subject: &str) -> u64 {
    spread(subject.bytes().fold(SEED, step))
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// FNV's high bits say little of short texts.
fn spread(hash: u64) -> u64 {
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn unit_hash(subject: &str, parts: u32) -> u64 {
    let mut left = parts;
    let mut hash = SEED;
    for byte in subject.bytes() {
        if byte == b'/' {
            left -= 1;
            if left == 0 {
                break;
            }
        }
        hash = step(hash, byte);
    }
    // Slashes that padding would add.
    while left > 1 {
        hash = step(hash, b'/');
        left -= 1;
    }
    spread(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, parts: u32, expected: &str) {
        let mut lane = String::new();
        lane_into(&mut lane, subject, parts);
        assert_eq!(lane, expected);
    }

    #[test]
    fn a_unit_has_exactly_its_parts_whatever_the_subject_has() {
        check("a/b/c", 1, "a/");
        check("a/b/c", 2, "a/b/");
        check("a", 2, "a//");
        check("a/", 2, "a//");
        check("", 1, "/");
        check("a//c", 2, "a//");
    }

    #[test]
    fn subjects_of_one_unit_go_to_one_lane_and_units_spread() {
        for (one, other, parts) in [("a/b/c", "a/b/d", 2), ("a", "a/", 2), ("a//c", "a", 2), ("x/1", "x/2/3", 1)] {
            assert_eq!(lane_of(one, parts, 7), lane_of(other, parts, 7), "{one} {other}");
        }
        let mut counts = [0; 2];
        (0..1_000).for_each(|number| counts[lane_of(&format!("carrier-{number}/x"), 1, 2)] += 1);
        assert!(counts.iter().all(|count| *count > 350), "{counts:?}");
    }

    #[test]
    fn there_are_more_lanes_than_threads_only_where_much_is_to_be_read() {
        let portion = Portion { events: 100, bytes: 1 };
        let lanes = |threads, left| lanes_for(threads, left, portion);
        assert_eq!([lanes(1, 1 << 40), lanes(2, 399), lanes(2, 400), lanes(64, 400)], [1, 2, LANES_MAX, 64]);
    }
}

//! Tries a promise about bytes on the inputs that were kept for it, and on changed ones: the same ones each time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::root;

/// No changed input is longer.
const BYTES_MAX: usize = 4_096;

/// Calls `promise` with each input in `fuzz/corpus/TARGET`, and with `rounds` changed ones. Where it panics, the input is
/// printed so that it can be kept.
pub fn hold(target: &str, promise: fn(&[u8]), rounds: u32) {
    let kept = kept(target);
    assert!(!kept.is_empty(), "fuzz/corpus/{target} holds no input");
    kept.iter().for_each(|input| attempt(target, promise, input));
    let mut chance =
        Chance(target.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)));
    for _ in 0..rounds {
        attempt(target, promise, &changed(&mut chance, &kept));
    }
}

fn attempt(target: &str, promise: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| promise(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{target} doesn't hold for the {} bytes {hex}", input.len());
        resume_unwind(panic);
    }
}

/// The inputs of a target, in the order of their names.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("it can be read")).collect()
}

/// Numbers by lot: splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Values at which counts and lengths go wrong.
const ODD: &[u64] = &[0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX >> 1, u64::MAX - 1, u64::MAX];

fn changed(chance: &mut Chance, kept: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = kept[chance.below(kept.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        let end = at + chance.below((bytes.len() - at).min(64) + 1);
        match chance.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            1 if !bytes.is_empty() => bytes[at] = chance.next() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes.truncate(end),
            5 => {
                let other = &kept[chance.below(kept.len())];
                let from = chance.below(other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
            6 => {
                let width = [1, 2, 4, 8][chance.below(4)];
                let odd = ODD[chance.below(ODD.len())].to_le_bytes();
                bytes.iter_mut().skip(at).zip(&odd[..width]).for_each(|(byte, odd)| *byte = *odd);
            }
            _ => {
                let new: Vec<u8> = (0..chance.below(16)).map(|_| chance.next() as u8).collect();
                bytes.splice(at..at, new);
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

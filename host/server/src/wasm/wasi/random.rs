//! Chance that is none: a stream of SHA-256 blocks from a seed.

use sha2::{Digest, Sha256};
use wasmtime::component::HasData;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::wasm::call::CallData;

const BLOCK_BYTES: usize = 32;

/// Block n is SHA-256(seed, n): the same on every host, and of cryptographic quality, as long as the
/// seed is not guessed. It can be: whoever knows the event's id and source can make the same numbers,
/// so they name things but keep no secrets.
pub(in crate::wasm) struct Random {
    seed: [u8; BLOCK_BYTES],
    next_block: u64,
    block: [u8; BLOCK_BYTES],
    /// Bytes of `block` already given away.
    used: usize,
}

impl Random {
    /// Each part counts with its length, so that no two lists of parts run together.
    pub(super) fn seeded(parts: &[&str]) -> Random {
        let mut hash = Sha256::new();
        hash.update(b"retold random 1");
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Random { seed: hash.finalize().into(), next_block: 0, block: [0; BLOCK_BYTES], used: BLOCK_BYTES }
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == BLOCK_BYTES {
                let mut hash = Sha256::new();
                hash.update(self.seed);
                hash.update(self.next_block.to_le_bytes());
                self.block = hash.finalize().into();
                self.next_block += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The three random interfaces on a store's data: all read one stream.
pub(super) struct Chance;

impl HasData for Chance {
    type Data<'a> = ChanceView<'a>;
}

pub(super) struct ChanceView<'a>(pub(super) &'a mut CallData);

impl ChanceView<'_> {
    fn bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let random = self.0.random(length)?;
        let mut bytes = vec![0; length as usize];
        random.fill(&mut bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> wasmtime::Result<u64> {
        Ok(self.0.random(8)?.next_u64())
    }
}

impl random::Host for ChanceView<'_> {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.number()
    }
}

impl insecure::Host for ChanceView<'_> {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.number()
    }
}

impl insecure_seed::Host for ChanceView<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.number()?, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_gives_the_same_chance_on_every_host() {
        let mut numbers = Random::seeded(&["pricing", "/shop", "17"]);
        // Frozen: a change here changes what replays give.
        assert_eq!(numbers.next_u64(), FIRST_NUMBER);
        assert_ne!(numbers.next_u64(), FIRST_NUMBER);
        assert_ne!(Random::seeded(&["pricing", "/shop1", "7"]).next_u64(), FIRST_NUMBER, "parts don't run together");
    }

    /// From the definition above, computed with Python's hashlib.
    const FIRST_NUMBER: u64 = 2_219_138_573_814_939_837;

    #[test]
    fn the_stream_does_not_depend_on_how_it_is_read() {
        let (mut whole, mut pieces) = ([0; 100], [0; 100]);
        Random::seeded(&["a"]).fill(&mut whole);
        let mut random = Random::seeded(&["a"]);
        pieces.chunks_mut(7).for_each(|piece| random.fill(piece));
        assert_eq!(whole, pieces);
    }
}

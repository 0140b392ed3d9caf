//! A split block Bloom filter: says "surely not here" of an id at the price of one cache line.
//!
//! After Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007), in the
//! form of the Apache Parquet format: blocks of eight 32-bit words, one bit set in each, the bit
//! chosen by multiplying the hash's lower half with a salt a word.

use crate::model::Malformed;

const SALTS: [u32; 8] = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31];
const BLOCK_BYTES: usize = 32;
/// About 0.8 % false positives.
const BITS_PER_KEY: usize = 11;

#[derive(Debug, Default)]
pub struct Filter {
    blocks: Vec<[u32; 8]>,
}

impl Filter {
    pub fn with_capacity(keys: usize) -> Filter {
        Filter { blocks: vec![[0; 8]; (keys * BITS_PER_KEY).div_ceil(BLOCK_BYTES * 8).max(1)] }
    }

    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    fn bits(hash: u64) -> [u32; 8] {
        SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
    }

    pub fn insert(&mut self, hash: u64) {
        let place = self.place(hash);
        for (word, bit) in self.blocks[place].iter_mut().zip(Self::bits(hash)) {
            *word |= bit;
        }
    }

    /// `false`: surely never inserted.
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        let block = &self.blocks[self.place(hash)];
        block.iter().zip(Self::bits(hash)).fold(0, |missing, (word, bit)| missing | (bit & !word)) == 0
    }

    /// The bytes in parts of this length, which must hold whole blocks; the last may be shorter.
    pub fn parts(&self, part_bytes: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        let part = |blocks: &[[u32; 8]]| blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        self.blocks.chunks(part_bytes / BLOCK_BYTES).map(part)
    }

    /// Adds the next part of a filter's bytes, which must be whole blocks.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if !bytes.len().is_multiple_of(BLOCK_BYTES) {
            return Err(Malformed { what: "filter", at: 0 });
        }
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let blocks = bytes.chunks_exact(BLOCK_BYTES).map(|block| std::array::from_fn(|index| word(&block[index * 4..])));
        self.blocks.extend(blocks);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        u64::from_le_bytes(crate::model::Digest::of(&number.to_le_bytes()).0[..8].try_into().expect("8 bytes"))
    }

    #[test]
    fn what_was_inserted_is_always_found_and_little_else() {
        let mut filter = Filter::with_capacity(10_000);
        (0..10_000).for_each(|number| filter.insert(hash(number)));
        let mut read = Filter::default();
        filter.parts(64 * BLOCK_BYTES).for_each(|part| read.extend(&part).expect("own bytes"));
        let filter = read;
        assert!(Filter::default().extend(&[0; BLOCK_BYTES + 1]).is_err());
        assert!((0..10_000).all(|number| filter.may_hold(hash(number))));
        let wrong = (10_000..110_000).filter(|number| filter.may_hold(hash(*number))).count();
        assert!(wrong < 1_500, "{wrong} of 100,000 are false positives");
    }
}

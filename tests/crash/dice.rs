//! Choices from a seed: SplitMix64 (G. Steele et al., "Fast splittable pseudorandom number
//! generators", 2014).

use camino_broker::runtime::entropy::{Entropy as _, OsEntropy};

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for part `of` of a run.
    pub fn split(seed: u64, of: u64) -> Self {
        Self(Self(seed ^ of.wrapping_mul(0xa076_1d64_78bd_642f)).u64())
    }

    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.u64() % end
    }

    /// True `percent` times out of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The run's seed: `CAMINO_CRASH_SEED`, or a new one.
pub fn seed() -> u64 {
    let given = std::env::var("CAMINO_CRASH_SEED").ok();
    given.map_or_else(|| OsEntropy.u64(), |text| text.parse().expect("CAMINO_CRASH_SEED is a number"))
}

//! Bloom filters (B. Bloom, 1970): "surely not" or "maybe" about a set, in a few bits a key.
//!
//! Never says "not" of what was put in, folded or not. In memory only: a start computes them anew.

/// Most bits looked at for one key.
const HASHES_MAX: usize = 8;

/// How many bits of a key to set when `keys` of them share `bits` bits: `ln 2 * bits / keys`.
pub(super) fn hashes_for(bits: usize, keys: usize) -> u8 {
    let best = bits.saturating_mul(69) / keys.max(1).saturating_mul(100);
    u8::try_from(best.clamp(1, HASHES_MAX)).unwrap_or(1)
}

/// Puts a key's hash into a filter.
pub(super) fn set(words: &mut [u64], hashes: u8, hash: u64) {
    for bit in places(words.len(), hashes, hash) {
        words[bit / 64] |= 1 << (bit % 64);
    }
}

/// Whether the key of `hash` may be in; an empty filter knows nothing.
pub(super) fn may_hold(words: &[u64], hashes: u8, hash: u64) -> bool {
    words.is_empty() || places(words.len(), hashes, hash).all(|bit| words[bit / 64] & (1 << (bit % 64)) != 0)
}

/// The key's bits: double hashing (A. Kirsch, M. Mitzenmacher, 2006), scaled by a multiplication so
/// that any length will do (D. Lemire, 2019).
fn places(words: usize, hashes: u8, hash: u64) -> impl Iterator<Item = usize> {
    let bits = words as u64 * 64;
    let (mut at, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    (0..hashes).map(move |_| {
        let bit = (at * bits) >> 32;
        at = (at + step) & 0xffff_ffff;
        usize::try_from(bit).unwrap_or_default()
    })
}

/// Spreads the bits of `word` over 64 others (the finalizer of splitmix64, S. Vigna).
pub(super) fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lengths are multiples of this, if not powers of two, so that a filter can be folded some times.
const WORDS_STEP: usize = 64;

/// The filter of one run.
#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[u64]>,
    hashes: u8,
}

impl Filter {
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>, bits_per_key: usize) -> Self {
        let keys = hashes.len();
        let least = (keys * bits_per_key).div_ceil(64);
        let words = least.next_multiple_of(WORDS_STEP).min(least.next_power_of_two());
        let mut filter =
            Self { words: vec![0; words].into_boxed_slice(), hashes: hashes_for(words * 64, keys) };
        for hash in hashes {
            set(&mut filter.words, filter.hashes, hash);
        }
        filter
    }

    #[cfg(test)]
    pub fn empty(words: usize) -> Self {
        Self { words: vec![0; words].into_boxed_slice(), hashes: 1 }
    }

    pub fn may_hold(&self, hash: u64) -> bool {
        may_hold(&self.words, self.hashes, hash)
    }

    pub fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// Halves the filter: neighbours become one bit. It says "maybe" more often. `false` if it is as
    /// small as it can be.
    pub fn fold(&mut self) -> bool {
        if self.words.len() < 2 || self.words.len() % 2 == 1 {
            return false;
        }
        self.words = self.words.chunks(2).map(|pair| squeeze(pair[0]) | (squeeze(pair[1]) << 32)).collect();
        true
    }
}

/// Each two neighbouring bits of `word` as one, in the lower half.
fn squeeze(word: u64) -> u64 {
    let mut bits = (word | (word >> 1)) & 0x5555_5555_5555_5555;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    (bits | (bits >> 16)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_is_wrong_as_rarely_as_its_bits_promise() {
        for (bits_per_key, wrong_max) in [(16, 40), (8, 800), (4, 5_000), (2, 12_000), (1, 20_000)] {
            let keys = 1 << 14;
            let filter = Filter::of((0..keys).map(mix).collect::<Vec<_>>().into_iter(), bits_per_key);
            let wrong = (1 << 20..(1 << 20) + 30_000).filter(|n| filter.may_hold(mix(*n))).count();
            assert!(wrong < wrong_max, "{bits_per_key} bits: {wrong} of 30,000");
        }
    }

    #[test]
    fn no_words_know_nothing() {
        assert!(may_hold(&[], 1, 7));
        assert!(!may_hold(&[0], 1, 7));
    }

    proptest! {
        #[test]
        fn what_is_in_is_never_denied(count in 1..800_u64, folds in 0..14, seed: u64, bits in 1..20_usize) {
            let hashes: Vec<u64> = (0..count).map(|n| mix(seed.wrapping_add(n))).collect();
            let mut filter = Filter::of(hashes.iter().copied(), bits);
            for _ in 0..folds {
                filter.fold();
                prop_assert!(hashes.iter().all(|hash| filter.may_hold(*hash)));
            }
        }

        #[test]
        fn any_length_will_do(count in 1..800_u64, words in 1..50_usize, hashes in 1..9_u8) {
            let mut block = vec![0; words];
            for n in 0..count {
                set(&mut block, hashes, mix(n));
            }
            prop_assert!((0..count).all(|n| may_hold(&block, hashes, mix(n))));
        }
    }
}

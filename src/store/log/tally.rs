//! What the store counts about itself, written with every batch.
//!
//! The tally is what makes a lost row visible: counts, and a fingerprint of which rows live. It is
//! part of the batch, so a crash leaves rows and tally that agree.

use std::fmt;

use super::row::{Key, row_bytes};

/// The key of the tally row, behind every space.
pub(super) const KEY: Key = [0xff; 13];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Batches ever appended.
    pub appends: u64,
    /// Live rows.
    pub rows: u64,
    /// Keys and values of the live rows.
    pub live_bytes: u64,
    /// A sum over the keys and lengths of the live rows, whatever their order.
    fingerprint: u64,
}

impl Tally {
    /// Counts a row in.
    pub fn add(&mut self, key: &Key, value_bytes: usize) {
        self.rows = self.rows.wrapping_add(1);
        self.live_bytes = self.live_bytes.wrapping_add(row_bytes(value_bytes));
        self.fingerprint = self.fingerprint.wrapping_add(mix(key, value_bytes));
    }

    /// Counts a row out.
    pub fn subtract(&mut self, key: &Key, value_bytes: usize) {
        self.rows = self.rows.wrapping_sub(1);
        self.live_bytes = self.live_bytes.wrapping_sub(row_bytes(value_bytes));
        self.fingerprint = self.fingerprint.wrapping_sub(mix(key, value_bytes));
    }

    /// Whether both count the same rows.
    pub fn same_rows(&self, other: &Self) -> bool {
        Self { appends: 0, ..*self } == Self { appends: 0, ..*other }
    }

    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let fields = [self.appends, self.rows, self.live_bytes, self.fingerprint];
        for (field, slot) in fields.iter().zip(bytes.chunks_mut(8)) {
            slot.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        let field = |at: usize| bytes[at..at + 8].try_into().map(u64::from_be_bytes).ok();
        Some(Self { appends: field(0)?, rows: field(8)?, live_bytes: field(16)?, fingerprint: field(24)? })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} bytes (fingerprint {:016x})", self.rows, self.live_bytes, self.fingerprint)
    }
}

/// Spreads a row's key and length over 64 bits, so that no two likely rows cancel out.
fn mix(key: &Key, value_bytes: usize) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    [word(&key[..8]), word(&key[8..]), value_bytes as u64].iter().fold(0, |hash: u64, word| {
        let mut z = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_leaves_no_trace() {
        let mut tally = Tally { appends: 3, ..Tally::default() };
        let keys = [[1; 13], [2; 13], [3; 13]];
        for key in &keys {
            tally.add(key, 6_000);
        }
        assert_eq!((tally.rows, tally.live_bytes), (3, 3 * 6_013));
        assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        for key in keys.iter().rev() {
            tally.subtract(key, 6_000);
        }
        assert_eq!(tally, Tally { appends: 3, ..Tally::default() });
    }

    #[test]
    fn one_row_for_another_is_noticed() {
        let with = |rows: &[(Key, usize)]| {
            let mut tally = Tally::default();
            for (key, len) in rows {
                tally.add(key, *len);
            }
            tally
        };
        let one = with(&[([1; 13], 5), ([2; 13], 5)]);
        assert!(one.same_rows(&with(&[([2; 13], 5), ([1; 13], 5)])));
        for other in
            [[([1; 13], 5), ([3; 13], 5)], [([1; 13], 4), ([2; 13], 6)], [([1; 13], 5), ([1; 13], 5)]]
        {
            assert!(!one.same_rows(&with(&other)), "{other:?}");
        }
    }
}

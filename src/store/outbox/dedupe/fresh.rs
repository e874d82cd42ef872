//! The newest records, not yet in a run: in memory, encoded, and on disk with their commits.
//!
//! A crash loses none of them: a start reads them back from their commits.

use std::collections::HashMap;

use super::{DedupeRecord, Key, row};
use crate::domain::time::Millis;

/// By which part of itself the encoded records' memory grows, so that little of it is unused.
const GROWTH_SHARE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// Encoded records, each behind its length.
    bytes: Vec<u8>,
    at: HashMap<Key, u32>,
    /// When the oldest and the youngest were accepted.
    pub span: Option<(Millis, Millis)>,
    /// The commits that hold them, with their chunks.
    pub commits: Vec<(u64, u32)>,
}

impl Fresh {
    pub fn remember(&mut self, commit: u64, chunks: u32, records: &[DedupeRecord]) {
        for record in records {
            let at = record.accepted_at;
            self.span = Some(self.span.map_or((at, at), |(old, young)| (old.min(at), young.max(at))));
            // The committer has encoded these very records already: this can't fail.
            let encoded = postcard::to_stdvec(record).unwrap_or_default();
            let length = u32::try_from(encoded.len()).unwrap_or_default();
            let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            if self.bytes.capacity() - self.bytes.len() < encoded.len() + 4 {
                self.bytes.reserve_exact(self.bytes.len() / GROWTH_SHARE + encoded.len() + 4);
            }
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(&encoded);
            self.at.insert(record.key, start);
        }
        self.commits.push((commit, chunks));
    }

    pub fn len(&self) -> usize {
        self.at.len()
    }

    pub fn encoded_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn memory_bytes(&self) -> usize {
        // A slot of the table: key, place and one byte of control; an eighth stays free.
        let table = self.at.capacity() * (size_of::<(Key, u32)>() + 1) * 8 / 7;
        self.bytes.capacity() + table + self.commits.capacity() * size_of::<(u64, u32)>()
    }

    fn slice(&self, at: u32) -> Option<&[u8]> {
        let (length, rest) = self.bytes.get(at as usize..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    pub fn get(&self, key: &Key) -> Option<DedupeRecord> {
        postcard::from_bytes(self.slice(*self.at.get(key)?)?).ok()
    }

    /// The encoded records by key.
    pub fn sorted(&self) -> Vec<&[u8]> {
        let mut sorted: Vec<&[u8]> = self.at.values().filter_map(|at| self.slice(*at)).collect();
        sorted.sort_unstable_by_key(|record| row::key_of(record));
        sorted
    }
}

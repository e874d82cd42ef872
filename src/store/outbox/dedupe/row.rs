//! Rows of a run: sorted records, as many as fit into a row.
//!
//! Layout: a kind, then for a list `length: u16 LE, record` until the row ends. A record too long for
//! a row (some 2,000 receivers) has rows of its own: a head with its length (`u32 LE`) and the first
//! part, then the rest. A record begins with its key. No row is longer than [`ROW_BYTES_MAX`].

use std::ops::Range;

use super::super::Error;
use super::{DedupeRecord, Key};
use crate::store::log::{Log, ROW_BYTES_MAX, RowId};

const LIST: u8 = 0;
const HEAD: u8 = 1;
const REST: u8 = 2;
/// The kind and a record's length.
const LIST_COST: usize = 3;

/// Values of [`prefix`] end here.
pub(super) const SPAN: u64 = 1 << 40;

/// The part of a key by which rows are found: its first 40 bits.
pub(super) fn prefix(key: &Key) -> u64 {
    key[..5].iter().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// The part of a key by which a run's filter is asked; it shares no bit with [`prefix`].
pub(super) fn hash(key: &Key) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|n| key[n + 8]))
}

/// The places in `firsts`, the first prefix of each row, where `prefix` may be. Mostly one; more if it
/// is itself a first.
pub(super) fn places(firsts: &[u64], prefix: u64) -> Range<usize> {
    let end = firsts.partition_point(|first| *first <= prefix);
    firsts[..end].partition_point(|first| *first < prefix).saturating_sub(1)..end
}

/// The key an encoded record begins with.
pub(super) fn key_of(record: &[u8]) -> Option<&Key> {
    record.first_chunk()
}

/// Rows, and the first prefix of each.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub rows: Vec<Vec<u8>>,
    pub firsts: Vec<u64>,
}

/// Packs encoded records, sorted by key.
pub(super) fn pack<'a>(records: impl Iterator<Item = &'a [u8]>) -> Packed {
    let mut packed = Packed::default();
    let mut room = 0;
    for record in records {
        let first = key_of(record).map_or(0, prefix);
        let long = record.len() + LIST_COST > ROW_BYTES_MAX;
        match u16::try_from(record.len()) {
            Ok(length) if !long => {
                if record.len() + 2 > room {
                    packed.push(first, vec![LIST]);
                    room = ROW_BYTES_MAX - 1;
                }
                room -= record.len() + 2;
                if let Some(row) = packed.rows.last_mut() {
                    row.extend_from_slice(&length.to_le_bytes());
                    row.extend_from_slice(record);
                }
            }
            _ => {
                packed.push_long(first, record);
                room = 0;
            }
        }
    }
    packed
}

impl Packed {
    fn push(&mut self, first: u64, row: Vec<u8>) {
        self.rows.push(row);
        self.firsts.push(first);
    }

    fn push_long(&mut self, first: u64, record: &[u8]) {
        let mut row = vec![HEAD];
        row.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        let mut left = record;
        loop {
            let (part, rest) = left.split_at(left.len().min(ROW_BYTES_MAX - row.len()));
            row.extend_from_slice(part);
            self.push(first, row);
            if rest.is_empty() {
                return;
            }
            left = rest;
            row = vec![REST];
        }
    }
}

/// The keys of a row, in order; none for the rest of a long record.
pub(super) fn keys(row: &[u8]) -> impl Iterator<Item = &Key> {
    let head = (row.first() == Some(&HEAD)).then(|| row.get(5..)).flatten();
    records(row).chain(head).filter_map(key_of)
}

fn records(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = match row.split_first() {
        Some((&LIST, list)) => list,
        _ => &[],
    };
    std::iter::from_fn(move || {
        let (length, rest) = left.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        left = rest;
        Some(record)
    })
}

/// What a row says of a key.
enum Search {
    Absent,
    Whole(Vec<u8>),
    /// A record of so many bytes, of which this row has the first.
    Part(usize, Vec<u8>),
}

fn search(row: &[u8], key: &Key) -> Search {
    if let Some(record) = records(row).find(|record| key_of(record) == Some(key)) {
        return Search::Whole(record.to_vec());
    }
    match row.split_first_chunk::<5>() {
        Some(([HEAD, length @ ..], part)) if key_of(part) == Some(key) => {
            Search::Part(u32::from_le_bytes(*length) as usize, part.to_vec())
        }
        _ => Search::Absent,
    }
}

/// The record of `key`, if it is in the row number `at` that `read` gives, or begins there.
pub(super) fn find(
    key: &Key,
    at: u32,
    read: impl Fn(u32) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Option<DedupeRecord>, Error> {
    let Some(row) = read(at)? else { return Ok(None) };
    let bytes = match search(&row, key) {
        Search::Absent => return Ok(None),
        Search::Whole(bytes) => bytes,
        Search::Part(length, mut bytes) => {
            let mut next = at;
            while bytes.len() < length {
                next += 1;
                match read(next)?.as_deref() {
                    Some([REST, part @ ..]) => bytes.extend_from_slice(part),
                    // It expired meanwhile.
                    None => return Ok(None),
                    Some(_) => return Err(damaged()),
                }
            }
            bytes
        }
    };
    postcard::from_bytes(&bytes).map(Some).map_err(|_| damaged())
}

/// [`find`] in a row on the disk.
pub(super) fn find_on_disk(log: &dyn Log, row: RowId, key: &Key) -> Result<Option<DedupeRecord>, Error> {
    find(key, row.chunk, |chunk| Ok(log.read(RowId { chunk, ..row })?))
}

fn damaged() -> Error {
    Error::Damaged("a dedupe record cannot be read".to_owned())
}

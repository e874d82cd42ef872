//! One commit as it lies in the log in front of an engine. Pure.
//!
//! A record begins at a block of its own and is filled up to the next one, so that writing it never touches a block in which
//! something acknowledged lies. Its checksum covers everything but the filling. It carries the number and the salt of the
//! segment's use: what an earlier use left behind is never taken for a part of this one, whatever its bytes are. Never
//! judges what an unreadable record means.

use bytes::Bytes;

use crate::store::log::row::{Change, Key};

/// What a disk is trusted to write without touching what lies beside it.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Before the rows: what it is, checksum, length, count, and the stamp.
pub(super) const HEAD_BYTES: usize = 40;
const MAGIC: [u8; 4] = *b"cFr1";
/// Where what the checksum covers begins.
const COVERED_FROM: usize = 8;
/// In the place of a length: the row is removed.
const REMOVED: u32 = u32::MAX;
/// Before a row's value: its key and length.
const ROW_HEAD_BYTES: usize = size_of::<Key>() + 4;

/// Which record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The use of the segment, counted over both.
    pub usage: u64,
    /// The use's own random number.
    pub salt: u64,
    /// The record's number, counted over all uses.
    pub seq: u64,
}

/// A record's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    checksum: u32,
    rows: u32,
    /// Bytes of the rows behind it.
    pub body_bytes: usize,
    pub stamp: Stamp,
}

/// Rows put, or removed.
pub(super) type Changed = Vec<(Key, Option<Bytes>)>;

/// The rows of one change are too long for a record.
#[derive(Debug)]
pub(super) struct TooLong;

/// Puts the rows of `change` into `record`, in the place of what is in it. [`seal`] makes a record of it.
pub(super) fn draft(record: &mut Vec<u8>, change: &Change<'_>) -> Result<(), TooLong> {
    record.clear();
    record.resize(HEAD_BYTES, 0);
    for (key, value) in change {
        record.extend_from_slice(key);
        let length = value.map_or(Ok(REMOVED), |value| u32::try_from(value.len()));
        let length = length.ok().filter(|length| (*length == REMOVED) == value.is_none()).ok_or(TooLong)?;
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(value.unwrap_or_default());
    }
    let body_bytes = u32::try_from(record.len() - HEAD_BYTES).map_err(|_| TooLong)?;
    let rows = u32::try_from(change.len()).map_err(|_| TooLong)?;
    record[..4].copy_from_slice(&MAGIC);
    record[8..12].copy_from_slice(&body_bytes.to_le_bytes());
    record[12..16].copy_from_slice(&rows.to_le_bytes());
    Ok(())
}

/// Makes what was drafted the record of `stamp`, and fills it up to a whole number of blocks.
pub(super) fn seal(record: &mut Vec<u8>, stamp: Stamp) {
    for (field, at) in [stamp.usage, stamp.salt, stamp.seq].into_iter().zip([16, 24, 32]) {
        record[at..at + 8].copy_from_slice(&field.to_le_bytes());
    }
    let checksum = crc32fast::hash(&record[COVERED_FROM..]);
    record[4..COVERED_FROM].copy_from_slice(&checksum.to_le_bytes());
    record.resize(record.len().next_multiple_of(BLOCK_BYTES), 0);
}

impl Head {
    /// Reads a beginning; `None` if it is none.
    pub fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let stamp = Stamp { usage: long(16)?, salt: long(24)?, seq: long(32)? };
        let body_bytes = usize::try_from(word(8)?).ok()?;
        (bytes[..4] == MAGIC).then_some(Self { checksum: word(4)?, rows: word(12)?, body_bytes, stamp })
    }

    /// What the whole record takes.
    pub fn record_bytes(&self) -> usize {
        (HEAD_BYTES + self.body_bytes).next_multiple_of(BLOCK_BYTES)
    }

    /// Whether this beginning, which was read from `bytes`, and `body` were written as one.
    pub fn covers(&self, bytes: &[u8; HEAD_BYTES], body: &[u8]) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[COVERED_FROM..]);
        hasher.update(body);
        body.len() == self.body_bytes && hasher.finalize() == self.checksum
    }

    /// The rows in `body`, put or removed; `None` if they make no sense.
    pub fn rows(&self, body: &[u8]) -> Option<Changed> {
        let mut rest = body;
        let mut rows = Changed::new();
        while !rest.is_empty() {
            let (head, behind) = rest.split_at_checked(ROW_HEAD_BYTES)?;
            let (key, length) = head.split_at(size_of::<Key>());
            let length = u32::from_le_bytes(length.try_into().ok()?);
            let bytes = if length == REMOVED { 0 } else { usize::try_from(length).ok()? };
            let (value, behind) = behind.split_at_checked(bytes)?;
            rows.push((key.try_into().ok()?, (length != REMOVED).then(|| Bytes::copy_from_slice(value))));
            rest = behind;
        }
        (u32::try_from(rows.len()) == Ok(self.rows)).then_some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { usage: 3, salt: 0x5a17, seq: 70 };

    fn sealed(change: &Change<'_>) -> Vec<u8> {
        let mut record = vec![9; 10];
        draft(&mut record, change).unwrap();
        seal(&mut record, STAMP);
        record
    }

    /// What is read of `record`, if it is whole.
    fn read(record: &[u8]) -> Option<(Stamp, Changed)> {
        let bytes: &[u8; HEAD_BYTES] = record.first_chunk()?;
        let head = Head::read(bytes)?;
        let body = record.get(HEAD_BYTES..HEAD_BYTES + head.body_bytes)?;
        let rows = head.covers(bytes, body).then(|| head.rows(body))??;
        assert_eq!(head.record_bytes(), record.len());
        Some((head.stamp, rows))
    }

    #[test]
    fn what_is_written_is_read_whatever_its_length() {
        for bytes in [0, 1, BLOCK_BYTES - HEAD_BYTES - 2 * ROW_HEAD_BYTES, 3 * BLOCK_BYTES] {
            let value = vec![7; bytes];
            let record = sealed(&Change::from([([1; 13], Some(&value[..])), ([2; 13], None)]));
            assert_eq!(record.len() % BLOCK_BYTES, 0);
            let (stamp, rows) = read(&record).unwrap();
            assert_eq!((stamp, rows), (STAMP, vec![([1; 13], Some(value.into())), ([2; 13], None)]));
        }
        assert_eq!(read(&sealed(&Change::new())), Some((STAMP, Vec::new())));
    }

    #[test]
    fn an_altered_byte_is_noticed_wherever_it_counts() {
        let record = sealed(&Change::from([([1; 13], Some(&b"value"[..])), ([2; 13], None)]));
        let counts = HEAD_BYTES + 2 * ROW_HEAD_BYTES + 5;
        for at in 0..counts {
            let mut altered = record.clone();
            altered[at] ^= 1 << (at % 8);
            assert_eq!(read(&altered), None, "byte {at}");
        }
        assert_eq!(read(&vec![0; BLOCK_BYTES]), None);
    }
}

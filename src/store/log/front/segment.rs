//! One of the two files of the log in front of an engine.
//!
//! It is written over and over, from its beginning each time, and filled with zeros before it is used, so that a sync has nothing
//! to write but the record itself. A crash in a write leaves a record that does not verify, and nothing behind it. Never written
//! after a write or a sync of it has failed: the owner sees to that.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::{BLOCK_BYTES, Changed, HEAD_BYTES, Head, Stamp};
use crate::store::log::files;

/// Zeros written at once. Not more: the page cache keeps together what was written together, and all of it would count as written
/// again with each record in it.
static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// The names of the two.
pub(super) const NAMES: [&str; 2] = ["front.a", "front.b"];

pub(super) struct Segment {
    file: File,
    bytes: AtomicU64,
}

/// What one use of a segment has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Its first record.
    pub first: Stamp,
    /// The number of its last record.
    pub last_seq: u64,
    /// Where that begins.
    pub last_at: u64,
    /// Where the next record goes.
    pub end: u64,
}

/// What the first block of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Nothing in the segment counts.
    Free,
    /// A use has begun.
    Use(Stamp),
    /// Nothing that is ever written there.
    Strange,
}

impl Segment {
    /// Makes the file, durably but for its name.
    pub fn create(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let this = Self { file, bytes: AtomicU64::new(0) };
        this.lengthen(bytes)?;
        if this.bytes() < bytes { Err(ErrorKind::StorageFull.into()) } else { Ok(this) }
    }

    /// Opens the file. What a killed process wrote and never synced is answered for from now on.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        file.sync_all()?;
        let bytes = AtomicU64::new(file.metadata()?.len());
        Ok(Self { file, bytes })
    }

    /// What is ready to be written over.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// What it takes on the disk.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks() * 512)
    }

    /// Writes a whole record; on the disk when it returns. One that is too long makes the file longer.
    pub fn write(&self, at: u64, record: &[u8]) -> io::Result<()> {
        self.file.write_all_at(record, at)?;
        self.file.sync_data()?;
        self.bytes.fetch_max(at + record.len() as u64, Ordering::AcqRel);
        files::assert_named(&self.file)
    }

    /// Says durably that nothing in it counts any more. Otherwise the next use's first record, half written, could leave the
    /// beginning of this use, which looks like one whose end was damaged.
    pub fn free(&self) -> io::Result<()> {
        self.file.write_all_at(&ZEROS, 0)?;
        self.file.sync_data()
    }

    /// What the first block says.
    pub fn beginning(&self) -> io::Result<Beginning> {
        let mut bytes = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(match Head::read(&bytes) {
            Some(head) => Beginning::Use(head.stamp),
            None if bytes == [0; HEAD_BYTES] => Beginning::Free,
            None => Beginning::Strange,
        })
    }

    /// Writes the last record of `run` as it was read. If its sync has failed, the next process reads what the disk may not
    /// have, and its own sync of it writes nothing.
    pub fn renew_last(&self, run: &Run) -> io::Result<()> {
        let length = usize::try_from(run.end - run.last_at).map_err(io::Error::other)?;
        let mut record = vec![0; length];
        self.file.read_exact_at(&mut record, run.last_at)?;
        self.write(run.last_at, &record)
    }

    /// Fills the file with zeros up to `bytes`, or leaves it as it was if the disk has no room for that. Only while it is free.
    pub fn lengthen(&self, bytes: u64) -> io::Result<()> {
        let before = self.bytes();
        let mut at = before;
        while at < bytes {
            let zeros = usize::try_from(bytes - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            match self.file.write_all_at(&ZEROS[..zeros], at) {
                Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    return self.file.set_len(before);
                }
                written => written?,
            }
            at += zeros as u64;
        }
        self.file.sync_all()?;
        self.bytes.store(at, Ordering::Release);
        Ok(())
    }

    /// Cuts the file off at `bytes`. Only while it is free.
    pub fn shorten(&self, bytes: u64) -> io::Result<()> {
        self.bytes.store(bytes, Ordering::Release);
        self.file.set_len(bytes)
    }

    /// Reads the records of the last use one after the other, as far as they verify. `None` if not even the first does.
    pub fn replay(&self, visit: &mut dyn FnMut(Changed)) -> io::Result<Option<Run>> {
        let mut run: Option<Run> = None;
        loop {
            let at = run.map_or(0, |run| run.end);
            let Some((head, body)) = self.record(at)? else { return Ok(run) };
            let follows = run.is_none_or(|run| {
                let next = Stamp { seq: run.last_seq.wrapping_add(1), ..run.first };
                head.stamp == next
            });
            let Some(rows) = head.rows(&body).filter(|_| follows) else { return Ok(run) };
            visit(rows);
            let first = run.map_or(head.stamp, |run| run.first);
            let end = at + head.record_bytes() as u64;
            run = Some(Run { first, last_seq: head.stamp.seq, last_at: at, end });
        }
    }

    /// The first whole record behind `from` that `is_wanted`, as if each block might be the begin of one.
    pub fn find(&self, from: u64, is_wanted: impl Fn(Stamp) -> bool) -> io::Result<Option<Stamp>> {
        let first = from.next_multiple_of(BLOCK_BYTES as u64);
        for at in (first..self.bytes()).step_by(BLOCK_BYTES) {
            let is_wanted = self.head(at)?.is_some_and(|(_, head)| is_wanted(head.stamp));
            if is_wanted && let Some((head, _)) = self.record(at)? {
                return Ok(Some(head.stamp));
            }
        }
        Ok(None)
    }

    fn head(&self, at: u64) -> io::Result<Option<([u8; HEAD_BYTES], Head)>> {
        if at + BLOCK_BYTES as u64 > self.bytes() {
            return Ok(None);
        }
        let mut bytes = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(Head::read(&bytes).map(|head| (bytes, head)))
    }

    fn record(&self, at: u64) -> io::Result<Option<(Head, Vec<u8>)>> {
        let Some((bytes, head)) = self.head(at)? else { return Ok(None) };
        if head.record_bytes() as u64 > self.bytes() - at {
            return Ok(None);
        }
        let mut body = vec![0; head.body_bytes];
        self.file.read_exact_at(&mut body, at + HEAD_BYTES as u64)?;
        Ok(head.covers(&bytes, &body).then_some((head, body)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::record;
    use super::*;
    use crate::store::log::row::Change;

    const BYTES: u64 = 16 * BLOCK_BYTES as u64;

    fn record(usage: u64, seq: u64, value_bytes: usize) -> Vec<u8> {
        let value = vec![u8::try_from(seq).unwrap(); value_bytes];
        let mut record = Vec::new();
        record::draft(&mut record, &Change::from([([1; 13], Some(&value[..]))])).unwrap();
        record::seal(&mut record, Stamp { usage, salt: usage * 1_000, seq });
        record
    }

    /// Writes the records `seqs` of one use, of different lengths, and says where each begins and the last one ends.
    fn fill(segment: &Segment, usage: u64, seqs: std::ops::Range<u64>) -> Vec<u64> {
        let mut places = vec![0];
        for seq in seqs {
            let record = record(usage, seq, if seq % 2 == 0 { 10 } else { 5_000 });
            segment.write(places[places.len() - 1], &record).unwrap();
            places.push(places[places.len() - 1] + record.len() as u64);
        }
        places
    }

    fn replayed(segment: &Segment) -> (Option<Run>, usize) {
        let mut records = 0;
        (segment.replay(&mut |_| records += 1).unwrap(), records)
    }

    #[test]
    fn a_use_is_read_back_and_no_more_than_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.a");
        let segment = Segment::create(&path, BYTES).unwrap();
        assert_eq!(replayed(&segment), (None, 0));
        assert_eq!(segment.find(0, |_| true).unwrap(), None);
        let places = fill(&segment, 1, 0..6);
        let first = Stamp { usage: 1, salt: 1_000, seq: 0 };
        assert_eq!(
            replayed(&segment),
            (Some(Run { first, last_seq: 5, last_at: places[5], end: places[6] }), 6)
        );
        // Another use, which ends in the middle of what the one before has left.
        let places = fill(&segment, 3, 6..8);
        drop(segment);
        let segment = Segment::open(&path).unwrap();
        let first = Stamp { usage: 3, salt: 3_000, seq: 6 };
        assert_eq!(
            replayed(&segment),
            (Some(Run { first, last_seq: 7, last_at: places[1], end: places[2] }), 2)
        );
        assert_eq!(segment.find(places[2], |stamp| stamp.usage == 3).unwrap(), None);
        assert!(segment.find(places[2], |stamp| stamp.usage == 1).unwrap().is_some());
        assert_eq!(segment.bytes(), BYTES);
        let whole = fs::read(&path).unwrap();
        segment.renew_last(&replayed(&segment).0.unwrap()).unwrap();
        assert!(fs::read(&path).unwrap() == whole);
        assert_eq!(segment.beginning().unwrap(), Beginning::Use(first));
        segment.free().unwrap();
        assert_eq!((segment.beginning().unwrap(), replayed(&segment)), (Beginning::Free, (None, 0)));
        segment.file.write_all_at(b"what", 0).unwrap();
        assert_eq!(segment.beginning().unwrap(), Beginning::Strange);
    }

    #[test]
    fn a_record_that_does_not_verify_ends_it_and_what_follows_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.a");
        let segment = Segment::create(&path, BYTES).unwrap();
        let places = fill(&segment, 1, 0..6);
        let whole = fs::read(&path).unwrap();
        for broken in 0..6 {
            let mut bytes = whole.clone();
            bytes[usize::try_from(places[broken]).unwrap() + 60] ^= 4;
            fs::write(&path, bytes).unwrap();
            let segment = Segment::open(&path).unwrap();
            assert_eq!(replayed(&segment).1, broken);
            let later = segment.find(places[broken], |stamp| stamp.usage == 1).unwrap();
            assert_eq!(later.map(|stamp| stamp.seq), (broken < 5).then_some(broken as u64 + 1));
        }
    }

    #[test]
    fn a_record_longer_than_the_file_makes_it_longer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.a");
        let segment = Segment::create(&path, BYTES).unwrap();
        let long = record(1, 1, 20 * BLOCK_BYTES);
        segment.write(0, &long).unwrap();
        assert_eq!(segment.bytes(), long.len() as u64);
        assert_eq!(replayed(&Segment::open(&path).unwrap()).1, 1);
        fs::write(&path, &long[..long.len() - 1]).unwrap();
        assert_eq!(replayed(&Segment::open(&path).unwrap()), (None, 0), "cut off by a crash");
        segment.shorten(BYTES).unwrap();
        segment.lengthen(2 * BYTES).unwrap();
        assert_eq!(segment.bytes(), fs::metadata(&path).unwrap().len());
        fs::remove_file(&path).unwrap();
        segment.write(0, &long).unwrap_err();
    }
}

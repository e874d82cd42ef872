//! The high-water mark: how many batches the store has acknowledged, kept outside the engine.
//!
//! sled takes the first bad checksum for the end of its log, and redb falls back to its older root,
//! so a flipped bit could silently undo acknowledged commits. The mark is written after each
//! commit and never synced: after a crash it may lag behind the truth, but it never runs ahead of
//! it. A store that recovers less than its mark says is damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

pub(super) struct Mark {
    file: File,
}

impl Mark {
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Self { file: options.open(dir.join("mark"))? })
    }

    /// At least so many batches were acknowledged; 0 if nothing readable is there.
    pub fn read(&self) -> u64 {
        let mut bytes = [0; 16];
        if self.file.read_exact_at(&mut bytes, 0).is_err() {
            return 0;
        }
        let (count, check) = bytes.split_at(8);
        let number = |half: &[u8]| half.try_into().map_or(0, u64::from_be_bytes);
        if number(count) == !number(check) { number(count) } else { 0 }
    }

    pub fn write(&self, appends: u64) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&appends.to_be_bytes());
        bytes[8..].copy_from_slice(&(!appends).to_be_bytes());
        self.file.write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_and_a_torn_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Mark::open(dir.path()).unwrap();
        assert_eq!(mark.read(), 0);
        mark.write(u64::MAX - 7).unwrap();
        assert_eq!(Mark::open(dir.path()).unwrap().read(), u64::MAX - 7);
        mark.file.write_all_at(&[9], 3).unwrap();
        assert_eq!(mark.read(), 0);
    }
}

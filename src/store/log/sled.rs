//! Rows in sled 0.34.7, made durable by our own hand.
//!
//! sled's `flush` survives a killed process and loses acknowledged rows at a power cut; its blob
//! files are never synced. So: one tree, one batch a commit (but for masses), rows too short for a blob, and
//! `fdatasync` on our own handle after each flush. A commit that leaves a blob behind is refused,
//! for it isn't durable. A crash within a commit leaves all of it or none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::engine::{Engine, Fault, Room, Rows};
use super::files;
use super::row::{Change, Key, ROW_BYTES_MAX};
use crate::store::folder;

const SEGMENT_BYTES: usize = 512 * 1024;
/// What sled writes into `conf` for this configuration; four bytes of checksum follow.
const CONF: &str = "segment_size: 524288\nuse_compression: false\nversion: 0.34\n";
/// A leaf splits past 16 rows; one row more, each with its key and framing, must not make a blob.
const _: () = assert!(17 * (ROW_BYTES_MAX + 64) < SEGMENT_BYTES / 4);
/// How often to look whether a closed handle's last thread has let go of the file.
const LOCK_LOOKS: u32 = 100_000;

pub(super) struct SledEngine {
    db: ::sled::Db,
    /// The handle whose `fdatasync` makes a commit durable.
    sync: File,
    blobs: PathBuf,
}

impl From<::sled::Error> for Fault {
    fn from(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Io(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl SledEngine {
    /// Makes an engine in the empty directory `path`, every file of it durable.
    pub fn create(path: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        let db = config(path, cache_bytes).create_new(true).open()?;
        db.flush()?;
        for file in ["conf", "db", "blobs"] {
            File::open(path.join(file))?.sync_all()?;
        }
        folder::sync(path)?;
        Self::over(db, path)
    }

    /// Opens what [`SledEngine::create`] made. What sled would silently replace by an empty store
    /// is refused before sled sees it.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        check_files(path)?;
        remove_half_snapshots(path)?;
        let sync = File::options().read(true).write(true).open(path.join("db"))?;
        // What a killed process wrote and never synced is seen now, and is answered for from now on.
        sync.sync_all()?;
        await_unlocked(&sync);
        let db = config(path, cache_bytes).open()?;
        // Recovery may have renamed a snapshot into place, and sled syncs no directory.
        folder::sync(path)?;
        Self::over(db, path)
    }

    fn over(db: ::sled::Db, path: &Path) -> Result<Self, Fault> {
        let sync = File::options().read(true).write(true).open(path.join("db"))?;
        Ok(Self { db, sync, blobs: path.join("blobs") })
    }

    /// Keeps the last handle from ever being dropped: sled would write and sync once more, and panic where that
    /// fails. The process ends soon.
    fn leave_alone(&self) {
        std::mem::forget(self.db.clone());
    }

    /// Makes `change` durable, which was `applied` or not.
    fn finish(&self, change: &Change<'_>, applied: ::sled::Result<()>) -> Result<(), Fault> {
        let durable = applied.map_err(Fault::from).and_then(|()| self.make_durable());
        durable.inspect_err(|_| self.leave_alone())?;
        if may_make_blob(change) { refuse_blobs(&self.blobs) } else { Ok(()) }
    }

    fn make_durable(&self) -> Result<(), Fault> {
        self.db.flush()?;
        self.sync.sync_data()?;
        Ok(files::assert_named(&self.sync)?)
    }
}

impl Engine for SledEngine {
    fn commit(&self, change: &Change<'_>) -> Result<(), Fault> {
        let mut batch = ::sled::Batch::default();
        for (key, value) in change {
            match value {
                Some(value) => batch.insert(key, *value),
                None => batch.remove(key),
            }
        }
        self.finish(change, self.db.apply_batch(batch))
    }

    /// Row by row: sled frees what it has replaced only between two operations, and a batch is one. With masses in batches it
    /// keeps old pages, and with them the rows that were removed, faster than it frees them.
    fn pour(&self, change: &Change<'_>) -> Result<(), Fault> {
        let applied = change.iter().try_for_each(|(key, value)| match value {
            Some(value) => self.db.insert(key, *value).map(drop),
            None => self.db.remove(key).map(drop),
        });
        self.finish(change, applied)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.db.get(key)?.map(|value| value.to_vec()))
    }

    fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault> {
        let mut held = Vec::new();
        for key in keys {
            held.extend(self.db.get(key)?.map(|value| (*key, value.len())));
        }
        Ok(held)
    }

    fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault> {
        let mut rows = Rows::new();
        let mut bytes = 0;
        for row in self.db.range((start.cloned(), Bound::Included(*last))) {
            let (found, value) = row?;
            bytes += value.len();
            rows.push((key(&found)?, value.to_vec()));
            if rows.len() >= room.rows || bytes >= room.bytes {
                break;
            }
        }
        Ok(rows)
    }

    fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault> {
        self.db.range(*first..=*last).next_back().map_or(Ok(None), |row| key(&row?.0).map(Some))
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        self.make_durable()?;
        refuse_blobs(&self.blobs)?;
        let Self { db, sync, .. } = *self;
        drop(db);
        // Whoever reads the files next finds nobody writing.
        await_unlocked(&sync);
        Ok(())
    }
}

fn key(bytes: &[u8]) -> Result<Key, Fault> {
    Key::try_from(bytes).map_err(|_| Fault::Damaged(format!("a key of {} bytes", bytes.len())))
}

fn config(path: &Path, cache_bytes: u64) -> ::sled::Config {
    ::sled::Config::new()
        .path(path)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None)
}

/// Refuses what sled would take for a new store: a missing or foreign `conf`, a missing or empty
/// `db`. Refuses blobs, which were never durable.
fn check_files(path: &Path) -> Result<(), Fault> {
    let damaged = |detail: &str| Err(Fault::Damaged(detail.to_owned()));
    match fs::read(path.join("conf")) {
        Ok(conf) if conf.starts_with(CONF.as_bytes()) && conf.len() == CONF.len() + 4 => {}
        Ok(_) => return damaged("conf is not what this version writes"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return damaged("conf is missing"),
        Err(error) => return Err(error.into()),
    }
    match fs::metadata(path.join("db")) {
        Ok(db) if db.len() > 0 => {}
        Ok(_) => return damaged("db is empty"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return damaged("db is missing"),
        Err(error) => return Err(error.into()),
    }
    refuse_blobs(&path.join("blobs"))
}

/// Removes snapshots that sled has not finished. It makes them at each opening, under another name first, and
/// at the next opening takes the half one for the newest, finds it corrupt and gives up.
fn remove_half_snapshots(path: &Path) -> Result<(), Fault> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            files::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether to look for blobs after `change`. Rows of the lengths that are written make none, which a build
/// for tests does not take for granted.
fn may_make_blob(change: &Change<'_>) -> bool {
    cfg!(debug_assertions) || change.values().flatten().any(|row| row.len() > ROW_BYTES_MAX)
}

fn refuse_blobs(blobs: &Path) -> Result<(), Fault> {
    match fs::read_dir(blobs)?.next() {
        None => Ok(()),
        Some(_) => Err(Fault::Damaged("blobs is not empty, and blobs are never durable".to_owned())),
    }
}

/// Waits until the last thread of a dropped sled handle has let go of its lock on the file; who
/// else uses it is kept out by our own lock.
fn await_unlocked(file: &File) {
    for _ in 0..LOCK_LOOKS {
        if file.try_lock().is_ok() {
            drop(file.unlock());
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE_BYTES: u64 = 1 << 20;

    #[test]
    fn a_snapshot_that_sled_never_finished_is_no_damage() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("rows");
        drop(SledEngine::create(&path, CACHE_BYTES).unwrap());
        for half in ["", "less than a snapshot", "longer than its checksum, which is not that of these bytes"]
        {
            fs::write(path.join("snap.FFFFFFFFFFFFFFFF.generating"), half).unwrap();
            drop(SledEngine::open(&path, CACHE_BYTES).unwrap());
        }
    }
}

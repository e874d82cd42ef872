//! One generation of the store: an engine in a directory of its own, with a log in front.
//!
//! A generation that doesn't hold, not yet or no more, is deleted when its last user lets go of
//! it. A crash before that leaves its directory to the next opening.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Error;
use super::engine::{Engine, EngineKind, Fault, Room, Rows, guarded};
use super::files::DirLock;
use super::front::{self, Fronted};
use super::redb::RedbEngine;
use super::row::{Change, Key, RowId, Space};
use super::sled::SledEngine;
use super::tally::{self, Tally};
use crate::store::folder;

/// What the opening's check brings into memory at once.
const CHECK_ROOM: Room = Room { rows: 512, bytes: 1 << 20 };

/// A generation's directory, deleted on drop unless it holds.
struct Directory {
    path: PathBuf,
    holds: AtomicBool,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.holds.load(Ordering::SeqCst) {
            // What can't be deleted now is deleted at the next opening.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// An open engine. The engine is dropped first, then its directory, then the store's lock.
pub(super) struct Generation {
    engine: Box<dyn Engine>,
    directory: Directory,
    pub number: u64,
    lock: Arc<DirLock>,
}

impl Generation {
    /// Makes an empty generation; until [`Generation::hold`] it is deleted when dropped.
    pub fn create(dir: &Path, number: u64, make: Make, lock: Arc<DirLock>) -> Result<Self, Error> {
        let path = path(dir, number);
        let directory = Directory { path: path.clone(), holds: AtomicBool::new(false) };
        let made = remove(&path).and_then(|()| folder::make(&path)).map_err(Fault::from);
        let made = made.and_then(|()| guarded(|| make.create(&path)));
        let engine = made.map_err(|fault| blame(&path, fault))?;
        let this = Self { engine, directory, number, lock };
        this.commit(Change::new(), Tally::default())?;
        Ok(this)
    }

    /// Opens the generation that holds, and checks its rows against its tally: sled skips over what
    /// it can't read in the middle of its log, and says nothing. `is_fronted` says whether it has a log in front.
    pub fn open(
        dir: &Path,
        number: u64,
        make: Make,
        is_fronted: bool,
        lock: Arc<DirLock>,
    ) -> Result<(Self, Tally), Error> {
        let path = path(dir, number);
        let damaged = |detail: &str| blame(&path, Fault::Damaged(detail.to_owned()));
        if !path.is_dir() {
            return Err(damaged("the generation the format file names is missing"));
        }
        let engine = guarded(|| make.open(&path, is_fronted)).map_err(|fault| blame(&path, fault))?;
        let directory = Directory { path: path.clone(), holds: AtomicBool::new(true) };
        let this = Self { engine, directory, number, lock };
        let tally = this.read(&tally::KEY)?.as_deref().and_then(Tally::from_bytes);
        let tally = tally.ok_or_else(|| damaged("the tally is missing, so acknowledged rows may be"))?;
        let counted = this.count()?;
        if !counted.same_rows(&tally) {
            return Err(damaged(&format!("the tally says {tally}, but there are {counted}")));
        }
        Ok((this, tally))
    }

    /// Puts an empty log in front of an engine that has none. Before the first commit.
    pub fn fronted(self, make: Make) -> Result<Self, Error> {
        let Self { engine, directory, .. } = self;
        let path = &directory.path;
        let fronted = guarded(|| Fronted::create(engine, path, make.front));
        let engine = Box::new(fronted.map_err(|fault| blame(path, fault))?);
        Ok(Self { engine, directory, ..self })
    }

    /// Counts every row. Reads the whole generation, which is how an engine finds bad pages.
    pub fn count(&self) -> Result<Tally, Error> {
        let mut counted = Tally::default();
        let last = RowId::last(Space::DedupeData).key();
        let mut start = Bound::Included(Key::default());
        loop {
            let rows = self.scan(start.as_ref(), &last, CHECK_ROOM)?;
            let Some((end, _)) = rows.last() else { return Ok(counted) };
            start = Bound::Excluded(*end);
            for (key, value) in &rows {
                counted.add(key, value.len());
            }
        }
    }

    /// Where it lives.
    pub fn path(&self) -> &Path {
        &self.directory.path
    }

    /// The lock of the store's directory, which lives as long as any of its generations.
    pub fn lock(&self) -> Arc<DirLock> {
        Arc::clone(&self.lock)
    }

    /// From now on the directory outlives its users.
    pub fn hold(&self) {
        self.directory.holds.store(true, Ordering::SeqCst);
    }

    /// From now on the directory dies with its last user.
    pub fn retire(&self) {
        self.directory.holds.store(false, Ordering::SeqCst);
    }

    /// Commits `change` and, with it, what the store then counts. Until the generation holds, in masses.
    pub fn commit(&self, change: Change<'_>, tally: Tally) -> Result<(), Error> {
        let bytes = tally.to_bytes();
        let mut change: Change<'_> = change;
        change.insert(tally::KEY, Some(&bytes));
        let holds = self.directory.holds.load(Ordering::SeqCst);
        let commit = || if holds { self.engine.commit(&change) } else { self.engine.pour(&change) };
        guarded(commit).map_err(|fault| blame(self.path(), fault))
    }

    pub fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        guarded(|| self.engine.read(key)).map_err(|fault| blame(self.path(), fault))
    }

    /// Which of `keys` have rows now, and how long these are.
    pub fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        guarded(|| self.engine.held(keys)).map_err(|fault| blame(self.path(), fault))
    }

    pub fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Error> {
        guarded(|| self.engine.scan(start, last, room)).map_err(|fault| blame(self.path(), fault))
    }

    /// What of it on the disk has nothing to do with how much it holds.
    pub fn fixed_bytes(&self) -> Result<u64, Error> {
        self.engine.fixed_bytes().map_err(|fault| blame(self.path(), fault))
    }

    /// Bytes of rows, about, for which room on the disk is taken later.
    pub fn waiting_bytes(&self) -> u64 {
        self.engine.waiting_bytes()
    }

    /// Puts another engine around the one there is.
    #[cfg(test)]
    pub fn over(self, wrap: impl FnOnce(Box<dyn Engine>) -> Box<dyn Engine>) -> Self {
        Self { engine: wrap(self.engine), ..self }
    }

    /// Closes the engine, saying what went wrong.
    pub fn close(self) -> Result<(), Error> {
        let Self { engine, directory, lock, .. } = self;
        let closed = guarded(|| engine.close()).map_err(|fault| blame(&directory.path, fault));
        drop((directory, lock));
        closed
    }
}

/// How an engine is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub kind: EngineKind,
    pub cache_bytes: u64,
    pub front: front::Bounds,
}

impl Make {
    fn create(self, path: &Path) -> Result<Box<dyn Engine>, Fault> {
        let engine: Box<dyn Engine> = match self.kind {
            EngineKind::Sled => Box::new(SledEngine::create(path, self.cache_bytes)?),
            EngineKind::Redb => Box::new(RedbEngine::create(path, self.cache_bytes)?),
        };
        Ok(Box::new(Fronted::create(engine, path, self.front)?))
    }

    fn open(self, path: &Path, is_fronted: bool) -> Result<Box<dyn Engine>, Fault> {
        // First, so that the engine changes nothing if it is damaged.
        let log = is_fronted.then(|| front::read(path)).transpose()?;
        let engine: Box<dyn Engine> = match self.kind {
            EngineKind::Sled => Box::new(SledEngine::open(path, self.cache_bytes)?),
            EngineKind::Redb => Box::new(RedbEngine::open(path, self.cache_bytes)?),
        };
        Ok(match log {
            Some(log) => Box::new(Fronted::open(engine, log, path, self.front)?),
            None => engine,
        })
    }
}

fn blame(path: &Path, fault: Fault) -> Error {
    let path = path.to_path_buf();
    match fault {
        Fault::Damaged(detail) => Error::Damaged { path, detail },
        Fault::Failed(detail) => Error::Failed { path, detail },
    }
}

/// The directory of generation `number` of the store in `dir`.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("g{number:04}"))
}

/// The generations that have a directory in `dir`.
pub(super) fn list(dir: &Path) -> io::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix('g')?.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// Deletes a generation's directory, if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

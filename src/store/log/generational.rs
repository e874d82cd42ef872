//! The log over any engine: one writer, readers beside it, and a generation that may be replaced
//! under both.
//!
//! An append counts, commits, then raises the mark. After the first failed append the handle is
//! done for: what the disk has is unknown, so nothing more is acknowledged. A crash between commit
//! and mark leaves the mark one behind, which is allowed.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::engine::Room;
use super::generation::{Generation, Make};
use super::mark::Mark;
use super::row::{Batch, Change, Key, RowId, Space};
use super::tally::Tally;
use super::{Compacted, Error, Log, Progress, RowsWriter, Stats, compaction, copying, files};

/// What a replay brings into memory at once.
const REPLAY_ROOM: Room = Room { rows: 512, bytes: 1 << 20 };

pub(super) struct Generational {
    pub(super) dir: PathBuf,
    pub(super) make: Make,
    /// The generation that holds; `None` once closed. Replaced only under the writer's lock.
    current: RwLock<Option<Arc<Generation>>>,
    writer: Mutex<Writer>,
    /// The writer's, after the last append: whoever asks for it waits for no commit.
    counted: Mutex<Tally>,
    /// Held by the one compaction.
    pub(super) compacting: Mutex<()>,
    /// Held by the one copy, which goes on beside a compaction.
    pub(super) copying: Mutex<()>,
}

/// What only one thread at a time may change.
pub(super) struct Writer {
    pub(super) tally: Tally,
    mark: Mark,
    /// Why nothing may be appended any more.
    pub(super) broken: Option<String>,
    /// The rows written or removed since the compaction began, or since it last looked.
    pub(super) touched: Option<BTreeSet<Key>>,
    /// The same for a copy into a file. `None` again if it fell too far behind.
    pub(super) lacking: Option<BTreeSet<Key>>,
}

impl Generational {
    pub fn new(dir: &Path, make: Make, generation: Generation, tally: Tally, mark: Mark) -> Self {
        Self {
            dir: dir.to_path_buf(),
            make,
            current: RwLock::new(Some(Arc::new(generation))),
            writer: Mutex::new(Writer { tally, mark, broken: None, touched: None, lacking: None }),
            counted: Mutex::new(tally),
            compacting: Mutex::new(()),
            copying: Mutex::new(()),
        }
    }

    /// The generation to read from.
    pub(super) fn current(&self) -> Result<Arc<Generation>, Error> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| Error::Closed { path: self.dir.clone() })
    }

    /// Puts `next` in the place of the current generation and returns that one. Only for who holds
    /// the writer.
    pub(super) fn replace(
        &self,
        _writer: &mut Writer,
        next: Option<Arc<Generation>>,
    ) -> Option<Arc<Generation>> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, next)
    }

    fn counted(&self) -> MutexGuard<'_, Tally> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to write, whatever the state.
    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            let mut writer = poisoned.into_inner();
            writer.broken.get_or_insert_with(|| "a thread panicked while it wrote".to_owned());
            writer
        })
    }

    /// The right to write, and what to write to.
    pub(super) fn writer(&self) -> Result<(MutexGuard<'_, Writer>, Arc<Generation>), Error> {
        let writer = self.lock_writer();
        let generation = self.current()?;
        match &writer.broken {
            None => Ok((writer, generation)),
            Some(why) => {
                let detail = format!("nothing is written after a failure: {why}");
                Err(Error::Failed { path: self.dir.clone(), detail })
            }
        }
    }
}

impl Writer {
    fn append(&mut self, generation: &Generation, batch: &Batch) -> Result<(), Error> {
        let (change, removed) = (batch.change(), batch.removed());
        let mut tally = self.tally;
        tally.appends += 1;
        debug_assert_eq!(generation.held(&puts_beside(&change, &removed))?, [], "a row is put twice");
        // What is put goes to the right edge, where nothing is yet: only what is removed is looked up.
        for (key, value_bytes) in generation.held(&removed)? {
            tally.subtract(&key, value_bytes);
        }
        for (key, value) in &change {
            if let Some(value) = value {
                tally.add(key, value.len());
            }
        }
        if let Some(touched) = &mut self.touched {
            touched.extend(change.keys());
        }
        copying::note(&mut self.lacking, change.keys());
        generation.commit(change, tally)?;
        self.tally = tally;
        self.mark.write(tally.appends).map_err(|error| {
            let path = generation.path().to_path_buf();
            Error::Failed { path, detail: format!("the mark: {error}") }
        })
    }
}

fn puts_beside(change: &Change<'_>, removed: &BTreeSet<Key>) -> BTreeSet<Key> {
    change.keys().filter(|key| !removed.contains(*key)).copied().collect()
}

impl Log for Generational {
    fn append(&self, batch: &Batch) -> Result<(), Error> {
        let (mut writer, generation) = self.writer()?;
        if batch.is_empty() {
            return Ok(());
        }
        let written = writer.append(&generation, batch);
        *self.counted() = writer.tally;
        written.inspect_err(|error| writer.broken = Some(error.to_string()))
    }

    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let last = RowId::last(space).key();
        let mut start = Bound::Included(RowId::first(space, from_commit).key());
        loop {
            let generation = self.current()?;
            let rows = generation.scan(start.as_ref(), &last, REPLAY_ROOM)?;
            let Some((end, _)) = rows.last() else { return Ok(()) };
            start = Bound::Excluded(*end);
            for (key, value) in &rows {
                let row = RowId::from_key(key).ok_or_else(|| Error::Damaged {
                    path: generation.path().to_path_buf(),
                    detail: format!("a row of no known space: {key:?}"),
                })?;
                if visit(row, value).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, Error> {
        self.current()?.read(&row.key())
    }

    fn stats(&self) -> Result<Stats, Error> {
        let front_bytes = self.current()?.fixed_bytes()?;
        let Tally { appends, rows, live_bytes, .. } = *self.counted();
        let disk_bytes = files::disk_bytes(&self.dir)
            .map_err(|error| Error::Failed { path: self.dir.clone(), detail: error.to_string() })?;
        Ok(Stats { disk_bytes, front_bytes, live_bytes, rows, appends })
    }

    fn waiting_bytes(&self) -> u64 {
        self.current().map_or(0, |generation| generation.waiting_bytes())
    }

    fn compact(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Compacted, Error> {
        compaction::compact(self, progress)
    }

    fn copy_to(
        &self,
        to: &mut RowsWriter,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Option<Stats>, Error> {
        copying::copy_to(self, to, progress)
    }

    fn close(&self) -> Result<(), Error> {
        let generation = {
            let mut writer = self.lock_writer();
            self.replace(&mut writer, None)
        };
        // A running compaction sees that the log is closed and gives up within a slice.
        let _compaction = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        // A read in flight closes the engine when it ends.
        generation.and_then(Arc::into_inner).map_or(Ok(()), Generation::close)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::super::engine::{Engine, EngineKind, Fault, Rows};
    use super::super::files::DirLock;
    use super::super::opening::Options;
    use super::*;

    /// How long an answer may take before the test has failed.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// How an engine commits instead.
    type Commit = Box<dyn Fn(&dyn Engine, &Change<'_>) -> Result<(), Fault> + Send + Sync>;

    /// An engine that commits in another way.
    struct Other {
        inner: Box<dyn Engine>,
        commit: Commit,
    }

    impl Engine for Other {
        fn commit(&self, change: &Change<'_>) -> Result<(), Fault> {
            (self.commit)(&*self.inner, change)
        }

        fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
            self.inner.read(key)
        }

        fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault> {
            self.inner.held(keys)
        }

        fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault> {
            self.inner.scan(start, last, room)
        }

        fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault> {
            self.inner.edge(first, last)
        }

        fn close(self: Box<Self>) -> Result<(), Fault> {
            self.inner.close()
        }
    }

    /// The third commit fails after it was carried out, as a failed sync does.
    fn failing() -> Commit {
        let commits = Mutex::new(0);
        Box::new(move |inner, change| {
            inner.commit(change)?;
            let mut commits = commits.lock().unwrap();
            *commits += 1;
            if *commits == 3 { Err(Fault::Failed("the sync failed".to_owned())) } else { Ok(()) }
        })
    }

    /// A commit says that it stands, and waits to be let on.
    fn standing(stands: mpsc::SyncSender<()>, goes_on: mpsc::Receiver<()>) -> Commit {
        let goes_on = Mutex::new(goes_on);
        Box::new(move |inner, change| {
            stands.send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
            inner.commit(change)
        })
    }

    /// A log that is empty, over another engine.
    fn log_over(dir: &Path, kind: EngineKind, commit: Commit) -> Generational {
        let lock = Arc::new(DirLock::take(dir).unwrap().unwrap());
        let make = Options { cache_bytes: 1 << 20, ..Options::default() }.make(kind);
        let generation = Generation::create(dir, 1, make, lock).unwrap();
        let generation = generation.over(|inner| Box::new(Other { inner, commit }));
        // Otherwise its commits are poured.
        generation.hold();
        Generational::new(dir, make, generation, Tally::default(), Mark::open(dir).unwrap())
    }

    fn put(log: &dyn Log, commit: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put_value(Space::Events, commit, b"value");
        log.append(&batch)
    }

    #[test]
    fn nothing_is_appended_after_a_failed_append() {
        for kind in EngineKind::ALL {
            let dir = tempfile::tempdir().unwrap();
            let log = log_over(dir.path(), kind, failing());
            put(&log, 1).unwrap();
            put(&log, 2).unwrap();
            let failed = put(&log, 3).unwrap_err();
            assert!(matches!(&failed, Error::Failed { detail, .. } if detail == "the sync failed"));
            for commit in 4..7 {
                let refused = put(&log, commit).unwrap_err();
                let Error::Failed { detail, .. } = refused else { panic!("{kind}: {refused}") };
                assert!(detail.ends_with("the sync failed"), "{kind}: {detail}");
            }
            assert!(log.compact(&mut |_| ControlFlow::Continue(())).is_err());
            assert_eq!(log.stats().unwrap().appends, 2, "the failed batch counts as unknown");
            assert_eq!(log.read(RowId::first(Space::Events, 4)).unwrap(), None);
            assert_eq!(Mark::open(dir.path()).unwrap().read(), 2);
        }
    }

    #[test]
    fn what_there_is_is_told_while_a_commit_stands() {
        let dir = tempfile::tempdir().unwrap();
        let (stands, stood) = mpsc::sync_channel(0);
        let (go_on, goes_on) = mpsc::sync_channel(0);
        let log = log_over(dir.path(), EngineKind::Redb, standing(stands, goes_on));
        let (tell, told) = mpsc::channel();
        let told = thread::scope(|threads| {
            threads.spawn(|| put(&log, 1).unwrap());
            stood.recv().unwrap();
            threads.spawn(|| tell.send(log.stats().unwrap().appends).unwrap());
            let told = told.recv_timeout(PATIENCE);
            go_on.send(()).unwrap();
            told
        });
        assert_eq!(told, Ok(0), "it does not wait for the commit");
        assert_eq!(log.stats().unwrap().appends, 1);
    }
}

//! The journal's one writer: follows the outbox's tail on a thread of its own.
//!
//! Transactions are seen at once and made durable several at a time: until then the outbox has what is in them, and they are
//! written once more after a power cut. Tells the outbox what it may forget only after a sync. A full disk makes it wait
//! and try again; a disk that fails, or a damaged file, ends it with an error, and the process with it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::intern::Interned;
use super::purge::Purged;
use super::schema;
use super::seed::Failure;
use super::{Error, Reached, sql_error};
use crate::domain::id::AppSlug;
use crate::runtime::clock::Clock;
use crate::store::folder;
use crate::store::outbox::Outbox;
use crate::store::outbox::record::Commit;

/// Longest wait for a commit before looking at the stop sign again.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long commits are gathered into one transaction, unless there are many.
const GATHER: Duration = Duration::from_millis(50);
/// The same after a round of [`BUSY_ROWS`]: an event that is accepted and delivered within one
/// transaction is written once.
const GATHER_BUSY: Duration = Duration::from_millis(250);
/// Commits that are many.
const GATHER_COMMITS: u64 = 256;
/// Events and moves of one round that show a busy broker.
const BUSY_ROWS: usize = 512;
/// Bytes of commits read at once.
const READ_BYTES_MAX: usize = 8 << 20;
/// Events and moves after which a transaction takes no further commit in.
const BATCH_EVENTS_MAX: usize = 1_024;
/// See [`BATCH_EVENTS_MAX`].
const BATCH_MOVES_MAX: usize = 4_096;
/// Longest time from a transaction to its sync, but for [`PATIENCE`]: a sync holds up those of the outbox.
const SYNC_EVERY: Duration = Duration::from_millis(500);
/// Events and moves after which a sync does not wait: the outbox keeps them so long.
const SYNC_ROWS: usize = 8_192;
/// From the end of a purge to the next one.
const PURGE_EVERY: Duration = Duration::from_secs(300);
/// Events looked at by one slice of a purge.
const PURGE_EVENTS: usize = 1_024;

/// How long things are kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Events whose deliveries are all over.
    pub keep_events: Duration,
    /// What departs from the registry. Events with a dead delivery and those in quarantine are kept until the
    /// outbox lets go of them.
    pub keep_dead: Duration,
    /// The receiver whose state can be made again of its events, and how long those are kept, if not for ever.
    pub keep_for: Option<(AppSlug, Option<Duration>)>,
}

/// The journal's writing side.
pub struct Writer {
    pub(super) path: PathBuf,
    pub(super) db: Connection,
    interned: Interned,
    position: u64,
    /// Events and moves that are written and not synced.
    unsynced_rows: usize,
    /// Whether the name of SQLite's log is durable; it is made anew by each process.
    is_log_named: bool,
    next_seq: u64,
    reached: Reached,
    /// The first event that the purge under way has not looked at.
    pub(super) purge_from: u64,
}

impl Writer {
    pub(super) fn open(path: &Path, reached: Reached) -> Result<Self, Error> {
        let db = schema::open_writer(path)?;
        let (position, next_seq) = db
            .query_row("SELECT position, next_seq FROM progress", (), |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
            })
            .map_err(|error| sql_error(path, &error))?;
        reached.set(next_seq);
        let (path, interned) = (path.to_path_buf(), Interned::default());
        let (unsynced_rows, is_log_named) = (0, false);
        Ok(Self {
            path,
            db,
            interned,
            position,
            unsynced_rows,
            is_log_named,
            next_seq,
            reached,
            purge_from: 0,
        })
    }

    /// The last commit of the outbox that is in the journal, though maybe not yet durably.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Follows `outbox` until `stop`, or until it closes; then takes in what is left and returns. Purges in
    /// between. Blocks: meant for a thread of its own. The outbox is best closed after it has returned.
    pub fn run(
        &mut self,
        outbox: &Outbox,
        clock: &dyn Clock,
        retention: &Retention,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        while let Err(error) = self.begin(outbox) {
            let is_open = outbox.tail().wait(u64::MAX, Duration::ZERO);
            wait_out(error, outbox, stop.is_cancelled() || !is_open)?;
        }
        let mut purge_at = clock.monotonic() + PURGE_EVERY;
        let mut synced_at = clock.monotonic();
        let mut gather = GATHER;
        loop {
            let open = outbox.tail().wait(self.position, PATIENCE);
            let stopping = stop.is_cancelled() || !open;
            if !stopping {
                outbox.tail().wait(self.position + GATHER_COMMITS, gather);
            }
            let purging = !stopping && clock.monotonic() >= purge_at;
            let done = self.take_in(outbox).and_then(|rows| {
                gather = if rows < BUSY_ROWS { GATHER } else { GATHER_BUSY };
                let now = clock.monotonic();
                if stopping || now.saturating_sub(synced_at) >= SYNC_EVERY {
                    self.sync(outbox)?;
                    synced_at = now;
                }
                if purging { self.purge(clock.now(), retention, PURGE_EVENTS) } else { Ok(Purged::default()) }
            });
            match done {
                Ok(purged) if purging && !purged.more => purge_at = clock.monotonic() + PURGE_EVERY,
                Ok(_) => {}
                Err(error) => wait_out(error, outbox, stopping)?,
            }
            if stopping {
                return Ok(());
            }
        }
    }

    /// Checks that the journal belongs to `outbox`, and fills one that starts anew. [`run`](Self::run)
    /// begins with it.
    pub fn begin(&mut self, outbox: &Outbox) -> Result<(), Error> {
        let head = outbox.tail().head();
        if self.position > head || self.next_seq > outbox.next_seq() {
            let detail = format!("ends at commit {} of an outbox that ends at {head}", self.position);
            return Err(Error::Foreign { path: self.path.clone(), detail });
        }
        self.seed_names(outbox)?;
        if self.is_late(outbox)? || self.has_gap(outbox)? {
            self.seed(outbox)?;
        }
        // What a seed wrote counts, too.
        self.unsynced_rows += 1;
        self.sync(outbox)
    }

    /// Whether an empty journal begins after its outbox did: of what is gone, only the end is known. At a
    /// first start nothing is gone, and the commits tell it all.
    fn is_late(&self, outbox: &Outbox) -> Result<bool, Error> {
        // The end before the commits: one that comes in between must not look like one that is left over.
        let has_begun = outbox.tail().head() > 0;
        let from_the_first =
            |commits: &[Arc<Commit>]| commits.first().is_some_and(|commit| commit.number == 1);
        Ok(self.position == 0 && has_begun && !from_the_first(&outbox.commits_after(0, 1)?))
    }

    /// Whether the outbox has forgotten events that the journal never saw: the file was put back from a
    /// copy. What is still held comes back; the rest is lost to the journal.
    fn has_gap(&self, outbox: &Outbox) -> Result<bool, Error> {
        let commits = outbox.commits_after(self.position, READ_BYTES_MAX)?;
        let next = commits.iter().flat_map(|commit| &commit.record.heads).map(|head| head.seq).next();
        let next = next.or_else(|| commits.is_empty().then(|| outbox.next_seq()));
        let has_gap = next.is_some_and(|next| next > self.next_seq);
        if has_gap {
            tracing::warn!(path = %self.path.display(), "the journal misses events that are over");
        }
        Ok(has_gap)
    }

    /// Takes in everything that is there now, durably; says how many events and moves that was.
    pub fn follow(&mut self, outbox: &Outbox) -> Result<usize, Error> {
        let rows = self.take_in(outbox)?;
        self.sync(outbox)?;
        Ok(rows)
    }

    /// The same, durable but for the last of it.
    fn take_in(&mut self, outbox: &Outbox) -> Result<usize, Error> {
        let mut rows = 0;
        loop {
            let commits = outbox.commits_after(self.position, READ_BYTES_MAX)?;
            if commits.is_empty() {
                return Ok(rows);
            }
            let mut rest = commits.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(batch_len(rest));
                self.apply(now)?;
                let written: usize =
                    now.iter().map(|commit| commit.events.len() + commit.record.moves.len()).sum();
                rows += written;
                // A commit without any counts as well: the outbox forgets by commits.
                self.unsynced_rows += written.max(1);
                if self.unsynced_rows >= SYNC_ROWS {
                    self.sync(outbox)?;
                }
                rest = later;
            }
        }
    }

    /// Makes durable what was written, and tells the outbox. If that fails nobody knows what is on the disk, so
    /// it is the end.
    fn sync(&mut self, outbox: &Outbox) -> Result<(), Error> {
        if self.unsynced_rows > 0 {
            self.sync_log()
                .map_err(|error| Error::Broken { path: self.path.clone(), detail: error.to_string() })?;
            self.unsynced_rows = 0;
            outbox.journalled(self.position);
        }
        Ok(())
    }

    fn sync_log(&mut self) -> io::Result<()> {
        if folder::sync_log(&self.path)? && !self.is_log_named {
            folder::sync_around(&self.path)?;
            self.is_log_named = true;
        }
        Ok(())
    }

    fn apply(&mut self, commits: &[Arc<Commit>]) -> Result<(), Error> {
        let position = commits.last().map_or(self.position, |commit| commit.number);
        self.transact(position, |batch| {
            commits.iter().try_for_each(|commit| batch.apply(commit).map_err(Failure::Sql))
        })
    }

    /// One durable transaction that leaves the journal at `position`.
    pub(super) fn transact(
        &mut self,
        position: u64,
        fill: impl FnOnce(&mut Batch<'_>) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        let done = (|| {
            let tx = self.db.transaction().map_err(Failure::Sql)?;
            let mut batch = Batch::new(&tx, &mut self.interned, self.next_seq);
            fill(&mut batch)?;
            let next_seq = batch.finish(position).map_err(Failure::Sql)?;
            tx.commit().map_err(Failure::Sql)?;
            Ok(next_seq)
        })();
        match done {
            Ok(next_seq) => {
                self.position = self.position.max(position);
                self.next_seq = next_seq;
                self.reached.set(next_seq);
                Ok(())
            }
            Err(failure) => {
                // What the transaction had numbered is gone with it.
                self.interned.forget();
                Err(match failure {
                    Failure::Sql(error) => sql_error(&self.path, &error),
                    Failure::Outbox(error) => Error::Outbox(error),
                })
            }
        }
    }
}

/// Waits for a while if `error` is one that passes and there is time for another try.
fn wait_out(error: Error, outbox: &Outbox, stopping: bool) -> Result<(), Error> {
    if stopping || !error.passes() {
        return Err(error);
    }
    tracing::error!(error = %error, "the journal cannot be written; it will try again");
    // Nothing grows this far: a wait that the outbox's end cuts short.
    outbox.tail().wait(u64::MAX, PATIENCE);
    Ok(())
}

/// How many of `commits` go into one transaction: at least one.
fn batch_len(commits: &[Arc<Commit>]) -> usize {
    let (mut events, mut moves) = (0, 0);
    let fits = commits.iter().take_while(|commit| {
        let fits = events < BATCH_EVENTS_MAX && moves < BATCH_MOVES_MAX;
        events += commit.events.len();
        moves += commit.record.moves.len();
        fits
    });
    fits.count().max(1)
}

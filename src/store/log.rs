//! The engines' seam of the durable outbox: an ordered log of small packed rows.
//!
//! A value is written once, at the right edge of its [`Space`], as rows of at most
//! [`ROW_BYTES_MAX`] bytes, and removed whole when what it holds is done. Everything that needs an
//! index lives in memory above this module; the reasons are in `docs/adr/0002-log-of-packed-rows.md`.
//!
//! What it must never do: report an append before the disk has it, retry a failed sync, start empty
//! where something was, or repair a damaged store. A crash in an append leaves all of it or none; a
//! crash in a compaction leaves the old generation or the new one, never a mixture.

use std::ops::ControlFlow;
use std::path::PathBuf;

mod compaction;
mod copying;
mod engine;
mod files;
mod format;
mod front;
mod generation;
mod generational;
mod mark;
mod opening;
mod redb;
mod restoring;
mod row;
mod rows;
mod sled;
mod tally;
mod values;

pub use compaction::{SpaceBound, should_compact};
pub use engine::{EngineKind, UnknownEngine};
pub use front::Bounds as FrontBounds;
pub use opening::{Options, made_by, open};
pub use restoring::restore_rows;
pub use row::{Batch, ROW_BYTES_MAX, RowId, Space, chunk_count};
pub use rows::{RowsWriter, read_rows};
pub use values::{read_value, replay_values};

/// Why the log refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another handle or process uses the store.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The store was made by another engine or another version; nothing was touched.
    #[error("{} says {found}, but this needs {wanted}", path.display())]
    Format {
        /// The format file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it should say.
        wanted: String,
    },
    /// What is on the disk makes no sense. The directory is kept for a person to look at.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The damaged directory or file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A read, write or sync failed. After a failed append every later one fails too.
    #[error("{}: {detail}", path.display())]
    Failed {
        /// What was read or written.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// One compaction runs already.
    #[error("{} is being compacted already", path.display())]
    Compacting {
        /// The store's directory.
        path: PathBuf,
    },
    /// One copy is under way already.
    #[error("{} is being copied already", path.display())]
    Copying {
        /// The store's directory.
        path: PathBuf,
    },
    /// The log was closed.
    #[error("{} is closed", path.display())]
    Closed {
        /// The store's directory.
        path: PathBuf,
    },
}

/// How much the store holds, and what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What the disk spends on the store's directory; both generations during a compaction.
    pub disk_bytes: u64,
    /// Of these, the ones of the log in front of the engine, which do not depend on what lives.
    pub front_bytes: u64,
    /// Keys and values of the live rows.
    pub live_bytes: u64,
    /// The live rows.
    pub rows: u64,
    /// The batches ever appended.
    pub appends: u64,
}

/// How far a compaction is, or a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Rows are copied in key order.
    Copying,
    /// What was appended and removed meanwhile is brought over.
    CatchingUp,
    /// The new generation holds; the old one is about to be deleted.
    Switched,
    /// A copy is about to be cut off from what comes after it.
    Barrier,
    /// It was cut off; what is left of it is written.
    Cut,
}

/// What a compaction reports between two slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How far it is.
    pub stage: Stage,
    /// The rows written so far.
    pub rows: u64,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Whether it was carried through; if not, the store is as it was.
    pub switched: bool,
    /// The store before.
    pub before: Stats,
    /// The store after.
    pub after: Stats,
}

/// A durable, ordered log of rows over some engine. Shared between threads as `Arc<dyn Log>`.
pub trait Log: Send + Sync {
    /// Writes `batch` all or none. When this returns, a power cut can't undo it.
    fn append(&self, batch: &Batch) -> Result<(), Error>;

    /// Visits the rows of `space` in order, from the first of `from_commit` on, until `visit`
    /// breaks. Rows appended or removed meanwhile may be seen or not.
    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// One row, or `None` if it isn't there.
    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, Error>;

    /// How much there is.
    fn stats(&self) -> Result<Stats, Error>;

    /// Bytes of rows, about, that are durable and for which room on the disk is taken only later.
    fn waiting_bytes(&self) -> u64 {
        0
    }

    /// Copies the live rows into a new generation and deletes the old one, to give space back.
    ///
    /// Appends and reads go on meanwhile; an append waits for about one commit at the switch.
    /// `progress` is called between slices and may break to give up, until [`Stage::Switched`]; it
    /// may use the log, but not close it.
    fn compact(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Compacted, Error>;

    /// Copies the live rows, as they are at one instant, into a file of rows. Returns what the copy holds, or `None`
    /// if `progress` broke it off.
    ///
    /// Appends, reads and compactions go on meanwhile, also while a write of the copy hangs; one append waits until
    /// some hundred rows are read. One copy at a time. After an error the file lacks its end.
    fn copy_to(
        &self,
        to: &mut RowsWriter,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Option<Stats>, Error> {
        let _ = progress;
        Err(Error::Failed { path: to.name().to_owned(), detail: "this log cannot be copied".to_owned() })
    }

    /// Gives the files and the lock back, as soon as no call is in flight. Every later call but
    /// this one fails. Dropping the log does the same and hides the errors.
    fn close(&self) -> Result<(), Error>;
}

//! What people read about events and deliveries: `journal.db`, one SQLite file that follows the outbox.
//!
//! The outbox is the truth; this is its readable copy, behind by a moment ([`Reader::lag`] says how far).
//! One [`Writer`] on a thread of its own applies commits in order, in big transactions, and stores its
//! position in the same transaction; only then may the outbox forget. A crash costs nothing: the writer
//! resumes from its position. A lost file is rebuilt from what the outbox still holds.
//!
//! A delivery that arrived at its first attempt has no row: its result rides with the event's row
//! (`slot.rs`). Never decides anything, and never holds back an acknowledgement.

mod batch;
pub mod copying;
mod delivered;
mod filter;
mod insert;
mod intern;
mod list;
mod lookup;
mod onward;
mod purge;
mod reader;
mod replay;
mod rows;
mod scan;
mod schema;
mod seed;
mod slot;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use delivered::Delivered;
pub use filter::{Filter, Page, ShownReason, ShownState, WhyParked};
pub use list::PAGE_ITEMS_MAX;
pub use lookup::{Found, Seen};
pub use onward::{Begin, Onward, OnwardAsked, OnwardRow};
pub use purge::Purged;
pub use reader::Reader;
pub use replay::{Again, Candidate, Stretch};
pub use rows::{
    AttemptRow, DecisionRow, DeliveryRow, DriftRow, EventRow, Explained, ReceiverStats, StateCounts, Stats,
};
pub use writer::{Retention, Writer};

/// The file's name in the store's folder.
pub const FILE: &str = "journal.db";

/// Events in one segment: the unit of the summaries by receiver.
pub const SEGMENT_EVENTS: u64 = 1_024;

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no journal, or is damaged.
    #[error(
        "{} is damaged ({detail}); move it and its -wal file away: it is rebuilt from what the outbox still holds",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The file belongs to another version, or to another outbox.
    #[error("{} {detail}; move it and its -wal file away: it is rebuilt from what the outbox still holds", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The file cannot be opened, read or written now.
    #[error("{}: {detail}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// The disk failed under the file. What a later sync says can't be believed, so none is tried.
    #[error("{}: {detail}; it is written again after a restart", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// The cursor was not made by this list.
    #[error("the cursor is not one of this list")]
    Cursor,
    /// The outbox that it follows failed.
    #[error(transparent)]
    Outbox(#[from] super::outbox::Error),
}

impl Error {
    /// Whether trying again later may help.
    fn passes(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// How far the journal is, shared between its writer and its readers.
#[derive(Clone, Debug, Default)]
struct Reached(Arc<AtomicU64>);

impl Reached {
    fn set(&self, next_seq: u64) {
        self.0.store(next_seq, Ordering::Release);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Opens the journal at `path`, or makes one there.
pub fn open(path: &Path) -> Result<(Writer, Reader), Error> {
    let reached = Reached::default();
    let writer = Writer::open(path, reached.clone())?;
    Ok((writer, Reader::open(path, reached)?))
}

/// SQLite's error about `path` as ours.
fn sql_error(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, SystemIoFailure};
    let (path, detail) = (path.to_path_buf(), error.to_string());
    let unreadable = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::SqlInputError { .. }
    );
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => Error::Damaged { path, detail },
        Some(SystemIoFailure) => Error::Broken { path, detail },
        _ if unreadable => Error::Damaged { path, detail },
        _ => Error::Failed { path, detail },
    }
}

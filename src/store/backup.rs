//! Backups of the whole store: taken while the broker works, and put back into an empty folder.
//!
//! A backup is a folder: `control.db`, `journal.db`, `hub.db`, the outbox as `outbox.rows`, a plain file that either engine can be filled
//! from, and `manifest.json`, which lists them with their checksums and is written last. So a crash while one is taken leaves a folder without a list, which nobody takes for
//! a backup; a crash while one is put back leaves a store that refuses to start. `docs/adr/0011-backup-barrier.md` says why
//! the files fit together. Never overwrites anything, and never copies a key.

mod beside;
mod files;
mod manifest;
mod restoring;
mod taking;

use std::io;
use std::path::{Path, PathBuf};

use super::{control, journal, log, outbox};
use crate::config::show_size;
pub use beside::HUB;
pub(super) use beside::inspect as inspect_hub;
pub use manifest::{ControlPart, FILE as MANIFEST, FilePart, JournalPart, Manifest, OutboxPart};
pub use restoring::{Restored, check, refuse_no_store, restore};
pub use taking::{Source, Stage, take};

/// The outbox's rows in a backup.
pub const ROWS: &str = "outbox.rows";
/// The files of a backup beside its list; `hub.db` is among them if the store has one.
const PARTS: [&str; 3] = [control::FILE, journal::FILE, ROWS];

/// Why there is no backup, or why it was not put back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for the backup is not given whole.
    #[error("{} is no absolute path", path.display())]
    Relative {
        /// What was given.
        path: PathBuf,
    },
    /// The folder for the backup is in the store, or the other way round.
    #[error("{} is in the store {}, or the store in it", path.display(), store.display())]
    InStore {
        /// The folder for the backup.
        path: PathBuf,
        /// The store's folder.
        store: PathBuf,
    },
    /// There is something where only new files may come.
    #[error("{} is not empty: {entry} is there", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One of the things in it.
        entry: String,
    },
    /// There is no list, so the backup was never finished, or it is none.
    #[error("{} has no {list}: it is no backup, or the taking of it broke off", path.display(), list = MANIFEST)]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The list cannot be read.
    #[error("{} cannot be read: {detail}", path.display())]
    Manifest {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file is not as it was when the backup was taken.
    #[error("{} is not what was backed up: {detail}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// How it differs.
        detail: String,
    },
    /// The disk has no room for it.
    #[error(
        "{} has {} free, and needed are {}, store.free_bytes_min among them",
        path.display(),
        show_size(*free_bytes),
        show_size(*needed_bytes)
    )]
    NoRoom {
        /// Where it was to go.
        path: PathBuf,
        /// Free now.
        free_bytes: u64,
        /// What must be free.
        needed_bytes: u64,
    },
    /// It was told to stop.
    #[error("the backup was broken off: the broker stops")]
    BrokenOff,
    /// The outbox could not keep what the copy needs until it was made.
    #[error(
        "the store could wait no longer: its disk becomes short, or it takes longer than six hours; make room, or copy \
         to a faster disk"
    )]
    LetGo,
    /// The store's folder is a backup's: it would be changed, and no backup any more.
    #[error("{} is a backup, or was to become one, and no store", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// An earlier restore has left half a store.
    #[error("{} holds half a store: a restore from {from} broke off", store.display())]
    HalfRestored {
        /// The store's folder.
        store: PathBuf,
        /// The backup.
        from: String,
    },
    /// What was copied does not fit together, which no order of events should bring about.
    #[error("the copies do not fit together: {0}")]
    Unfit(String),
    /// The system refused.
    #[error("{}: {reason}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The hub's file or its copy.
    #[error("{}: {detail}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The outbox or its copy.
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    /// The outbox's engine.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The control file or its copy.
    #[error(transparent)]
    Control(#[from] control::Error),
    /// The journal or its copy.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// Makes an error of the system one about `path`.
fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |reason| Error::Io { path: path.clone(), reason }
}

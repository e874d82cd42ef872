//! What operators change: API keys, endpoint overlays, replay jobs, kept answers of writes, and the
//! audit log, in one SQLite file, `control.db`.
//!
//! Every write is durable when its call returns (`synchronous=FULL`), and stands in one transaction with
//! its audit entry. A crash loses what had not returned: a change is found whole, with its entry, or not
//! at all. What it forgets on purpose: requests in flight, and the last minutes of "last used".
//!
//! One process at a time has the file, since keys are checked against memory: a second one could revoke
//! a key that the first goes on accepting. Calls block; asynchronous callers go through a blocking
//! thread, except for [`Control::authenticate`], which reads no disk.
//!
//! Never stores a key or a secret as text, never shows a secret in `Debug`, and never starts empty over a file that
//! it cannot read.

pub mod admin_file;
pub mod answers;
pub mod audit;
pub mod copying;
mod instant;
pub mod key;
mod key_file;
mod keyring;
mod keys;
mod opening;
pub mod overlay;
mod overlays;
pub mod replays;
mod schema;
mod seal;
pub mod sealing;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::domain::secret::Secret;
use answers::Flights;
use key::KeyId;
use keyring::{Admin, Keyring};
use seal::Sealer;
use sealing::{Sealed, Sealing};

/// The file's name in the store's folder.
pub const FILE: &str = "control.db";

/// Why the control file did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or made.
    #[error("cannot open {}: {why}; see that its folder exists and that this user may write there", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// Another process has it.
    #[error("{} is in use by another process; stop that one, or ask it over HTTP", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// What is stored cannot be read back.
    #[error(
        "{} is damaged: {what}; restore it from a backup, or move it and its -wal file away to start without keys, \
         endpoint changes and audit log",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The copy cannot be made.
    #[error("cannot copy control.db to {}: {why}", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// A later version of the broker wrote it.
    #[error(
        "{} has schema {found}, and this version knows only up to {known}; start the newer version, or restore a \
         backup",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// SQLite refused; nothing of the call is promised.
    #[error("control.db: {0}")]
    Sql(#[from] rusqlite::Error),
    /// An earlier write failed on the disk; a later sync could hide that, so none is tried.
    #[error("control.db failed on the disk and takes no changes until a restart")]
    Failed,
    /// A key breaks a rule.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// An overlay breaks a rule.
    #[error(transparent)]
    Overlay(#[from] overlay::Error),
    /// There is no such key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
    /// As many keys live as may.
    #[error("{max} keys exist, and no more may; revoke some", max = keys::KEYS_MAX)]
    TooManyKeys,
    /// There is no such replay.
    #[error("there is no replay {0}")]
    UnknownReplay(String),
    /// As many replays run as may.
    #[error("{max} replays run already; wait for one or cancel one", max = replays::RUNNING_MAX)]
    TooManyReplays,
    /// Too many requests with an idempotency key are in flight.
    #[error("too many requests with an idempotency key are in flight")]
    Busy,
    /// A value could not be encoded.
    #[error("a value for control.db could not be encoded: {0}")]
    Encode(String),
    /// The file of the key for secrets at rest cannot be used.
    #[error("cannot use {}: {why}; mend that, or set store.secret_key", path.display())]
    SecretKey {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// The secrets at rest were sealed with a key that isn't there.
    #[error(
        "the secrets in {} were encrypted with a key that is not there (its name is {name}); bring back {}, or set \
         store.secret_key to it",
        store.join(FILE).display(),
        store.join(sealing::FILE).display()
    )]
    OtherSecretKey {
        /// The store's folder.
        store: PathBuf,
        /// The missing key's name, which says nothing of the key.
        name: String,
    },
    /// The file of the admin key cannot be read or made.
    #[error(transparent)]
    AdminFile(#[from] admin_file::Error),
}

/// The control file, open. Shared by reference or `Arc`.
pub struct Control {
    path: PathBuf,
    file: Mutex<Connection>,
    failed: AtomicBool,
    keys: ArcSwap<Keyring>,
    admin: Option<Admin>,
    flights: Arc<Flights>,
    /// Bytes of all kept answers.
    answer_bytes: AtomicI64,
    sealer: Sealer,
    sealed: Sealed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// Opens `control.db` in the folder `store`; makes both if the file is not there yet.
    pub fn open(store: &Path, sealing: Sealing) -> Result<Self, Error> {
        let path = store.join(FILE);
        let mut file = opening::open(&path)?;
        let (sealer, sealed) =
            sealing::prepare(&mut file, store, sealing).map_err(|error| name(&path, error))?;
        let (keys, answer_bytes) = keys::load(&file)
            .and_then(|keys| Ok((keys, answers::bytes(&file)?)))
            .map_err(|error| name(&path, error))?;
        Ok(Self {
            path,
            file: Mutex::new(file),
            failed: AtomicBool::new(false),
            keys: ArcSwap::from_pointee(keys),
            admin: None,
            flights: Arc::default(),
            answer_bytes: AtomicI64::new(answer_bytes),
            sealer,
            sealed,
        })
    }

    /// What the start did about the key for secrets at rest.
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Accepts `secret` too, as the key with every scope of operators. It is kept in memory only, hashed.
    #[must_use]
    pub fn with_admin(mut self, secret: &Secret) -> Self {
        self.admin = Some(Admin::new(secret));
        self
    }

    /// Whether a write has failed on the disk, so that changes need a restart.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Runs `work` in one transaction and commits it durably.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.write_then(work, |done| done)
    }

    /// As [`Self::write`]; `then` brings memory up to date before anyone else writes.
    fn write_then<T, R>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
        then: impl FnOnce(T) -> R,
    ) -> Result<R, Error> {
        if self.has_failed() {
            return Err(Error::Failed);
        }
        let mut file = lock(&self.file);
        let done = (|| {
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })();
        match done {
            Ok(done) => Ok(then(done)),
            Err(error) => Err(self.judge(error)),
        }
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        work(&lock(&self.file)).map_err(|error| name(&self.path, error))
    }

    fn judge(&self, error: Error) -> Error {
        if let Error::Sql(sql) = &error
            && sql.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
        {
            self.failed.store(true, Ordering::Release);
        }
        name(&self.path, error)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Gives an error of SQLite the file and the mend, where it has one.
fn name(path: &Path, error: Error) -> Error {
    let Error::Sql(sql) = error else { return error };
    let path = path.to_path_buf();
    match sql.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Damaged { path, what: sql.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse { path },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            Error::Open { path, why: sql.to_string() }
        }
        _ if matches!(
            sql,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        ) =>
        {
            Error::Damaged { path, what: sql.to_string() }
        }
        _ => Error::Sql(sql),
    }
}

/// A column that holds what was never written there.
fn unreadable<E: Into<Box<dyn std::error::Error + Send + Sync>>>(column: usize, error: E) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::audit::{Actor, Entry};
    use super::*;
    use crate::domain::time::Millis;
    use crate::runtime::entropy::OsEntropy;

    #[test]
    fn the_settings_that_make_a_write_durable_are_in_effect() {
        let store = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let control = open(store.path()).unwrap();
            let file = lock(&control.file);
            let text = |name| file.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
            let number = |name| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(
                (text("journal_mode"), text("locking_mode")),
                ("wal".to_owned(), "exclusive".to_owned())
            );
            assert_eq!(number("synchronous"), 2, "FULL");
            assert_eq!((number("fullfsync"), number("secure_delete")), (1, 1));
        }
    }

    /// The store in `folder`, with a key of its own.
    pub(super) fn open(folder: &Path) -> Result<Control, Error> {
        Control::open(folder, Sealing { keys: Vec::new(), entropy: Arc::new(OsEntropy) })
    }

    #[test]
    fn after_a_failure_of_the_disk_nothing_more_is_written() {
        let store = tempfile::tempdir().unwrap();
        let control = open(store.path()).unwrap();
        let entry = Entry::new(Millis(1), Actor::broker(), "test", "");
        let fails = |code| {
            let failing = |_: &Transaction<'_>| -> Result<(), Error> {
                Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into())
            };
            control.write(failing).unwrap_err()
        };
        assert!(matches!(fails(ffi::SQLITE_FULL), Error::Sql(_)));
        control.record(&entry).unwrap();
        assert!(!control.has_failed());
        assert!(matches!(fails(ffi::SQLITE_IOERR_FSYNC), Error::Sql(_)));
        assert!(matches!(control.record(&entry), Err(Error::Failed)));
        assert_eq!(control.audit(None, 9).unwrap().items.len(), 1, "reading goes on");
    }
}

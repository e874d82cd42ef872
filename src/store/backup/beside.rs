//! `hub.db` in a backup: a database whose writer lives above the store, copied as it was at the barrier.
//!
//! Its writer is held off by SQLite's own lock for as long as the outbox is cut, some hundred rows, and a reader that began
//! meanwhile keeps that state for the copy, however long its disk takes. So the copies agree: what the hub has taken
//! in is settled no later, and what it passed on was accepted before. Knows nothing of its tables. A crash lets the
//! lock go, and leaves a file that no list names.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{self, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Error;

/// The hub's file, in a store and in a backup.
pub const HUB: &str = "hub.db";

/// Longest wait for a transaction of the hub to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pages copied between two looks whether to go on.
const PAGES: i32 = 2_048;

/// The hub's file while a backup is taken.
pub(super) struct Beside {
    from: PathBuf,
    /// Holds its writer off.
    gate: Option<Connection>,
    /// Sees it as it was then.
    view: Option<Connection>,
}

impl Beside {
    /// The one in the folder `store`, if there is one.
    pub(super) fn of(store: &Path) -> Option<Self> {
        let from = store.join(HUB);
        from.exists().then_some(Self { from, gate: None, view: None })
    }

    /// From here to [`let_go`](Self::let_go) nothing changes in it.
    pub(super) fn hold(&mut self) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| fault(&self.from, &error);
        let gate = open(&self.from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        gate.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let view = open(&self.from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        // A reader's state begins with its first read.
        view.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
        (self.gate, self.view) = (Some(gate), Some(view));
        Ok(())
    }

    /// Lets its writer go on.
    pub(super) fn let_go(&mut self) {
        self.gate = None;
    }

    /// Writes what was held to `to`, where nothing may be, until `goes_on` says no.
    pub(super) fn copy(self, to: &Path, goes_on: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        let failed = |error: rusqlite::Error| fault(to, &error);
        let Some(view) = self.view else { return Err(Error::Unfit(format!("{HUB} was not held"))) };
        // An empty file is what SQLite fills, and this way nobody else can read it.
        let made = File::options().write(true).create_new(true).mode(0o600).open(to);
        made.map_err(super::at(to))?;
        let mut copy = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        let copying = backup::Backup::new(&view, &mut copy).map_err(failed)?;
        loop {
            goes_on()?;
            match copying.step(PAGES).map_err(failed)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                other => return Err(Error::Database { path: to.to_owned(), detail: format!("{other:?}") }),
            }
        }
    }
}

/// Checks the file at `path`, which nobody else may have open, and changes nothing.
pub(crate) fn inspect(path: &Path) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| fault(path, &error);
    let has_log = path.with_extension("db-wal").exists();
    let file = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // A log that a killed process left stays as it is, for the next start.
    file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log).map_err(failed)?;
    // Then the log of changes needs no file of its own beside it.
    file.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
    let verdict: String = file.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(failed)?;
    if verdict == "ok" { Ok(()) } else { Err(Error::Database { path: path.to_owned(), detail: verdict }) }
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let file = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    file.busy_timeout(PATIENCE)?;
    Ok(file)
}

fn fault(path: &Path, error: &rusqlite::Error) -> Error {
    Error::Database { path: path.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &Path) -> i64 {
        let file = Connection::open(path).unwrap();
        file.query_row("SELECT count(*) FROM things", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_copy_is_what_was_held_and_the_writer_goes_on_once_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HUB);
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE things (n INTEGER); INSERT INTO things VALUES (1)").unwrap();
        let mut beside = Beside::of(dir.path()).unwrap();
        beside.hold().unwrap();
        writer.busy_timeout(Duration::ZERO).unwrap();
        assert!(writer.execute("INSERT INTO things VALUES (2)", ()).is_err(), "it is held off");
        beside.let_go();
        writer.execute("INSERT INTO things VALUES (3)", ()).unwrap();
        let to = dir.path().join("copy.db");
        beside.copy(&to, || Ok(())).unwrap();
        inspect(&to).unwrap();
        assert_eq!((count(&to), count(&path)), (1, 2));
    }

    #[test]
    fn a_store_without_one_has_none_and_a_copy_can_be_broken_off() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Beside::of(dir.path()).is_none());
        Connection::open(dir.path().join(HUB))
            .unwrap()
            .execute_batch("CREATE TABLE things (n INTEGER)")
            .unwrap();
        let mut beside = Beside::of(dir.path()).unwrap();
        beside.hold().unwrap();
        let broken = beside.copy(&dir.path().join("copy.db"), || Err(Error::BrokenOff));
        assert!(matches!(broken, Err(Error::BrokenOff)));
        std::fs::write(
            dir.path().join("none.db"),
            "no database, but long enough to be taken for one, or nearly so",
        )
        .unwrap();
        assert!(matches!(inspect(&dir.path().join("none.db")), Err(Error::Database { .. })));
    }
}

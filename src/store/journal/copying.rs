//! A copy of `journal.db` while it is written, and what such a file holds without a broker over it.
//!
//! The copy is one moment of the file, read by a connection of its own: neither the writer nor readers wait, and the file's log of
//! changes grows meanwhile, so whoever asked may break it off. Looking at a file makes nothing. A crash leaves a file that nobody takes for whole, for the
//! backup around it lacks its list.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Error, schema, sql_error};

/// What a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The last commit of the outbox in it.
    pub position: u64,
    /// The first event that is not in it.
    pub next_seq: u64,
    /// Events that can be read.
    pub events: u64,
}

/// SQLite's steps between two looks whether to go on.
const STEPS: i32 = 10_000;

/// Copies the journal at `from`, as it is now, to `to`, where nothing may be. Fails soon after `goes_on` says no.
pub fn copy(from: &Path, to: &Path, goes_on: impl Fn() -> bool + Send + Sync + 'static) -> Result<(), Error> {
    let failed = |detail: String| Error::Failed { path: to.to_owned(), detail };
    let target = to.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    // An empty file is what SQLite fills, and this way nobody else can read it.
    let made = File::options().write(true).create_new(true).mode(0o600).open(to);
    made.map_err(|error| failed(error.to_string()))?;
    let mut db = schema::open_reader(from)?;
    db.progress_handler(STEPS, Some(move || !goes_on())).map_err(|error| failed(error.to_string()))?;
    db.execute("VACUUM INTO ?1", [target]).map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// Checks the journal at `path`, which nobody else may have open, and says how far it is.
pub fn inspect(path: &Path) -> Result<Inspected, Error> {
    let failed = |error: rusqlite::Error| sql_error(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    // Then the log of changes needs no file of its own beside it.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
    schema::check(path, &db)?;
    let verdict: String = db.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(failed)?;
    if verdict != "ok" {
        return Err(Error::Damaged { path: path.to_owned(), detail: verdict });
    }
    let number =
        |sql: &str| db.query_row(sql, (), |row| row.get::<_, i64>(0)).map(i64::cast_unsigned).map_err(failed);
    Ok(Inspected {
        position: number("SELECT position FROM progress")?,
        next_seq: number("SELECT next_seq FROM progress")?,
        events: number("SELECT count(*) FROM events")?,
    })
}

//! `hub.db`: how it is opened, and what its errors mean.
//!
//! Each step of a migration is a transaction; a crash repeats the last one. A file that this version can't
//! read is left as it is.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior};

use super::Error;
use super::schema::{APPLICATION_ID, OWNER, STEPS};
use super::subscriber::Subscriber;
use crate::store::folder;

/// How long a connection waits for a lock; there is one writer, so this is never reached in peace.
const BUSY: Duration = Duration::from_secs(10);
/// Pages of 4 KiB in the write-ahead log before they go into the file. A page that is written again and again goes
/// there once; sqlite's own 1,000 are a fifth of a second at 1,000 events/s.
const CHECKPOINT_PAGES: u32 = 8_000;
/// Statements kept ready.
const STATEMENTS_MAX: usize = 256;

/// The writer's connection. Without `durable` a crash may leave anything: only for a file that is thrown
/// away then.
pub(super) fn open(
    path: &Path,
    subscribers: &[Box<dyn Subscriber>],
    durable: bool,
) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| self::error(path, &error);
    folder::make_private(path)
        .map_err(|error| Error::Failed { path: path.to_path_buf(), detail: error.to_string() })?;
    let mut file = Connection::open(path).map_err(failed)?;
    file.busy_timeout(BUSY).map_err(failed)?;
    file.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    file.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    file.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" }).map_err(failed)?;
    file.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
    file.pragma_update(None, "cache_size", -65_536).map_err(failed)?;
    file.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
    let tables: i64 =
        file.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).map_err(failed)?;
    let pragma =
        |file: &Connection, name: &str| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if tables == 0 {
        let tx = file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        tx.execute_batch("CREATE TABLE versions (owner TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT")
            .map_err(failed)?;
        tx.commit().map_err(failed)?;
    } else if pragma(&file, "application_id").map_err(failed)? != APPLICATION_ID {
        let detail = "it is no hub's file".to_owned();
        return Err(Error::Damaged { path: path.to_path_buf(), detail });
    }
    migrate(&mut file, path, OWNER, STEPS)?;
    for subscriber in subscribers {
        migrate(&mut file, path, subscriber.name(), subscriber.steps())?;
    }
    Ok(file)
}

/// Takes the steps of `owner` that are missing.
fn migrate(file: &mut Connection, path: &Path, owner: &str, steps: &[&str]) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| self::error(path, &error);
    let sql = "SELECT step FROM versions WHERE owner = ?1";
    let done: Option<i64> = file.query_row(sql, [owner], |row| row.get(0)).optional().map_err(failed)?;
    let done = usize::try_from(done.unwrap_or(0)).unwrap_or(usize::MAX);
    if done > steps.len() {
        let detail = format!("{owner} has schema {done}, and this version knows {}", steps.len());
        return Err(Error::Newer { path: path.to_path_buf(), detail });
    }
    for (at, step) in steps.iter().enumerate().skip(done) {
        let tx = file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        tx.execute_batch(step).map_err(failed)?;
        let sql = "INSERT INTO versions (owner, step) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET step = excluded.step";
        tx.execute(sql, rusqlite::params![owner, i64::try_from(at + 1).unwrap_or(i64::MAX)])
            .map_err(failed)?;
        tx.commit().map_err(failed)?;
    }
    Ok(())
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| self::error(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags).map_err(failed)?;
    file.busy_timeout(BUSY).map_err(failed)?;
    file.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(file)
}

/// SQLite's error about `path` as ours.
pub(super) fn error(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let (path, detail) = (path.to_path_buf(), error.to_string());
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => Error::Damaged { path, detail },
        _ => Error::Failed { path, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two(&'static [&'static str]);

    impl Subscriber for Two {
        fn name(&self) -> &'static str {
            "two"
        }
        fn steps(&self) -> &'static [&'static str] {
            self.0
        }
        fn derived(&self) -> &'static [(&'static str, &'static str)] {
            &[]
        }
        fn handle(
            &self,
            _: &mut super::super::Work<'_>,
            _: &super::super::Event<'_>,
        ) -> Result<(), super::super::Trouble> {
            Ok(())
        }
    }

    #[test]
    fn only_the_missing_steps_are_taken_and_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let with = |steps| open(&path, &[Box::new(Two(steps)) as Box<dyn Subscriber>], true).map(drop);
        with(&["CREATE TABLE a (x)"]).unwrap();
        with(&["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        with(&["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        assert!(matches!(with(&["CREATE TABLE a (x)"]), Err(Error::Newer { .. })));
        let foreign = dir.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(open(&foreign, &[], true), Err(Error::Damaged { .. })));
    }

    #[test]
    fn what_is_committed_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let file = open(&dir.path().join("hub.db"), &[], true).unwrap();
        let sync: i64 = file.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        let mode: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!((sync, mode.as_str()), (2, "wal"), "FULL");
    }
}

//! The tables of `control.db`, as steps that only go forward.
//!
//! A step that was ever released is never changed: a mistake in it is mended by the next one.

use rusqlite::{Connection, TransactionBehavior};

/// Marks the file as ours (`CMNC`).
pub(super) const APPLICATION_ID: i64 = 0x434D_4E43;

/// Step n leads from schema n to schema n + 1.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        source TEXT,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER,
        revoked_ms INTEGER,
        last_used_ms INTEGER
    ) STRICT;
    CREATE TABLE overlays (
        app TEXT PRIMARY KEY,
        settings TEXT NOT NULL,
        secrets BLOB NOT NULL
    ) STRICT;
    CREATE TABLE answers (
        request BLOB NOT NULL UNIQUE,
        body_digest BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        status INTEGER NOT NULL,
        headers TEXT NOT NULL,
        body BLOB
    ) STRICT;
    CREATE INDEX answers_by_age ON answers (at_ms);
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        key_id TEXT,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        detail TEXT NOT NULL,
        correlation TEXT
    ) STRICT;
    CREATE INDEX audit_by_age ON audit (at_ms);
",
    "
    CREATE TABLE replays (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        asked TEXT NOT NULL,
        state TEXT NOT NULL,
        cursor_seq INTEGER NOT NULL,
        below_seq INTEGER NOT NULL,
        matched INTEGER NOT NULL,
        done INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        ended_ms INTEGER
    ) STRICT;
    CREATE INDEX replays_running ON replays (number) WHERE state = 'running';
",
    "
    ALTER TABLE keys ADD COLUMN organizations TEXT;
",
];

/// The schema that `steps` lead to.
pub(super) fn newest(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// The schema the file has.
pub(super) fn version(file: &Connection) -> rusqlite::Result<i64> {
    file.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps that are missing, each in a transaction of its own; a crash repeats the last one.
pub(super) fn migrate(file: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let done = usize::try_from(version(file)?).unwrap_or(usize::MAX);
    for (at, step) in steps.iter().enumerate().skip(done) {
        let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", newest(&steps[..=at]))?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_missing_steps_are_taken_and_a_failing_one_leaves_no_trace() {
        let mut file = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x); CREATE TABLE a (x)"];
        migrate(&mut file, &steps[..1]).unwrap();
        migrate(&mut file, &steps[..2]).unwrap();
        migrate(&mut file, &steps[..2]).unwrap();
        assert_eq!(version(&file).unwrap(), 2);
        migrate(&mut file, &steps).unwrap_err();
        assert_eq!(version(&file).unwrap(), 2);
        assert!(!file.table_exists(None, "c").unwrap());
    }

    #[test]
    fn the_tables_can_be_made() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, STEPS).unwrap();
        assert_eq!(version(&file).unwrap(), newest(STEPS));
    }
}

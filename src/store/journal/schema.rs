//! The tables of `journal.db`, and how a connection is opened.
//!
//! Numbers go in as SQLite's signed ones. A file of another version is refused, never migrated: the
//! journal can be rebuilt. A crash while the tables are made leaves an empty file, which is made again.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, sql_error};
use crate::store::folder;

/// Says that the file is Camino's journal ("CmnJ").
const APPLICATION_ID: i64 = 0x436d_6e4a;
/// The version of the tables below and of the values in them.
const VERSION: i64 = 1;
/// How long a connection waits for a lock; there is one writer, so this is never reached in peace.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept ready.
const STATEMENTS_MAX: usize = 64;

const TABLES: &str = "
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,  -- the last commit of the outbox in here
    next_seq INTEGER NOT NULL   -- the first event that is not
);
INSERT INTO progress VALUES (1, 0, 0);
CREATE TABLE receivers (lane INTEGER PRIMARY KEY, slug TEXT NOT NULL);
CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE sources (id INTEGER PRIMARY KEY);
CREATE TABLE routes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,       -- the first 8 bytes of its deliveries' ids
    generation INTEGER NOT NULL,
    standing INTEGER NOT NULL,  -- 0 done, 1 waiting, 2 dead or held: what its retention goes by
    held INTEGER NOT NULL,      -- 0 routed, 1 in quarantine, 2 let go
    accepted_at INTEGER NOT NULL,
    source INTEGER NOT NULL,
    type INTEGER NOT NULL,
    results BLOB NOT NULL,      -- its deliveries: see slot.rs
    event_id TEXT NOT NULL,
    organization TEXT NOT NULL,
    correlation TEXT,           -- NULL: the one derived from its name
    tenant TEXT,
    timestamp INTEGER NOT NULL,
    proof TEXT NOT NULL,
    route INTEGER NOT NULL,
    held_reason TEXT,
    did_you_mean TEXT,
    replay_of BLOB,
    as_new INTEGER
);
CREATE INDEX events_key ON events (key);
CREATE INDEX events_held ON events (seq) WHERE held = 1;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE segments (
    lane INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    waiting INTEGER NOT NULL,   -- of those, never tried
    PRIMARY KEY (lane, segment)
) WITHOUT ROWID;
CREATE TABLE deliveries (
    seq INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason INTEGER,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    last_status INTEGER,
    last_error TEXT,
    delivered_at INTEGER,
    PRIMARY KEY (seq, lane)
) WITHOUT ROWID;
CREATE INDEX deliveries_state ON deliveries (lane, state, seq);
CREATE TABLE attempts (
    seq INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    probe INTEGER NOT NULL,
    status INTEGER,
    reason INTEGER,
    error TEXT,
    excerpt TEXT,
    PRIMARY KEY (seq, lane, number)
) WITHOUT ROWID;
CREATE TABLE tallies (
    lane INTEGER NOT NULL,      -- -1: all events
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (lane, state)
) WITHOUT ROWID;
CREATE TABLE drift (
    source INTEGER NOT NULL,
    type INTEGER NOT NULL,
    field TEXT NOT NULL,
    n INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    problem TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (source, type, field)
) WITHOUT ROWID;
";

/// Pages of 4 KiB in SQLite's log before they go into the file: one that is written again and again goes there once.
const CHECKPOINT_PAGES: u32 = 8_000;

/// The writer's connection; makes the tables in a new file.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| sql_error(path, &error);
    // What a killed process wrote and never synced is seen now, and the outbox forgets what the journal has.
    folder::make_private(path)
        .and_then(|()| folder::sync_database(path))
        .map_err(|error| Error::Failed { path: path.to_path_buf(), detail: error.to_string() })?;
    let mut db = Connection::open(path).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Takes effect only before the first table is made.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    // The writer syncs, several transactions at a time.
    db.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    db.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
    db.pragma_update(None, "cache_size", -16_384).map_err(failed)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).map_err(failed)?;
    if tables == 0 {
        let tx = db.transaction().map_err(failed)?;
        tx.execute_batch(TABLES).map_err(failed)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        tx.pragma_update(None, "user_version", VERSION).map_err(failed)?;
        tx.commit().map_err(failed)?;
    }
    check(path, &db)?;
    Ok(db)
}

/// Whether the file is a journal of this version.
pub(super) fn check(path: &Path, db: &Connection) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| sql_error(path, &error);
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let found = (pragma("application_id")?, pragma("user_version")?);
    if found == (APPLICATION_ID, VERSION) {
        return Ok(());
    }
    let detail = format!("is not a journal of version {VERSION}");
    Err(Error::Foreign { path: path.to_path_buf(), detail })
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| sql_error(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(db)
}

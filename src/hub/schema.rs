//! The hub's own tables; each subscriber brings its own.

/// Says that the file is the hub's ("CmnH").
pub(super) const APPLICATION_ID: i64 = 0x436d_6e48;
/// The owner of the steps below.
pub(super) const OWNER: &str = "hub";

/// Step n leads from schema n to schema n + 1. One that was ever released is never changed.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE progress (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seq INTEGER NOT NULL        -- the last event, in the order of acceptance
    ) STRICT;
    INSERT INTO progress VALUES (1, 0);
    CREATE TABLE inbox (
        source TEXT NOT NULL,
        event_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (source, event_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE commands (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        at_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        organization TEXT NOT NULL,
        correlation TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        after_seq INTEGER NOT NULL  -- carried out behind this event
    ) STRICT;
    CREATE TABLE emissions (
        n INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        event_type TEXT NOT NULL,
        organization TEXT NOT NULL,
        correlation TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        state INTEGER NOT NULL      -- 0 waits for the relay, 1 relayed, 2 held back by the loop guard
    ) STRICT;
    CREATE INDEX emissions_waiting ON emissions (n) WHERE state = 0;
    CREATE TABLE hops (
        correlation TEXT PRIMARY KEY,
        hops INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE inbox RENAME TO inbox_sorted;
    CREATE TABLE inbox_recent (     -- in the order in which they came, until they are sorted in
        source TEXT NOT NULL,
        event_id TEXT NOT NULL,
        seq INTEGER NOT NULL
    ) STRICT;
    CREATE VIEW inbox AS
        SELECT source, event_id, seq FROM inbox_sorted
        UNION ALL SELECT source, event_id, seq FROM inbox_recent;
",
];

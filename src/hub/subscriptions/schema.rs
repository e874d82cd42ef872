//! The tables.

/// Only forward; one that was ever released is never changed.
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE subscriptions (
        id TEXT PRIMARY KEY,
        organization TEXT NOT NULL,
        app TEXT NOT NULL,              -- empty: nobody knows whose plan it is
        plan TEXT NOT NULL,
        state TEXT NOT NULL,
        since_ms INTEGER NOT NULL,
        told_ms INTEGER NOT NULL,       -- the last thing that an event or a person said
        told TEXT NOT NULL,
        cycle TEXT NOT NULL,
        amount_cents INTEGER,
        currency TEXT,
        trial_ends_ms INTEGER,
        period_ends_ms INTEGER,
        grace_ends_ms INTEGER,
        restore_by_ms INTEGER,
        ends_ms INTEGER,
        reason TEXT,
        warned INTEGER NOT NULL,
        next_ms INTEGER,                -- when the clock says something, and what
        timer TEXT,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX subscriptions_organization ON subscriptions (organization, app);
    CREATE INDEX subscriptions_created ON subscriptions (created_ms, id);
    CREATE INDEX subscriptions_next ON subscriptions (next_ms) WHERE next_ms IS NOT NULL;
    CREATE TABLE subscription_history (
        n INTEGER PRIMARY KEY,
        subscription TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        said TEXT NOT NULL,
        outcome TEXT NOT NULL,          -- applied, repeated, late, illegal
        state TEXT NOT NULL,            -- after it
        why TEXT NOT NULL,
        source TEXT NOT NULL,
        event_id TEXT NOT NULL
    ) STRICT;
    CREATE INDEX subscription_history_of ON subscription_history (subscription, n);
    CREATE TABLE feature_use (
        organization TEXT NOT NULL,
        app TEXT NOT NULL,
        feature TEXT NOT NULL,
        used INTEGER NOT NULL,
        cap INTEGER,                    -- as the report gave it
        at_ms INTEGER NOT NULL,
        warned INTEGER NOT NULL,        -- said that the limit is near, until it no longer is
        PRIMARY KEY (organization, app, feature)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE recommendations (
        id TEXT PRIMARY KEY,
        organization TEXT NOT NULL,
        app TEXT NOT NULL,
        kind TEXT NOT NULL,             -- the event's type
        subject TEXT NOT NULL,
        plan TEXT,
        suggested TEXT,
        reason TEXT,
        percent INTEGER,
        status TEXT NOT NULL,           -- open, shown, clicked, dismissed, converted
        times INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        source TEXT NOT NULL,
        event_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX recommendations_organization ON recommendations (organization, app);
    CREATE INDEX recommendations_first ON recommendations (first_ms, id);
"];

/// All but row numbers.
pub(super) const DERIVED: &[(&str, &str)] = &[
    (
        "subscriptions",
        "id, organization, app, plan, state, since_ms, told_ms, told, cycle, amount_cents, currency,
            trial_ends_ms, period_ends_ms, grace_ends_ms, restore_by_ms, ends_ms, reason, warned, next_ms,
            timer, created_ms",
    ),
    ("subscription_history", "subscription, at_ms, said, outcome, state, why, source, event_id"),
    ("feature_use", "organization, app, feature, used, cap, at_ms, warned"),
    (
        "recommendations",
        "id, organization, app, kind, subject, plan, suggested, reason, percent, status, times, first_ms,
            at_ms, source, event_id",
    ),
];

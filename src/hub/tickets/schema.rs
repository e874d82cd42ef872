//! The tables of the tickets.

/// See [`Subscriber::steps`](crate::hub::Subscriber::steps).
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE support_tickets (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        organization TEXT NOT NULL,
        source TEXT NOT NULL,
        source_ticket_id TEXT NOT NULL,
        tenant_id TEXT,
        user_id TEXT,
        user_name TEXT,
        user_email TEXT,
        user_phone TEXT,
        subscription_plan TEXT,
        subject TEXT NOT NULL,
        description TEXT NOT NULL,
        stated_category TEXT,           -- what the app said it is
        stated_priority TEXT,
        ai_chat_history TEXT,           -- JSON, as it came
        conversation_history TEXT,
        attachments TEXT,
        metadata TEXT,
        status TEXT NOT NULL,
        assignee TEXT,
        note TEXT,
        category TEXT NOT NULL,
        priority TEXT NOT NULL,
        sentiment TEXT NOT NULL,
        language TEXT NOT NULL,
        area TEXT NOT NULL,
        confidence INTEGER NOT NULL,
        reason TEXT NOT NULL,
        classified_by TEXT NOT NULL,    -- offline, hosted, person
        asked_ms INTEGER,               -- when the hosted model was asked
        asked_trouble TEXT,             -- why its answer is not used
        tokens INTEGER NOT NULL,        -- what it took
        level INTEGER NOT NULL,         -- of escalation
        opened_ms INTEGER NOT NULL,
        said_ms INTEGER NOT NULL,       -- when the app last wrote of it
        updated_ms INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        UNIQUE (source, source_ticket_id)
    ) STRICT;
    CREATE INDEX support_tickets_organization ON support_tickets (organization, n);
    CREATE INDEX support_tickets_open ON support_tickets (priority, level, opened_ms)
        WHERE status IN ('open', 'in_progress');
    CREATE INDEX support_tickets_unasked ON support_tickets (n) WHERE asked_ms IS NULL AND classified_by = 'offline';
    CREATE INDEX support_tickets_asked ON support_tickets (asked_ms) WHERE asked_ms IS NOT NULL;
    CREATE TABLE support_lessons (
        n INTEGER PRIMARY KEY,
        ticket TEXT NOT NULL,
        source TEXT NOT NULL,           -- as it was when it was corrected
        subject TEXT NOT NULL,
        description TEXT NOT NULL,
        category TEXT,
        priority TEXT,
        area TEXT
    ) STRICT;
"];

/// See [`Subscriber::derived`](crate::hub::Subscriber::derived).
pub(super) const DERIVED: &[(&str, &str)] = &[
    (
        "support_tickets",
        "id, organization, source, source_ticket_id, tenant_id, user_id, user_name, user_email, user_phone,
         subscription_plan, subject, description, stated_category, stated_priority, ai_chat_history,
         conversation_history, attachments, metadata, status, assignee, note, category, priority, sentiment, language,
         area, confidence, reason, classified_by, asked_ms, asked_trouble, tokens, level, opened_ms, said_ms,
         updated_ms, event_id",
    ),
    ("support_lessons", "n, ticket, source, subject, description, category, priority, area"),
];

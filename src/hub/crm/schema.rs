//! The tables of the CRM.

/// See [`Subscriber::steps`](crate::hub::Subscriber::steps).
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE contacts (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        organization TEXT NOT NULL,
        name TEXT,
        name_ms INTEGER NOT NULL,       -- when its name was said
        folded TEXT,                    -- the name as it is compared
        tags TEXT NOT NULL,             -- a sorted JSON list
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        deletion_ms INTEGER,            -- when deletion was asked for
        merged_into TEXT
    ) STRICT;
    CREATE INDEX contacts_folded ON contacts (organization, folded) WHERE folded IS NOT NULL;
    CREATE TABLE contact_keys (
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,             -- external, email, rfc, phone
        value TEXT NOT NULL,
        contact TEXT NOT NULL,
        PRIMARY KEY (organization, kind, value)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX contact_keys_contact ON contact_keys (contact);
    CREATE VIRTUAL TABLE contact_words USING fts5 (
        words, content = '', contentless_delete = 1, tokenize = \"unicode61 remove_diacritics 2\", prefix = '2 3'
    );
    CREATE TABLE duplicates (
        organization TEXT NOT NULL,
        one TEXT NOT NULL,
        other TEXT NOT NULL,
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        PRIMARY KEY (one, other)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX duplicates_organization ON duplicates (organization);
    CREATE TABLE papers (
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,             -- order, invoice, sale, matter, deal
        value TEXT NOT NULL,
        contact TEXT NOT NULL,
        PRIMARY KEY (organization, kind, value)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX papers_contact ON papers (contact);
    CREATE TABLE timeline (
        n INTEGER PRIMARY KEY,
        organization TEXT NOT NULL,
        contact TEXT,
        at_ms INTEGER NOT NULL,
        source TEXT NOT NULL,
        event_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        es TEXT NOT NULL,
        en TEXT NOT NULL,
        amount TEXT,
        unit TEXT,
        currency TEXT
    ) STRICT;
    CREATE INDEX timeline_organization ON timeline (organization, at_ms);
    CREATE INDEX timeline_contact ON timeline (contact, at_ms) WHERE contact IS NOT NULL;
    CREATE TABLE deals (
        id TEXT PRIMARY KEY,
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,             -- deal, matter, lead
        source TEXT NOT NULL,
        external_id TEXT NOT NULL,
        name TEXT,
        contact TEXT,
        stage TEXT NOT NULL,            -- the app's own word
        phase TEXT NOT NULL,            -- lead, qualified, open, won, lost, closed
        reached INTEGER NOT NULL,       -- the furthest phase of the funnel, as a number
        amount TEXT,
        currency TEXT,
        owner TEXT,
        strategy TEXT,
        asset_class TEXT,
        created_ms INTEGER NOT NULL,
        stage_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deals_organization ON deals (organization, created_ms);
    CREATE TABLE deadlines (
        organization TEXT NOT NULL,
        source TEXT NOT NULL,
        external_id TEXT NOT NULL,
        title TEXT,
        due_ms INTEGER,
        matter TEXT,
        contact TEXT,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (organization, source, external_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE products (
        organization TEXT NOT NULL,
        source TEXT NOT NULL,
        external_id TEXT NOT NULL,
        name TEXT,
        sku TEXT,
        price_cents TEXT,
        store TEXT,
        is_active INTEGER NOT NULL,
        deleted_ms INTEGER,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (organization, source, external_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE receivables (
        id TEXT PRIMARY KEY,
        organization TEXT NOT NULL,
        invoice TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        amount_cents TEXT,
        currency TEXT,
        contact TEXT,
        note TEXT,
        failures INTEGER NOT NULL,
        paid_ms INTEGER,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX receivables_organization ON receivables (organization, at_ms);
    CREATE TABLE alerts (
        organization TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        severity TEXT NOT NULL,
        es TEXT NOT NULL,
        en TEXT NOT NULL,
        times INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        source TEXT NOT NULL,
        event_id TEXT NOT NULL,
        PRIMARY KEY (organization, kind, subject)
    ) STRICT, WITHOUT ROWID;
", "
    -- Lines by whose they are, up to the last full block of 4,096; see `timeline`.
    CREATE TABLE timeline_of_organization (
        organization TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (organization, at_ms, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE timeline_of_contact (
        contact TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (contact, at_ms, n)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO timeline_of_organization SELECT organization, at_ms, n FROM timeline
        WHERE n <= (SELECT max(n) FROM timeline) / 4096 * 4096 ORDER BY organization, at_ms, n;
    INSERT INTO timeline_of_contact SELECT contact, at_ms, n FROM timeline
        WHERE n <= (SELECT max(n) FROM timeline) / 4096 * 4096 AND contact IS NOT NULL ORDER BY contact, at_ms, n;
    DROP INDEX timeline_organization;
    DROP INDEX timeline_contact;
    DROP INDEX papers_contact;
"];

/// See [`Subscriber::derived`](crate::hub::Subscriber::derived).
pub(super) const DERIVED: &[(&str, &str)] = &[
    (
        "contacts",
        "id, organization, name, name_ms, folded, tags, created_ms, updated_ms, deletion_ms, merged_into",
    ),
    ("contact_keys", "organization, kind, value, contact"),
    ("duplicates", "organization, one, other, reason, at_ms, event_id"),
    ("papers", "organization, kind, value, contact"),
    (
        "timeline",
        "organization, contact, at_ms, source, event_id, event_type, es, en, amount, unit, currency",
    ),
    (
        "deals",
        "id, organization, kind, source, external_id, name, contact, stage, phase, reached, amount, currency, owner, \
         strategy, asset_class, created_ms, stage_ms",
    ),
    ("deadlines", "organization, source, external_id, title, due_ms, matter, contact, at_ms"),
    (
        "products",
        "organization, source, external_id, name, sku, price_cents, store, is_active, deleted_ms, at_ms",
    ),
    (
        "receivables",
        "id, organization, invoice, status, reason, amount_cents, currency, contact, note, failures, paid_ms, at_ms",
    ),
    ("alerts", "organization, kind, subject, severity, es, en, times, first_ms, last_ms, source, event_id"),
];

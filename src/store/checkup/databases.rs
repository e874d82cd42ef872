//! The SQLite files of a store: whole, of this version, and of this store.

use std::path::Path;

use super::{Finding, Patient};
use crate::store::outbox::copying::Inspected;
use crate::store::{backup, control, journal};

/// The journal, and whether it follows this outbox.
pub(super) fn journal(path: &Path, outbox: Option<Inspected>, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "journal";
    if !path.exists() {
        let mend =
            "the next start makes it anew from what the outbox holds; what was over is gone from the lists";
        findings.push(Finding::doubtful(SUBJECT, "journal.db is missing", mend));
        return;
    }
    let found = match journal::copying::inspect(path) {
        Ok(found) => found,
        Err(error) => {
            let what = match &error {
                journal::Error::Damaged { detail, .. } => {
                    format!("journal.db is damaged: {}", last_line(detail))
                }
                journal::Error::Foreign { detail, .. } => format!("journal.db {detail}"),
                error => error.to_string(),
            };
            let mend = "move journal.db and journal.db-wal away: the next start makes it anew from what the outbox holds";
            findings.push(Finding::bad(SUBJECT, what, mend));
            return;
        }
    };
    let seen = format!("commit {}, events {}", found.position, found.events);
    let finding = match outbox {
        Some(outbox) if found.position > outbox.head || found.next_seq > outbox.next_seq => Finding::bad(
            SUBJECT,
            format!("{seen}: it follows another outbox, for this one ends at commit {}", outbox.head),
            "bring back the journal of this store, or move journal.db and journal.db-wal away to have it made anew",
        ),
        Some(outbox) => {
            let behind = outbox.head - found.position;
            Finding::good(SUBJECT, format!("{seen}; commits to catch up with {behind}"))
        }
        None => Finding::good(SUBJECT, format!("{seen}; not compared, since the outbox cannot be read")),
    };
    findings.push(finding);
}

/// The hub's file.
pub(super) fn hub(path: &Path, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "hub";
    if !path.exists() {
        let mend = "the next start makes an empty one; `camino hub rebuild` fills it from the journal";
        findings.push(Finding::doubtful(SUBJECT, "hub.db is missing", mend));
        return;
    }
    findings.push(match backup::inspect_hub(path) {
        Ok(()) => Finding::good(SUBJECT, "hub.db is whole"),
        Err(backup::Error::Database { detail, .. }) => Finding::bad(
            SUBJECT,
            format!("hub.db is damaged: {}", last_line(&detail)),
            "`camino hub rebuild` makes it anew from the journal",
        ),
        Err(error) => Finding::bad(SUBJECT, error.to_string(), "restore a backup; nothing was changed"),
    });
}

/// SQLite begins with which file it is of.
fn last_line(verdict: &str) -> &str {
    verdict.lines().last().unwrap_or_default()
}

/// The control file, and whether its secrets can be opened.
pub(super) fn control(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "control";
    let path = patient.store.join(control::FILE);
    let found = match control::copying::inspect(&path) {
        Ok(found) => found,
        Err(control::Error::Open { .. }) if !path.exists() => {
            let mend = "restore a backup; without it the next start has no keys, no endpoint changes and no audit log";
            findings.push(Finding::bad(SUBJECT, "control.db is missing", mend));
            return;
        }
        Err(error) => {
            let what = match &error {
                control::Error::Damaged { what, .. } => format!("control.db is damaged: {}", last_line(what)),
                error => error.to_string(),
            };
            findings.push(Finding::bad(SUBJECT, what, "restore a backup; nothing was changed"));
            return;
        }
    };
    let what = format!(
        "schema {}; keys {}, endpoints changed {}, audit entries {}",
        found.schema, found.keys, found.overlays, found.audit
    );
    findings.push(Finding::good(SUBJECT, what));
    let finding = match control::copying::key_names(patient.store, patient.keys) {
        Err(error) => Finding::bad("secrets", error.to_string(), "bring the key back from where it is kept"),
        Ok(there) => match found.sealed_with.difference(&there).next() {
            None if found.sealed_with.is_empty() => Finding::good("secrets", "none at rest"),
            None => Finding::good("secrets", "the key for those at rest is there"),
            Some(name) => Finding::bad(
                "secrets",
                format!("those at rest are sealed with the key {name}, which is not there"),
                "bring secret.key back, or set store.secret_key to that key",
            ),
        },
    };
    findings.push(finding);
}

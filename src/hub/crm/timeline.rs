//! The timeline: one row for each contact that an event is about, or one for its organization.

use rusqlite::params;

use super::lines::Line;
use crate::hub::command::Command;
use crate::hub::{Event, Trouble, Work};

const INSERT: &str =
    "INSERT INTO timeline (organization, contact, at_ms, source, event_id, event_type, es, en,
    amount, unit, currency) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Adds an event.
pub(super) fn add(
    work: &Work<'_>,
    event: &Event<'_>,
    line: &Line,
    concerned: &[String],
) -> Result<(), Trouble> {
    let mut insert = work.tx.prepare_cached(INSERT)?;
    let amount = line.amount.as_ref();
    let mut row = |contact: Option<&str>| {
        insert.execute(params![
            work.organization(),
            contact,
            event.at.0.cast_signed(),
            event.source.as_str(),
            event.event_id.as_str(),
            event.event_type.as_str(),
            line.es,
            line.en,
            amount.map(|amount| &amount.value),
            amount.map(|amount| amount.unit.as_str()),
            amount.and_then(|amount| amount.currency.as_ref()),
        ])
    };
    if concerned.is_empty() {
        row(None)?;
    }
    for contact in concerned {
        row(Some(contact))?;
    }
    Ok(())
}

/// Adds what a person did, in Spanish and English.
pub(super) fn note(
    work: &Work<'_>,
    command: &Command,
    what: &str,
    (es, en): (String, String),
    contact: Option<&str>,
) -> Result<(), Trouble> {
    let (organization, at) = (work.organization(), command.at.0.cast_signed());
    let none: Option<&str> = None;
    work.tx.prepare_cached(INSERT)?.execute(params![
        organization,
        contact,
        at,
        "command",
        command.id,
        what,
        es,
        en,
        none,
        none,
        none
    ])?;
    Ok(())
}

//! Support tickets: mirrored from the apps, triaged the moment they come, and escalated while nobody ends them.
//!
//! The app that a ticket comes from keeps the conversation; here are a copy, what it is about and how pressing it
//! is. The offline classifier judges within the transaction. A hosted model, where one is set, is asked afterwards
//! by the [`desk`], and what it says is a command like a person's correction: so no delivery ever waits for it, and
//! a rebuild asks nobody.

mod change;
pub mod classifier;
pub mod desk;
pub mod hosted;
mod mirror;
pub mod reading;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction};
use serde_json::Value;

use super::command::Command;
use super::event::Event;
use super::subscriber::{Subscriber, Trouble};
use super::work::Work;
use crate::domain::triage::{Area, Category, Priority, Ticket, Triage, Verdict};

/// The type that brings a ticket.
pub const CREATED: &str = "support.ticket_created";

/// The subscriber.
pub struct Tickets {
    learned: Mutex<Learned>,
}

/// The classifier with the corrections up to number `n`. Taught when it is first asked: that takes a moment,
/// and most starts see no ticket for a while.
struct Learned {
    n: i64,
    triage: Option<Triage>,
}

/// A correction with the ticket that it is about.
type Correction = (i64, String, String, String, Option<String>, Option<String>, Option<String>);

impl Tickets {
    /// Ready to take events.
    pub fn new() -> Self {
        Self { learned: Mutex::new(Learned { n: 0, triage: None }) }
    }

    /// What the offline classifier, with all corrections so far, makes of `ticket`. Corrections are whole
    /// transactions of their own, so what is read here is never taken back.
    fn judge(&self, tx: &Transaction<'_>, ticket: &Ticket<'_>) -> rusqlite::Result<Verdict> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.catch_up(tx)?;
        Ok(learned.triage().classify(ticket))
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

impl Learned {
    fn triage(&mut self) -> &mut Triage {
        self.triage.get_or_insert_with(Triage::taught)
    }

    fn catch_up(&mut self, file: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT n, source, subject, description, category, priority, area FROM support_lessons
            WHERE n > ?1 ORDER BY n";
        let mut statement = file.prepare_cached(sql)?;
        let rows = statement.query_map([self.n], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })?;
        for row in rows {
            let (n, source, subject, description, category, priority, area): Correction = row?;
            let ticket = Ticket { source: &source, subject: &subject, description: &description };
            self.triage().correct(
                &ticket,
                category.as_deref().and_then(Category::parse),
                priority.as_deref().and_then(Priority::parse),
                area.as_deref().and_then(Area::parse),
            );
            self.n = n;
        }
        Ok(())
    }
}

impl Subscriber for Tickets {
    fn name(&self) -> &'static str {
        "tickets"
    }

    fn steps(&self) -> &'static [&'static str] {
        schema::STEPS
    }

    fn derived(&self) -> &'static [(&'static str, &'static str)] {
        schema::DERIVED
    }

    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
        if event.event_type.as_str() == CREATED { mirror::take(self, work, event) } else { Ok(()) }
    }

    fn command(&self, work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
        match command.kind.as_str() {
            change::CORRECT => change::correct(work, command),
            change::JUDGED => change::judged(work, command),
            change::ESCALATE => change::escalate(work, command),
            _ => Err(Trouble::Refused(format!("there is no command `{}`", command.kind))),
        }
    }
}

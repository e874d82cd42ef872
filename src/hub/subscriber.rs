//! What a subscriber is: one folder beside this file, and one line where the app wires them.

use rusqlite::Connection;
use serde_json::Value;

use super::command::Command;
use super::event::Event;
use super::work::Work;

/// Takes part in every event that the hub receives.
///
/// A handler asks no clock and no randomness, and its ids derive from the event ([`Work::derive`]): events
/// and commands in the same order must end in the same tables. Bad data is no reason to refuse: a field
/// that makes no sense is one that is not there. What it does refuse is rolled back whole, for all
/// subscribers, and is a dead letter; it holds no other event up.
pub trait Subscriber: Send + Sync + 'static {
    /// Its name: in refusals, as the beginning of its commands' kinds, and as the owner of its tables.
    fn name(&self) -> &'static str;

    /// Its tables, as steps that only go forward. A step that was ever released is never changed.
    fn steps(&self) -> &'static [&'static str];

    /// What of its tables follows from events: name and columns, as a rebuild compares them. Row numbers
    /// and search indexes stay out.
    fn derived(&self) -> &'static [(&'static str, &'static str)];

    /// Takes an event in.
    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble>;

    /// Carries a command out whose kind begins with its name and a dot, and answers it.
    fn command(&self, _work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
        Err(Trouble::Refused(format!("there is no command `{}`", command.kind)))
    }

    /// The file was opened: what is kept in memory is read from it here.
    fn opened(&self, _file: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    /// A transaction is durable: what is kept in memory is brought up to date here. Must be quick.
    fn committed(&self, _file: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }
}

/// Why a handler did not do it; nothing of the event or command stays.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It can never be done.
    #[error("{0}")]
    Refused(String),
    /// What a command names is not there.
    #[error("{0}")]
    Missing(String),
    /// What a command names is in a state that does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// SQLite refused.
    #[error("hub.db: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl Trouble {
    /// The same, with the name of whose trouble it is.
    pub(super) fn in_subscriber(self, name: &str) -> Self {
        match self {
            Self::Refused(reason) => Self::Refused(format!("{name}: {reason}")),
            other => other,
        }
    }
}

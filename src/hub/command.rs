//! What people ask the hub to do: changes that no event brings.
//!
//! A command is stored with its instant, its id and its place among the events, in the transaction that
//! carries it out: a rebuild carries it out again at that place, and ends in the same state.

use rusqlite::{Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::subscriber::Trouble;
use super::work::Work;
use super::{Error, Hub, Mode, is_ours};
use crate::domain::time::Millis;

/// A change that a person (or a clock) asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Its own name, never used twice.
    pub id: String,
    /// When it was asked.
    pub at: Millis,
    /// By whom: a key's id, or `camino`.
    pub actor: String,
    /// The canonical organization that it is about.
    pub organization: String,
    /// What it belongs to.
    pub correlation: String,
    /// The subscriber's name, a dot, and what to do.
    pub kind: String,
    /// The rest.
    pub body: Value,
}

/// Why a command was not carried out; it has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What it names is not there.
    #[error("{0}")]
    Missing(String),
    /// What it names is in a state that does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The hub.
    #[error(transparent)]
    Hub(#[from] Error),
}

impl Hub {
    /// Carries `command` out, durably. The answer is the subscriber's.
    pub fn command(&self, command: &Command) -> Result<Value, CommandError> {
        self.check_failed()?;
        let mut file = self.lock();
        let done = file
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Trouble::Sql)
            .and_then(|tx| {
                let done = self.carry_out(&tx, command, None)?;
                tx.commit()?;
                Ok(done)
            });
        match done {
            Ok((answer, emitted)) => {
                self.committed(&file, emitted)?;
                Ok(answer)
            }
            Err(Trouble::Refused(reason)) => Err(CommandError::Invalid(reason)),
            Err(Trouble::Missing(reason)) => Err(CommandError::Missing(reason)),
            Err(Trouble::Conflict(reason)) => Err(CommandError::Conflict(reason)),
            Err(Trouble::Sql(error)) => {
                if !is_ours(&error) {
                    tracing::error!(command = command.kind, error = %error, "a command broke a rule of hub.db");
                }
                Err(self.judge(&error).into())
            }
        }
    }

    /// Stores and carries out; a rebuild says behind which event.
    pub(super) fn carry_out(
        &self,
        tx: &Transaction<'_>,
        command: &Command,
        after_seq: Option<u64>,
    ) -> Result<(Value, bool), Trouble> {
        let sql = "INSERT INTO commands (id, at_ms, actor, organization, correlation, kind, body, after_seq)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, (SELECT seq FROM progress)))";
        tx.prepare_cached(sql)?.execute(params![
            command.id,
            command.at.0.cast_signed(),
            command.actor,
            command.organization,
            command.correlation,
            command.kind,
            command.body.to_string(),
            after_seq.map(u64::cast_signed),
        ])?;
        let owner = command.kind.split_once('.').map_or("", |(owner, _)| owner);
        let subscriber = self.subscribers.iter().find(|subscriber| subscriber.name() == owner);
        let none = || Trouble::Refused(format!("nobody carries out `{}`", command.kind));
        let mut work = Work::of_command(tx, command, self.mode == Mode::Live, &self.metrics);
        let answer = subscriber.ok_or_else(none)?.command(&mut work, command)?;
        Ok((answer, work.has_emitted()))
    }
}

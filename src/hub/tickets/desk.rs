//! The desk: asks the hosted model about new tickets, and escalates those that wait too long.
//!
//! All that it does is a command with an id that follows from what it is about, so that a crash in between repeats
//! nothing. It runs beside the deliveries and holds none up. Never gives up: what fails is tried at the next look.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::change::{ESCALATE, JUDGED};
use super::classifier::Classifier;
use super::hosted::Hosted;
use super::reading::{Due, Waiting, overdue, tokens_since, unasked};
use crate::domain::time::Millis;
use crate::domain::triage::Ticket;
use crate::hub::work::derive;
use crate::hub::{Command, CommandError, Error, Hub};
use crate::runtime::clock::Clock;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Tickets that are looked at in one go.
const BATCH_MAX: usize = 64;
/// Tickets older than this are not asked about any more, nor is what they took counted.
const DAY: Duration = Duration::from_hours(24);

/// A model to ask, and what it may take.
pub struct Model {
    /// The model.
    pub classifier: Arc<dyn Classifier>,
    /// Tokens that it may take in a day.
    pub tokens_per_day: u64,
}

/// What the desk works with.
pub struct Desk {
    /// Where tickets are.
    pub hub: Arc<Hub>,
    /// Whom to ask, if anybody.
    pub model: Option<Model>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Desk {
    /// Runs until it is dropped.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(error = %error, "tickets could not be seen to; the next look tries again");
            }
            self.clock.sleep(EVERY).await;
        }
    }

    /// Looks once: escalates what is due, and asks about what is new. How much it did.
    pub async fn look(&self) -> Result<usize, CommandError> {
        let now = self.clock.now();
        let due = self.read(move |file| overdue(file, now, BATCH_MAX)).await?;
        let mut done = due.len();
        for ticket in due {
            self.carry_out(escalation(&ticket)).await?;
        }
        if let Some(model) = &self.model {
            done += self.ask(model, now).await?;
        }
        Ok(done)
    }

    async fn ask(&self, model: &Model, now: Millis) -> Result<usize, CommandError> {
        let since = now.minus(DAY);
        let waiting = self.read(move |file| unasked(file, since, BATCH_MAX)).await?;
        let mut done = 0;
        for ticket in waiting {
            let said =
                Ticket { source: &ticket.source, subject: &ticket.subject, description: &ticket.description };
            let taken = self.read(move |file| tokens_since(file, since)).await?;
            if taken.saturating_add(Hosted::tokens_max(&said)) > model.tokens_per_day {
                // What the offline classifier said stands; tomorrow there is more.
                break;
            }
            let judged = model.classifier.classify(said).await;
            let mut body = json!({ "ticket": ticket.id, "tokens": judged.tokens });
            match judged.verdict {
                Ok(verdict) => body["verdict"] = json!(verdict),
                Err(error) => {
                    tracing::warn!(error = %error, "the hosted classifier has no verdict; the offline one's stands");
                    body["trouble"] = json!(error.to_string());
                }
            }
            self.carry_out(judgement(&ticket, self.clock.now(), body)).await?;
            done += 1;
        }
        Ok(done)
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let hub = Arc::clone(&self.hub);
        blocking(move || hub.read(query)).await
    }

    async fn carry_out(&self, command: Command) -> Result<(), CommandError> {
        let hub = Arc::clone(&self.hub);
        match blocking(move || hub.command(&command)).await {
            // Gone or changed meanwhile: nothing is left to do.
            Ok(_) | Err(CommandError::Missing(_) | CommandError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// SQLite waits for the disk, which is nothing for a serving thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn escalation(due: &Due) -> Command {
    let level = due.level.to_string();
    command(
        due.at,
        &due.organization,
        ESCALATE,
        &[&due.id, &level],
        json!({ "ticket": due.id, "level": due.level }),
    )
}

fn judgement(ticket: &Waiting, at: Millis, body: Value) -> Command {
    // A ticket whose text has changed is asked about again, at another instant.
    command(at, &ticket.organization, JUDGED, &[&ticket.id, &at.0.to_string()], body)
}

fn command(at: Millis, organization: &str, kind: &'static str, of: &[&str], body: Value) -> Command {
    let parts: Vec<&str> = [kind].into_iter().chain(of.iter().copied()).collect();
    let id = derive(&parts).simple();
    Command {
        id: format!("cmd_{id}"),
        at,
        actor: "camino".to_owned(),
        organization: organization.to_owned(),
        correlation: format!("cid_{id}"),
        kind: kind.to_owned(),
        body,
    }
}

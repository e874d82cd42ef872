//! The transaction as a handler sees it: the tables, whose they are, and the way to emit.
//!
//! Ids and instants come from the cause; nothing here asks a clock or for randomness.

use rusqlite::Transaction;
use serde_json::Value;
use uuid::Uuid;

use super::command::Command;
use super::emission;
use super::event::Event;
use super::subscriber::Trouble;
use crate::domain::time::Millis;
use crate::telemetry::metrics::Metrics;

/// The namespace of ids that the hub derives.
const NAMESPACE: Uuid = Uuid::from_u128(0x7f1c_2f3e_96b4_5a0d_8f27_3d1e_5b90_c0de);

/// One event's or command's part of a transaction.
pub struct Work<'a> {
    /// The tables.
    pub tx: &'a Transaction<'a>,
    pub(super) cause: Cause<'a>,
    pub(super) organization: String,
    pub(super) live: bool,
    pub(super) metrics: &'a Metrics,
    /// Emitted so far.
    pub(super) emissions: u32,
    /// The hop that this cause's emissions are, once there is one.
    pub(super) hop: Option<u32>,
}

/// What a change follows from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause<'a> {
    pub(super) source: &'a str,
    pub(super) id: &'a str,
    pub(super) correlation: &'a str,
    pub(super) at: Millis,
}

impl<'a> Work<'a> {
    pub(super) fn of_event(
        tx: &'a Transaction<'a>,
        event: &'a Event<'_>,
        live: bool,
        metrics: &'a Metrics,
    ) -> Self {
        let cause = Cause {
            source: event.source.as_str(),
            id: event.event_id.as_str(),
            correlation: event.correlation.as_str(),
            at: event.at,
        };
        Self::of(tx, cause, event.organization.clone(), live, metrics)
    }

    pub(super) fn of_command(
        tx: &'a Transaction<'a>,
        command: &'a Command,
        live: bool,
        metrics: &'a Metrics,
    ) -> Self {
        let cause =
            Cause { source: "command", id: &command.id, correlation: &command.correlation, at: command.at };
        Self::of(tx, cause, command.organization.clone(), live, metrics)
    }

    fn of(
        tx: &'a Transaction<'a>,
        cause: Cause<'a>,
        organization: String,
        live: bool,
        metrics: &'a Metrics,
    ) -> Self {
        Self { tx, cause, organization, live, metrics, emissions: 0, hop: None }
    }

    /// The canonical organization. The subscriber `organizations`, which is the first, sees to it.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// Says whose it is.
    pub fn set_organization(&mut self, organization: String) {
        self.organization = organization;
    }

    /// When it happened, by its own time.
    pub fn at(&self) -> Millis {
        self.cause.at
    }

    /// An id that this cause gives to a thing, told apart by `what`.
    pub fn derive(&self, what: &str) -> Uuid {
        derive(&[self.cause.source, self.cause.id, what])
    }

    /// Emits an event of type `event_type` about this organization: stored in this transaction, and relayed
    /// once it is durable. False if the loop guard holds it back.
    pub fn emit(&mut self, event_type: &str, data: &Value) -> Result<bool, Trouble> {
        emission::store(self, event_type, data)
    }

    pub(super) fn has_emitted(&self) -> bool {
        self.emissions > 0
    }
}

/// An id that follows from `parts`.
pub fn derive(parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(128);
    for part in parts {
        name.extend_from_slice(part.as_bytes());
        name.push(0);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

//! Every route of the management API over HTTP: what it answers, whom it answers, and what it changes.

mod access;
mod audit;
mod dead_letters;
mod deliveries;
mod drift;
mod endpoints;
mod events;
mod explain;
mod gone;
mod idempotency;
mod journal;
mod keys;
mod names;
mod put;
mod quarantine;
mod registry;
mod replays;
mod rotation;
mod stats;

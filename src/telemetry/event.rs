//! Things that happen: a struct each, whose `emit` writes one log line and moves the metrics.
//!
//! What happens per request or attempt and went well is at `debug`, so that the hot path is quiet at
//! `info`; what a person should look at is at `warn`. Never a secret, never a body.

mod delivery;
mod hub;
mod ingest;
mod process;
mod security;

pub use delivery::{
    AttemptFinished, BreakerChanged, BreakerState, DeliveryTerminal, EndpointDisabled, Terminal,
};
pub use hub::{HubCommitted, HubLoopStopped, HubRelayed};
pub use ingest::{CommitDone, DriftFound, EventAccepted, IngestAnswered, IngestResult};
pub use process::{
    AdminKeyMade, ConfigDoubt, ConnectionsCut, DrainEnded, DrainStarted, GaugesStale, RegistryRefused,
    RegistryReloaded, Started,
};
pub use security::{CertificateRefused, CertificateReloaded, KeysGuessed, SecretKeyMade, SecretsResealed};

#[cfg(test)]
mod tests;

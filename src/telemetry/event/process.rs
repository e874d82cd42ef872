//! The process's own life: start, registry, disk, drain.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::domain::time::millis;
use crate::telemetry::Metrics;

/// The broker accepts events.
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its data lives.
    pub store: &'a Path,
    /// Deliveries that wait from before.
    pub backlog: u64,
}

impl Started<'_> {
    /// Logs at `info`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %self.listen,
            store = %self.store.display(),
            backlog = self.backlog,
            "camino is ready"
        );
    }
}

/// A setting is allowed but probably not meant.
#[derive(Clone, Copy, Debug)]
pub struct ConfigDoubt<'a> {
    /// The key and the mend, on one line.
    pub warning: &'a str,
}

impl ConfigDoubt<'_> {
    /// Logs at `warn`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(config.warning = self.warning, "check the config");
    }
}

/// No admin key was set, so one was made.
#[derive(Clone, Copy, Debug)]
pub struct AdminKeyMade<'a> {
    /// The file that holds it; the key itself is never logged.
    pub path: &'a Path,
}

impl AdminKeyMade<'_> {
    /// Logs at `warn`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(path = %self.path.display(), "no admin key was set, one was made; read it from the file");
    }
}

/// A new registry is in force.
#[derive(Clone, Copy, Debug)]
pub struct RegistryReloaded {
    /// Event types it knows.
    pub event_types: usize,
    /// Apps it knows.
    pub apps: usize,
}

impl RegistryReloaded {
    /// Logs at `info`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(registry.event_types = self.event_types, registry.apps = self.apps, "registry loaded");
    }
}

/// A changed registry is wrong, so the old one stays in force.
#[derive(Clone, Copy, Debug)]
pub struct RegistryRefused<'a> {
    /// What is wrong, with its file.
    pub reason: &'a str,
}

impl RegistryRefused<'_> {
    /// Logs at `error`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::error!(error = self.reason, "registry refused, the one before stays in force");
    }
}

/// The drain's time was up before all connections were idle.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsCut {
    /// Connections with a request in flight; none of these requests was acknowledged.
    pub count: usize,
}

impl ConnectionsCut {
    /// Logs at `warn`.
    pub fn emit(&self) {
        tracing::warn!(connections.cut = self.count, "connections were cut with a request in flight");
    }
}

/// The gauges could not be measured; what `/metrics` shows of them is old.
#[derive(Clone, Copy, Debug)]
pub struct GaugesStale<'a> {
    /// Why.
    pub reason: &'a str,
}

impl GaugesStale<'_> {
    /// Logs at `error`.
    pub fn emit(&self) {
        tracing::error!(error = self.reason, "the gauges could not be measured and are old");
    }
}

/// A stop was asked: no new work, what is held is finished.
#[derive(Clone, Copy, Debug)]
pub struct DrainStarted {
    /// Longest time it may take.
    pub bound: Duration,
}

impl DrainStarted {
    /// Logs at `info`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(drain.bound_ms = millis(self.bound), "draining");
    }
}

/// The drain is over.
#[derive(Clone, Copy, Debug)]
pub struct DrainEnded<'a> {
    /// Tasks that were cut.
    pub cut: &'a [&'static str],
    /// Tasks that would not go.
    pub orphans: &'a [&'static str],
}

impl DrainEnded<'_> {
    /// Logs at `info` if all went by itself, else at `warn`.
    pub fn emit(&self, _metrics: &Metrics) {
        if self.cut.is_empty() && self.orphans.is_empty() {
            tracing::info!("drained");
        } else {
            tracing::warn!(drain.cut = ?self.cut, drain.orphans = ?self.orphans, "drained, but not all finished in time");
        }
    }
}

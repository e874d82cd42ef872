//! Keys, certificates, and who tries to get in.

use std::net::IpAddr;
use std::path::Path;

use crate::telemetry::Metrics;

/// No key for the secrets at rest was set, so one was made.
#[derive(Clone, Copy, Debug)]
pub struct SecretKeyMade<'a> {
    /// The file that holds it; the key itself is never logged.
    pub path: &'a Path,
}

impl SecretKeyMade<'_> {
    /// Logs at `warn`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(
            path = %self.path.display(),
            "no store.secret_key was set, one was made; keep a copy of it apart from the store's backups"
        );
    }
}

/// Secrets in the control store were sealed anew, with the key that is the newest now.
#[derive(Clone, Copy, Debug)]
pub struct SecretsResealed {
    /// Endpoints whose secrets they are.
    pub endpoints: usize,
}

impl SecretsResealed {
    /// Logs at `info`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(endpoints = self.endpoints, "stored secrets were encrypted with the newest key");
    }
}

/// A new certificate of the listener is in force.
#[derive(Clone, Copy, Debug)]
pub struct CertificateReloaded<'a> {
    /// The file that holds it.
    pub path: &'a Path,
}

impl CertificateReloaded<'_> {
    /// Logs at `info`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::info!(path = %self.path.display(), "the listener has a new certificate");
    }
}

/// A changed certificate is wrong, so the one before stays in force.
#[derive(Clone, Copy, Debug)]
pub struct CertificateRefused<'a> {
    /// What is wrong, with its file.
    pub reason: &'a str,
}

impl CertificateRefused<'_> {
    /// Logs at `error`.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::error!(error = self.reason, "certificate refused, the one before stays in force");
    }
}

/// Somebody tries keys.
#[derive(Clone, Copy, Debug)]
pub struct KeysGuessed {
    /// From where.
    pub address: IpAddr,
}

impl KeysGuessed {
    /// Logs at `warn`, once an address and minute.
    pub fn emit(&self) {
        tracing::warn!(client.address = %self.address, "too many wrong keys from this address, it is refused for a while");
    }
}

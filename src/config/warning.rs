//! What is allowed in the settings but probably not meant.

use std::fmt;
use std::net::IpAddr;

use super::{Config, network};
use crate::domain::id::AppSlug;
use crate::domain::secret::{KEY_BYTES_MIN, Secret};

/// One doubt about one setting; its display is a whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The dotted key.
    pub key: String,
    /// What is doubtful, and the mend.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.text)
    }
}

/// Every doubt about `config`.
pub fn of(config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |key: String, text: String| warnings.push(Warning { key, text });
    if config.server.admin_key.as_ref().is_some_and(Secret::is_short) {
        warn("server.admin_key".to_owned(), short());
    }
    for (slug, app) in &config.apps {
        if app.signing_secrets.iter().any(Secret::is_short) {
            warn(format!("apps.{slug}.signing_secrets"), short());
        }
        if app.endpoint_secrets.iter().any(Secret::is_short) {
            warn(format!("apps.{slug}.endpoint_secrets"), short());
        }
        for (source, secrets) in &app.endpoint_secrets_by_source {
            if secrets.iter().any(Secret::is_short) {
                warn(format!("apps.{slug}.endpoint_secrets_by_source.{source}"), short());
            }
        }
        if let Some(ip) = blocked(config, app.endpoint.as_ref()) {
            let text = format!(
                "points to the private address {ip}, so every delivery would die with `blocked_address`; \
                 add it to `delivery.allowed_networks` if it is meant"
            );
            warn(format!("apps.{slug}.endpoint"), text);
        }
    }
    for (slug, other) in shared_signing_secrets(config) {
        let text =
            format!("is also the secret of {other}, so each could pose as the other; give each its own");
        warn(format!("apps.{slug}.signing_secrets"), text);
    }
    warnings
}

fn short() -> String {
    format!("holds a secret shorter than {KEY_BYTES_MIN} bytes; make one with `openssl rand -hex 32`")
}

fn blocked(config: &Config, endpoint: Option<&http::Uri>) -> Option<IpAddr> {
    let ip = network::literal(endpoint?.host()?)?;
    let allowed = config.delivery.allowed_networks.iter().any(|network| network.contains(&ip));
    (network::is_private(ip) && !allowed).then_some(ip)
}

fn shared_signing_secrets(config: &Config) -> Vec<(&AppSlug, &AppSlug)> {
    let mut owners: Vec<(&AppSlug, &Secret)> = Vec::new();
    let mut shared = Vec::new();
    for (slug, app) in &config.apps {
        for secret in &app.signing_secrets {
            let owner = owners.iter().find(|(owner, own)| *owner != slug && own.shares_key_with(secret));
            shared.extend(owner.map(|(owner, _)| (slug, *owner)));
            owners.push((slug, secret));
        }
    }
    shared
}

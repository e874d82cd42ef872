//! `[hub]`: what the hub does beyond its events. So far only how support tickets are triaged.

use std::time::Duration;

use ::http::{HeaderValue, Uri};
use serde::{Deserialize, Deserializer};

use super::limit::{self, Fault};
use super::{secret, unit};
use crate::domain::secret::Secret;

/// The settings of `[hub]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// How support tickets are classified.
    pub triage: Triage,
}

/// The settings of `[hub.triage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Triage {
    /// Who classifies.
    pub classifier: Classifier,
    /// Where the hosted model is: the whole address of its messages API.
    #[serde(deserialize_with = "address")]
    pub url: Uri,
    /// Its name.
    pub model: String,
    /// The key for it.
    #[serde(deserialize_with = "secret::one")]
    pub api_key: Option<Secret>,
    /// How long it may take for one ticket.
    #[serde(deserialize_with = "unit::span")]
    pub timeout: Duration,
    /// Tokens that it may take in 24 hours, questions and answers together.
    pub tokens_per_day: u64,
}

/// Who classifies tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Classifier {
    /// This process alone.
    #[default]
    Offline,
    /// This process at once, and then a hosted model, whose word counts if it comes.
    Hosted,
}

impl Default for Triage {
    fn default() -> Self {
        Self {
            classifier: Classifier::Offline,
            url: Uri::from_static("https://api.anthropic.com/v1/messages"),
            model: String::new(),
            api_key: None,
            timeout: Duration::from_secs(5),
            tokens_per_day: 1_000_000,
        }
    }
}

impl Triage {
    pub(super) fn check(&self) -> Result<(), Fault> {
        limit::span("hub.triage.timeout", self.timeout, Duration::from_millis(100), Duration::from_mins(1))?;
        limit::count("hub.triage.tokens_per_day", self.tokens_per_day, 1, 1_000_000_000_000)?;
        let is_fit = self.api_key.as_ref().is_some_and(|key| HeaderValue::from_bytes(key.text_key()).is_ok());
        if self.classifier == Classifier::Hosted && !is_fit {
            let rule = "is \"hosted\", which needs `api_key` beside it: text, env:NAME or file:PATH";
            return Err(Fault::new("hub.triage.classifier", rule));
        }
        if self.classifier == Classifier::Hosted && self.model.is_empty() {
            return Err(Fault::new("hub.triage.classifier", "is \"hosted\", which needs `model` beside it"));
        }
        Ok(())
    }
}

/// An http(s) address with a host. The key goes over it, so plain http is for this machine only.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: Option<Uri> = text.parse().ok();
    let is_safe = |uri: &Uri| match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => matches!(host, "127.0.0.1" | "localhost" | "[::1]"),
        _ => false,
    };
    uri.filter(is_safe).ok_or_else(|| {
        serde::de::Error::custom("must begin with https://, or with http:// and the address of this machine")
    })
}

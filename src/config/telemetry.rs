//! `[telemetry]`: what the process says about itself.

use http::Uri;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

use super::limit::Fault;

/// The settings of `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Which log lines are written: a level, or `target=level` pairs with commas.
    pub log: String,
    /// How a log line is written.
    pub format: LogFormat,
    /// The collector that traces go to, without the path; none unless it is set.
    #[serde(deserialize_with = "address")]
    pub otlp_endpoint: Option<Uri>,
    /// The part of the traces beginning here that is kept, from 0 to 1.
    pub otlp_share: f64,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), format: LogFormat::Text, otlp_endpoint: None, otlp_share: 1.0 }
    }
}

impl Telemetry {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if !(0.0..=1.0).contains(&self.otlp_share) {
            let rule = format!("is {}, but must be from 0 to 1", self.otlp_share);
            return Err(Fault::new("telemetry.otlp_share", rule));
        }
        EnvFilter::try_new(&self.log).map(drop).map_err(|error| {
            let rule =
                format!("is no log filter ({error}); write a level such as info, or camino_broker=debug");
            Fault::new("telemetry.log", rule)
        })
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: Option<Uri> = text.parse().ok();
    let is_address = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let fits = |uri: &Uri| is_address(uri) && uri.query().is_none();
    uri.filter(fits).map(Some).ok_or_else(|| {
        serde::de::Error::custom("must be the address of a collector, such as http://127.0.0.1:4318")
    })
}

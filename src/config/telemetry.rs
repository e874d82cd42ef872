//! `[telemetry]`: what the process says about itself.

use serde::Deserialize;
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
    /// Where traces would go by OTLP; refused until the broker can send them.
    pub otlp_endpoint: Option<String>,
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
        Self { log: "info".to_owned(), format: LogFormat::Text, otlp_endpoint: None }
    }
}

impl Telemetry {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.otlp_endpoint.is_some() {
            let rule = "is not supported yet: this build sends no traces; remove the setting";
            return Err(Fault::new("telemetry.otlp_endpoint", rule));
        }
        EnvFilter::try_new(&self.log).map(drop).map_err(|error| {
            let rule =
                format!("is no log filter ({error}); write a level such as info, or camino_broker=debug");
            Fault::new("telemetry.log", rule)
        })
    }
}

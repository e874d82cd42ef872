//! The broker's settings: `config.toml`, overridden by `CAMINO_<SECTION>__<KEY>` variables.
//!
//! A section a file below. A setting is read once, checked once, and its error names the place (file
//! and line, or the variable), the key and the mend. Never prints, never shows a secret's value, and
//! never guesses: an unknown key is an error.
//!
//! Variables: only those with `__` are settings, so `CAMINO_ADMIN_KEY` and `CAMINO_CONFIG` (the file, where
//! the command line names none) are not.
//! `CAMINO_DELIVERY__RETRY__FIRST=10s` sets `delivery.retry.first`. An app's slug is written with
//! `_` for `-`: `CAMINO_APPS__COSMOS_PET__ENDPOINT` sets `apps.cosmos-pet.endpoint`. A list is
//! comma-separated or in TOML's brackets. Relative paths (also of `file:` secrets) start at the
//! working directory.

mod app;
mod delivery;
mod error;
mod filter;
mod hub;
mod ingest;
mod journal;
mod limit;
mod list;
mod network;
mod registry;
mod secret;
mod server;
mod source;
mod store;
mod telemetry;
mod unit;
mod warning;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use app::{App, Ordering, RetryOverride};
pub use delivery::{Breaker, Delivery, Retry};
pub use error::{Error, Place};
pub use filter::{Filter, TypePattern};
pub use hub::{Classifier, Hub, Triage};
pub use ingest::{Ingest, SchemaCheck, SenderCheck};
pub use journal::Journal;
pub use registry::Registry;
pub use server::Server;
pub use source::process_vars;
pub use store::{Engine, Store};
pub use telemetry::{LogFormat, Telemetry};
pub use unit::{InvalidUnit, parse_size, parse_span, show_size};
pub use warning::Warning;

use crate::domain::id::AppSlug;
use source::Source;

/// Every setting, checked. `Config::default()` is what an empty file means.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The listener and the first administrator.
    pub server: Server,
    /// Where the data lives.
    pub store: Store,
    /// Which registry of event types and apps is in force.
    pub registry: Registry,
    /// What is accepted.
    pub ingest: Ingest,
    /// How events reach their receivers.
    pub delivery: Delivery,
    /// How long people can look back.
    pub journal: Journal,
    /// What the hub does beyond its events.
    pub hub: Hub,
    /// What the process says about itself.
    pub telemetry: Telemetry,
    /// The apps that take part, by slug.
    pub apps: BTreeMap<AppSlug, App>,
}

impl Config {
    /// Reads the file at `path`, or `config.toml` in the working directory if there is one, lays
    /// the settings among `vars` over it, resolves `env:` and `file:` secrets, and checks all.
    pub fn load(
        path: Option<&Path>,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let vars: BTreeMap<String, String> = vars.into_iter().collect();
        let source = Source::read(path, &vars)?;
        let mut tree = source.merged()?;
        app::check_slugs(&tree).map_err(|fault| source.error(fault))?;
        secret::resolve(&mut tree, &vars).map_err(|fault| source.error(fault))?;
        let config: Self =
            figment::value::Value::from(tree).deserialize().map_err(|error| source.translate(error))?;
        config.check().map_err(|fault| source.error(fault))?;
        Ok(config)
    }

    /// What is allowed but probably not meant. The caller logs it.
    pub fn warnings(&self) -> Vec<Warning> {
        warning::of(self)
    }

    /// The retry policy for deliveries to `app`: its own settings over `[delivery.retry]`.
    pub fn retry_for(&self, app: &AppSlug) -> Retry {
        let base = &self.delivery.retry;
        self.apps.get(app).map_or_else(|| base.clone(), |app| app.retry.over(base))
    }

    fn check(&self) -> Result<(), limit::Fault> {
        self.server.check()?;
        self.store.check()?;
        self.ingest.check()?;
        self.delivery.check()?;
        let longest = self.apps.keys().map(|app| self.retry_for(app).max_age).max();
        self.journal.check(longest.unwrap_or_default().max(self.delivery.retry.max_age))?;
        self.hub.triage.check()?;
        self.telemetry.check()?;
        for (slug, app) in &self.apps {
            app.check(slug)?;
            self.retry_for(slug).check(&format!("apps.{slug}.retry"))?;
        }
        app::check_shared_secrets(&self.apps)
    }
}

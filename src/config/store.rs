//! `[store]`: where the data lives and which engine keeps the outbox.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::limit::{self, Fault};
use super::unit;

/// The settings of `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The folder of all data files.
    pub path: PathBuf,
    /// The engine under the outbox.
    pub engine: Engine,
    /// Free disk space below which ingest answers 503.
    #[serde(deserialize_with = "unit::size")]
    pub free_bytes_min: u64,
    /// What the outbox takes on the disk before it is worth rewriting.
    #[serde(deserialize_with = "unit::size")]
    pub compact_bytes_min: u64,
    /// How often it is looked whether that pays.
    #[serde(deserialize_with = "unit::span")]
    pub compact_every: Duration,
}

/// The engine under the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// sled 0.34, with the broker's own sync handle and guards.
    #[default]
    Sled,
    /// redb.
    Redb,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("./data"),
            engine: Engine::Sled,
            free_bytes_min: 256 << 20,
            compact_bytes_min: 64 << 20,
            compact_every: Duration::from_secs(20),
        }
    }
}

impl Store {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.path.as_os_str().is_empty() {
            return Err(Fault::new("store.path", "is empty, but must name a folder, such as ./data"));
        }
        limit::count("store.free_bytes_min", self.free_bytes_min, 1 << 20, 1 << 40)?;
        limit::count("store.compact_bytes_min", self.compact_bytes_min, 1 << 20, 1 << 40)?;
        let (min, max) = (Duration::from_millis(100), Duration::from_hours(1));
        limit::span("store.compact_every", self.compact_every, min, max)
    }
}

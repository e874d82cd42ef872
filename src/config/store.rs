//! `[store]`: where the data lives and which engine keeps the outbox.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::limit::{self, Fault};
use super::{secret, unit};
use crate::domain::secret::{KEY_BYTES_MIN, Secret};

/// Keys for stored secrets: the newest, and the one it replaces.
const SECRET_KEYS_MAX: usize = 2;

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
    /// What stored secrets are encrypted with, newest first; none means that one is made in the store at
    /// first start.
    #[serde(deserialize_with = "secret::list")]
    pub secret_key: Vec<Secret>,
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
            secret_key: Vec::new(),
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
        if self.secret_key.len() > SECRET_KEYS_MAX {
            let rule = "holds more than 2 keys; the second is for reading what the key before has encrypted";
            return Err(Fault::new("store.secret_key", rule));
        }
        if self.secret_key.iter().any(Secret::is_short) {
            let rule = format!("must have at least {KEY_BYTES_MIN} bytes; `openssl rand -hex 32` makes one");
            return Err(Fault::new("store.secret_key", rule));
        }
        limit::count("store.free_bytes_min", self.free_bytes_min, 1 << 20, 1 << 40)?;
        limit::count("store.compact_bytes_min", self.compact_bytes_min, 1 << 20, 1 << 40)?;
        let (min, max) = (Duration::from_millis(100), Duration::from_hours(1));
        limit::span("store.compact_every", self.compact_every, min, max)
    }
}

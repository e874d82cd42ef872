//! What an embedded engine must do for the log, and which engines there are.
//!
//! An engine keeps rows under 13-byte keys. It must never report a commit before the disk has it,
//! and never hide damage: what it can't read is a fault, not an absence. A crash within a commit
//! leaves all of it or none.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::row::{Change, Key};
use crate::config;

/// The embedded engine that holds the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// sled 0.34 under the rules of ADR 0002.
    #[default]
    Sled,
    /// redb 4.
    Redb,
}

impl EngineKind {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// The engine's name as written in the configuration and in the format file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

impl From<config::Engine> for EngineKind {
    fn from(engine: config::Engine) -> Self {
        match engine {
            config::Engine::Sled => Self::Sled,
            config::Engine::Redb => Self::Redb,
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be sled or redb")]
pub struct UnknownEngine;

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownEngine)
    }
}

/// Why an engine could not do what it was asked.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// What is on the disk makes no sense.
    Damaged(String),
    /// The operating system or the engine refused.
    Failed(String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How much one scan may bring into memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub rows: usize,
    pub bytes: usize,
}

/// Rows in key order.
pub(super) type Rows = Vec<(Key, Vec<u8>)>;

/// An open engine.
pub(super) trait Engine: Send + Sync {
    /// Applies `change` whole or not at all; on the disk when it returns.
    fn commit(&self, change: &Change<'_>) -> Result<(), Fault>;

    /// The same for masses of rows that are somewhere else too, until they are all here: a crash within it may leave any of them.
    fn pour(&self, change: &Change<'_>) -> Result<(), Fault> {
        self.commit(change)
    }

    /// The row under `key`.
    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault>;

    /// Which of `keys` have rows now, and how long these are.
    fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault>;

    /// The rows from `start` to `last` as far as they fit into `room`; at least one if there is one.
    fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault>;

    /// A key from `first` to `last` behind which there is no row in that range; `None` if there is none at all.
    fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault>;

    /// What it has on the disk however few its rows are.
    fn fixed_bytes(&self) -> Result<u64, Fault> {
        Ok(0)
    }

    /// Bytes of rows, about, that are durable and for which it will take room on the disk later.
    fn waiting_bytes(&self) -> u64 {
        0
    }

    /// Gives the files back, with everything written.
    fn close(self: Box<Self>) -> Result<(), Fault>;
}

/// Runs `work`; a panic of the engine becomes damage, since it panics on bytes it didn't expect.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Fault::Damaged(format!("the engine panicked: {}", text(&*panic)))))
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_name_everywhere() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("Sled".parse::<EngineKind>(), Err(UnknownEngine));
    }

    #[test]
    fn a_panic_is_damage() {
        let result: Result<(), _> = guarded(|| panic!("slot {}", 7));
        assert!(matches!(result, Err(Fault::Damaged(detail)) if detail.ends_with("slot 7")));
    }
}

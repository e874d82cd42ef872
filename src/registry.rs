//! The registry as data: read it, check it, follow its changes, hand out the current snapshot.
//!
//! A registry is a folder of JSON files (`registry/README.md` describes it); one is built into the
//! binary. Whole snapshots only: a reload that fails leaves the running one untouched, and nobody
//! ever sees half of a change. Holds no state of its own on disk, so a crash loses nothing.

use std::path::PathBuf;

pub mod check;
pub mod diff;
pub mod doubts;
pub mod embedded;
pub mod handle;
pub mod load;
pub mod plans;
pub mod problem;
mod read;
pub mod watch;

pub use problem::{Cause, Problem};

use crate::config::Config;

/// Where a registry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one built into the binary.
    Embedded,
    /// A folder of the same shape.
    Dir(PathBuf),
}

impl Source {
    /// The one that the settings name.
    pub fn of(config: &Config) -> Self {
        config.registry.path.clone().map_or(Self::Embedded, Self::Dir)
    }
}

/// Why there is no catalog, or no watch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data has mistakes; all of them are here, in the order of the files.
    #[error("{}", problem::listed(.0))]
    Invalid(Vec<Problem>),
    /// The folder is being written all the time.
    #[error("the files change while they are read; write them elsewhere and move the folder into place")]
    Restless,
    /// The folder cannot be watched.
    #[error("cannot watch {path}: {cause}")]
    Watch {
        /// The folder.
        path: String,
        /// What the operating system says.
        cause: String,
    },
}

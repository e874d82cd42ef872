//! `[registry]`: which registry of event types and apps is in force.

use std::path::PathBuf;

use serde::Deserialize;

/// The settings of `[registry]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// A registry folder instead of the one in the binary.
    pub path: Option<PathBuf>,
}

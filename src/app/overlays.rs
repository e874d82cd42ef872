//! What operators changed, laid over the config.

use std::collections::BTreeMap;

use crate::domain::id::AppSlug;
use crate::outbox::directory::Overlay;

/// Nothing changed.
pub(super) fn none() -> BTreeMap<AppSlug, Overlay> {
    BTreeMap::new()
}

//! The current catalog, shared by everybody who routes.
//!
//! Swaps whole snapshots: a reader keeps the one it took, a failed reload changes nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::diff::{Diff, diff};
use super::{Error, Source, load};
use crate::domain::catalog::Catalog;

/// A cheap clone of a pointer to the current catalog.
#[derive(Clone, Debug)]
pub struct CatalogHandle {
    current: Arc<ArcSwap<Catalog>>,
}

impl CatalogHandle {
    /// Starts with `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(catalog)) }
    }

    /// The snapshot of this moment. Take it once per decision, so that the decision sees one state.
    pub fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// Reads `source` anew and makes it current; on an error the running snapshot stays.
    pub fn reload(&self, source: &Source) -> Result<Diff, Error> {
        load::load(source).map(|catalog| self.replace(catalog))
    }

    /// Makes `catalog` current and says what that changed.
    pub fn replace(&self, catalog: Catalog) -> Diff {
        let new = Arc::new(catalog);
        let old = self.current.swap(Arc::clone(&new));
        diff(&old, &new)
    }
}

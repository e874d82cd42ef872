//! A store in a folder of its own, and the small values that all tests of it need.

use std::path::Path;
use std::sync::Arc;

use camino_broker::domain::id::AppSlug;
use camino_broker::domain::secret::Secret;
use camino_broker::domain::time::Millis;
use camino_broker::runtime::entropy::OsEntropy;
use camino_broker::store::control::audit::{Actor, Entry};
use camino_broker::store::control::key::{KeyId, NewKey, Scope};
use camino_broker::store::control::sealing::Sealing;
use camino_broker::store::control::{Control, Error};
use tempfile::TempDir;

pub const NOW: Millis = Millis(1_776_340_800_000);

pub fn store() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub fn open(store: &TempDir) -> Control {
    open_in(store.path()).unwrap()
}

/// The store in `folder`, with the key that it makes for itself.
pub fn open_in(folder: &Path) -> Result<Control, Error> {
    open_with(folder, &[])
}

/// The store in `folder`, with `keys` for its secrets, newest first.
pub fn open_with(folder: &Path, keys: &[Secret]) -> Result<Control, Error> {
    Control::open(folder, Sealing { keys: keys.to_vec(), entropy: Arc::new(OsEntropy) })
}

pub fn entry(action: &str) -> Entry {
    Entry::new(NOW, Actor { key_id: Some(KeyId::admin()), name: "admin".to_owned() }, action, "")
}

pub fn new_key(name: &str, scopes: &[Scope]) -> NewKey {
    let source = scopes.contains(&Scope::EventsWrite).then(|| app("bloom"));
    NewKey {
        name: name.to_owned(),
        scopes: scopes.iter().copied().collect(),
        source,
        expires_at: None,
        organizations: None,
    }
}

pub fn app(slug: &str) -> AppSlug {
    AppSlug::new(slug).unwrap()
}

pub fn actions(control: &Control) -> Vec<String> {
    control.audit(None, 100).unwrap().items.into_iter().map(|item| item.entry.action).collect()
}

pub fn later(ms: u64) -> Millis {
    Millis(NOW.0 + ms)
}

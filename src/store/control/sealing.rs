//! The key for secrets at rest, and what a start does about rows that it did not seal.
//!
//! Every row is opened at the start: a key that fits none is found out then, and not at the next delivery.
//! Rows of an older key, or of the time before there was one, are sealed anew in one transaction; a crash
//! before it has ended leaves them as they were, and the next start does it again.
//!
//! No key is made while rows wait for a lost one: it would only hide which one is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior, params};

use super::seal::{self, Sealer, Unopened};
use super::{Error, FILE as DATABASE, key, key_file, unreadable};
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::runtime::entropy::Entropy;

/// The file in the store's folder that holds the key when the config gives none.
pub const FILE: &str = "secret.key";

/// What secrets at rest are sealed with.
pub struct Sealing {
    /// The keys of the config, newest first; none means the one in [`FILE`].
    pub keys: Vec<Secret>,
    /// For nonces, and for a key if one must be made.
    pub entropy: Arc<dyn Entropy>,
}

/// What the start did about the key and the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The file of the key that was made just now, which is worth saying (the path, not the key).
    pub key_made: Option<PathBuf>,
    /// Apps whose secrets were sealed anew.
    pub resealed: usize,
}

/// Sees to the key, and that every row is sealed with it.
pub(super) fn prepare(
    file: &mut Connection,
    store: &Path,
    sealing: Sealing,
) -> Result<(Sealer, Sealed), Error> {
    let rows = rows(file)?;
    let Sealing { mut keys, entropy } = sealing;
    let mut key_made = None;
    if keys.is_empty() {
        let path = store.join(FILE);
        let fail = |why: String| Error::SecretKey { path: path.clone(), why };
        if !path.try_exists().map_err(|error| fail(error.to_string()))? {
            if let Some(name) = rows.iter().find_map(|(_, row)| seal::name(row)) {
                return Err(Error::OtherSecretKey { store: store.to_owned(), name: hex::encode(name) });
            }
            let mut bytes = zeroize::Zeroizing::new([0; key::ENTROPY_BYTES]);
            entropy.fill(bytes.as_mut());
            let made = Secret::from_entropy(&bytes);
            key_file::make(store, FILE, made.reveal()).map_err(|error| fail(error.to_string()))?;
            key_made = Some(path.clone());
        }
        let read = key_file::read(&path).map_err(|error| fail(error.to_string()))?;
        keys.push(read.ok_or_else(|| fail("it holds no key".to_owned()))?);
    }
    let newest = keys.remove(0);
    let sealer = Sealer::new(&newest, &keys, entropy)?;
    let resealed = reseal(file, store, &sealer, &rows)?;
    Ok((sealer, Sealed { key_made, resealed }))
}

/// The sealed secrets of each app.
pub(super) fn rows(file: &Connection) -> Result<Vec<(AppSlug, Vec<u8>)>, Error> {
    let mut select = file.prepare("SELECT app, secrets FROM overlays")?;
    let rows = select.query_map([], |row| {
        let app: String = row.get(0)?;
        Ok((AppSlug::new(&app).map_err(|error| unreadable(0, error))?, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn reseal(
    file: &mut Connection,
    store: &Path,
    sealer: &Sealer,
    rows: &[(AppSlug, Vec<u8>)],
) -> Result<usize, Error> {
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut resealed = 0;
    for (app, row) in rows {
        let secrets = sealer.open(app, row).map_err(|error| match error {
            Unopened::OtherKey(name) => {
                Error::OtherSecretKey { store: store.to_owned(), name: hex::encode(name) }
            }
            Unopened::Damaged => {
                Error::Damaged { path: store.join(DATABASE), what: format!("the secrets of {app}: {error}") }
            }
        })?;
        if !sealer.is_current(row) {
            let row = sealer.seal(app, &secrets)?;
            transaction
                .execute("UPDATE overlays SET secrets = ? WHERE app = ?", params![row, app.as_str()])?;
            resealed += 1;
        }
    }
    transaction.commit()?;
    if resealed > 0 {
        // What was there before must not stay behind in the log of changes.
        file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(resealed)
}

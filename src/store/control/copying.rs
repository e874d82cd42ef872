//! A copy of `control.db` while it is in use, and what such a file holds without a broker over it.
//!
//! The copy is one moment of the file. It is made beside the file first: changes wait for that, and never for the disk that the
//! copy goes to. Secrets are in it as they are in the file, sealed; the key is not. Looking at a file makes nothing: no
//! table, no key. A crash leaves a file that nobody takes for whole, for the backup around it lacks its list, and
//! one beside `control.db` that the next copy or start removes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Control, Error, key_file, lock, name, opening, schema, seal, sealing};
use crate::domain::secret::Secret;

/// What a control file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The schema of its tables.
    pub schema: i64,
    /// Keys, the revoked ones too.
    pub keys: u64,
    /// Endpoints that were changed over the API.
    pub overlays: u64,
    /// Entries of the audit log.
    pub audit: u64,
    /// The names of the keys that its secrets are sealed with; they say nothing of the keys.
    pub sealed_with: BTreeSet<String>,
}

impl Control {
    /// Copies the file, as it is now, to `path`, where nothing may be. Changes wait meanwhile.
    pub fn copy_to(&self, path: &Path) -> Result<(), Error> {
        let cannot = |why: String| Error::Copy { path: path.to_owned(), why };
        let staged = staged(&self.path);
        let name = staged.to_str().ok_or_else(|| cannot("the store's name is not UTF-8".to_owned()))?;
        let made = remove_staged(&self.path).and_then(|()| private(&staged));
        made.map_err(|error| cannot(error.to_string()))?;
        // An empty file is what SQLite fills, and this way nobody else can read it.
        let vacuumed = lock(&self.file).execute("VACUUM INTO ?1", [name]);
        let copied = vacuumed.map_err(|error| cannot(error.to_string())).and_then(|_| {
            let carry = || io::copy(&mut File::open(&staged)?, &mut private(path)?);
            carry().map_err(|error| cannot(error.to_string()))
        });
        remove_staged(&self.path).map_err(|error| cannot(error.to_string()))?;
        copied.map(drop)
    }
}

/// A new file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// The copy beside the file at `path`, while it is made.
fn staged(path: &Path) -> PathBuf {
    opening::with_suffix(path, ".copy")
}

/// Removes what a copy that broke off has left beside the file at `path`.
pub(super) fn remove_staged(path: &Path) -> io::Result<()> {
    let staged = staged(path);
    for leftover in [opening::with_suffix(&staged, "-journal"), staged] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the file at `path`, which nobody else may have open, and counts what it holds.
pub fn inspect(path: &Path) -> Result<Inspected, Error> {
    if !path.exists() {
        return Err(Error::Open { path: path.to_owned(), why: "it is missing".to_owned() });
    }
    look(path).map_err(|error| name(path, error))
}

fn look(path: &Path) -> Result<Inspected, Error> {
    let file = opening::connect(path)?;
    file.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    opening::check(path, &file)?;
    let verdict: String = file.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::Damaged { path: path.to_owned(), what: verdict });
    }
    let rows = sealing::rows(&file)?;
    Ok(Inspected {
        schema: schema::version(&file)?,
        keys: count(&file, "keys")?,
        overlays: rows.len() as u64,
        audit: count(&file, "audit")?,
        sealed_with: rows.iter().filter_map(|(_, row)| seal::name(row)).map(hex::encode).collect(),
    })
}

fn count(file: &Connection, table: &str) -> rusqlite::Result<u64> {
    let rows: i64 = file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(rows.cast_unsigned())
}

/// The names of the keys that a start would have for the store in `store`: those of the config, else the one in
/// its file, if it is there.
pub fn key_names(store: &Path, configured: &[Secret]) -> Result<BTreeSet<String>, Error> {
    let named = |secret: &Secret| Ok(hex::encode(seal::key_name(secret)?));
    if !configured.is_empty() {
        return configured.iter().map(named).collect();
    }
    let path: PathBuf = store.join(sealing::FILE);
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let read = key_file::read(&path);
    let read = read.map_err(|error| Error::SecretKey { path: path.clone(), why: error.to_string() })?;
    let secret = read.ok_or_else(|| Error::SecretKey { path, why: "it holds no key".to_owned() })?;
    Ok(BTreeSet::from([named(&secret)?]))
}

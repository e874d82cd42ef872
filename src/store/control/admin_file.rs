//! `admin.key`: the first administrator's key, made when the config gives none.
//!
//! A crash while it is made leaves either no key or a good one; nobody has seen the lost one.

use std::io;
use std::path::{Path, PathBuf};

use super::key::{self, ENTROPY_BYTES};
use super::{Control, key_file};
use crate::domain::secret::Secret;

/// The file's name in the store's folder.
pub const FILE: &str = "admin.key";

/// Why there is no admin key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or made.
    #[error("cannot use {}: {error}; mend that, or set server.admin_key", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// It holds no key.
    #[error("{} holds no key; remove it to have one made, or set server.admin_key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// The key in `admin.key`.
#[derive(Debug)]
pub struct AdminKey {
    /// The key.
    pub secret: Secret,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it was made just now, which is worth saying (the path, not the key).
    pub made: bool,
}

impl Control {
    /// Reads `admin.key` beside this file, or makes it from `entropy`. Only this process has the store,
    /// so nobody else makes one meanwhile.
    pub fn admin_key(&self, entropy: &[u8; ENTROPY_BYTES]) -> Result<AdminKey, Error> {
        read_or_make(self.path.parent().unwrap_or(Path::new(".")), entropy)
    }
}

fn read_or_make(store: &Path, entropy: &[u8; ENTROPY_BYTES]) -> Result<AdminKey, Error> {
    let path = store.join(FILE);
    let fail = |error| Error::Io { path: path.clone(), error };
    let made = !path.try_exists().map_err(fail)?;
    if made {
        key_file::make(store, FILE, &key::text(entropy)).map_err(fail)?;
    }
    match key_file::read(&path).map_err(fail)? {
        Some(secret) => Ok(AdminKey { secret, path, made }),
        None => Err(Error::NoKey { path }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_and_only_its_owner_reads_it() {
        let store = tempfile::tempdir().unwrap();
        fs::write(store.path().join("admin.key.new"), "half a k").unwrap();
        let first = read_or_make(store.path(), &[1; 32]).unwrap();
        assert!(first.made && first.secret.reveal().starts_with("cmn_"));
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = read_or_make(store.path(), &[2; 32]).unwrap();
        assert!(!again.made);
        assert_eq!(again.secret, first.secret);
        assert!(!format!("{again:?}").contains("cmn_"));
    }

    #[test]
    fn a_file_without_a_key_is_named() {
        let store = tempfile::tempdir().unwrap();
        fs::write(store.path().join(FILE), "\n").unwrap();
        let error = read_or_make(store.path(), &[1; 32]).unwrap_err().to_string();
        assert!(error.contains("admin.key") && error.contains("remove it"), "{error}");
        let missing = read_or_make(&store.path().join("nowhere"), &[1; 32]).unwrap_err().to_string();
        assert!(missing.contains("nowhere"), "{missing}");
    }
}

//! A verb's own folder: private, and gone with its value.
//!
//! A killed verb leaves it behind, in the system's folder for such things.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::runtime::entropy::Entropy;

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes one for `verb` that nobody else can look into.
    pub(super) fn make(verb: &str, entropy: &dyn Entropy) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("camino-{verb}-{:016x}", entropy.u64()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entropy::OsEntropy;

    #[test]
    fn it_is_there_and_then_it_is_gone() {
        let folder = Folder::make("test", &OsEntropy).unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}

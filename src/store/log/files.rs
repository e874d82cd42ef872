//! Files that must outlive a power cut, and the lock on a store's directory.
//!
//! A file replaced here is found after a crash either as it was or as it was to be.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::folder;

/// Where [`stage`] puts what [`publish`] will name `file`.
pub(super) fn staged(file: &Path) -> PathBuf {
    file.with_extension("tmp")
}

/// Writes the next content of `file` beside it, durably. A failure leaves `file` as it was.
pub(super) fn stage(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut next = File::options().write(true).create(true).truncate(true).mode(0o600).open(staged(file))?;
    next.write_all(content)?;
    next.sync_all()
}

/// Puts what was staged in the place of `file`, durably. After a failure nobody knows which of the
/// two a power cut would leave.
pub(super) fn publish(file: &Path) -> io::Result<()> {
    fs::rename(staged(file), file)?;
    folder::sync(file.parent().unwrap_or(Path::new(".")))
}

/// Removes a file that may not be there.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Fails if the file has no name any more: it can be written and synced as ever, and goes with the process.
pub(super) fn assert_named(file: &File) -> io::Result<()> {
    match file.metadata()?.nlink() {
        0 => Err(io::Error::other("it was removed while it was in use")),
        _ => Ok(()),
    }
}

/// The bytes the disk spends on everything below `path`. What vanishes meanwhile counts nothing.
pub(super) fn disk_bytes(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let below = entry.metadata().and_then(|found| {
            if found.is_dir() { disk_bytes(&entry.path()) } else { Ok(found.blocks() * 512) }
        });
        match below {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            below => bytes += below?,
        }
    }
    Ok(bytes)
}

/// The right to use a store's directory; given back when dropped, also by a crash.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock, or `None` if somebody else has it.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        let file =
            File::options().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("rows");
        let file = File::create(&path).unwrap();
        assert_named(&file).unwrap();
        fs::remove_file(&path).unwrap();
        file.sync_all().unwrap();
        assert_named(&file).unwrap_err();
    }

    #[test]
    fn staging_leaves_the_old_content_until_published() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("format");
        for content in ["one", "two"] {
            stage(&file, content.as_bytes()).unwrap();
            assert_ne!(fs::read_to_string(&file).ok().as_deref(), Some(content));
            publish(&file).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        assert!(!staged(&file).exists());
    }
}

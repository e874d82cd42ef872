//! Folders and files that must be on the disk before anything in them counts.
//!
//! A process that was killed leaves its unsynced writes and names to be seen by the next one, which must
//! not answer for them, or remove what they stand for, until they are synced. Never removes anything. A
//! crash in here leaves a folder that is made again or synced again.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Syncs a folder, so that what was created, renamed or removed in it stays so.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder that only its owner may enter, with the parents it lacks, durably. One that is there is made
/// durable: whoever made it may have been killed before that.
pub fn make(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return match sync(parent) {
            // Above a mount or another's folder: that one was not made here.
            Err(error)
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                Ok(())
            }
            result => result,
        };
    }
    make(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // Somebody else has just made it; a file of that name is no folder.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(path)?;
    sync(parent)
}

/// Bytes that an unprivileged process may still write on the disk of `path`.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Syncs a SQLite file, its log of changes and its folder, as far as they are there, before it is opened.
pub(super) fn sync_database(path: &Path) -> io::Result<()> {
    sync_file(path)?;
    sync_log(path)?;
    sync_around(path)
}

/// Syncs the log of changes of a SQLite file; false if there is none. With `synchronous = NORMAL` all that was committed is
/// durable then, if the log's name is (SQLite, "Write-Ahead Logging"). Closing it loses no lock: those are on the file.
pub(super) fn sync_log(path: &Path) -> io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push(OsStr::new("-wal"));
    sync_file(Path::new(&log))
}

/// Syncs the folder that `path` is in.
pub(super) fn sync_around(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder.is_dir() => sync(folder),
        _ => Ok(()),
    }
}

fn sync_file(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => file.sync_data().map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn folders_are_private_and_made_with_their_parents() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        make(&path).unwrap();
        make(&path).unwrap();
        for made in [path, root.path().join("a")] {
            assert_eq!(
                fs::metadata(&made).unwrap().permissions().mode() & 0o777,
                0o700,
                "{}",
                made.display()
            );
        }
    }

    #[test]
    fn a_database_is_synced_with_what_belongs_to_it_or_without() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("journal.db");
        sync_database(&path).unwrap();
        for file in ["journal.db", "journal.db-wal"] {
            fs::write(root.path().join(file), "x").unwrap();
            sync_database(&path).unwrap();
        }
        sync_database(&root.path().join("nowhere/journal.db")).unwrap();
    }
}

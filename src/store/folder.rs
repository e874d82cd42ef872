//! Folders and files that must be on the disk before anything in them counts.
//!
//! A process that was killed leaves its unsynced writes and names to be seen by the next one, which must
//! not answer for them, or remove what they stand for, until they are synced. Never removes anything. A
//! crash in here leaves a folder that is made again or synced again.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The group and everybody else.
const OTHERS: u32 = 0o077;

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

/// Makes the SQLite file at `path`, empty, unless it is there, and sees to it that only its owner reads it and what
/// lies beside it. SQLite takes the file's mode for what it makes beside it.
pub fn make_private(path: &Path) -> io::Result<()> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::metadata(&file) {
            Ok(found) if found.permissions().mode() & OTHERS != 0 => {
                fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The name of what SQLite keeps beside the file at `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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
    sync_file(&beside(path, "-wal"))
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
    fn a_database_is_its_owners_alone_with_what_lies_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("journal.db");
        let modes = || -> Vec<u32> {
            let files = fs::read_dir(root.path()).unwrap().map(Result::unwrap);
            files.map(|file| file.metadata().unwrap().permissions().mode() & 0o777).collect()
        };
        make_private(&path).unwrap();
        assert_eq!(modes(), [0o600]);
        let open = || {
            let file = rusqlite::Connection::open(&path).unwrap();
            file.pragma_update(None, "journal_mode", "WAL").unwrap();
            file.execute_batch("CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)").unwrap();
            file
        };
        let first = open();
        assert_eq!(modes(), [0o600; 3], "the file, its log and its shared memory");
        for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            fs::set_permissions(root.path().join(name), Permissions::from_mode(0o644)).unwrap();
        }
        make_private(&path).unwrap();
        assert_eq!(modes(), [0o600; 3], "those of an earlier version");
        drop(first);
        let rows: u32 = open().query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
        assert_eq!(rows, 2, "what was in it is kept");
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

//! Opening `control.db`: made whole under another name at first, checked each time, migrated forward.
//!
//! A crash while the file is made leaves `control.db.new`, which the next start makes anew. So a
//! `control.db` that is empty or without its mark is never a fresh one, and is refused.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, copying, name, schema};
use crate::store::folder;

/// Opens the file at `path`, which no other process may have open.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    make_if_missing(path)?;
    let cannot = |error: io::Error| Error::Open { path: path.to_path_buf(), why: error.to_string() };
    copying::remove_staged(path).map_err(cannot)?;
    // What a killed process wrote and never synced is seen now, and is answered for from now on.
    folder::sync_database(path).map_err(cannot)?;
    let prepared = prepare(path);
    prepared.map_err(|error| name(path, error))
}

fn prepare(path: &Path) -> Result<Connection, Error> {
    let mut file = connect(path)?;
    // Before the first access: then the lock is held from here on, and the log needs no shared memory.
    file.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "fullfsync", true)?;
    // Replaced secrets are overwritten, not only unlinked.
    file.pragma_update(None, "secure_delete", true)?;
    file.pragma_update(None, "cell_size_check", true)?;
    file.pragma_update(None, "trusted_schema", false)?;
    check(path, &file)?;
    schema::migrate(&mut file, schema::STEPS)?;
    Ok(file)
}

/// A connection to the file, which must be there.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let file = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // Nobody else has the file for a while: either it is ours now, or somebody keeps it.
    file.busy_timeout(Duration::ZERO)?;
    Ok(file)
}

/// Whether it is a control file of a schema that this version reads, and whole.
pub(super) fn check(path: &Path, file: &Connection) -> Result<(), Error> {
    let damaged = |what: String| Err(Error::Damaged { path: path.to_path_buf(), what });
    let mark: i64 = file.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let (found, known) = (schema::version(file)?, schema::newest(schema::STEPS));
    if mark != schema::APPLICATION_ID || found < 1 {
        return damaged("it does not carry the broker's mark".to_owned());
    }
    if found > known {
        return Err(Error::Newer { path: path.to_path_buf(), found, known });
    }
    let verdict: String = file.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { damaged(verdict) }
}

fn make_if_missing(path: &Path) -> Result<(), Error> {
    let cannot = |error: &io::Error| Error::Open { path: path.to_path_buf(), why: error.to_string() };
    let damaged = |what: &str| Err(Error::Damaged { path: path.to_path_buf(), what: what.to_owned() });
    match fs::metadata(path) {
        Ok(found) if found.len() == 0 => damaged("it is empty"),
        Ok(_) => fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| cannot(&error)),
        // SQLite would take the changes of the old file for changes of the new one.
        Err(error) if error.kind() == ErrorKind::NotFound && with_suffix(path, "-wal").exists() => {
            damaged("it is missing, but its -wal file is there")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(path, &cannot),
        Err(error) => Err(cannot(&error)),
    }
}

fn make(path: &Path, cannot: &dyn Fn(&io::Error) -> Error) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let fresh = with_suffix(path, ".new");
    let blank = || -> io::Result<()> {
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            if let Some(parent) = folder.parent().filter(|parent| *parent != Path::new("")) {
                File::open(parent)?.sync_all()?;
            }
        }
        for leftover in [fresh.clone(), with_suffix(&fresh, "-journal")] {
            match fs::remove_file(leftover) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        File::options().write(true).create_new(true).mode(0o600).open(&fresh).map(drop)
    };
    blank().map_err(|error| cannot(&error))?;
    fill(&fresh).map_err(|error| name(path, Error::Sql(error)))?;
    let publish = || -> io::Result<()> {
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    publish().map_err(|error| cannot(&error))
}

fn fill(fresh: &Path) -> rusqlite::Result<()> {
    let mut file = connect(fresh)?;
    file.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    schema::migrate(&mut file, schema::STEPS)?;
    file.close().map_err(|(_, error)| error)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

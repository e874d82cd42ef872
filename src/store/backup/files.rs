//! The files of a backup: measured, copied, synced. Bounded memory whatever their size.
//!
//! Never overwrites a file. A crash leaves files that no list names.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Error, FilePart, at};
use crate::store::folder;

/// What is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Syncs the file `name` of the backup in `dir` and says what it is.
pub(super) fn seal(dir: &Path, name: &str) -> Result<FilePart, Error> {
    let path = dir.join(name);
    let file = File::open(&path).map_err(at(&path))?;
    file.sync_all().map_err(at(&path))?;
    let (bytes, sha256) = pour(file, &mut std::io::sink()).map_err(at(&path))?;
    Ok(FilePart { path: name.to_owned(), bytes, sha256 })
}

/// Copies the file `part` of the backup in `from` into `to`, and checks that it is what was backed up.
pub(super) fn copy(from: &Path, to: &Path, part: &FilePart) -> Result<(), Error> {
    let target = to.join(&part.path);
    let file = open(from, part)?;
    let mut copy =
        File::options().write(true).create_new(true).mode(0o600).open(&target).map_err(at(&target))?;
    let found = pour(file, &mut copy).map_err(at(&target))?;
    copy.sync_all().map_err(at(&target))?;
    compare(from, part, &found)
}

/// Checks that the file `part` of the backup in `from` is what was backed up.
pub(super) fn check(from: &Path, part: &FilePart) -> Result<(), Error> {
    let found = pour(open(from, part)?, &mut std::io::sink()).map_err(at(&from.join(&part.path)))?;
    compare(from, part, &found)
}

fn open(from: &Path, part: &FilePart) -> Result<File, Error> {
    let path = from.join(&part.path);
    File::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Altered { path, detail: "it is missing".to_owned() },
        _ => at(&path)(error),
    })
}

fn compare(from: &Path, part: &FilePart, (bytes, sha256): &(u64, String)) -> Result<(), Error> {
    let altered = |detail: String| Err(Error::Altered { path: from.join(&part.path), detail });
    if *bytes != part.bytes {
        return altered(format!("it has {bytes} bytes and had {}", part.bytes));
    }
    if *sha256 == part.sha256 { Ok(()) } else { altered("its checksum is another".to_owned()) }
}

fn pour(mut from: File, to: &mut dyn Write) -> std::io::Result<(u64, String)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok((bytes, hex::encode(hash.finalize()))),
            read => {
                hash.update(&piece[..read]);
                to.write_all(&piece[..read])?;
                bytes += read as u64;
            }
        }
    }
}

/// The first thing in `dir`, by name, beside those of `except`; a folder that is not there is empty.
pub(super) fn occupant(dir: &Path, except: &[&str]) -> Result<Option<String>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(dir)(error)),
    };
    let mut first: Option<String> = None;
    for entry in entries {
        let name = entry.map_err(at(dir))?.file_name().to_string_lossy().into_owned();
        if !except.contains(&name.as_str()) && first.as_ref().is_none_or(|first| name < *first) {
            first = Some(name);
        }
    }
    Ok(first)
}

/// Refuses what would leave less than `free_bytes_min` on the disk of `path`, or of the nearest folder above it.
pub(super) fn refuse_without_room(path: &Path, bytes: u64, free_bytes_min: u64) -> Result<(), Error> {
    let there = path.ancestors().find(|above| above.is_dir()).unwrap_or(path);
    let needed_bytes = bytes.saturating_add(free_bytes_min);
    match folder::free_bytes(there) {
        Some(free_bytes) if free_bytes < needed_bytes => {
            Err(Error::NoRoom { path: path.to_owned(), free_bytes, needed_bytes })
        }
        _ => Ok(()),
    }
}

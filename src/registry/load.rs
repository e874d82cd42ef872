//! Makes a catalog of a registry's files.
//!
//! All or nothing: one mistake anywhere and there is no catalog, but the error lists every mistake.
//! What comes of it was on the disk all at once: a folder that changed while it was read is read again.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path};

use super::read::{Reader, Reading, digest};
use super::{Cause, Error, Source, embedded};
use crate::domain::catalog::Catalog;

/// Largest file of a registry, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Times that a folder is read before it counts as one that never comes to rest.
const READS_MAX: usize = 8;

/// Reads the registry in the folder `path`.
pub fn from_dir(path: impl AsRef<Path>) -> Result<Catalog, Error> {
    load(&Source::Dir(path.as_ref().to_owned()))
}

/// Reads the registry from `source`.
pub fn load(source: &Source) -> Result<Catalog, Error> {
    let read = whole(source)?;
    match read.catalog {
        Some(catalog) => Ok(catalog),
        None => Err(Error::Invalid(read.problems)),
    }
}

/// A reading whose files stood beside each other as they were read.
pub(super) fn whole(source: &Source) -> Result<Reading, Error> {
    for _ in 0..READS_MAX {
        let read = Reader::read(source);
        if read.files.iter().all(|(name, held)| digest(source, name) == *held) {
            return Ok(read);
        }
    }
    Err(Error::Restless)
}

impl Source {
    /// The text of a file of the registry, named relative to its folder.
    pub(super) fn text(&self, name: &str) -> Result<Cow<'static, str>, Cause> {
        match self {
            Self::Embedded => embedded::text(name).map(Cow::Borrowed).ok_or(Cause::MissingFile),
            Self::Dir(dir) => dir_text(dir, name).map(Cow::Owned),
        }
    }
}

fn dir_text(dir: &Path, name: &str) -> Result<String, Cause> {
    let within = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !within || name.is_empty() {
        return Err(Cause::Outside);
    }
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Cause::MissingFile,
        _ => Cause::Unreadable(error.to_string()),
    };
    let mut text = String::new();
    let file = File::open(dir.join(name)).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Cause::Unreadable(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

//! Opening a store: lock, format, generation, mark; in this order, and nothing is removed before
//! the generation that holds has been opened.
//!
//! A crash while a store is created leaves generation 0 in the format file: nothing was
//! acknowledged, so the next opening starts over. In every other state a missing or unreadable
//! piece is damage, never a reason to start empty.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::engine::EngineKind;
use super::files::DirLock;
use super::format::{self, Format};
use super::generation::{self, Generation, Make};
use super::generational::Generational;
use super::mark::Mark;
use super::tally::Tally;
use super::{Error, Log, front};
use crate::store::folder;

/// What an engine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The engine's page cache. sled's memory grows to several times this.
    pub cache_bytes: u64,
    /// The log in front of it.
    pub front: front::Bounds,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 48 * 1024 * 1024, front: front::Bounds::default() }
    }
}

impl Options {
    pub(super) fn make(self, kind: EngineKind) -> Make {
        Make { kind, cache_bytes: self.cache_bytes, front: self.front }
    }
}

/// Opens the store in `dir`, or makes one there if nothing is.
pub fn open(dir: &Path, engine: EngineKind, options: Options) -> Result<Box<dyn Log>, Error> {
    let make = options.make(engine);
    folder::make(dir).map_err(|error| failed(dir, &error))?;
    let lock = DirLock::take(dir).map_err(|error| failed(dir, &error))?;
    let lock = Arc::new(lock.ok_or_else(|| Error::Locked { path: dir.to_path_buf() })?);
    let mark = Mark::open(dir).map_err(|error| failed(dir, &error))?;
    let (generation, tally) = match read_format(dir, engine)? {
        Some(found) if found.generation > 0 => reopen(dir, found, make, lock, &mark)?,
        _ => create(dir, make, lock, &mark)?,
    };
    Ok(Box::new(Generational::new(dir, make, generation, tally, mark)))
}

/// The engine that the store in `dir` was made by, without opening it; `None` if there is no store, or one whose
/// making broke off.
pub fn made_by(dir: &Path) -> Result<Option<EngineKind>, Error> {
    let path = format::path(dir);
    match Format::read(dir) {
        Ok(Some(Format { generation: 0, .. })) => Ok(None),
        Ok(Some(Format { engine: Some(engine), .. })) => Ok(Some(engine)),
        Ok(Some(other)) => {
            let found = other.mismatch(EngineKind::default()).map_or_else(String::new, |(found, _)| found);
            Err(Error::Format { path, found, wanted: "an engine of this version".to_owned() })
        }
        Ok(None)
            if dir.is_dir() && !generation::list(dir).map_err(|error| failed(dir, &error))?.is_empty() =>
        {
            Err(damaged(&path, "it is missing, but generations are there"))
        }
        Ok(None) => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(damaged(&path, "it is not a format file"))
        }
        Err(error) => Err(failed(&path, &error)),
    }
}

fn read_format(dir: &Path, engine: EngineKind) -> Result<Option<Format>, Error> {
    let path = format::path(dir);
    let found = Format::read(dir).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => damaged(&path, "it is not a format file"),
        _ => failed(&path, &error),
    })?;
    match found {
        None if generation::list(dir).map_err(|error| failed(dir, &error))?.is_empty() => Ok(None),
        None => Err(damaged(&path, "it is missing, but generations are there")),
        Some(found) => match found.mismatch(engine) {
            Some((found, wanted)) => Err(Error::Format { path, found, wanted }),
            None => Ok(Some(found)),
        },
    }
}

fn create(dir: &Path, make: Make, lock: Arc<DirLock>, mark: &Mark) -> Result<(Generation, Tally), Error> {
    if mark.read() > 0 {
        return Err(damaged(dir, "the mark says rows were acknowledged, but no generation holds them"));
    }
    write_format(dir, make.kind, 0)?;
    remove_leftovers(dir, 0).map_err(|error| failed(dir, &error))?;
    let generation = Generation::create(dir, 1, make, lock)?;
    // Before it is published: a failure then leaves both outcomes one that opens.
    generation.hold();
    write_format(dir, make.kind, 1)?;
    Ok((generation, Tally::default()))
}

fn reopen(
    dir: &Path,
    found: Format,
    make: Make,
    lock: Arc<DirLock>,
    mark: &Mark,
) -> Result<(Generation, Tally), Error> {
    let number = found.generation;
    // A killed process may have named this generation and not synced the name: without it the old one counts,
    // so that one must be whole until the name is on the disk.
    folder::sync(dir).map_err(|error| failed(dir, &error))?;
    let (generation, tally) = Generation::open(dir, number, make, found.is_fronted(), lock)?;
    let acknowledged = mark.read();
    if tally.appends < acknowledged {
        let detail = format!("{acknowledged} batches were acknowledged, {} are there", tally.appends);
        return Err(damaged(generation.path(), &detail));
    }
    remove_leftovers(dir, number).map_err(|error| failed(dir, &error))?;
    if found.is_fronted() {
        return Ok((generation, tally));
    }
    let generation = generation.fronted(make)?;
    // Before the first commit, which the version that made the store would not find.
    write_format(dir, make.kind, number)?;
    Ok((generation, tally))
}

fn write_format(dir: &Path, kind: EngineKind, generation: u64) -> Result<(), Error> {
    let format = Format::new(kind, generation);
    format.stage(dir).and_then(|()| format::publish(dir)).map_err(|error| failed(dir, &error))
}

/// Removes what a crash in a compaction or in the creation left: every generation but `held`.
fn remove_leftovers(dir: &Path, held: u64) -> io::Result<()> {
    format::remove_staged(dir)?;
    for number in generation::list(dir)?.into_iter().filter(|number| *number != held) {
        generation::remove(&generation::path(dir, number))?;
    }
    folder::sync(dir)
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Failed { path: path.to_path_buf(), detail: error.to_string() }
}

fn damaged(path: &Path, detail: &str) -> Error {
    Error::Damaged { path: path.to_path_buf(), detail: detail.to_owned() }
}

//! A fresh store made from a file of rows, with whichever engine.
//!
//! The rows are committed in slices and counted against the file's tally; the format file comes last, and until then a crash or a
//! failure leaves a folder that nothing opens. Never touches a folder in which there is a store.

use std::path::Path;
use std::sync::Arc;

use super::engine::EngineKind;
use super::files::DirLock;
use super::format::{self, Format};
use super::generation::Generation;
use super::mark::Mark;
use super::opening::{self, Options};
use super::row::{Change, Key};
use super::rows::{Item, RowsReader};
use super::tally::Tally;
use super::{Error, Stats};
use crate::store::folder;

/// Rows and bytes that are committed at once.
const SLICE_ROWS: usize = 512;
const SLICE_BYTES: usize = 1 << 20;

/// Rows as they are in the file, or that they are gone.
type Slice = Vec<(Key, Option<Vec<u8>>)>;

/// Makes a store of `engine` in `dir`, which is not there yet or has no store in it, from the file of rows `from`.
pub fn restore_rows(dir: &Path, engine: EngineKind, from: &Path) -> Result<Stats, Error> {
    let failed = |error: std::io::Error| Error::Failed { path: dir.to_owned(), detail: error.to_string() };
    let mut reader = RowsReader::open(from)?;
    folder::make(dir).map_err(failed)?;
    let lock = DirLock::take(dir).map_err(failed)?;
    let lock = Arc::new(lock.ok_or_else(|| Error::Locked { path: dir.to_owned() })?);
    if let Some(engine) = opening::made_by(dir)? {
        let detail = format!("a store of {engine} is there");
        return Err(Error::Failed { path: dir.to_owned(), detail });
    }
    let target = Generation::create(dir, 1, Options::default().make(engine), lock)?;
    let tally = pour(&mut reader, &target)?;
    match target.count()? {
        counted if counted.same_rows(&tally) => {}
        counted => return Err(reader.damaged(&format!("its end says {tally}, but there are {counted}"))),
    }
    target.hold();
    target.close()?;
    let mark = Mark::open(dir).and_then(|mark| mark.write(tally.appends));
    mark.and_then(|()| Format::new(engine, 1).stage(dir))
        .and_then(|()| format::publish(dir))
        .map_err(failed)?;
    Ok(reader.stats(tally))
}

/// Commits all rows, then the tally.
fn pour(reader: &mut RowsReader, target: &Generation) -> Result<Tally, Error> {
    let (mut slice, mut bytes) = (Slice::new(), 0);
    let commit = |slice: &Slice, tally| {
        // Of a row that is there twice the last one counts.
        let change: Change<'_> = slice.iter().map(|(key, value)| (*key, value.as_deref())).collect();
        target.commit(change, tally)
    };
    loop {
        match reader.next()? {
            Item::Row(key, value) => {
                bytes += value.as_ref().map_or(0, Vec::len);
                slice.push((key, value));
                if slice.len() >= SLICE_ROWS || bytes >= SLICE_BYTES {
                    commit(&slice, Tally::default())?;
                    slice.clear();
                    bytes = 0;
                }
            }
            Item::End(tally) => {
                commit(&slice, tally)?;
                return Ok(tally);
            }
        }
    }
}

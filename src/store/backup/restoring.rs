//! Putting a backup back: into an empty folder, with either engine, checked file by file, then opened and counted.
//!
//! A mark comes first and goes last: while it is there, also after a crash, a start refuses. So nothing ever starts
//! half. What fails is removed again. The key for secrets at rest is no part of a backup: it may be in the
//! folder before, or come from the config.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::beside::{self, HUB};
use super::manifest::STAGED;
use super::{Error, MANIFEST, Manifest, PARTS, ROWS, at, files};
use crate::domain::secret::Secret;
use crate::store::control::{self, admin_file, sealing};
use crate::store::folder;
use crate::store::journal;
use crate::store::log::{self, EngineKind};
use crate::store::outbox::{self, copying::Inspected};

/// The mark: it names the backup.
const MARK: &str = "restore.unfinished";

/// What was put back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup's list.
    pub manifest: Manifest,
    /// What the outbox holds.
    pub outbox: Inspected,
    /// The names of keys that sealed secrets and are not there yet: the broker won't start without them.
    pub keys_missing: BTreeSet<String>,
}

/// Puts the backup in `from` into the folder `store`, for a broker with this engine and these keys. Blocks.
pub fn restore(
    from: &Path,
    store: &Path,
    engine: EngineKind,
    keys: &[Secret],
    free_bytes_min: u64,
) -> Result<Restored, Error> {
    let manifest = listed(from)?;
    refuse_no_store(store)?;
    let kept = [sealing::FILE, admin_file::FILE];
    if let Some(entry) = files::occupant(store, &kept)? {
        return Err(Error::NotEmpty { path: store.to_owned(), entry });
    }
    // An engine takes more than the rows alone.
    let bytes = manifest.bytes() + manifest.outbox.live_bytes;
    files::refuse_without_room(store, bytes, free_bytes_min)?;
    folder::make(store).map_err(at(store))?;
    mark(from, store).map_err(at(&store.join(MARK)))?;
    let restored = put_back(from, store, engine, &manifest, keys).and_then(|found| {
        unmark(store)?;
        Ok(found)
    });
    if restored.is_err() {
        clear(store);
    }
    restored.map(|(outbox, keys_missing)| Restored { manifest, outbox, keys_missing })
}

/// Reads the backup in `dir` whole: every file is what was backed up, and the rows are all there. Opens and changes nothing.
pub fn check(dir: &Path) -> Result<Manifest, Error> {
    let manifest = listed(dir)?;
    for part in &manifest.files {
        files::check(dir, part)?;
    }
    let (stats, head) = outbox::copying::read_copy(&dir.join(ROWS))?;
    let told = manifest.outbox;
    let wanted = [told.commit, told.appends, told.rows, told.live_bytes];
    let found = [head, stats.appends, stats.rows, stats.live_bytes];
    if wanted == found { Ok(manifest) } else { Err(unfit(&wanted, &found)) }
}

/// The list of the backup in `dir`, if it names all that there must be.
fn listed(dir: &Path) -> Result<Manifest, Error> {
    let manifest = Manifest::read(dir)?;
    match PARTS.into_iter().find(|name| manifest.files.iter().all(|part| part.path != *name)) {
        None => Ok(manifest),
        Some(name) => {
            Err(Error::Manifest { path: dir.join(MANIFEST), detail: format!("{name} is not in it") })
        }
    }
}

fn unfit(wanted: &[u64], found: &[u64]) -> Error {
    Error::Unfit(format!("the list says {wanted:?}, and {found:?} is there"))
}

/// Refuses what looks like a store and is none: a backup, whole or not, and a store whose restore broke off.
pub fn refuse_no_store(store: &Path) -> Result<(), Error> {
    if [MANIFEST, STAGED].iter().any(|list| store.join(list).exists()) {
        return Err(Error::NoStore { path: store.to_owned() });
    }
    let path = store.join(MARK);
    match fs::read(&path) {
        Ok(from) => {
            let from = String::from_utf8_lossy(&from).trim_end().to_owned();
            Err(Error::HalfRestored { store: store.to_owned(), from })
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(at(&path)(error)),
    }
}

fn mark(from: &Path, store: &Path) -> std::io::Result<()> {
    let mut mark = File::create_new(store.join(MARK))?;
    writeln!(mark, "{}", from.display())?;
    mark.sync_all()?;
    folder::sync(store)
}

fn unmark(store: &Path) -> Result<(), Error> {
    let path = store.join(MARK);
    fs::remove_file(&path).and_then(|()| folder::sync(store)).map_err(at(&path))
}

fn put_back(
    from: &Path,
    store: &Path,
    engine: EngineKind,
    manifest: &Manifest,
    keys: &[Secret],
) -> Result<(Inspected, BTreeSet<String>), Error> {
    for part in &manifest.files {
        if part.path == ROWS {
            files::check(from, part)?;
        } else {
            files::copy(from, store, part)?;
        }
    }
    let dir = store.join(outbox::FOLDER);
    log::restore_rows(&dir, engine, &from.join(ROWS))?;
    folder::sync(store).map_err(at(store))?;
    let control = control::copying::inspect(&store.join(control::FILE))?;
    let journal = journal::copying::inspect(&store.join(journal::FILE))?;
    if store.join(HUB).exists() {
        beside::inspect(&store.join(HUB))?;
    }
    let log = log::open(&dir, engine, log::Options::default())?;
    let (stats, outbox) = (log.stats()?, outbox::copying::inspect(log.as_ref())?);
    log.close()?;
    let told = manifest.outbox;
    let wanted = [told.commit, told.appends, told.rows, told.live_bytes, manifest.journal.position];
    let found = [outbox.head, stats.appends, stats.rows, stats.live_bytes, journal.position];
    let counts = (journal.events, control.keys, control.overlays, control.audit);
    let listed = &manifest.control;
    if wanted != found || counts != (manifest.journal.events, listed.keys, listed.overlays, listed.audit) {
        return Err(unfit(&wanted, &found));
    }
    let there = control::copying::key_names(store, keys)?;
    Ok((outbox, control.sealed_with.difference(&there).cloned().collect()))
}

/// Removes what was put back, the mark last, so that a crash here leaves nothing that starts.
fn clear(store: &Path) {
    // What cannot be removed is refused by the next restore.
    for file in [control::FILE, journal::FILE, HUB] {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(store.join(format!("{file}{suffix}")));
        }
    }
    match fs::remove_dir_all(store.join(outbox::FOLDER)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {}
        _ => drop(unmark(store)),
    }
}

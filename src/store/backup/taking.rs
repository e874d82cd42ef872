//! Taking a backup of a store in use.
//!
//! The order is what makes the copies fit together: from the hold on the outbox removes nothing that the
//! journal lacks; then control, then the journal, then the outbox, whose last commit is the barrier, with the hub held at it. So each copy lies at
//! or before the barrier, and the outbox's has all that the others lack. Nothing that is under way waits for a lock longer
//! than one commit, or for the backup's disk: the outbox is written there as a plain file, by no engine. What fails or breaks off is removed again; a crash leaves it without its list.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::beside::{self, Beside, HUB};
use super::manifest::STAGED;
use super::{ControlPart, Error, JournalPart, MANIFEST, Manifest, OutboxPart, PARTS, ROWS, at, files};
use crate::domain::time::Millis;
use crate::store::control::{self, Control};
use crate::store::folder;
use crate::store::journal;
use crate::store::log::{self, EngineKind, RowsWriter};
use crate::store::outbox::Outbox;
use crate::store::outbox::copying::read_copy;

/// What is backed up.
pub struct Source<'a> {
    /// The store's folder.
    pub store: &'a Path,
    /// Its outbox, open.
    pub outbox: &'a Outbox,
    /// Its control file, open.
    pub control: &'a Control,
    /// The outbox's engine.
    pub engine: EngineKind,
    /// What must stay free on a disk.
    pub free_bytes_min: u64,
    /// Breaks it off.
    pub stop: &'a CancellationToken,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `control.db` is copied.
    Control,
    /// `journal.db` is copied.
    Journal,
    /// The outbox is copied; so many rows are.
    Outbox(u64),
    /// `hub.db` is copied, as it was when the outbox was cut.
    Hub,
    /// The copies are read back and their checksums made.
    Checking,
}

impl Stage {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Journal => "journal",
            Self::Outbox(_) => "outbox",
            Self::Hub => "hub",
            Self::Checking => "checking",
        }
    }
}

type Report<'a> = &'a mut dyn FnMut(Stage);

/// Takes a backup into `dir`, an absolute path where nothing is. Everything that was accepted before the call is
/// in it. Blocks.
pub fn take(source: &Source<'_>, dir: &Path, now: Millis, report: Report<'_>) -> Result<Manifest, Error> {
    check_place(source, dir)?;
    let was_there = dir.is_dir();
    folder::make(dir).map_err(at(dir))?;
    // If another has just begun one there, nothing of it may be removed.
    Manifest::begin(dir)?;
    let taken = copy_all(source, dir, now, report);
    if taken.is_err() {
        clear(dir, was_there);
    }
    taken
}

fn check_place(source: &Source<'_>, dir: &Path) -> Result<(), Error> {
    if !dir.is_absolute() {
        return Err(Error::Relative { path: dir.to_owned() });
    }
    let (place, store) = (real(dir), real(source.store));
    if place.starts_with(&store) || store.starts_with(&place) {
        return Err(Error::InStore { path: dir.to_owned(), store: source.store.to_owned() });
    }
    if let Some(entry) = files::occupant(dir, &[])? {
        return Err(Error::NotEmpty { path: dir.to_owned(), entry });
    }
    let (stats, _) = source.outbox.stats()?;
    let databases = [control::FILE, journal::FILE, HUB].map(|file| source.store.join(file));
    let lengths = databases.iter().flat_map(fs::metadata).map(|file| file.len());
    // What comes about meanwhile is on top of the live rows.
    let bytes = stats.live_bytes + stats.live_bytes / 4 + lengths.sum::<u64>();
    files::refuse_without_room(dir, bytes, source.free_bytes_min)
}

/// `path` without links and ways up, also where it is not there yet.
fn real(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            real.pop();
        } else {
            real.push(part);
            real = real.canonicalize().unwrap_or(real);
        }
    }
    real
}

/// Removes what this taking has made; the folder was empty before.
fn clear(dir: &Path, was_there: bool) {
    // What cannot be removed has no list, and so is no backup.
    let _ = fs::remove_file(dir.join(MANIFEST));
    let _ = fs::remove_file(dir.join(STAGED));
    for database in [control::FILE, journal::FILE, HUB] {
        for suffix in ["", "-journal"] {
            let _ = fs::remove_file(dir.join(format!("{database}{suffix}")));
        }
    }
    let _ = fs::remove_file(dir.join(ROWS));
    if !was_there {
        let _ = fs::remove_dir(dir);
    }
}

fn copy_all(source: &Source<'_>, dir: &Path, now: Millis, report: Report<'_>) -> Result<Manifest, Error> {
    let stats = copy_while_held(source, dir, report)?;
    let mut tell = |stage| {
        report(stage);
        if source.stop.is_cancelled() { Err(Error::BrokenOff) } else { Ok(()) }
    };
    tell(Stage::Checking)?;
    let control = control_part(&dir.join(control::FILE))?;
    let journal = journal::copying::inspect(&dir.join(journal::FILE))?;
    let commit = read_back(&dir.join(ROWS), &stats)?;
    if journal.position > commit {
        let detail = format!("the journal is at commit {}, the outbox at {commit}", journal.position);
        return Err(Error::Unfit(detail));
    }
    let hub = dir.join(HUB);
    let hub = if hub.exists() { beside::inspect(&hub).map(|()| Some(HUB))? } else { None };
    let mut parts = Vec::new();
    for name in PARTS.into_iter().chain(hub) {
        tell(Stage::Checking)?;
        parts.push(files::seal(dir, name)?);
    }
    folder::sync(dir).map_err(at(dir))?;
    let log::Stats { appends, rows, live_bytes, .. } = stats;
    let outbox = OutboxPart { commit, appends, rows, live_bytes };
    let journal = JournalPart { position: journal.position, events: journal.events };
    let manifest = Manifest::new(now.rfc3339(), source.engine, outbox, journal, control, parts);
    manifest.write(dir)?;
    Ok(manifest)
}

/// Copies all of it while the outbox keeps what the others may lack.
fn copy_while_held(source: &Source<'_>, dir: &Path, report: Report<'_>) -> Result<log::Stats, Error> {
    let hold = source.outbox.hold();
    let goes_on = || {
        if source.stop.is_cancelled() {
            return Err(Error::BrokenOff);
        }
        if hold.is_kept() { Ok(()) } else { Err(Error::LetGo) }
    };
    report(Stage::Control);
    source.control.copy_to(&dir.join(control::FILE))?;
    goes_on()?;
    report(Stage::Journal);
    let (stop, is_kept) = (source.stop.clone(), hold.watch());
    let (from, to) = (source.store.join(journal::FILE), dir.join(journal::FILE));
    let copied = journal::copying::copy(&from, &to, move || !stop.is_cancelled() && is_kept());
    // If it was broken off, this says why.
    goes_on()?;
    copied?;
    let mut rows = RowsWriter::create(&dir.join(ROWS))?;
    let (mut hub, mut held) = (Beside::of(source.store), Ok(()));
    let copied = source.outbox.copy_to(&mut rows, &mut |progress| {
        match (progress.stage, &mut hub) {
            (log::Stage::Barrier, Some(hub)) => held = hub.hold(),
            (log::Stage::Cut, Some(hub)) => hub.let_go(),
            _ => report(Stage::Outbox(progress.rows)),
        }
        if held.is_err() || goes_on().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    goes_on()?;
    held?;
    let stats = copied?.ok_or(Error::BrokenOff)?;
    if let Some(hub) = hub {
        report(Stage::Hub);
        hub.copy(&dir.join(HUB), goes_on)?;
    }
    Ok(stats)
}

fn control_part(path: &Path) -> Result<ControlPart, Error> {
    let found = control::copying::inspect(path)?;
    Ok(ControlPart {
        schema: found.schema,
        keys: found.keys,
        overlays: found.overlays,
        audit: found.audit,
        sealed_with: found.sealed_with.into_iter().collect(),
    })
}

/// Reads the outbox's copy to its end and returns its last commit.
fn read_back(path: &Path, copied: &log::Stats) -> Result<u64, Error> {
    let (found, head) = read_copy(path)?;
    if found != *copied {
        return Err(Error::Unfit(format!("{copied:?} was written to {} and {found:?} read", path.display())));
    }
    Ok(head)
}

//! A store looked over while no broker uses it: each file by itself, and whether they fit together.
//!
//! Opens what a start would open and checks what a start would check, and goes on where a start would stop, so
//! that all that is wrong is said at once. Never makes, mends or removes anything of the store's, but for what an engine tidies when it
//! opens a whole file. A crash leaves the store as it was.

mod access;
mod databases;

use std::path::Path;

use crate::config::show_size;
use crate::domain::secret::Secret;
use crate::store::backup;
use crate::store::journal;
use crate::store::log::{self, EngineKind};
use crate::store::outbox::{self, copying::Inspected};

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// A start would work, and still somebody should look.
    Doubtful,
    /// A start would refuse, or lose something.
    Bad,
}

impl Verdict {
    /// The word for people and tools.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing, such as `outbox`.
    pub subject: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub what: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Finding {
    /// All is well with `subject`.
    pub fn good(subject: &'static str, what: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Good, what: what.into(), mend: None }
    }

    /// Something about `subject` should be looked at.
    pub fn doubtful(subject: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Doubtful, what: what.into(), mend: Some(mend.into()) }
    }

    /// Something about `subject` must be mended.
    pub fn bad(subject: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Bad, what: what.into(), mend: Some(mend.into()) }
    }
}

/// Which store is looked over, and with which settings.
pub struct Patient<'a> {
    /// Its folder.
    pub store: &'a Path,
    /// The engine of the config.
    pub engine: EngineKind,
    /// The keys for secrets at rest of the config.
    pub keys: &'a [Secret],
    /// What must stay free on its disk.
    pub free_bytes_min: u64,
}

/// Looks the store over. Blocks; takes as long as reading all of it.
pub fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let store = patient.store;
    let mend_path =
        "store.path names the folder; the first start makes a store in one that is empty or not there";
    let Ok(entries) = std::fs::read_dir(store) else {
        return vec![Finding::bad(
            "store",
            format!("{} cannot be read, or is no folder", store.display()),
            mend_path,
        )];
    };
    if let Err(error) = backup::refuse_no_store(store) {
        let mend = match error {
            backup::Error::NoStore { .. } => {
                "give the store another place (store.path), and restore the backup there"
            }
            _ => "empty the folder, keep its secret.key and admin.key, and restore again",
        };
        let mut findings = vec![Finding::bad("store", error.to_string(), mend)];
        if matches!(error, backup::Error::NoStore { .. }) {
            findings.push(a_backup(store));
        }
        return findings;
    }
    if !store.join(outbox::FOLDER).is_dir() {
        let what = match entries.count() {
            0 => format!("{} is empty", store.display()),
            1 => format!("{} holds one thing and no outbox: it is no store", store.display()),
            count => {
                format!("{} holds {count} things and no outbox: it is no store", store.display())
            }
        };
        return vec![Finding::bad("store", what, mend_path)];
    }
    let mut findings = vec![Finding::good("store", store.display().to_string())];
    let head = outbox(patient, &mut findings);
    if head == Outcome::InUse {
        return findings;
    }
    databases::journal(&store.join(journal::FILE), head.inspected(), &mut findings);
    databases::control(patient, &mut findings);
    databases::hub(&store.join(backup::HUB), &mut findings);
    access::permissions(store, &mut findings);
    access::space(patient, &mut findings);
    findings
}

/// Whether the backup in `dir` is whole; no engine opens anything there.
fn a_backup(dir: &Path) -> Finding {
    const SUBJECT: &str = "backup";
    match backup::check(dir) {
        Ok(found) => Finding::good(
            SUBJECT,
            format!(
                "whole, {}, taken {} from {}; commit {}, rows {} of {}",
                show_size(found.bytes()),
                found.taken_at,
                found.engine,
                found.outbox.commit,
                found.outbox.rows,
                show_size(found.outbox.live_bytes)
            ),
        ),
        Err(error) => {
            let mend = "do not rely on it: take another copy of it, or another backup";
            Finding::bad(SUBJECT, error.to_string(), mend)
        }
    }
}

/// What mends damage.
const RESTORE: &str = "restore a backup, or move the store's folder away to start anew; nothing was changed";

/// How the look at the outbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It could be read.
    Read(Inspected),
    /// It could not.
    Unread,
    /// A broker uses it, so nothing else can be told.
    InUse,
}

impl Outcome {
    fn inspected(self) -> Option<Inspected> {
        if let Self::Read(inspected) = self { Some(inspected) } else { None }
    }
}

fn outbox(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Outcome {
    let dir = patient.store.join(outbox::FOLDER);
    match log::made_by(&dir) {
        Ok(Some(engine)) if engine == patient.engine => {}
        Ok(Some(engine)) => {
            let what = format!("it was made by {engine}, and store.engine is \"{}\"", patient.engine);
            findings.push(Finding::bad("outbox", what, format!("set store.engine = \"{engine}\"")));
            return Outcome::Unread;
        }
        Ok(None) => {
            let what = format!("{} holds no rows and never did", dir.display());
            let mend = "a first start broke off there, or it is no store of Camino; check store.path";
            findings.push(Finding::bad("outbox", what, mend));
            return Outcome::Unread;
        }
        Err(error) => return unread(&error.into(), findings),
    }
    read(&dir, patient.engine, findings).map_or_else(|error| unread(&error, findings), Outcome::Read)
}

/// Says why the outbox could not be read, and what mends that.
fn unread(error: &outbox::Error, findings: &mut Vec<Finding>) -> Outcome {
    let (what, mend) = match error {
        outbox::Error::Log(log::Error::Locked { .. }) => {
            let mend = "stop the broker first; a running one is asked by GET /readyz and `/metrics`";
            findings.push(Finding::bad("outbox", error.to_string(), mend));
            return Outcome::InUse;
        }
        outbox::Error::Log(log::Error::Format { .. }) => {
            (error.to_string(), "start the version of Camino that made it")
        }
        outbox::Error::Log(log::Error::Failed { .. }) => {
            (error.to_string(), "check the disk, and that this user may read and write the store")
        }
        outbox::Error::Damaged(what) => (format!("it is damaged: {what}"), RESTORE),
        error => (error.to_string(), RESTORE),
    };
    findings.push(Finding::bad("outbox", what, mend));
    Outcome::Unread
}

/// Opens the outbox as a start does: the rows are counted against the tally, the index and the dedupe records read back.
fn read(dir: &Path, engine: EngineKind, findings: &mut Vec<Finding>) -> Result<Inspected, outbox::Error> {
    let log = log::open(dir, engine, log::Options::default())?;
    let read = log.stats().map_err(outbox::Error::from).and_then(|stats| {
        let what = format!(
            "{engine}: rows {} of {}, as its tally says; {} on the disk",
            stats.rows,
            show_size(stats.live_bytes),
            show_size(stats.disk_bytes)
        );
        findings.push(Finding::good("engine", what));
        outbox::copying::inspect(log.as_ref())
    });
    log.close()?;
    let found = read?;
    let what = format!(
        "commit {}; receivers {}, deliveries open {}, dead {}, events in quarantine {}",
        found.head, found.receivers, found.open, found.dead, found.quarantined
    );
    findings.push(Finding::good("outbox", what));
    let dedupe = found.dedupe;
    let records = dedupe.records + dedupe.fresh as u64;
    let what = format!("ids remembered {records}, runs {}, leaves {}", dedupe.runs, dedupe.leaves);
    findings.push(Finding::good("dedupe", what));
    Ok(found)
}

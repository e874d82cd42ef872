//! The list of a backup: what it is of, and every file with its checksum.
//!
//! Written last and whole, so a backup with a list was finished. From the first moment on an empty one under another
//! name says what the folder is going to be. Holds no secret.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::{Error, at};
use crate::store::folder;
use crate::store::log::EngineKind;

/// The list's name in the backup's folder.
pub const FILE: &str = "manifest.json";
/// The list until it is whole.
pub(super) const STAGED: &str = "manifest.json.new";
/// The form of the list and of the folder around it.
const FORMAT: u32 = 1;

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of this list.
    pub format: u32,
    /// The version of the broker that took it.
    pub version: String,
    /// When it was begun: everything accepted before is in it.
    pub taken_at: String,
    /// The engine that the outbox was of; a restore may choose another.
    pub engine: EngineKind,
    /// The outbox.
    pub outbox: OutboxPart,
    /// The journal.
    pub journal: JournalPart,
    /// The control file.
    pub control: ControlPart,
    /// Every file but this one.
    pub files: Vec<FilePart>,
}

/// What the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxPart {
    /// The last commit in it: the barrier that the other files lie before.
    pub commit: u64,
    /// Batches ever appended.
    pub appends: u64,
    /// Live rows.
    pub rows: u64,
    /// Their bytes.
    pub live_bytes: u64,
}

/// What the journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalPart {
    /// The last commit in it; what came after is in the outbox.
    pub position: u64,
    /// Events.
    pub events: u64,
}

/// What the control file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPart {
    /// The schema of its tables.
    pub schema: i64,
    /// Keys.
    pub keys: u64,
    /// Endpoints changed over the API.
    pub overlays: u64,
    /// Audit entries.
    pub audit: u64,
    /// The names of the keys that its secrets are sealed with. The keys are not in the backup.
    pub sealed_with: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePart {
    /// Its name in the backup.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl Manifest {
    /// A list in today's form.
    pub(super) fn new(
        taken_at: String,
        engine: EngineKind,
        outbox: OutboxPart,
        journal: JournalPart,
        control: ControlPart,
        files: Vec<FilePart>,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, taken_at, engine, outbox, journal, control, files }
    }

    /// All bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads the list of the backup in `dir`.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let wrong = |detail: String| Error::Manifest { path: path.clone(), detail };
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Error::Unfinished { path: dir.to_owned() },
            _ => at(&path)(error),
        })?;
        let found: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if found.format != FORMAT {
            return Err(wrong(format!("it has form {}, and this version reads form {FORMAT}", found.format)));
        }
        match found.files.iter().find(|file| !is_inside(&file.path)) {
            Some(stray) => Err(wrong(format!("`{}` is no file of a backup", stray.path))),
            None => Ok(found),
        }
    }

    /// Marks `dir` as a backup to be.
    pub(super) fn begin(dir: &Path) -> Result<(), Error> {
        let fresh = dir.join(STAGED);
        let begun = File::options().write(true).create_new(true).mode(0o600).open(&fresh);
        begun.and_then(|file| file.sync_all()).and_then(|()| folder::sync(dir)).map_err(at(&fresh))
    }

    /// Writes the list into `dir`, whole, as the last of its files.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let (path, fresh) = (dir.join(FILE), dir.join(STAGED));
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Manifest { path: path.clone(), detail: error.to_string() })?;
        let write = || {
            let mut file = File::options().write(true).truncate(true).open(&fresh)?;
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            folder::sync(dir)
        };
        write().map_err(at(&path))
    }
}

/// Whether a listed path stays in the folder: one name, no way up and none from the root.
fn is_inside(path: &str) -> bool {
    Path::new(path).components().eq([Component::Normal(path.as_ref())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str) -> Manifest {
        Manifest::new(
            "2026-11-21T12:00:00.000Z".to_owned(),
            EngineKind::Redb,
            OutboxPart { commit: 9, appends: 8, rows: 7, live_bytes: 600 },
            JournalPart { position: 5, events: 4 },
            ControlPart { schema: 1, keys: 3, overlays: 2, audit: 1, sealed_with: vec!["ab".to_owned()] },
            vec![FilePart { path: path.to_owned(), bytes: 1, sha256: "00".to_owned() }],
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(dir.path()), Err(Error::Unfinished { .. })));
        let written = manifest("outbox.rows");
        Manifest::begin(dir.path()).unwrap();
        written.write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), written);
    }

    #[test]
    fn a_list_of_another_form_or_with_ways_out_is_refused() {
        for (stray, form) in
            [("../x", 1), ("/etc/x", 1), ("", 1), ("a/../../x", 1), ("a/b", 1), ("..", 1), ("a", 2)]
        {
            let dir = tempfile::tempdir().unwrap();
            Manifest::begin(dir.path()).unwrap();
            Manifest { format: form, ..manifest(stray) }.write(dir.path()).unwrap();
            assert!(matches!(Manifest::read(dir.path()), Err(Error::Manifest { .. })), "{stray} {form}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{\"format\":1").unwrap();
        assert!(matches!(Manifest::read(dir.path()), Err(Error::Manifest { .. })));
    }
}

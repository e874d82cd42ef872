//! The file that keeps a listener's place.
//!
//! Replaced as a whole, on the disk before it counts: whatever happens, it holds the old place or the new
//! one. One process at a time has it. A damaged one is refused: to begin anew by itself would leave events
//! out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use http::Uri;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cli::failure::Failure;

/// What the place is a place in: events of one broker, by one filter, for one URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    broker: String,
    target: String,
    filter: Vec<(String, String)>,
}

/// Where a listener stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stands {
    /// After the last event that was taken.
    At(String),
    /// Before the first one that was accepted at this time or later: nothing was taken yet.
    Since(String),
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    #[serde(flatten)]
    terms: Terms,
    /// The place.
    pub(super) stands: Stands,
    /// The secret that was made up for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// The file, held against others.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    draft: PathBuf,
    terms: Terms,
    kept: Option<Saved>,
    _lock: File,
}

impl Terms {
    /// The terms of one listener.
    pub(super) fn new(broker: &str, target: &Uri, filter: &[(&str, &str)]) -> Self {
        let filter = filter.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { broker: broker.to_owned(), target: target.to_string(), filter }
    }

    fn name(&self) -> String {
        let mut hasher = Sha256::new();
        let filter = self.filter.iter().flat_map(|(name, value)| [name, value]);
        for part in [&self.broker, &self.target].into_iter().chain(filter) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("listen-{}.json", &hex::encode(hasher.finalize())[..16])
    }
}

/// Where the place is kept unless somebody says where.
pub(super) fn default_path(terms: &Terms) -> Result<PathBuf, Failure> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = var("XDG_STATE_HOME").or_else(|| Some(var("HOME")?.join(".local/state")));
    let base = base.ok_or_else(|| {
        Failure::new("there is no folder to keep the place in: HOME is not set", "name a file with --state")
    })?;
    Ok(base.join("camino").join(terms.name()))
}

impl Place {
    /// Takes the file at `path` for these terms, and reads what it keeps, if it is there.
    pub(super) fn open(path: &Path, terms: Terms) -> Result<(Self, Option<Saved>), Failure> {
        let failed = |error: io::Error| {
            let what = format!("cannot keep the place in {}: {error}", path.display());
            Failure::new(what, "--state names another file")
        };
        let beside = |end: &str| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(end);
            path.with_file_name(name)
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut lock = OpenOptions::new();
        lock.write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(beside(".lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("another `camino listen` goes by {}", path.display());
                return Err(Failure::new(what, "stop that one, or name another file with --state"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let saved = match fs::read(path) {
            Ok(bytes) => Some(read(path, &bytes, &terms)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let (path, draft, kept) = (path.to_owned(), beside(".new"), saved.clone());
        let place = Self { path, draft, terms, kept, _lock: lock };
        Ok((place, saved))
    }

    /// Keeps `stands` from now on.
    pub(super) fn keep(&mut self, stands: Stands, secret: Option<&str>) -> Result<(), Failure> {
        let saved = Saved { terms: self.terms.clone(), stands, secret: secret.map(ToOwned::to_owned) };
        if self.kept.as_ref() == Some(&saved) {
            return Ok(());
        }
        self.replace(&saved).map_err(|error| {
            let what = format!("cannot keep the place in {}: {error}", self.path.display());
            Failure::new(
                what,
                "nothing is lost: it goes on from the place before, once the file can be written",
            )
        })?;
        self.kept = Some(saved);
        Ok(())
    }

    fn replace(&self, saved: &Saved) -> io::Result<()> {
        let mut draft = OpenOptions::new();
        let mut draft = draft.write(true).create(true).truncate(true).mode(0o600).open(&self.draft)?;
        draft.write_all(&serde_json::to_vec(saved)?)?;
        draft.sync_data()?;
        fs::rename(&self.draft, &self.path)
    }
}

fn read(path: &Path, bytes: &[u8], terms: &Terms) -> Result<Saved, Failure> {
    let anew = "remove it to begin anew, with --since for what was missed, or name another file with --state";
    let saved: Saved = serde_json::from_slice(bytes)
        .map_err(|error| Failure::new(format!("{} is damaged: {error}", path.display()), anew))?;
    if saved.terms == *terms {
        return Ok(saved);
    }
    let Terms { broker, target, filter } = &saved.terms;
    let filter: Vec<String> = filter.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let what = format!(
        "{} keeps the place of another listener: {broker} to {target} {}",
        path.display(),
        filter.join(" ")
    );
    Err(Failure::new(what.trim_end(), anew))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(target: &'static str, filter: &[(&str, &str)]) -> Terms {
        Terms::new("http://127.0.0.1:8080", &Uri::from_static(target), filter)
    }

    #[test]
    fn a_place_is_kept_and_held_against_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/state.json");
        let mine = terms("http://localhost:3000/", &[("receiver", "baul")]);
        let (mut place, saved) = Place::open(&path, mine.clone()).unwrap();
        assert_eq!(saved, None);
        place.keep(Stands::Since("2026-04-16T12:00:00Z".to_owned()), Some("made up")).unwrap();
        place.keep(Stands::At("6~2".to_owned()), Some("made up")).unwrap();
        let held = Place::open(&path, mine.clone()).unwrap_err();
        assert!(held.to_string().starts_with("another `camino listen` goes by"), "{held}");
        drop(place);
        let (_place, saved) = Place::open(&path, mine.clone()).unwrap();
        let saved = saved.unwrap();
        assert_eq!(saved.stands, Stands::At("6~2".to_owned()));
        assert_eq!(saved.secret.as_deref(), Some("made up"));
    }

    #[test]
    fn what_is_damaged_or_anothers_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mine = terms("http://localhost:3000/", &[]);
        Place::open(&path, mine.clone()).unwrap().0.keep(Stands::At("5~1".to_owned()), None).unwrap();
        let other = Place::open(&path, terms("http://localhost:3001/", &[])).unwrap_err();
        assert!(other.to_string().contains("keeps the place of another listener"), "{other}");
        for damaged in ["", "{", "{}"] {
            fs::write(&path, damaged).unwrap();
            let refused = Place::open(&path, mine.clone()).unwrap_err();
            assert!(refused.to_string().contains("is damaged"), "{refused}");
        }
    }

    #[test]
    fn other_terms_have_a_file_of_their_own() {
        let names = [
            terms("http://localhost:3000/", &[]).name(),
            terms("http://localhost:3001/", &[]).name(),
            terms("http://localhost:3000/", &[("source", "a")]).name(),
            terms("http://localhost:3000/", &[("receiver", "a")]).name(),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
        }
    }
}

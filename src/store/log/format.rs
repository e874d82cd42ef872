//! The format file: who wrote this store, and which generation of it holds.
//!
//! One small file, replaced whole, decides both; so a crash leaves exactly one generation that
//! counts. Generation 0 stands for a store that is being created and has acknowledged nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::engine::EngineKind;
use super::files;

/// The version of the files' layout this code reads and writes.
const LAYOUT: u32 = 3;
/// The version before: no log in front of the engine. It is read, and is of this version from then on.
const UNFRONTED: u32 = 2;
const FILE: &str = "format";

/// What the format file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub layout: u32,
    /// The engine's name; `None` for one this code doesn't know.
    pub engine: Option<EngineKind>,
    pub generation: u64,
}

impl Format {
    pub fn new(engine: EngineKind, generation: u64) -> Self {
        Self { layout: LAYOUT, engine: Some(engine), generation }
    }

    /// Reads the file; `None` if there is none, an error of kind `InvalidData` if it makes no sense.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(path(dir)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        parse(&text).map(Some).ok_or_else(|| io::Error::from(ErrorKind::InvalidData))
    }

    /// What the file has and what was wanted instead, if this code must not touch the store.
    pub fn mismatch(&self, wanted: EngineKind) -> Option<(String, String)> {
        let name = |engine: Option<EngineKind>| engine.map_or("an unknown engine", EngineKind::as_str);
        let say = |layout: u32, engine| format!("{} with layout {layout}", name(engine));
        (![UNFRONTED, LAYOUT].contains(&self.layout) || self.engine != Some(wanted))
            .then(|| (say(self.layout, self.engine), say(LAYOUT, Some(wanted))))
    }

    /// Whether a log lies in front of the engine.
    pub fn is_fronted(&self) -> bool {
        self.layout != UNFRONTED
    }

    /// Writes the file that [`publish`] will put in place.
    pub fn stage(&self, dir: &Path) -> io::Result<()> {
        let engine = self.engine.map_or("", EngineKind::as_str);
        let text = format!("layout {}\nengine {engine}\ngeneration {}\n", self.layout, self.generation);
        files::stage(&path(dir), text.as_bytes())
    }
}

fn parse(text: &str) -> Option<Format> {
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let layout = field("layout")?.parse().ok()?;
    let engine = field("engine")?.parse().ok();
    let generation = field("generation")?.parse().ok()?;
    Some(Format { layout, engine, generation })
}

/// Puts the staged file in place, durably.
pub(super) fn publish(dir: &Path) -> io::Result<()> {
    files::publish(&path(dir))
}

/// Removes what a crash between staging and publishing left.
pub(super) fn remove_staged(dir: &Path) -> io::Result<()> {
    files::remove_file(&files::staged(&path(dir)))
}

/// The format file of the store in `dir`.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Format::read(dir.path()).unwrap(), None);
        let format = Format::new(EngineKind::Redb, 12);
        format.stage(dir.path()).unwrap();
        publish(dir.path()).unwrap();
        assert_eq!(Format::read(dir.path()).unwrap(), Some(format));
        assert_eq!(format.mismatch(EngineKind::Redb), None);
    }

    #[test]
    fn another_engine_or_layout_is_named() {
        let found = parse("layout 3\nengine redb\ngeneration 3\n").unwrap();
        let (found, wanted) = found.mismatch(EngineKind::Sled).unwrap();
        assert_eq!((found.as_str(), wanted.as_str()), ("redb with layout 3", "sled with layout 3"));
        for text in [
            "layout 1\nengine sled\ngeneration 3",
            "layout 4\nengine sled\ngeneration 3",
            "layout 3\nengine rocks\ngeneration 3",
        ] {
            assert!(parse(text).unwrap().mismatch(EngineKind::Sled).is_some(), "{text}");
        }
    }

    #[test]
    fn the_layout_before_is_read() {
        for (layout, is_fronted) in [(2, false), (3, true)] {
            let found = parse(&format!("layout {layout}\nengine sled\ngeneration 3")).unwrap();
            assert_eq!((found.mismatch(EngineKind::Sled), found.is_fronted()), (None, is_fronted));
        }
    }

    #[test]
    fn a_torn_file_is_no_format() {
        for text in ["", "layout", "layout 1\nengine sled\n", "engine sled\nlayout 1\ngeneration 1\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

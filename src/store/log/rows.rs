//! The rows of a log in one plain file that no engine has to understand.
//!
//! A line that says what it is; then frames, each a length, a checksum of length and content, and the content: what the
//! rows are of, then row after row as it was put or that it was removed, of which the last counts, then the end with the
//! number of them and the log's own tally. What is cut short, altered or of another form is refused, and never more than
//! a row is brought into memory for it. A crash leaves a file without an end.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::engine::EngineKind;
use super::row::{Change, Key, ROW_BYTES_MAX, RowId};
use super::tally::Tally;
use super::{Error, Stats};

/// The file's first bytes, whatever the version.
const MAGIC: &[u8] = b"camino rows\n";
/// The version of what follows them.
const VERSION: u32 = 1;
/// The version of what is in the rows. How a store keeps them is its own business.
const LAYOUT: u32 = 2;
/// Before the content of a frame: its length and the checksum.
const PREFIX_BYTES: usize = 8;
/// A frame's longest content: its kind, a key, a row.
const CONTENT_BYTES_MAX: usize = 1 + size_of::<Key>() + ROW_BYTES_MAX;
/// What is read at once.
const READ_BYTES: usize = 256 << 10;

// The first byte of a frame's content.
const HEADER: u8 = b'H';
const PUT: u8 = b'P';
const REMOVED: u8 = b'R';
const END: u8 = b'E';

/// Writes such a file.
pub struct RowsWriter {
    name: PathBuf,
    to: Box<dyn Write>,
    /// Rows put or removed so far.
    rows: u64,
    bytes: u64,
}

/// A file that is on the disk when it was flushed.
struct Durable(File);

impl Write for Durable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl RowsWriter {
    /// Makes the file `path`, where nothing may be; only its owner may read it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        Ok(Self::over(path, Box::new(Durable(file.map_err(|error| failed(path, &error))?))))
    }

    /// Writes to `to`, which errors call `name`.
    pub fn over(name: &Path, to: Box<dyn Write>) -> Self {
        Self { name: name.to_owned(), to, rows: 0, bytes: 0 }
    }

    /// What the errors call it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Says what the rows are of. Comes first.
    pub(super) fn begin(&mut self, engine: EngineKind) -> Result<(), Error> {
        let mut bytes = MAGIC.to_vec();
        let text = format!("version {VERSION}\nlayout {LAYOUT}\nengine {engine}\n");
        frame(&mut bytes, HEADER, &[text.as_bytes()]);
        self.write(&bytes)
    }

    /// Writes rows as they are, or that they are gone.
    pub(super) fn rows(&mut self, change: &Change<'_>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for (key, value) in change {
            match value {
                Some(value) => frame(&mut bytes, PUT, &[key, value]),
                None => frame(&mut bytes, REMOVED, &[key]),
            }
        }
        self.rows += change.len() as u64;
        self.write(&bytes)
    }

    /// Ends the file, and says what it holds by the log's `tally`.
    pub(super) fn end(&mut self, tally: Tally) -> Result<Stats, Error> {
        let mut bytes = Vec::new();
        frame(&mut bytes, END, &[&self.rows.to_be_bytes(), &tally.to_bytes()]);
        self.write(&bytes)?;
        Ok(stats(tally, self.bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        let written = self.to.write_all(bytes).and_then(|()| self.to.flush());
        written.map_err(|error| failed(&self.name, &error))
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    debug_assert!(length <= CONTENT_BYTES_MAX, "a frame of {length} bytes");
    let start = bytes.len();
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.push(kind);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    let (prefix, content) = bytes[start..].split_at_mut(PREFIX_BYTES);
    let checksum = checksum(&prefix[..4], content);
    prefix[4..].copy_from_slice(&checksum.to_be_bytes());
}

fn checksum(length: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(content);
    hasher.finalize()
}

/// What a file holds, one after the other.
pub(super) enum Item {
    /// A row is so from here on, or is gone.
    Row(Key, Option<Vec<u8>>),
    /// Nothing follows, and this is what the log counted.
    End(Tally),
}

/// Reads such a file.
pub(super) struct RowsReader {
    name: PathBuf,
    from: BufReader<File>,
    rows: u64,
    bytes: u64,
}

impl RowsReader {
    /// Opens the file `path`, if it is of this version and layout.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| failed(path, &error))?;
        let from = BufReader::with_capacity(READ_BYTES, file);
        let mut this = Self { name: path.to_owned(), from, rows: 0, bytes: 0 };
        let mut magic = [0; MAGIC.len()];
        this.fill(&mut magic)?;
        if magic != MAGIC {
            return Err(this.damaged("it is no file of rows"));
        }
        let (kind, text) = this.content()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines();
        let mut number =
            |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ')?.parse::<u32>().ok();
        let (version, layout) = (number("version"), number("layout"));
        if kind != HEADER || version.is_none() {
            return Err(this.damaged("it does not say of what it is"));
        }
        if (version, layout) == (Some(VERSION), Some(LAYOUT)) {
            return Ok(this);
        }
        let said = |number: Option<u32>| number.map_or("an unknown".to_owned(), |number| number.to_string());
        let found = format!("version {} with layout {}", said(version), said(layout));
        Err(Error::Format {
            path: this.name,
            found,
            wanted: format!("version {VERSION} with layout {LAYOUT}"),
        })
    }

    /// What comes next. After the end nothing more may be asked.
    pub fn next(&mut self) -> Result<Item, Error> {
        let (kind, content) = self.content()?;
        let (key, rest) = content.split_at(content.len().min(size_of::<Key>()));
        let key = Key::try_from(key);
        match (kind, key) {
            (PUT, Ok(key)) => self.row(key, Some(rest.to_vec())),
            (REMOVED, Ok(key)) if rest.is_empty() => self.row(key, None),
            (END, _) => self.end(&content),
            _ => Err(self.damaged(&format!("what follows row {} makes no sense", self.rows))),
        }
    }

    /// What the file takes, and what it says that it holds.
    pub fn stats(&self, tally: Tally) -> Stats {
        stats(tally, self.bytes)
    }

    fn row(&mut self, key: Key, value: Option<Vec<u8>>) -> Result<Item, Error> {
        self.rows += 1;
        if RowId::from_key(&key).is_none() {
            return Err(self.damaged(&format!("row {} is of no known space", self.rows)));
        }
        Ok(Item::Row(key, value))
    }

    fn end(&mut self, content: &[u8]) -> Result<Item, Error> {
        let (rows, tally) = content.split_at(content.len().min(8));
        let (Ok(rows), Some(tally)) = (rows.try_into().map(u64::from_be_bytes), Tally::from_bytes(tally))
        else {
            return Err(self.damaged("its end makes no sense"));
        };
        if rows != self.rows {
            return Err(self.damaged(&format!("its end says {rows} rows, and {} are there", self.rows)));
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(Item::End(tally)),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(failed(&self.name, &error)),
        }
    }

    /// The kind and the rest of the next frame's content.
    fn content(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let mut prefix = [0; PREFIX_BYTES];
        self.fill(&mut prefix)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let wrong = || format!("the checksum of what follows row {} is another", self.rows);
        if !(1..=CONTENT_BYTES_MAX).contains(&length) {
            return Err(self.damaged(&wrong()));
        }
        let wrong = wrong();
        let mut content = vec![0; length];
        self.fill(&mut content)?;
        if checksum(&prefix[..4], &content) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged(&wrong));
        }
        let kind = content.remove(0);
        Ok((kind, content))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.damaged(&format!("it is cut short after row {}", self.rows)),
            _ => failed(&self.name, &error),
        })
    }

    pub fn damaged(&self, detail: &str) -> Error {
        Error::Damaged { path: self.name.clone(), detail: detail.to_owned() }
    }
}

/// Reads the file of rows `path` to its end, and visits what it holds: rows as they were put, of which the last counts,
/// and `None` where one was removed. Returns what the file says that the log held.
pub fn read_rows(path: &Path, visit: &mut dyn FnMut(RowId, Option<&[u8]>)) -> Result<Stats, Error> {
    let mut reader = RowsReader::open(path)?;
    loop {
        match reader.next()? {
            Item::End(tally) => return Ok(reader.stats(tally)),
            Item::Row(key, value) => {
                if let Some(row) = RowId::from_key(&key) {
                    visit(row, value.as_deref());
                }
            }
        }
    }
}

fn stats(tally: Tally, disk_bytes: u64) -> Stats {
    let Tally { appends, rows, live_bytes, .. } = tally;
    Stats { disk_bytes, front_bytes: 0, live_bytes, rows, appends }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Failed { path: path.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Space;
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        tally.appends = 9;
        tally.add(&key(2), 3);
        tally
    }

    fn key(commit: u64) -> Key {
        RowId::first(Space::Moves, commit).key()
    }

    /// A file of two rows put and one removed, and its bytes.
    fn written(dir: &Path) -> (PathBuf, Vec<u8>) {
        let path = dir.join("outbox.rows");
        let mut writer = RowsWriter::create(&path).unwrap();
        writer.begin(EngineKind::Redb).unwrap();
        let value = [b'x'; ROW_BYTES_MAX];
        writer.rows(&Change::from([(key(1), Some(&value[..])), (key(2), Some(b"two"))])).unwrap();
        writer.rows(&Change::from([(key(1), None)])).unwrap();
        let said = writer.end(tally()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!((said.appends, said.rows, said.disk_bytes), (9, 1, bytes.len() as u64));
        (path, bytes)
    }

    /// The commits of the rows in the file, with their lengths, or that they are gone.
    type Seen = Vec<(u64, Option<usize>)>;

    fn read(path: &Path) -> Result<(Stats, Seen), Error> {
        let mut rows = Seen::new();
        let stats = read_rows(path, &mut |row, value| rows.push((row.commit, value.map(<[u8]>::len))))?;
        Ok((stats, rows))
    }

    /// Why `bytes` in the place of the file are refused.
    fn refused(path: &Path, bytes: &[u8]) -> String {
        fs::write(path, bytes).unwrap();
        let error = read(path).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("outbox.rows is damaged: "), "{said}");
        said
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (path, bytes) = written(dir.path());
        let (stats, rows) = read(&path).unwrap();
        assert_eq!(rows, [(1, Some(ROW_BYTES_MAX)), (2, Some(3)), (1, None)]);
        assert_eq!(stats, super::stats(tally(), bytes.len() as u64));
        assert!(matches!(RowsWriter::create(&path), Err(Error::Failed { .. })), "nothing is overwritten");
    }

    #[test]
    fn a_file_that_is_cut_short_anywhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, bytes) = written(dir.path());
        let end = bytes.len() - (PREFIX_BYTES + 1 + 8 + 32);
        assert!(refused(&path, &bytes[..end]).ends_with("it is cut short after row 3"), "half: no end");
        for length in (0..80).chain(end - 80..bytes.len()) {
            let said = refused(&path, &bytes[..length]);
            assert!(said.contains("it is cut short"), "{length}: {said}");
        }
        let again: Vec<u8> = [&bytes[..], b"x"].concat();
        assert!(refused(&path, &again).ends_with("something follows its end"));
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, bytes) = written(dir.path());
        for at in (0..150).chain(bytes.len() - 150..bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            refused(&path, &flipped);
        }
    }

    #[test]
    fn a_row_left_out_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, bytes) = written(dir.path());
        let end = bytes.len() - (PREFIX_BYTES + 1 + 8 + 32);
        let removal = PREFIX_BYTES + 1 + size_of::<Key>();
        let less = [&bytes[..end - removal], &bytes[end..]].concat();
        assert!(refused(&path, &less).ends_with("its end says 3 rows, and 2 are there"));
    }

    #[test]
    fn another_version_or_layout_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.rows");
        for (text, found) in [
            ("version 2\nlayout 2\nengine sled\n", "version 2 with layout 2"),
            ("version 1\nlayout 9\nengine sled\n", "version 1 with layout 9"),
            ("version 3\n", "version 3 with layout an unknown"),
        ] {
            let mut bytes = MAGIC.to_vec();
            frame(&mut bytes, HEADER, &[text.as_bytes()]);
            fs::write(&path, &bytes).unwrap();
            match read(&path).unwrap_err() {
                Error::Format { found: said, .. } => assert_eq!(said, found),
                other => panic!("{other}"),
            }
        }
    }
}

//! Opening again, being refused, and damage.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Bench, bytes, contents, put, try_contents};
use crate::store::log::{self, EngineKind, Error, Log, Options, Space};

/// A closed store has everything when opened again.
pub fn everything_is_there_after_close_and_reopen(kind: EngineKind) {
    let bench = Bench::new(kind);
    let mut wanted = BTreeMap::new();
    for round in 0..4 {
        let log = bench.open();
        assert_eq!(contents(&*log), wanted, "round {round}");
        put(&*log, Space::Events, round, &bytes(round, 30_000));
        put(&*log, Space::Moves, round, b"move");
        wanted = contents(&*log);
        log.close().expect("a close");
        log.close().expect("a second close");
    }
}

/// A store whose process vanished has everything that was acknowledged.
pub fn everything_is_there_after_a_crash(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    for commit in 0..20 {
        put(&*log, Space::Events, commit, &bytes(commit, 30_000));
        if commit % 5 == 0 {
            let image = bench.crash_image(&format!("image{commit}"));
            let after = bench.open_at(&image).expect("the image opens");
            assert_eq!(contents(&*after), contents(&*log), "after commit {commit}");
            put(&*after, Space::Events, 100, b"and it can be written");
        }
    }
}

/// After closing, every call says so, and the directory is free.
pub fn a_closed_log_refuses(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    log.close().expect("a close");
    let closed = Err(Error::Closed { path: bench.dir() });
    assert_eq!(log.append(&log::Batch::new()), closed);
    assert_eq!(log.stats().map(|_| ()), closed);
    assert_eq!(try_contents(&*log).map(|_| ()), closed);
    bench.open();
}

/// Who comes second is told who is in the way.
pub fn a_second_opening_is_locked_out(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    assert_eq!(refusal(&bench), Error::Locked { path: bench.dir() });
    drop(log);
    bench.open();
}

/// A store isn't opened by the engine that didn't make it.
pub fn another_engine_is_refused(kind: EngineKind) {
    let bench = Bench::new(kind);
    drop(bench.open());
    let before = files(&bench.dir());
    for other in EngineKind::ALL.into_iter().filter(|other| *other != kind) {
        let Err(Error::Format { path, found, wanted }) = log::open(&bench.dir(), other, Options::default())
        else {
            panic!("{other} took a store of {kind}");
        };
        assert_eq!(path, bench.dir().join("format"));
        assert!(found.contains(kind.as_str()) && wanted.contains(other.as_str()));
    }
    assert_eq!(files(&bench.dir()), before);
}

/// A store of another version isn't opened.
pub fn another_layout_is_refused(kind: EngineKind) {
    let bench = Bench::new(kind);
    drop(bench.open());
    let format = bench.dir().join("format");
    let text = fs::read_to_string(&format).expect("a format file");
    fs::write(&format, text.replace("layout 3", "layout 7")).expect("a written file");
    assert!(matches!(refusal(&bench), Error::Format { found, .. } if found.contains("layout 7")));
}

/// A missing, emptied or foreign file is damage, and the refusal changes nothing on the disk.
pub fn a_missing_piece_is_damage_and_nothing_is_touched(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    put(&*log, Space::Events, 1, &bytes(1, 50_000));
    drop(log);
    let mut pieces: Vec<PathBuf> = match kind {
        EngineKind::Sled => vec!["format".into(), "g0001/db".into(), "g0001/conf".into()],
        EngineKind::Redb => vec!["format".into(), "g0001/rows.redb".into()],
    };
    pieces.extend(["g0001/front.a".into(), "g0001/front.b".into()]);
    let mut images = vec![bench.crash_image("whole generation")];
    fs::remove_dir_all(images[0].join("g0001")).expect("a removed directory");
    for (number, piece) in pieces.iter().enumerate() {
        let missing = bench.crash_image(&format!("missing{number}"));
        fs::remove_file(missing.join(piece)).expect("a removed file");
        let emptied = bench.crash_image(&format!("emptied{number}"));
        File::create(emptied.join(piece)).expect("an emptied file");
        let foreign = bench.crash_image(&format!("foreign{number}"));
        let len = fs::metadata(foreign.join(piece)).expect("a file").len();
        let garbage = bytes(9, usize::try_from(len).expect("a small file"));
        if piece != Path::new("g0001/db") {
            fs::write(foreign.join(piece), garbage).expect("a written file");
            images.push(foreign);
        }
        images.extend([missing, emptied]);
    }
    if kind == EngineKind::Sled {
        let blobs = bench.crash_image("blobs");
        fs::write(blobs.join("g0001/blobs/17"), b"never synced").expect("a written file");
        images.push(blobs);
    }
    for image in images {
        let before = files(&image);
        let refused = bench.open_at(&image).map(|_| ());
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{}: {refused:?}", image.display());
        assert_eq!(files(&image), before, "{} was touched", image.display());
    }
}

/// A crash before the first generation holds leaves nothing that keeps the store from opening.
pub fn a_crash_during_creation_starts_over(kind: EngineKind) {
    let bench = Bench::new(kind);
    drop(bench.open());
    let image = bench.crash_image("image");
    let text = fs::read_to_string(image.join("format")).expect("a format file");
    fs::write(image.join("format"), text.replace("generation 1", "generation 0")).expect("a write");
    fs::write(image.join("format.tmp"), b"torn").expect("a write");
    for file in files(&image.join("g0001")).keys() {
        File::create(file).expect("an emptied file");
    }
    let log = bench.open_at(&image).expect("a store that acknowledged nothing starts over");
    put(&*log, Space::Meta, 0, b"works");
}

/// Whatever part of the file is overwritten, the store has every row or says that it hasn't.
pub fn flipped_bytes_never_lose_rows_silently(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    for commit in 0..40 {
        put(&*log, Space::Events, commit, &bytes(commit, 40_000));
    }
    let wanted = contents(&*log);
    let whole = bench.crash_image("whole");
    drop(log);
    let mut parts = 0;
    for (file, content) in files(&whole.join("g0001")).iter().filter(|(_, content)| content.len() > 16_384) {
        let (file, size) = (file.strip_prefix(&whole).expect("a file of the store"), content.len() as u64);
        for part in 0..12 {
            parts += 1;
            let image = bench.root.path().join(format!("image{parts}"));
            super::copy_dir(&whole, &image);
            let target = File::options().write(true).open(image.join(file)).expect("a file");
            target.write_all_at(&bytes(part, 64), size * part / 12 + 5).expect("a write");
            let found = bench.open_at(&image).and_then(|log| try_contents(&*log));
            let is_whole = found.as_ref().map_or(true, |rows| *rows == wanted);
            assert!(is_whole, "{} part {part}: rows were lost", file.display());
            fs::remove_dir_all(&image).expect("a removed directory");
        }
    }
    assert!(parts >= 36, "the engine's file and both of the log in front: {parts}");
}

/// A store of the layout before, which had no log in front, is taken over; also if that was tried before.
pub fn a_store_of_the_layout_before_is_taken_over(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    for commit in 0..30 {
        put(&*log, Space::Events, commit, &bytes(commit, 20_000));
    }
    let wanted = contents(&*log);
    // Everything goes into the new generation's engine.
    assert!(log.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction").switched);
    drop(log);
    let format = bench.dir().join("format");
    let text = fs::read_to_string(&format).expect("a format file");
    fs::write(&format, text.replace("layout 3", "layout 2")).expect("a written file");
    fs::remove_file(bench.dir().join("g0002/front.a")).expect("a removed file");
    fs::write(bench.dir().join("g0002/front.b"), b"half").expect("a written file");
    let log = bench.open();
    assert!(contents(&*log) == wanted);
    assert_eq!(fs::read_to_string(&format).expect("a format file"), text);
    put(&*log, Space::Events, 100, b"later");
    let wanted = contents(&*log);
    drop(log);
    assert!(contents(&*bench.open()) == wanted);
}

/// An engine that comes back with less than was acknowledged is damaged.
pub fn less_than_was_acknowledged_is_damage(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    put(&*log, Space::Events, 1, b"one");
    let image = bench.crash_image("image");
    put(&*log, Space::Events, 2, b"two");
    drop(log);
    fs::copy(bench.dir().join("mark"), image.join("mark")).expect("a copied mark");
    let refused = bench.open_at(&image).map(|_| ());
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}

/// Nobody else may look into the store.
pub fn directories_are_private(kind: EngineKind) {
    let bench = Bench::new(kind);
    drop(bench.open());
    for dir in [bench.dir(), bench.dir().join("g0001")] {
        let mode = fs::metadata(&dir).expect("a directory").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", dir.display());
    }
}

fn refusal(bench: &Bench) -> Error {
    bench.try_open().map(|_: Box<dyn Log>| ()).expect_err("a refusal")
}

/// Every file below `dir` with its content, but for the lock and the mark, which an opening makes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") && !path.ends_with("mark") {
            let content = fs::read(&path).expect("a file");
            found.insert(path, content);
        }
    }
    found
}

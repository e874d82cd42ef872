//! A copy of the live log in one file of rows, as it is at one instant, while appends go on.
//!
//! Goes as a compaction does, and may have one beside it: each slice is read from the generation that holds then. What is
//! left at the end is read under the writer's lock and written without it. No engine ever sees the copy's disk: engines
//! share threads and locks within a process, so a disk that hangs under one would stop the others. What the log remembers
//! for a copy that hangs is bounded. A crash leaves a file without its end. Never changes the log it copies.

use std::collections::BTreeSet;
use std::sync::TryLockError;

use super::compaction::{Copy, Report, Target};
use super::generational::Generational;
use super::row::{Change, Key};
use super::rows::RowsWriter;
use super::tally::Tally;
use super::{Error, Stage, Stats};

/// Most rows that are read while appends wait; a hundred are usual.
const CUT_ROWS_MAX: usize = 2_048;
/// Most rows that a copy may lack while one slice of it is written: beyond it the copy is given up.
const LACKING_ROWS_MAX: usize = 1 << 20;
/// Of the rest, rows written at once.
const WRITE_ROWS: usize = 128;

impl Target for RowsWriter {
    fn take(&mut self, change: Change<'_>) -> Result<(), Error> {
        self.rows(&change)
    }
}

/// Copies `log` into the file `to`. `None` if `report` broke off.
pub(super) fn copy_to(
    log: &Generational,
    to: &mut RowsWriter,
    report: Report<'_>,
) -> Result<Option<Stats>, Error> {
    let _one = match log.copying.try_lock() {
        Ok(one) => one,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(Error::Copying { path: log.dir.clone() }),
    };
    log.writer()?.0.lacking = Some(BTreeSet::new());
    let copied = copy(log, to, report);
    log.lock_writer().lacking = None;
    copied
}

fn copy(log: &Generational, to: &mut RowsWriter, report: Report<'_>) -> Result<Option<Stats>, Error> {
    to.begin(log.make.kind)?;
    let mut copy = Copy::new(log, to, |writer| &mut writer.lacking, report);
    if copy.all()?.is_break() || copy.touched()?.is_break() || copy.report(Stage::Barrier)?.is_break() {
        return Ok(None);
    }
    let cut = cut(log);
    if copy.report(Stage::Cut)?.is_break() {
        return Ok(None);
    }
    let (rest, tally) = cut?;
    for rows in rest.chunks(WRITE_ROWS) {
        to.rows(&rows.iter().map(|(key, value)| (*key, value.as_deref())).collect())?;
    }
    to.end(tally).map(Some)
}

/// Remembers for the copy under way, if there is one, that `keys` are touched.
pub(super) fn note<'a>(lacking: &mut Option<BTreeSet<Key>>, keys: impl Iterator<Item = &'a Key>) {
    let Some(rows) = lacking else { return };
    rows.extend(keys);
    if rows.len() > LACKING_ROWS_MAX {
        *lacking = None;
    }
}

/// A row as it is, or that it is gone.
type Cut = Vec<(Key, Option<Vec<u8>>)>;

/// What the copy still lacks, and what the log counts at that instant. Appends wait while it is read.
fn cut(log: &Generational) -> Result<(Cut, Tally), Error> {
    let (mut writer, source) = log.writer()?;
    let Some(rest) = writer.lacking.take().filter(|rest| rest.len() <= CUT_ROWS_MAX) else {
        let detail =
            "appends come faster than they can be copied; copy to a faster disk, or at a quieter time";
        return Err(Error::Failed { path: log.dir.clone(), detail: detail.to_owned() });
    };
    let rows = rest.into_iter().map(|key| Ok((key, source.read(&key)?)));
    Ok((rows.collect::<Result<_, Error>>()?, writer.tally))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::ops::ControlFlow::{Break, Continue};
    use std::path::{Path, PathBuf};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::engine::EngineKind;
    use super::super::row::{ROW_BYTES_MAX, RowId, Space};
    use super::super::{Batch, FrontBounds, Log, Options, open, read_rows, restore_rows};
    use super::*;
    use crate::testing::log_conformance::{contents, put, remove};

    /// So small that tables freeze and go down all the time.
    const SMALL: FrontBounds =
        FrontBounds { segment_bytes_min: 64 << 10, segment_bytes_max: 256 << 10, table_bytes_max: 64 << 10 };
    const OPTIONS: Options = Options { cache_bytes: 4 << 20, front: SMALL };

    /// Values of several rows each, enough for several slices.
    fn filled(dir: &Path, kind: EngineKind) -> Box<dyn Log> {
        let log = open(dir, kind, OPTIONS).unwrap();
        for commit in 1..=400 {
            put(log.as_ref(), Space::Events, commit, &vec![7; ROW_BYTES_MAX + 100]);
            put(log.as_ref(), Space::Moves, commit, b"moves");
        }
        log
    }

    fn rows_in(root: &Path) -> (PathBuf, RowsWriter) {
        let path = root.join("outbox.rows");
        (path.clone(), RowsWriter::create(&path).unwrap())
    }

    /// A log of `kind` made from the file of rows `from`.
    fn restored(from: &Path, kind: EngineKind) -> Box<dyn Log> {
        let dir = from.with_file_name(kind.as_str());
        restore_rows(&dir, kind, from).unwrap();
        open(&dir, kind, OPTIONS).unwrap()
    }

    #[test]
    fn a_copy_has_everything_that_was_appended_before_its_end() {
        for kind in EngineKind::ALL {
            let root = tempfile::tempdir().unwrap();
            let log = filled(&root.path().join("live"), kind);
            let (mut commit, mut slices) = (400, 0);
            let (path, mut rows) = rows_in(root.path());
            let copied = log
                .copy_to(&mut rows, &mut |progress| {
                    slices += u32::from(progress.stage == Stage::Copying);
                    if progress.stage == Stage::Cut {
                        return Continue(());
                    }
                    // Behind the copy's place, before it, and in its way.
                    commit += 1;
                    put(log.as_ref(), Space::Events, commit, &[9; 100]);
                    remove(log.as_ref(), Space::Events, commit - 400, 2);
                    Continue(())
                })
                .unwrap();
            assert!(slices > 1, "{kind}: {slices}");
            let (copied, wanted, stats) = (copied.unwrap(), contents(log.as_ref()), log.stats().unwrap());
            assert_eq!(read_rows(&path, &mut |_, _| ()), Ok(copied));
            let count = |stats: Stats| (stats.appends, stats.rows, stats.live_bytes);
            assert_eq!(count(copied), count(stats), "{kind}");
            // Either engine takes what either has written.
            for other in EngineKind::ALL {
                let copy = restored(&path, other);
                assert_eq!(contents(copy.as_ref()), wanted, "{kind} to {other}");
                assert_eq!(count(copy.stats().unwrap()), count(stats), "{kind} to {other}");
                put(copy.as_ref(), Space::Events, commit + 1, b"later");
            }
            assert_eq!(contents(log.as_ref()), wanted, "{kind}: they are two");
            let again = restore_rows(&root.path().join("live"), kind, &path).unwrap_err();
            assert!(matches!(again, Error::Locked { .. }), "{again}");
            let again = restore_rows(&root.path().join(kind.as_str()), kind, &path).unwrap_err();
            assert!(again.to_string().ends_with(&format!("a store of {kind} is there")), "{again}");
        }
    }

    #[test]
    fn a_copy_that_is_broken_off_has_no_end_and_the_log_goes_on() {
        for kind in EngineKind::ALL {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("live");
            let log = filled(&dir, kind);
            let (path, mut rows) = rows_in(root.path());
            assert_eq!(log.copy_to(&mut rows, &mut |_| Break(())).unwrap(), None, "{kind}");
            assert!(matches!(read_rows(&path, &mut |_, _| ()), Err(Error::Damaged { .. })), "{kind}");
            let half = root.path().join("half");
            let refused = restore_rows(&half, kind, &path).unwrap_err();
            assert!(refused.to_string().contains("outbox.rows is damaged: it is cut short"), "{refused}");
            assert_eq!(super::super::made_by(&half), Ok(None), "{kind}");
            put(log.as_ref(), Space::Events, 401, b"value");
            assert!(log.compact(&mut |_| Continue(())).unwrap().switched, "{kind}");
            std::fs::remove_file(&path).unwrap();
            assert!(log.copy_to(&mut rows_in(root.path()).1, &mut |_| Continue(())).unwrap().is_some());
            assert_eq!(super::super::made_by(&dir), Ok(Some(kind)));
        }
    }

    /// A disk that hangs in each write until it is let go.
    struct Hanging {
        file: File,
        hangs: Sender<()>,
        let_go: Receiver<()>,
    }

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.hangs.send(()).unwrap();
            self.let_go.recv().unwrap();
            self.file.write_all(bytes)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn appends_and_compactions_go_on_while_a_write_of_the_copy_hangs() {
        for kind in EngineKind::ALL {
            let root = tempfile::tempdir().unwrap();
            let log = filled(&root.path().join("live"), kind);
            let path = root.path().join("outbox.rows");
            let (hangs, seen) = channel();
            let (release, let_go) = channel();
            let hanging = Hanging { file: File::create(&path).unwrap(), hangs, let_go };
            let mut appended = 400;
            let copied = std::thread::scope(|scope| {
                let (log, name) = (log.as_ref(), &path);
                let copying = std::thread::Builder::new().spawn_scoped(scope, move || {
                    log.copy_to(&mut RowsWriter::over(name, Box::new(hanging)), &mut |_| Continue(()))
                });
                // From the first byte to the end; what is appended here is on the disk while the copy stands still.
                while seen.recv().is_ok() {
                    for _ in 0..4 {
                        appended += 1;
                        put(log, Space::Events, appended, &[9; 100]);
                        remove(log, Space::Events, appended - 400, 2);
                    }
                    if appended == 408 {
                        assert!(log.compact(&mut |_| Continue(())).unwrap().switched);
                    }
                    release.send(()).unwrap();
                }
                copying.unwrap().join().unwrap()
            });
            assert!(appended > 408, "{kind}: {appended}");
            assert_eq!(log.stats().unwrap().appends, 800 + 2 * (appended - 400), "{kind}");
            let copy = restored(&path, EngineKind::Redb);
            assert_eq!(copy.stats().unwrap().appends, copied.unwrap().unwrap().appends, "{kind}");
            let known = contents(log.as_ref());
            let fresh = contents(copy.as_ref()).into_iter().filter(|(row, _)| row.commit > 400);
            for (row, value) in fresh {
                assert_eq!(known.get(&row), Some(&value), "{kind}");
            }
        }
    }

    #[test]
    fn a_full_disk_under_the_copy_is_named_and_the_log_goes_on() {
        for kind in EngineKind::ALL {
            let root = tempfile::tempdir().unwrap();
            let log = filled(&root.path().join("live"), kind);
            let full = File::options().write(true).open("/dev/full").unwrap();
            let mut rows = RowsWriter::over(Path::new("copy/outbox.rows"), Box::new(full));
            let error = log.copy_to(&mut rows, &mut |_| Continue(())).unwrap_err();
            assert!(error.to_string().starts_with("copy/outbox.rows: No space left"), "{error}");
            put(log.as_ref(), Space::Events, 401, b"value");
            assert!(log.copy_to(&mut rows_in(root.path()).1, &mut |_| Continue(())).unwrap().is_some());
        }
    }

    #[test]
    fn compactions_run_beside_a_copy_and_another_copy_does_not() {
        for kind in EngineKind::ALL {
            let root = tempfile::tempdir().unwrap();
            let log = filled(&root.path().join("live"), kind);
            let mut commit = 400;
            let (path, mut rows) = rows_in(root.path());
            let mut second = RowsWriter::over(Path::new("second"), Box::new(io::sink()));
            log.copy_to(&mut rows, &mut |progress| {
                if progress.stage == Stage::Cut {
                    return Continue(());
                }
                commit += 1;
                put(log.as_ref(), Space::Events, commit, &[9; 100]);
                remove(log.as_ref(), Space::Events, commit - 400, 2);
                assert!(log.compact(&mut |_| Continue(())).unwrap().switched, "{kind}");
                let second = log.copy_to(&mut second, &mut |_| Continue(()));
                assert!(matches!(second, Err(Error::Copying { .. })), "{kind}");
                Continue(())
            })
            .unwrap();
            assert!(commit > 402, "{kind}: {commit}");
            assert_eq!(contents(restored(&path, kind).as_ref()), contents(log.as_ref()), "{kind}");
        }
    }

    /// More than is kept in mind between two slices: before the copy's place, at it and ahead of it.
    #[test]
    fn what_comes_in_masses_beside_a_copy_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let log = filled(&root.path().join("live"), EngineKind::Redb);
        let mut slices = 0;
        let (path, mut rows) = rows_in(root.path());
        log.copy_to(&mut rows, &mut |progress| {
            slices += u64::from(progress.stage == Stage::Copying);
            if progress.stage == Stage::Copying && slices < 3 {
                let mut batch = Batch::new();
                for commit in 0..5_000 {
                    let space = if commit % 2 == 0 { Space::Events } else { Space::Moves };
                    batch.put_value(space, slices * 100_000 + commit, b"x");
                }
                batch.remove_value(Space::Events, slices, 2);
                batch.remove_value(Space::Moves, 400 - slices, 1);
                log.append(&batch).unwrap();
            }
            Continue(())
        })
        .unwrap();
        assert!(slices > 3, "{slices}");
        let copy = restored(&path, EngineKind::Redb);
        assert!(contents(copy.as_ref()) == contents(log.as_ref()));
    }

    #[test]
    fn what_is_remembered_for_a_copy_that_hangs_is_bounded() {
        let mut lacking = Some(BTreeSet::new());
        let keys = |commits: std::ops::Range<u64>| {
            commits.map(|commit| RowId::first(Space::Moves, commit).key()).collect::<Vec<_>>()
        };
        let rows_max = LACKING_ROWS_MAX as u64;
        note(&mut lacking, keys(0..rows_max).iter());
        note(&mut lacking, keys(0..10).iter());
        assert_eq!(lacking.as_ref().map(BTreeSet::len), Some(LACKING_ROWS_MAX));
        note(&mut lacking, keys(rows_max..rows_max + 1).iter());
        assert_eq!(lacking, None);
        note(&mut lacking, keys(0..1).iter());
        assert_eq!(lacking, None, "it stays given up");
    }
}

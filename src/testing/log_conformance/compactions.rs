//! Giving space back.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::{Bench, bytes, contents, put, remove};
use crate::store::log::{
    Batch, EngineKind, Error, Log, Progress, ROW_BYTES_MAX, Space, SpaceBound, Stage, should_compact,
};

/// Commits whose values [`churned`] leaves in the store.
const KEPT: u64 = 300;

/// After a compaction the rows are the same and the disk has room again.
pub fn contents_are_the_same_and_smaller(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let wanted = contents(&*log);
    let compacted = log.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction");
    assert!(compacted.switched);
    assert_eq!(contents(&*log), wanted);
    assert_eq!(log.stats().expect("stats").rows, compacted.after.rows);
    assert_eq!(compacted.before.live_bytes, compacted.after.live_bytes);
    assert!(
        compacted.after.disk_bytes < compacted.before.disk_bytes,
        "{} bytes became {}",
        compacted.before.disk_bytes,
        compacted.after.disk_bytes,
    );
    assert_eq!(generations(&bench.dir()), ["g0002"]);
    put(&*log, Space::Events, 9_000, b"and it can be written");
    let wanted = contents(&*log);
    drop(log);
    assert_eq!(contents(&*bench.open()), wanted);
}

/// Puts, replacements and removes between any two slices are brought over, few or many.
pub fn appends_during_a_compaction_survive(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let mut step = 0_u64;
    let compacted = log.compact(&mut |progress: Progress| {
        step += 1;
        let mut batch = Batch::new();
        batch.put_value(Space::Events, 10_000 + step, &bytes(step, 7_000));
        batch.remove_value(Space::Events, step, 4);
        batch.put_value(Space::Events, step, &bytes(step + 1, 4_000));
        batch.remove_value(Space::Moves, step, 1);
        if progress.stage == Stage::CatchingUp && step < 60 {
            // Too much for the switch: one more pass.
            for commit in 0..200 {
                batch.put_value(Space::DedupeFresh, step * 1_000 + commit, b"record");
                batch.remove_value(Space::DedupeFresh, (step - 1) * 1_000 + commit, 1);
            }
        }
        log.append(&batch).expect("an append during the compaction");
        ControlFlow::Continue(())
    });
    assert!(compacted.expect("a compaction").switched);
    let rows = contents(&*log);
    for step in 1..=step {
        assert!(rows.contains_key(&crate::store::log::RowId::first(Space::Events, 10_000 + step)));
    }
    let stats = log.stats().expect("stats");
    assert_eq!(stats.rows, rows.len() as u64);
    assert_eq!(stats.live_bytes, rows.values().map(|value| value.len() as u64 + 13).sum::<u64>());
    drop(log);
    assert_eq!(contents(&*bench.open()), rows);
}

/// A writer that doesn't care about a compaction loses nothing by it.
pub fn appends_race_with_a_compaction(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let mut wanted = contents(&*log);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for commit in 0..150 {
                put(&*log, Space::DedupeIndex, commit, &bytes(commit, 2_000));
                remove(&*log, Space::Events, commit * 2, 2);
            }
        });
        let mut compactions = 0;
        while !writer.is_finished() || compactions == 0 {
            assert!(log.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction").switched);
            compactions += 1;
        }
    });
    wanted.retain(|row, _| row.space != Space::Events || row.commit % 2 == 1 || row.commit >= 300);
    for commit in 0..150 {
        let row = crate::store::log::RowId::first(Space::DedupeIndex, commit);
        wanted.insert(row, bytes(commit, 2_000));
    }
    assert!(contents(&*log) == wanted);
    drop(log);
    assert!(contents(&*bench.open()) == wanted);
}

/// A compaction that was told to stop leaves the old generation alone.
pub fn giving_up_leaves_the_store_as_it_was(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let wanted = contents(&*log);
    for stage in [Stage::Copying, Stage::CatchingUp] {
        let compacted = log.compact(&mut |progress| {
            if progress.stage == stage { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(!compacted.expect("no failure").switched);
        assert_eq!(generations(&bench.dir()), ["g0001"]);
        assert!(contents(&*log) == wanted);
    }
}

/// The files as they are at each stage open to the same rows, and the leftovers are removed.
pub fn a_crash_at_any_stage_leaves_one_generation(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let wanted = contents(&*log);
    let mut images = Vec::new();
    let compacted = log.compact(&mut |progress| {
        if images.iter().all(|(stage, _)| *stage != progress.stage) {
            let image = bench.crash_image(&format!("{:?}", progress.stage));
            images.push((progress.stage, image));
        }
        ControlFlow::Continue(())
    });
    assert!(compacted.expect("a compaction").switched);
    let stages: Vec<Stage> = images.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, [Stage::Copying, Stage::CatchingUp, Stage::Switched]);
    for (stage, image) in images {
        assert_eq!(generations(&image), ["g0001", "g0002"], "{stage:?}");
        let after = bench.open_at(&image).expect("the image opens");
        let held = if stage == Stage::Switched { "g0002" } else { "g0001" };
        assert_eq!(generations(&image), [held], "{stage:?}");
        assert!(contents(&*after) == wanted, "{stage:?}");
        assert!(after.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction").switched);
        assert!(contents(&*after) == wanted, "{stage:?}");
    }
}

/// A crash between staging the format file and putting it in place leaves the old generation.
pub fn a_staged_format_counts_for_nothing(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    put(&*log, Space::Events, 1, b"one");
    let wanted = contents(&*log);
    drop(log);
    let text = fs::read_to_string(bench.dir().join("format")).expect("a format file");
    let staged = bench.dir().join("format.tmp");
    fs::write(&staged, text.replace("generation 1", "generation 2")).expect("a write");
    fs::create_dir(bench.dir().join("g0002")).expect("a directory");
    assert_eq!(contents(&*bench.open()), wanted);
    assert!(!staged.exists());
    assert_eq!(generations(&bench.dir()), ["g0001"]);
}

/// A compaction that can't stage the format file leaves everything as it was.
pub fn a_failed_staging_leaves_the_store_working(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let in_the_way = bench.dir().join("format.tmp");
    fs::create_dir(&in_the_way).expect("a directory");
    let failed = log.compact(&mut |_| ControlFlow::Continue(()));
    assert!(matches!(failed, Err(Error::Failed { .. })), "{failed:?}");
    assert_eq!(generations(&bench.dir()), ["g0001"]);
    put(&*log, Space::Events, 9_000, b"and it can be written");
    fs::remove_dir(&in_the_way).expect("a removed directory");
    assert!(log.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction").switched);
}

/// When nobody knows which generation a power cut would leave, both stay and nothing is written.
pub fn a_failed_switch_stops_the_store(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let wanted = contents(&*log);
    let format = bench.dir().join("format");
    let text = fs::read(&format).expect("a format file");
    fs::remove_file(&format).expect("a removed file");
    fs::create_dir(&format).expect("a directory no file can replace");
    let failed = log.compact(&mut |_| ControlFlow::Continue(()));
    assert!(matches!(failed, Err(Error::Failed { .. })), "{failed:?}");
    let mut batch = Batch::new();
    batch.put_value(Space::Events, 9_000, b"too late");
    assert!(matches!(log.append(&batch), Err(Error::Failed { .. })));
    assert!(contents(&*log) == wanted, "reads go on");
    assert_eq!(generations(&bench.dir()), ["g0001", "g0002"]);
    drop(log);
    fs::remove_dir(&format).expect("a removed directory");
    for generation in ["generation 1", "generation 2"] {
        let image = bench.crash_image(generation);
        let text = String::from_utf8_lossy(&text).replace("generation 1", generation);
        fs::write(image.join("format"), text).expect("a write");
        assert!(contents(&*bench.open_at(&image).expect("either opens")) == wanted);
    }
}

/// A second compaction is refused while one runs.
pub fn one_compaction_at_a_time(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let compacted = log.compact(&mut |_| {
        let second = log.compact(&mut |_| ControlFlow::Continue(()));
        assert_eq!(second, Err(Error::Compacting { path: bench.dir() }));
        ControlFlow::Continue(())
    });
    assert!(compacted.expect("a compaction").switched);
}

/// Closing doesn't wait for the whole copy, and the half-made generation is gone.
pub fn closing_stops_a_compaction(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = churned(&bench);
    let wanted = contents(&*log);
    std::thread::scope(|scope| {
        let mut closer = None;
        let compacted = log.compact(&mut |_| {
            let closer = closer.get_or_insert_with(|| scope.spawn(|| log.close()));
            // The log is closed as soon as reads say so; the copy is what holds it up.
            while log.stats().is_ok() {
                std::thread::yield_now();
            }
            assert!(!closer.is_finished());
            ControlFlow::Continue(())
        });
        assert_eq!(compacted, Err(Error::Closed { path: bench.dir() }));
        let closed = closer.map(std::thread::ScopedJoinHandle::join);
        assert!(matches!(closed, Some(Ok(Ok(())))));
    });
    assert_eq!(generations(&bench.dir()), ["g0001"]);
    assert!(contents(&*bench.open()) == wanted);
}

/// However much comes and goes, the disk follows what lives, compaction by compaction.
pub fn churn_stays_within_the_bound(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let bound = SpaceBound { disk_bytes_min: 8 << 20, live_factor: 6 };
    let value = bytes(1, 64 << 10);
    let mut oldest = 0;
    let mut compactions = 0;
    for commit in 0..600_u64 {
        // A receiver is down now and then, and its backlog drains afterwards.
        let backlog = if commit % 200 < 130 { 130 } else { 8 };
        let mut batch = Batch::new();
        let chunks = batch.put_value(Space::Events, commit, &value);
        for _ in 0..4 {
            if oldest + backlog < commit {
                batch.remove_value(Space::Events, oldest, chunks);
                oldest += 1;
            }
        }
        log.append(&batch).expect("an append");
        let stats = log.stats().expect("stats");
        let limit = bound.disk_bytes_min.max(bound.live_factor * stats.live_bytes);
        assert!(stats.disk_bytes - stats.front_bytes < limit + (4 << 20), "{stats:?} at commit {commit}");
        if should_compact(&stats, &bound) {
            let compacted = log.compact(&mut |_| ControlFlow::Continue(())).expect("a compaction");
            assert!(!should_compact(&compacted.after, &bound), "{compacted:?} is still too large");
            compactions += 1;
        }
    }
    assert!(compactions > 0, "the backlog's space was never given back");
    let rows = (600 - oldest) * (64_u64 << 10).div_ceil(ROW_BYTES_MAX as u64);
    assert_eq!(log.stats().expect("stats").rows, rows);
}

/// A store of a few megabytes most of whose rows were removed again.
fn churned(bench: &Bench) -> Box<dyn Log> {
    let log = bench.open();
    let mut doomed = Vec::new();
    for round in 0..20_u64 {
        let mut batch = Batch::new();
        for commit in round * KEPT / 20..(round + 1) * KEPT / 20 {
            batch.put_value(Space::Events, commit, &bytes(commit, 8_000));
            batch.put_value(Space::Moves, commit, &bytes(commit, 100));
        }
        let large = 1_000 + round;
        doomed.push((large, batch.put_value(Space::DedupeData, large, &bytes(large, 700_000))));
        log.append(&batch).expect("an append");
    }
    for (commit, chunks) in doomed {
        remove(&*log, Space::DedupeData, commit, chunks);
    }
    log
}

fn generations(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("a directory")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| name.starts_with('g'))
        .collect();
    names.sort();
    names
}

//! Appending, replaying and reading.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bench, bytes, contents, put, remove};
use crate::store::log::{Batch, EngineKind, Log, ROW_BYTES_MAX, RowId, Space, read_value, replay_values};

/// Puts and removes of one batch are seen together.
pub fn a_batch_is_seen_whole(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    put(&*log, Space::Events, 1, b"old");
    let mut batch = Batch::new();
    batch.remove_value(Space::Events, 1, 1);
    batch.put_value(Space::Events, 2, b"new");
    batch.put_value(Space::Moves, 2, b"move");
    log.append(&batch).expect("an append");
    let rows = contents(&*log);
    let wanted = [(Space::Events, b"new".as_slice()), (Space::Moves, b"move")];
    let wanted = wanted.map(|(space, value)| (RowId::first(space, 2), value.to_vec()));
    assert_eq!(rows, wanted.into());
}

/// A replay goes by commit, then by chunk, whatever the order of writing.
pub fn rows_come_in_key_order(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    for commit in [256, 1, u64::MAX, 255, 0] {
        put(&*log, Space::Moves, commit, &bytes(commit, 2 * ROW_BYTES_MAX + 1));
    }
    let mut seen = Vec::new();
    log.replay(Space::Moves, 0, &mut |row, _| {
        seen.push((row.commit, row.chunk));
        ControlFlow::Continue(())
    })
    .expect("a replay");
    let wanted = [0, 1, 255, 256, u64::MAX].map(|commit| [(commit, 0), (commit, 1), (commit, 2)]);
    assert_eq!(seen, wanted.concat());
}

/// A replay begins with the first row of the commit asked for and ends when told to.
pub fn a_replay_starts_and_stops_where_told(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let mut batch = Batch::new();
    for commit in 0..1_500 {
        batch.put_value(Space::Events, commit * 2, &commit.to_be_bytes());
    }
    batch.put_value(Space::Moves, 5_000, b"of another space");
    log.append(&batch).expect("an append");
    let seen = |from: u64, most: usize| {
        let mut seen = Vec::new();
        replay_values(&*log, Space::Events, from, &mut |commit, _| {
            seen.push(commit);
            if seen.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("a replay");
        seen
    };
    assert_eq!(seen(0, usize::MAX).len(), 1_500);
    assert_eq!(seen(2_000, 3), [2_000, 2_002, 2_004]);
    assert_eq!(seen(2_001, 1), [2_002]);
    assert_eq!(seen(2_999, usize::MAX), [0; 0]);
}

/// A range of a value reads the rows it lies in and no others.
pub fn a_range_of_a_value_is_read_across_chunks(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let value = bytes(7, 3 * ROW_BYTES_MAX);
    put(&*log, Space::Events, 3, &value);
    put(&*log, Space::Events, 4, b"");
    let edge = ROW_BYTES_MAX;
    let ranges = [
        (0, 0),
        (0, 1),
        (0, 3 * edge),
        (edge - 1, 2),
        (edge, edge),
        (edge - 1, edge + 2),
        (3 * edge - 1, 1),
        (3 * edge, 0),
        (5, 0),
    ];
    for (offset, len) in ranges {
        let read = read_value(&*log, Space::Events, 3, offset, len).expect("a read");
        assert_eq!(read.as_deref(), Some(&value[offset..offset + len]), "{len} from {offset}");
    }
    for (commit, offset, len) in
        [(3, 3 * edge, 1), (3, 0, 3 * edge + 1), (3, 9 * edge, 0), (3, usize::MAX, 1), (4, 0, 1), (9, 0, 0)]
    {
        let read = read_value(&*log, Space::Events, commit, offset, len).expect("a read");
        assert_eq!(read, None, "{len} from {offset} of {commit}");
    }
    assert_eq!(read_value(&*log, Space::Events, 4, 0, 0).expect("a read"), Some(Vec::new()));
    // The middle row alone is enough for a range within it.
    let mut batch = Batch::new();
    batch.remove_value(Space::Events, 3, 1);
    log.append(&batch).expect("an append");
    let read = read_value(&*log, Space::Events, 3, edge + 5, 10).expect("a read");
    assert_eq!(read.as_deref(), Some(&value[edge + 5..edge + 15]));
}

/// Values from nothing to 1 MiB come back as they were, one by one and joined.
pub fn values_of_every_size_come_back(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let sizes = [0, 1, ROW_BYTES_MAX - 1, ROW_BYTES_MAX, ROW_BYTES_MAX + 1, 100_000, 1 << 20, 0];
    let values: Vec<Vec<u8>> = (0..).zip(sizes).map(|(seed, size)| bytes(seed, size)).collect();
    for (commit, value) in (0..).zip(&values) {
        put(&*log, Space::DedupeData, commit, value);
    }
    drop(log);
    let log = bench.open();
    let mut seen = Vec::new();
    replay_values(&*log, Space::DedupeData, 0, &mut |commit, value| {
        assert_eq!(commit, seen.len() as u64);
        seen.push(value.to_vec());
        ControlFlow::Continue(())
    })
    .expect("a replay");
    assert!(seen == values, "a value came back changed");
    for (commit, value) in (0..).zip(&values) {
        let read = read_value(&*log, Space::DedupeData, commit, 0, value.len()).expect("a read");
        assert!(read.as_ref() == Some(value), "value {commit} was read changed");
    }
}

/// A removed value is gone, also after reopening; its neighbours stay.
pub fn removed_values_are_gone(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let chunks = [1, 2, 3].map(|commit| put(&*log, Space::Events, commit, &bytes(commit, 20_000)));
    remove(&*log, Space::Events, 2, chunks[1]);
    remove(&*log, Space::Events, 2, chunks[1]);
    drop(log);
    let log = bench.open();
    assert_eq!(log.read(RowId::first(Space::Events, 2)).expect("a read"), None);
    let mut commits = Vec::new();
    replay_values(&*log, Space::Events, 0, &mut |commit, value| {
        assert_eq!(value, bytes(commit, 20_000));
        commits.push(commit);
        ControlFlow::Continue(())
    })
    .expect("a replay");
    assert_eq!(commits, [1, 3]);
}

/// Nothing to write is no append.
pub fn an_empty_batch_writes_nothing(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let before = log.stats().expect("stats");
    log.append(&Batch::new()).expect("an append");
    assert_eq!(log.stats().expect("stats"), before);
}

/// Rows and live bytes follow puts, replacements and removes, over a reopening.
pub fn stats_count_what_lives(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let counted = |log: &dyn Log| {
        let stats = log.stats().expect("stats");
        (stats.rows, stats.live_bytes, stats.appends)
    };
    assert_eq!(counted(&*log), (0, 0, 0));
    let chunks = put(&*log, Space::Events, 1, &bytes(1, ROW_BYTES_MAX + 10));
    assert_eq!(counted(&*log), (2, ROW_BYTES_MAX as u64 + 10 + 26, 1));
    let mut batch = Batch::new();
    batch.remove_value(Space::Events, 1, chunks);
    batch.put_value(Space::Events, 1, b"shorter");
    log.append(&batch).expect("an append");
    assert_eq!(counted(&*log), (1, 7 + 13, 2));
    drop(log);
    let log = bench.open();
    assert_eq!(counted(&*log), (1, 7 + 13, 2));
    remove(&*log, Space::Events, 1, 5);
    assert_eq!(counted(&*log), (0, 0, 3));
    assert!(log.stats().expect("stats").disk_bytes > 0);
}

/// A reader beside the writer sees the rows of acknowledged batches, each whole.
pub fn readers_see_whole_batches_while_one_writes(kind: EngineKind) {
    let bench = Bench::new(kind);
    let log = bench.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for commit in 0..60 {
                put(&*log, Space::Events, commit, &bytes(commit, 9_000));
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = 0;
        while seen < 60 {
            let finished = done.load(Ordering::SeqCst);
            let mut now = 0;
            for commit in 0..60 {
                if let Some(value) = read_value(&*log, Space::Events, commit, 0, 9_000).expect("a read") {
                    assert_eq!(value, bytes(commit, 9_000));
                    now += 1;
                }
            }
            assert!(now >= seen, "an acknowledged value vanished");
            assert!(!finished || now == 60, "a value is missing after the last append");
            seen = now;
        }
    });
}

//! What every `store::log` engine must do, one function per behaviour.
//!
//! [`log_conformance!`](crate::log_conformance) turns them all into tests of one engine, so that a
//! new engine can't leave one out.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a suite for tests: what panics here is a failed test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::store::log::{self, Batch, EngineKind, Error, FrontBounds, Log, Options, RowId, Space};

pub mod appends;
pub mod compactions;
pub mod openings;

/// A log in front of the engine that is full every few appends, so that rows go down all the time.
const FRONT: FrontBounds =
    FrontBounds { segment_bytes_min: 64 << 10, segment_bytes_max: 512 << 10, table_bytes_max: 128 << 10 };

/// A directory with room for a store, gone with the test.
pub struct Bench {
    root: TempDir,
    kind: EngineKind,
}

impl Bench {
    /// An empty place for a store of `kind`.
    pub fn new(kind: EngineKind) -> Self {
        Self { root: tempfile::tempdir().expect("a temporary directory"), kind }
    }

    /// The engine under test.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The store's directory.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("outbox")
    }

    /// Opens the store, or says why not.
    pub fn try_open(&self) -> Result<Box<dyn Log>, Error> {
        self.open_at(&self.dir())
    }

    /// Opens the store.
    pub fn open(&self) -> Box<dyn Log> {
        self.try_open().expect("the store opens")
    }

    /// Opens the store in another directory.
    pub fn open_at(&self, dir: &Path) -> Result<Box<dyn Log>, Error> {
        log::open(dir, self.kind, Options { cache_bytes: 8 << 20, front: FRONT })
    }

    /// Copies the store's files as a crash at this instant would leave them to the next process.
    pub fn crash_image(&self, name: &str) -> PathBuf {
        let image = self.root.path().join(name);
        copy_dir(&self.dir(), &image);
        image
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}

/// Every row of every space.
pub fn contents(log: &dyn Log) -> BTreeMap<RowId, Vec<u8>> {
    try_contents(log).expect("every row is read")
}

/// Every row of every space, or why one can't be read.
pub fn try_contents(log: &dyn Log) -> Result<BTreeMap<RowId, Vec<u8>>, Error> {
    let mut rows = BTreeMap::new();
    for space in Space::ALL {
        log.replay(space, 0, &mut |row, value| {
            assert_eq!(row.space, space, "a row of another space");
            assert!(rows.last_key_value().is_none_or(|(seen, _)| *seen < row), "{row:?} out of order");
            rows.insert(row, value.to_vec());
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// Appends one value.
pub fn put(log: &dyn Log, space: Space, commit: u64, value: &[u8]) -> u32 {
    let mut batch = Batch::new();
    let chunks = batch.put_value(space, commit, value);
    log.append(&batch).expect("an append");
    chunks
}

/// Removes one value.
pub fn remove(log: &dyn Log, space: Space, commit: u64, chunks: u32) {
    let mut batch = Batch::new();
    batch.remove_value(space, commit, chunks);
    log.append(&batch).expect("an append");
}

/// `len` bytes that differ from one another and from one `seed` to the next.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

/// Tests of one engine: `log_conformance!(EngineKind::Sled);` in a module of its own.
#[macro_export]
macro_rules! log_conformance {
    ($kind:expr) => {
        $crate::log_conformance!(@ $kind, appends:
            a_batch_is_seen_whole,
            rows_come_in_key_order,
            a_replay_starts_and_stops_where_told,
            a_range_of_a_value_is_read_across_chunks,
            values_of_every_size_come_back,
            removed_values_are_gone,
            an_empty_batch_writes_nothing,
            stats_count_what_lives,
            readers_see_whole_batches_while_one_writes,
        );
        $crate::log_conformance!(@ $kind, openings:
            everything_is_there_after_close_and_reopen,
            everything_is_there_after_a_crash,
            a_closed_log_refuses,
            a_second_opening_is_locked_out,
            another_engine_is_refused,
            another_layout_is_refused,
            a_store_of_the_layout_before_is_taken_over,
            a_missing_piece_is_damage_and_nothing_is_touched,
            a_crash_during_creation_starts_over,
            flipped_bytes_never_lose_rows_silently,
            less_than_was_acknowledged_is_damage,
            directories_are_private,
        );
        $crate::log_conformance!(@ $kind, compactions:
            contents_are_the_same_and_smaller,
            appends_during_a_compaction_survive,
            appends_race_with_a_compaction,
            giving_up_leaves_the_store_as_it_was,
            a_crash_at_any_stage_leaves_one_generation,
            a_staged_format_counts_for_nothing,
            a_failed_staging_leaves_the_store_working,
            a_failed_switch_stops_the_store,
            one_compaction_at_a_time,
            closing_stops_a_compaction,
            churn_stays_within_the_bound,
        );
    };
    (@ $kind:expr, $module:ident: $($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::testing::log_conformance::$module::$name($kind);
            }
        )*
    };
}

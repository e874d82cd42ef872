//! Dedupe records over a real log: sealed, covered, found, expired, reopened in the middle.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::store::log::{self, Compacted, EngineKind, Progress, ROW_BYTES_MAX, Stats};

mod scale;

const KEEP: Duration = Duration::from_hours(72);
const T0: Millis = Millis(1_776_340_800_000);
const HOUR: Duration = Duration::from_hours(1);

/// Small enough for many seals, passes and steps with few records.
const SMALL: Sizes = Sizes {
    memory_bytes_max: 1 << 20,
    fresh_max: 40,
    fresh_bytes_max: 1 << 20,
    fresh_age_max: HOUR,
    uncovered_min: 100,
    records_per_leaf: 4,
    step_records: 20,
};

/// A log that counts its reads.
struct Counting {
    inner: Box<dyn Log>,
    reads: AtomicU64,
}

impl Log for Counting {
    fn append(&self, batch: &Batch) -> Result<(), log::Error> {
        self.inner.append(batch)
    }

    fn replay(
        &self,
        space: Space,
        from: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), log::Error> {
        self.inner.replay(space, from, visit)
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, log::Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(row)
    }

    fn stats(&self) -> Result<Stats, log::Error> {
        self.inner.stats()
    }

    fn compact(
        &self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Compacted, log::Error> {
        self.inner.compact(progress)
    }

    fn close(&self) -> Result<(), log::Error> {
        self.inner.close()
    }
}

/// The records as the committer keeps them: one commit at a time.
struct Bench {
    log: Counting,
    _dir: tempfile::TempDir,
    sizes: Sizes,
    dedupe: Dedupe,
    commit: u64,
    removals: VecDeque<Doomed>,
    remembered: u64,
}

fn nth(n: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&filter::mix(n).to_be_bytes());
    key[8..].copy_from_slice(&filter::mix(!n).to_be_bytes());
    key
}

impl Bench {
    fn new(sizes: Sizes) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inner = log::open(&dir.path().join("outbox"), EngineKind::Redb, log::Options::default()).unwrap();
        let log = Counting { inner, reads: AtomicU64::new(0) };
        let dedupe = Dedupe::open_with(&log, sizes).unwrap();
        Self { log, _dir: dir, sizes, dedupe, commit: 0, removals: VecDeque::new(), remembered: 0 }
    }

    /// A commit that accepts so many events at `now`, with its share of the housekeeping. `amid` is
    /// called when memory has moved on and the disk has not.
    fn commit_with(&mut self, events: u64, now: Millis, amid: impl Fn(&Self)) {
        self.commit += 1;
        let mut batch = Batch::new();
        let numbers = self.remembered..self.remembered + events;
        let records: Vec<DedupeRecord> = numbers.map(|n| record(n, now)).collect();
        let value = postcard::to_stdvec(&records).unwrap();
        let chunks = batch.put_value(Space::DedupeFresh, self.commit, &value);
        if records.is_empty() {
            batch = Batch::new();
        }
        let later = self.dedupe.housekeeping(&self.log, now, KEEP, &mut batch).unwrap();
        amid(self);
        for Doomed { space, commit, chunks } in self.removals.drain(..) {
            batch.remove_value(space, commit, chunks);
        }
        self.removals.extend(later);
        self.log.append(&batch).unwrap();
        if !records.is_empty() {
            self.dedupe.remember(self.commit, chunks, &records);
        }
        self.remembered += events;
    }

    fn commit(&mut self, events: u64, now: Millis) {
        self.commit_with(events, now, |_| {});
    }

    /// Commits that bring nothing, until what is under way is done and its leftovers are removed.
    fn settle(&mut self, now: Millis) {
        self.commit(0, now);
        while lock(&self.dedupe.state).seal.is_some() || !self.removals.is_empty() {
            self.commit(0, now);
        }
        self.commit(0, now);
    }

    /// What a crash leaves is read back.
    fn crash(&mut self) {
        self.removals.clear();
        self.dedupe = Dedupe::open_with(&self.log, self.sizes).unwrap();
    }

    fn find(&self, key: &Key) -> Option<DedupeRecord> {
        let found = self.dedupe.find(&self.log, key).unwrap();
        assert_eq!(self.dedupe.find_again(&self.log, key).unwrap(), found, "the committer finds the same");
        if let Some(glanced) = self.dedupe.glance(key) {
            assert_eq!(glanced, found, "and so does memory, if it says anything");
        }
        found
    }

    fn count(&self, space: Space) -> usize {
        let mut count = 0;
        let mut visit = |_, row: &[u8]| {
            assert!(row.len() <= ROW_BYTES_MAX);
            count += 1;
            ControlFlow::Continue(())
        };
        self.log.replay(space, 0, &mut visit).unwrap();
        count
    }

    /// Every `stride`-th record is found, and none that was never there.
    fn assert_all(&self, from: u64, stride: usize) {
        for n in (from..self.remembered).step_by(stride) {
            let found = self.find(&nth(n)).unwrap_or_else(|| panic!("record {n} is lost"));
            assert_eq!(found.lanes, [lane(n)]);
        }
        for n in 0..50 {
            assert_eq!(self.find(&nth(u64::MAX - n)), None);
        }
    }

    fn under_pass(&self) -> bool {
        lock(&self.dedupe.upkeep).pass.is_some()
    }
}

fn lane(n: u64) -> LaneId {
    LaneId::try_from(n % 60_000).unwrap()
}

fn record(n: u64, accepted_at: Millis) -> DedupeRecord {
    DedupeRecord {
        key: nth(n),
        body: [7; 16],
        accepted_at,
        correlation: None,
        lanes: vec![lane(n)],
        quarantined: None,
    }
}

#[test]
fn the_key_tells_source_and_id_apart() {
    let slug = |text: &str| AppSlug::new(text).unwrap();
    let id = |text: &str| EventId::new(text).unwrap();
    assert_eq!(key(&slug("ab"), &id("c")), key(&slug("ab"), &id("c")));
    assert_ne!(key(&slug("ab"), &id("c")), key(&slug("a"), &id("bc")));
}

#[test]
fn a_seal_is_spread_over_commits_and_empties_the_fresh_rows() {
    let sizes = Sizes { fresh_max: 20_000, ..SMALL };
    let mut bench = Bench::new(sizes);
    for _ in 0..20 {
        bench.commit(1_000, T0);
    }
    let before = bench.commit;
    bench.settle(T0);
    assert!(bench.commit > before + 3, "{} commits", bench.commit - before);
    assert_eq!((bench.dedupe.counts().fresh, bench.dedupe.counts().runs), (0, 1));
    assert_eq!(bench.count(Space::DedupeFresh), 0);
    bench.assert_all(0, 99);
    bench.crash();
    assert_eq!(bench.dedupe.counts().records, 20_000);
    bench.assert_all(0, 99);
}

#[test]
fn the_hour_seals_what_is_few() {
    let mut bench = Bench::new(SMALL);
    bench.commit(10, T0);
    bench.commit(5, T0.plus(HOUR).minus(Duration::from_millis(1)));
    assert!(lock(&bench.dedupe.state).seal.is_none());
    bench.settle(T0.plus(HOUR));
    assert_eq!((bench.dedupe.counts().fresh, bench.dedupe.counts().runs), (0, 1));
    bench.assert_all(0, 1);
}

#[test]
fn a_run_expires_whole_and_not_before_its_youngest() {
    let mut bench = Bench::new(SMALL);
    let mut at = T0;
    for _ in 0..3 {
        bench.commit(30, at);
        at = at.plus(HOUR);
        bench.settle(at);
    }
    assert_eq!(bench.dedupe.counts().runs, 3);
    bench.settle(T0.plus(KEEP));
    assert_eq!(bench.dedupe.counts().runs, 3, "kept for all of the retention");
    let over = T0.plus(KEEP).plus(Duration::from_millis(1));
    bench.settle(over);
    assert_eq!(bench.dedupe.counts().runs, 2);
    assert_eq!((bench.count(Space::DedupeData), bench.count(Space::DedupeIndex)), (2, 2));
    assert_eq!(bench.find(&nth(0)), None);
    bench.assert_all(30, 1);
    bench.settle(over.plus(KEEP));
    assert_eq!(bench.log.stats().unwrap().rows, 0, "nothing is left of them");
}

#[test]
fn nothing_is_left_of_a_directory_when_all_it_covers_has_expired() {
    for crash_at in 0..6 {
        let mut bench = Bench::new(SMALL);
        while bench.dedupe.counts().leaves == 0 || bench.under_pass() {
            bench.commit(20, T0);
        }
        let over = T0.plus(KEEP + HOUR * 2);
        for commit in 0..12 {
            bench.commit(20, over);
            if commit == crash_at {
                bench.crash();
            }
        }
        let from = bench.remembered - 20 * 12;
        bench.assert_all(from, 1);
        assert_eq!(bench.find(&nth(0)), None);
        bench.settle(over.plus(KEEP + HOUR * 2));
        bench.settle(over.plus(KEEP + HOUR * 4));
        assert_eq!(bench.dedupe.counts().runs, 0);
        assert_eq!(bench.log.stats().unwrap().rows, 0, "nothing is left");
    }
}

#[test]
fn rows_left_by_a_crash_in_an_expiry_are_removed_at_the_start() {
    let mut bench = Bench::new(SMALL);
    for n in 0..2 {
        bench.commit(30, T0.plus(HOUR * n * 2));
        bench.settle(T0.plus(HOUR * (n * 2 + 1)));
    }
    // The index of the first run is gone with this commit, its rows would go with the next.
    bench.commit(0, T0.plus(KEEP).plus(Duration::from_millis(1)));
    assert_eq!((bench.count(Space::DedupeData), bench.count(Space::DedupeIndex)), (2, 1));
    bench.crash();
    assert_eq!(bench.count(Space::DedupeData), 1, "nothing will ever ask for them");
    bench.assert_all(30, 1);
}

#[test]
fn a_repeat_in_two_runs_is_answered_by_the_newer() {
    for covered in [false, true] {
        let mut bench = Bench::new(SMALL);
        for round in 0..2 {
            bench.remembered = 0;
            bench.commit(40, T0.plus(HOUR * round));
            bench.settle(T0.plus(HOUR * round));
        }
        bench.remembered = 40;
        while covered && (bench.dedupe.counts().leaves == 0 || bench.under_pass()) {
            bench.commit(40, T0.plus(HOUR));
        }
        assert_eq!(bench.find(&nth(3)).unwrap().accepted_at, T0.plus(HOUR), "covered: {covered}");
    }
}

#[test]
fn a_record_too_long_for_a_row_takes_several() {
    let mut bench = Bench::new(SMALL);
    let lanes: Vec<LaneId> = (0..60_000).collect();
    let long = DedupeRecord { lanes, ..record(7_777_777, T0) };
    bench.commit(45, T0);
    bench.dedupe.remember(bench.commit, 0, std::slice::from_ref(&long));
    bench.settle(T0);
    assert_eq!(bench.dedupe.counts().runs, 1);
    assert!(bench.count(Space::DedupeData) > 29, "more than its 170 kB at 6 kB a row");
    assert_eq!(bench.find(&long.key), Some(long.clone()));
    bench.assert_all(0, 1);
    bench.crash();
    assert_eq!(bench.find(&long.key), Some(long.clone()));
    while bench.dedupe.counts().leaves == 0 || bench.under_pass() {
        bench.commit(40, T0);
    }
    assert_eq!(bench.find(&long.key), Some(long));
    bench.assert_all(0, 1);
}

#[test]
fn who_asked_before_a_pass_moved_a_leaf_is_still_answered() {
    let mut bench = Bench::new(SMALL);
    while bench.dedupe.counts().leaves == 0 || bench.under_pass() {
        bench.commit(20, T0);
    }
    let known = bench.remembered;
    let clues: Vec<(u64, Clue)> = (0..known).map(|n| (n, lock(&bench.dedupe.state).clue(&nth(n)))).collect();
    let first_leaf = |bench: &Bench| lock(&bench.dedupe.state).directory.at(0).unwrap().first_leaf;
    let before = first_leaf(&bench);
    while first_leaf(&bench) == before || bench.under_pass() {
        bench.commit(20, T0);
    }
    for (n, clue) in clues {
        assert!(bench.dedupe.follow(&bench.log, &nth(n), clue).unwrap().is_some(), "record {n}");
    }
}

#[test]
fn the_committer_reads_nothing_for_what_was_looked_for_before() {
    let mut bench = Bench::new(Sizes { memory_bytes_max: 0, ..SMALL });
    for _ in 0..40 {
        bench.commit(20, T0);
    }
    let reads = || bench.log.reads.load(Ordering::Relaxed);
    let mut read_by_callers = 0;
    for n in 1_000_000..1_000_200 {
        let before = reads();
        assert_eq!(bench.dedupe.find(&bench.log, &nth(n)).unwrap(), None);
        read_by_callers += reads() - before;
        let before = reads();
        assert_eq!(bench.dedupe.find_again(&bench.log, &nth(n)).unwrap(), None);
        assert_eq!(reads(), before);
    }
    assert!(read_by_callers >= 100, "without memory for filters callers do read: {read_by_callers}");
    // What a neighbour got accepted between the look and the commit is found, wherever it went.
    let next = bench.remembered;
    assert_eq!(bench.dedupe.find(&bench.log, &nth(next)).unwrap(), None);
    for _ in 0..60 {
        bench.commit(20, T0);
        assert!(bench.dedupe.find_again(&bench.log, &nth(next)).unwrap().is_some());
    }
}

#[test]
fn a_damaged_record_or_index_is_refused() {
    for (space, bytes) in [
        (Space::DedupeFresh, &[0xff; 40][..]),
        (Space::DedupeIndex, &[0xff; 9]),
        (Space::DedupeIndex, &[1; 3]),
    ] {
        let bench = Bench::new(SMALL);
        let mut batch = Batch::new();
        batch.put_value(space, 1, bytes);
        bench.log.append(&batch).unwrap();
        assert!(matches!(Dedupe::open(&bench.log), Err(Error::Damaged(_))), "{space:?}");
    }
}

#[test]
fn a_missing_leaf_or_row_is_refused() {
    let mut bench = Bench::new(SMALL);
    while bench.dedupe.counts().leaves < 3 || bench.under_pass() {
        bench.commit(20, T0);
    }
    let leaf = lock(&bench.dedupe.state).directory.at(0).unwrap().first_leaf;
    let mut batch = Batch::new();
    batch.remove_value(Space::DedupeIndex, leaf, 1);
    bench.log.append(&batch).unwrap();
    let damaged = (0..bench.remembered).find_map(|n| bench.dedupe.find(&bench.log, &nth(n)).err());
    assert!(matches!(damaged, Some(Error::Damaged(_))), "a look-up says so");
    assert!(matches!(Dedupe::open(&bench.log), Err(Error::Damaged(_))), "and so does the next start");
}

/// What a sequence of a model's run does.
#[derive(Clone, Debug)]
enum Step {
    Commit {
        events: u64,
        minutes: u64,
    },
    Crash,
    /// A batch is made and never gets to the disk.
    Torn {
        events: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..30_u64, 0..40_u64).prop_map(|(events, minutes)| Step::Commit { events, minutes }),
        2 => (0..10_u64, 600..3_000_u64).prop_map(|(events, minutes)| Step::Commit { events, minutes }),
        1 => Just(Step::Crash),
        1 => (0..30_u64).prop_map(|events| Step::Torn { events }),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_within_the_retention_is_found_whatever_happens(steps in steps(), per_leaf in 1..20_u64) {
        let mut bench = Bench::new(Sizes { records_per_leaf: per_leaf, ..SMALL });
        let mut accepted: BTreeMap<u64, Millis> = BTreeMap::new();
        let mut now = T0;
        for step in steps {
            if let Step::Commit { minutes, .. } = step {
                now = now.plus(Duration::from_secs(60 * minutes));
            }
            let known = accepted.clone();
            let check = |bench: &Bench| {
                for (n, at) in &known {
                    let found = bench.find(&nth(*n)).map(|record| record.accepted_at);
                    if now.since(*at) <= KEEP {
                        assert_eq!(found, Some(*at), "record {n}");
                    } else {
                        assert!(found.is_none_or(|found| found == *at));
                    }
                }
                assert_eq!(bench.find(&nth(u64::MAX - now.0)), None);
            };
            match step {
                Step::Commit { events, .. } => {
                    accepted.extend((bench.remembered..bench.remembered + events).map(|n| (n, now)));
                    bench.commit_with(events, now, check);
                }
                Step::Crash => bench.crash(),
                Step::Torn { events } => {
                    let mut batch = Batch::new();
                    bench.dedupe.housekeeping(&bench.log, now, KEEP, &mut batch).unwrap();
                    bench.dedupe.remember(u64::MAX, 1, &(0..events).map(|n| record(!n, now)).collect::<Vec<_>>());
                    bench.crash();
                }
            }
            accepted.retain(|_, at| now.since(*at) < KEEP + HOUR * 50);
        }
        let known = accepted;
        for (n, at) in known.iter().filter(|(_, at)| now.since(**at) <= KEEP) {
            prop_assert_eq!(bench.find(&nth(*n)).map(|record| record.accepted_at), Some(*at));
        }
    }
}

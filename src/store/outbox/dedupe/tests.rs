//! Dedupe records over a real log: sealed, found, expired, reopened in the middle.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::store::log::{self, EngineKind};

const KEEP: Duration = Duration::from_hours(72);
const T0: Millis = Millis(1_776_340_800_000);

/// The records as the committer keeps them: one commit at a time.
struct Bench {
    log: Box<dyn Log>,
    _dir: tempfile::TempDir,
    dedupe: Dedupe,
    commit: u64,
    removals: VecDeque<Doomed>,
    remembered: u64,
}

fn nth(n: u64) -> Key {
    digest(&[&n.to_le_bytes()])
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = log::open(&dir.path().join("outbox"), EngineKind::Redb, log::Options::default()).unwrap();
        let dedupe = Dedupe::default();
        Self { log, _dir: dir, dedupe, commit: 0, removals: VecDeque::new(), remembered: 0 }
    }

    /// A commit that accepts so many events at `now`, with its share of the housekeeping.
    fn commit(&mut self, events: u64, now: Millis) {
        self.commit += 1;
        let mut batch = Batch::new();
        if events > 0 {
            let numbers = self.remembered..self.remembered + events;
            let records: Vec<DedupeRecord> = numbers.map(|n| record(n, now)).collect();
            self.remembered += events;
            let value = postcard::to_stdvec(&records).unwrap();
            let chunks = batch.put_value(Space::DedupeFresh, self.commit, &value);
            self.dedupe.remember(self.commit, chunks, records);
        }
        let later = self.dedupe.housekeeping(now, KEEP, &mut batch);
        for Doomed { space, commit, chunks } in self.removals.drain(..) {
            batch.remove_value(space, commit, chunks);
        }
        self.removals.extend(later);
        self.log.append(&batch).unwrap();
    }

    /// Commits that bring nothing, until a seal under way is done and its leftovers are removed.
    fn settle(&mut self, now: Millis) {
        while self.dedupe.sealing.is_some() || !self.removals.is_empty() {
            self.commit(0, now);
        }
    }

    fn crash(&mut self) {
        self.removals.clear();
        self.dedupe = Dedupe::open(self.log.as_ref()).unwrap();
    }

    fn find(&self, key: &Key) -> Option<DedupeRecord> {
        if let Some(record) = self.dedupe.in_memory(key) {
            return Some(record.clone());
        }
        let rows = self.dedupe.candidates(key);
        rows.into_iter().find_map(|row| find_in_row(&self.log.read(row).unwrap()?, key))
    }

    fn count(&self, space: Space) -> usize {
        let mut count = 0;
        let mut visit = |_, _: &[u8]| {
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
        for n in 0..1000 {
            assert_eq!(self.find(&nth(u64::MAX - n)), None);
        }
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
fn a_full_set_is_sealed_slice_by_slice_and_found_all_the_while() {
    let mut bench = Bench::new();
    let most = FRESH_MAX as u64;
    bench.commit(most - 1, T0);
    assert!(bench.dedupe.sealing.is_none());
    bench.commit(1, T0);
    assert!(bench.dedupe.sealing.is_some());
    assert_eq!(bench.count(Space::DedupeData), SEAL_ROWS_PER_COMMIT);
    bench.assert_all(0, 997);
    // New ones come while the old ones are sealed.
    bench.commit(500, T0);
    bench.assert_all(0, 499);
    let mut commits = 0;
    while bench.dedupe.sealing.is_some() {
        bench.commit(0, T0);
        commits += 1;
    }
    assert!(commits > 10, "a seal is spread over many commits, not {commits}");
    assert_eq!(bench.dedupe.counts(), (500, 1));
    bench.assert_all(0, 499);
    bench.settle(T0);
    assert_eq!(bench.count(Space::DedupeFresh), 4, "only the rows of the 500 fresh ones are left");
    bench.assert_all(0, 499);
    bench.crash();
    assert_eq!(bench.dedupe.counts(), (500, 1));
    bench.assert_all(0, 499);
}

#[test]
fn the_hour_seals_what_is_few() {
    let mut bench = Bench::new();
    bench.commit(10, T0);
    bench.commit(5, T0.plus(FRESH_AGE_MAX).minus(Duration::from_millis(1)));
    assert!(bench.dedupe.sealing.is_none());
    bench.commit(1, T0.plus(FRESH_AGE_MAX));
    bench.settle(T0.plus(FRESH_AGE_MAX));
    assert_eq!(bench.dedupe.counts(), (0, 1));
    assert_eq!(bench.count(Space::DedupeFresh), 0);
    bench.assert_all(0, 1);
}

#[test]
fn a_crash_at_any_commit_of_a_seal_loses_nothing() {
    for crash_after in 0..9 {
        let mut bench = Bench::new();
        bench.commit(8_000, T0);
        let ripe = T0.plus(FRESH_AGE_MAX);
        for _ in 0..crash_after {
            bench.commit(1, ripe);
        }
        bench.crash();
        bench.assert_all(0, 97);
        let data = bench.count(Space::DedupeData);
        assert_eq!(data > 0, !bench.dedupe.runs.is_empty(), "rows of an unfinished run are removed");
        for _ in 0..20 {
            bench.commit(1, ripe);
        }
        bench.settle(ripe);
        bench.assert_all(0, 97);
        bench.crash();
        bench.assert_all(0, 97);
    }
}

#[test]
fn a_run_expires_whole_and_not_before_its_youngest() {
    let mut bench = Bench::new();
    let mut at = T0;
    for _ in 0..3 {
        bench.commit(300, at);
        at = at.plus(FRESH_AGE_MAX);
        bench.commit(0, at);
        bench.settle(at);
    }
    assert_eq!(bench.dedupe.counts(), (0, 3));
    let data = bench.count(Space::DedupeData);
    bench.commit(0, T0.plus(KEEP));
    assert_eq!(bench.dedupe.counts(), (0, 3), "kept for all of the retention");
    let over = T0.plus(KEEP).plus(Duration::from_millis(1));
    bench.commit(0, over);
    assert_eq!(bench.dedupe.counts(), (0, 2));
    bench.settle(over);
    assert_eq!(bench.count(Space::DedupeData) * 3, data * 2);
    assert_eq!(bench.count(Space::DedupeIndex), 2);
    assert_eq!(bench.find(&nth(0)), None);
    bench.assert_all(300, 1);
    bench.commit(0, over.plus(KEEP));
    bench.settle(over.plus(KEEP));
    assert_eq!(bench.log.stats().unwrap().rows, 0, "nothing is left of them");
}

#[test]
fn rows_left_by_a_crash_in_an_expiry_are_removed_at_the_start() {
    let mut bench = Bench::new();
    let mut at = T0;
    for _ in 0..2 {
        bench.commit(300, at);
        at = at.plus(FRESH_AGE_MAX);
        bench.commit(0, at);
        bench.settle(at);
    }
    // The index of the first run is gone, its rows are not: they go with a later commit.
    let run = &bench.dedupe.runs[0];
    let mut batch = Batch::new();
    batch.remove_value(Space::DedupeIndex, run.number, run.index_chunks);
    bench.log.append(&batch).unwrap();
    let before = bench.count(Space::DedupeData);
    bench.crash();
    assert_eq!(bench.dedupe.counts(), (0, 1));
    assert_eq!(bench.count(Space::DedupeData) * 2, before, "nothing will ever ask for them");
    bench.assert_all(300, 1);
}

#[test]
fn a_repeat_in_two_runs_is_answered_by_the_newer() {
    let mut bench = Bench::new();
    for round in 0..2 {
        bench.remembered = 0;
        let at = T0.plus(FRESH_AGE_MAX * round * 2);
        bench.commit(50, at);
        bench.commit(0, at.plus(FRESH_AGE_MAX));
        bench.settle(at.plus(FRESH_AGE_MAX));
    }
    assert_eq!(bench.dedupe.counts(), (0, 2));
    assert_eq!(bench.find(&nth(3)).unwrap().accepted_at, T0.plus(FRESH_AGE_MAX * 2));
}

#[test]
fn all_filters_together_are_bounded() {
    let mut dedupe = Dedupe::default();
    for number in 0..300 {
        let filter = Filter { words: vec![0; FRESH_MAX / 4] };
        dedupe.runs.push_back(Run { number, filter, ..Run::default() });
    }
    dedupe.bound_filters();
    let bytes: usize = dedupe.runs.iter().map(|run| run.filter.words.len() * 8).sum();
    assert!(bytes <= FILTER_BYTES_MAX && bytes > FILTER_BYTES_MAX / 2, "{bytes}");
    let sizes: Vec<usize> = dedupe.runs.iter().map(|run| run.filter.words.len()).collect();
    assert!(sizes.iter().max().unwrap() / sizes.iter().min().unwrap() <= 2, "the largest is folded first");
}

#[test]
fn a_fresh_filter_is_wrong_once_in_hundreds_at_most() {
    let keys: Vec<Key> = (0..20_000).map(nth).collect();
    let filter = Filter::of(keys.iter());
    let wrong = (1_000_000..1_020_000).filter(|n| filter.may_hold(&nth(*n))).count();
    assert!(wrong < 100, "{wrong} of 20,000");
}

#[test]
fn a_damaged_record_is_refused() {
    let bench = Bench::new();
    let mut batch = Batch::new();
    batch.put_value(Space::DedupeFresh, 1, &[0xff; 40]);
    bench.log.append(&batch).unwrap();
    assert!(matches!(Dedupe::open(bench.log.as_ref()), Err(Error::Damaged(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folded_filter_never_denies_what_it_holds(count in 1..800_u64, folds in 0..14_usize, seed: u64) {
        let keys: Vec<Key> = (0..count).map(|n| nth(seed.wrapping_add(n))).collect();
        let mut filter = Filter::of(keys.iter());
        for _ in 0..folds {
            if filter.words.len() > 1 {
                filter.fold();
            }
            prop_assert!(keys.iter().all(|key| filter.may_hold(key)));
        }
    }

    #[test]
    fn rows_hold_every_record_in_order_and_fit(count in 1..600_u64, lanes in 0..40_u16) {
        let records: HashMap<Key, DedupeRecord> = (0..count)
            .map(|n| (nth(n), DedupeRecord { lanes: (0..lanes).map(|lane| lane * 1000).collect(), ..record(n, T0) }))
            .collect();
        let (rows, firsts) = pack_rows(&records);
        prop_assert_eq!(rows.len(), firsts.len());
        prop_assert!(firsts.is_sorted());
        let mut seen = 0;
        for (row, first) in rows.iter().zip(&firsts) {
            prop_assert!(row.len() <= ROW_BYTES_MAX);
            let held: Vec<DedupeRecord> = postcard::from_bytes(row).unwrap();
            prop_assert_eq!(&held[0].key, first);
            seen += held.len();
        }
        prop_assert_eq!(seen, records.len());
        let run = Run { firsts, filter: Filter::of(records.keys()), ..Run::default() };
        for (key, record) in records.iter().step_by(11) {
            let row = run.candidate(key).unwrap();
            let found = find_in_row(&rows[row.chunk as usize], key);
            prop_assert_eq!(found.as_ref(), Some(record));
        }
    }
}

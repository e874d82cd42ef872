//! The log in front of an engine that is a map, against a map.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::record::{BLOCK_BYTES, HEAD_BYTES};
use super::segment::NAMES;
use super::*;
use crate::store::log::row::{RowId, Space};
use crate::store::log::tally;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Full every few commits.
const SMALL: Bounds =
    Bounds { segment_bytes_min: 4 * BLOCK, segment_bytes_max: 16 * BLOCK, table_bytes_max: 6_000 };

type Model = BTreeMap<Key, Vec<u8>>;

/// An engine that is only what its disk would hold.
#[derive(Clone, Default)]
struct Kept {
    rows: Arc<Mutex<Model>>,
    /// Rows that were ever put.
    puts: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Kept {
    fn rows(&self) -> Model {
        self.rows.lock().unwrap().clone()
    }

    fn with(rows: Model) -> Self {
        Self { rows: Arc::new(Mutex::new(rows)), ..Self::default() }
    }
}

impl Engine for Kept {
    fn commit(&self, change: &Change<'_>) -> Result<(), Fault> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Fault::Failed("the engine failed".to_owned()));
        }
        let mut rows = self.rows.lock().unwrap();
        for (key, value) in change {
            match value {
                Some(value) => {
                    self.puts.fetch_add(usize::from(*key != tally::KEY), Ordering::SeqCst);
                    rows.insert(*key, value.to_vec())
                }
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault> {
        let rows = self.rows.lock().unwrap();
        Ok(keys.iter().filter_map(|key| Some((*key, rows.get(key)?.len()))).collect())
    }

    fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault> {
        let (mut found, mut bytes) = (Rows::new(), 0);
        for (key, value) in self.rows.lock().unwrap().range((start.cloned(), Bound::Included(*last))) {
            bytes += value.len();
            found.push((*key, value.clone()));
            if found.len() >= room.rows || bytes >= room.bytes {
                break;
            }
        }
        Ok(found)
    }

    fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault> {
        Ok(self.rows.lock().unwrap().range(*first..=*last).next_back().map(|(key, _)| *key))
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

fn key(commit: u64) -> Key {
    RowId::first(Space::Moves, commit).key()
}

fn put(front: &Fronted, commit: u64, bytes: usize) -> Result<(), Fault> {
    front.commit(&Change::from([(key(commit), Some(&vec![7; bytes][..]))]))
}

fn remove(front: &Fronted, commit: u64) {
    front.commit(&Change::from([(key(commit), None)])).unwrap();
}

fn contents(front: &Fronted, room: Room) -> Model {
    let last = RowId::last(Space::DedupeData).key();
    let (mut rows, mut start) = (Model::new(), Bound::Included(Key::default()));
    loop {
        let found = front.scan(start.as_ref(), &last, room).unwrap();
        let Some((end, _)) = found.last() else { return rows };
        start = Bound::Excluded(*end);
        for (key, value) in found {
            assert_eq!(rows.insert(key, value), None);
        }
    }
}

const ALL: Room = Room { rows: 1_000, bytes: 1 << 20 };

fn open(engine: Kept, path: &Path, bounds: Bounds) -> Result<Fronted, Fault> {
    Fronted::open(Box::new(engine), read(path)?, path, bounds)
}

fn damage(opened: Result<Fronted, Fault>) -> String {
    match opened.map(|_| ()) {
        Err(Fault::Damaged(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

/// Copies the segments into a folder of their own. The engine's rows are to be looked at after that: a segment that was freed
/// before it was copied is down.
fn image(of: &Path, into: &TempDir, name: &str) -> PathBuf {
    let path = into.path().join(name);
    fs::create_dir(&path).unwrap();
    for name in NAMES {
        fs::copy(of.join(name), path.join(name)).unwrap();
    }
    path
}

#[derive(Clone, Debug)]
enum Op {
    /// Rows to put, by number and length; and rows to remove.
    Commit {
        puts: Vec<(u8, usize)>,
        removes: Vec<u8>,
    },
    Reopen,
    /// Going on elsewhere with what is on the disk; with half of a record that nobody was told of, or without.
    Crash {
        torn: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let puts = proptest::collection::vec((0..60_u8, prop_oneof![0..200_usize, 3_000..9_000_usize]), 0..5);
    let removes = proptest::collection::vec(0..60_u8, 0..12);
    prop_oneof![
        12 => (puts, removes).prop_map(|(puts, removes)| Op::Commit { puts, removes }),
        1 => Just(Op::Reopen),
        2 => any::<bool>().prop_map(|torn| Op::Crash { torn }),
    ]
}

struct Run {
    dir: TempDir,
    engine: Kept,
    front: Option<Fronted>,
    model: Model,
    commits: u8,
    crashes: u32,
}

impl Run {
    fn new() -> Self {
        let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
        // Keys below, at and above the edge.
        let front = Fronted::create(Box::new(engine.clone()), dir.path(), SMALL).unwrap();
        front.pour(&Change::from([(key(20), Some(&b"poured"[..]))])).unwrap();
        let model = engine.rows();
        Self { dir, engine, front: Some(front), model, commits: 0, crashes: 0 }
    }

    fn front(&self) -> &Fronted {
        self.front.as_ref().unwrap()
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Commit { puts, removes } => self.commit(puts, removes),
            Op::Reopen => {
                drop(self.front.take());
                self.front = Some(open(self.engine.clone(), self.dir.path(), SMALL).unwrap());
            }
            Op::Crash { torn } => self.crash(*torn),
        }
    }

    fn commit(&mut self, puts: &[(u8, usize)], removes: &[u8]) {
        self.commits = self.commits.wrapping_add(1);
        let values: Vec<_> =
            puts.iter().map(|(at, bytes)| (key(u64::from(*at)), vec![self.commits; *bytes])).collect();
        let mut change: Change<'_> = removes.iter().map(|at| (key(u64::from(*at)), None)).collect();
        change.extend(values.iter().map(|(key, value)| (*key, Some(&value[..]))));
        for (key, value) in &change {
            match value {
                Some(value) => self.model.insert(*key, value.to_vec()),
                None => self.model.remove(key),
            };
        }
        self.front().commit(&change).unwrap();
    }

    fn crash(&mut self, torn: bool) {
        self.crashes += 1;
        let path = image(self.dir.path(), &self.dir, &format!("crash{}", self.crashes));
        let engine = Kept::with(self.engine.rows());
        if torn {
            self.tear(&path);
        }
        let front = open(engine, &path, SMALL).unwrap();
        assert!(contents(&front, ALL) == self.model, "torn: {torn}");
    }

    /// Adds one block of two of a record that nobody was told of.
    fn tear(&self, path: &Path) {
        let writer = self.front().writer.lock().unwrap();
        let mut record = Vec::new();
        // Like nothing else that was ever written there: the missing block must not be found behind.
        let value: Vec<u8> = (0..5_000).map(|at| u8::try_from(at % 251).unwrap()).collect();
        record::draft(&mut record, &Change::from([(key(65), Some(&value[..]))])).unwrap();
        record::seal(&mut record, writer.stamp);
        let block = usize::try_from(self.crashes % 2).unwrap() * BLOCK_BYTES;
        let at = usize::try_from(writer.at).unwrap();
        let file = path.join(NAMES[writer.segment]);
        let mut bytes = fs::read(&file).unwrap();
        bytes.resize(bytes.len().max(at + record.len()), 0);
        bytes[at + block..at + block + BLOCK_BYTES].copy_from_slice(&record[block..block + BLOCK_BYTES]);
        fs::write(file, bytes).unwrap();
    }

    fn check(&self) {
        let front = self.front();
        for room in [ALL, Room { rows: 3, bytes: 4_000 }] {
            assert_eq!(contents(front, room), self.model);
        }
        let all: BTreeSet<Key> = (0..70).map(key).collect();
        let held: BTreeMap<_, _> = front.held(&all).unwrap().into_iter().collect();
        assert_eq!(held, self.model.iter().map(|(key, value)| (*key, value.len())).collect());
        for key in &all {
            assert_eq!(front.read(key).unwrap().as_ref(), self.model.get(key));
        }
        let last = self.model.last_key_value().map(|(key, _)| *key);
        assert!(front.edge(&key(0), &key(99)).unwrap() >= last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_map_does(ops in proptest::collection::vec(op(), 1..60)) {
        let mut run = Run::new();
        for op in ops {
            run.step(&op);
            run.check();
        }
        let rows = run.model.clone();
        Box::new(run.front.take().unwrap()).close().unwrap();
        run.step(&Op::Reopen);
        prop_assert_eq!(contents(run.front(), ALL), rows);
    }
}

#[test]
fn rows_that_come_and_go_never_reach_the_engine() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
    let front = Fronted::create(Box::new(engine.clone()), dir.path(), SMALL).unwrap();
    for commit in 1..200 {
        put(&front, commit, 1_000).unwrap();
        if commit > 2 {
            remove(&front, commit - 2);
        }
    }
    assert_eq!(contents(&front, ALL).len(), 2);
    Box::new(front).close().unwrap();
    let puts = engine.puts.load(Ordering::SeqCst);
    assert!(puts < 40, "{puts} of 200 rows were brought down");
}

#[test]
fn a_segment_that_was_full_becomes_larger_up_to_its_bound() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
    let bounds = Bounds { table_bytes_max: 1 << 20, ..SMALL };
    let front = Fronted::create(Box::new(engine.clone()), dir.path(), bounds).unwrap();
    assert_eq!(front.fixed_bytes().unwrap(), 2 * SMALL.segment_bytes_min);
    for commit in 1..100 {
        put(&front, commit, 10).unwrap();
    }
    // One that is longer than any segment is to be, and is cut off before it is used again.
    put(&front, 100, 40 * BLOCK_BYTES).unwrap();
    for commit in 101..200 {
        put(&front, commit, 10).unwrap();
    }
    assert_eq!(contents(&front, ALL).len(), 199);
    Box::new(front).close().unwrap();
    for name in NAMES {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().len(), SMALL.segment_bytes_max, "{name}");
    }
    let front = open(engine, dir.path(), bounds).unwrap();
    assert_eq!(contents(&front, ALL).len(), 199);
}

#[test]
fn nothing_is_written_after_the_engine_has_failed_and_nothing_is_lost() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
    let front = Fronted::create(Box::new(engine.clone()), dir.path(), SMALL).unwrap();
    engine.fails.store(true, Ordering::SeqCst);
    let commits = (1..1_000).take_while(|commit| put(&front, *commit, 100).is_ok()).count();
    let log = NAMES.map(|name| fs::read(dir.path().join(name)).unwrap());
    for commit in 0..3 {
        let Err(Fault::Failed(detail)) = put(&front, 1_000 + commit, 100) else { panic!("it went on") };
        assert_eq!(detail, "the engine failed");
    }
    assert!(log == NAMES.map(|name| fs::read(dir.path().join(name)).unwrap()));
    assert_eq!(contents(&front, ALL).len(), commits, "reads go on");
    Box::new(front).close().unwrap_err();
    engine.fails.store(false, Ordering::SeqCst);
    let front = open(engine, dir.path(), SMALL).unwrap();
    assert_eq!(contents(&front, ALL).len(), commits);
    put(&front, 2_000, 100).unwrap();
}

#[test]
fn a_write_that_failed_is_the_last() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
    let front = Fronted::create(Box::new(engine), dir.path(), SMALL).unwrap();
    put(&front, 1, 10).unwrap();
    for name in NAMES {
        fs::rename(dir.path().join(name), dir.path().join("away")).unwrap();
        fs::remove_file(dir.path().join("away")).unwrap();
    }
    for _ in 0..2 {
        let Err(Fault::Failed(detail)) = put(&front, 2, 10) else { panic!("it went on") };
        assert_eq!(detail, "it was removed while it was in use");
    }
    assert_eq!(contents(&front, ALL).len(), 1);
}

/// A log over both segments, with what is in the first one not yet down; and its engine.
fn two_runs(dir: &TempDir) -> Kept {
    let engine = Kept::default();
    let front = Fronted::create(Box::new(engine.clone()), dir.path(), SMALL).unwrap();
    // Four fill the first segment, and the table goes down when half of the second is full.
    (1..=6).for_each(|commit| put(&front, commit, 10).unwrap());
    Box::new(front).close().unwrap();
    assert!(engine.rows().is_empty());
    engine
}

#[test]
fn damage_is_told_from_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let engine = two_runs(&dir);
    let opened = |path: &Path| open(engine.clone(), path, SMALL);
    assert_eq!(contents(&opened(dir.path()).unwrap(), ALL).len(), 6);
    for (number, (name, at, said)) in [
        (NAMES[0], 0, "front.a: its beginning cannot be read"),
        (NAMES[0], 50, "front.a: its first record cannot be read"),
        (NAMES[0], BLOCK_BYTES + 20, "front.a: something before record 3 cannot be read"),
        (NAMES[0], 3 * BLOCK_BYTES + 1, "front: after record 3 comes record 5"),
        (NAMES[1], 9, "front.b: something before record 6 cannot be read"),
        (NAMES[1], 20, "front.b: its first record cannot be read"),
        (NAMES[1], 60, "front.b: something before record 6 cannot be read"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = image(dir.path(), &dir, &format!("flipped{number}"));
        let mut bytes = fs::read(path.join(name)).unwrap();
        bytes[at] ^= 8;
        fs::write(path.join(name), bytes).unwrap();
        assert_eq!(damage(opened(&path)), said);
    }
    // The last record of all looks like one that was never written whole: only who counts batches can tell.
    let path = image(dir.path(), &dir, "counted");
    let mut bytes = fs::read(path.join(NAMES[1])).unwrap();
    bytes[BLOCK_BYTES + 50] ^= 8;
    fs::write(path.join(NAMES[1]), bytes).unwrap();
    assert_eq!(contents(&opened(&path).unwrap(), ALL).len(), 5);
    for name in NAMES {
        let path = image(dir.path(), &dir, &format!("without {name}"));
        fs::write(path.join(name), "").unwrap();
        assert_eq!(damage(opened(&path)), format!("{name} is empty"));
        fs::remove_file(path.join(name)).unwrap();
        assert_eq!(damage(opened(&path)), format!("{name} is missing"));
    }
}

/// The first record of a segment's next use is several blocks long, and of these any may be on the disk after a power cut.
#[test]
fn a_use_whose_first_record_is_torn_never_looks_like_damage() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Kept::default());
    let front = Fronted::create(Box::new(engine.clone()), dir.path(), SMALL).unwrap();
    let at = |front: &Fronted| {
        let writer = front.writer.lock().unwrap();
        (writer.segment, writer.at, writer.stamp.usage)
    };
    // Short ones, until the second segment is full and the first one is down and is free.
    let mut commit = 0;
    while at(&front) != (1, SMALL.segment_bytes_min, 2) {
        commit += 1;
        put(&front, commit, 10).unwrap();
    }
    front.shared.await_down().unwrap();
    let (before, rows) = (image(dir.path(), &dir, "before"), engine.rows());
    let whole = before.clone();
    put(&front, 500, 3 * BLOCK_BYTES).unwrap();
    assert_eq!(at(&front).0, 0, "the first segment is used again");
    let after = image(dir.path(), &dir, "after");
    let [before, after] = [before, after].map(|path| fs::read(path.join(NAMES[0])).unwrap());
    for survived in 0..16_usize {
        let path = image(&whole, &dir, &format!("torn{survived}"));
        let mut bytes = before.clone();
        for block in (0..4).filter(|block| survived & (1 << block) != 0) {
            let block = block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES;
            bytes[block.clone()].copy_from_slice(&after[block]);
        }
        fs::write(path.join(NAMES[0]), bytes).unwrap();
        let front = open(Kept::with(rows.clone()), &path, SMALL).unwrap();
        let count = usize::try_from(commit).unwrap() + usize::from(survived == 15);
        assert_eq!(contents(&front, ALL).len(), count, "blocks {survived:04b}");
        (600..630).for_each(|commit| put(&front, commit, 10).unwrap());
        assert_eq!(contents(&front, ALL).len(), count + 30, "blocks {survived:04b}");
    }
}

#[test]
fn a_full_log_that_is_opened_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = two_runs(&dir);
    let front = open(engine.clone(), dir.path(), SMALL).unwrap();
    (7..=8).for_each(|commit| put(&front, commit, 10).unwrap());
    drop(front);
    // The later segment is full and the earlier one's table not down: nobody waits for a thread that was never started.
    let path = image(dir.path(), &dir, "full");
    let front = open(Kept::with(engine.rows()), &path, SMALL).unwrap();
    (9..=20).for_each(|commit| put(&front, commit, 10).unwrap());
    assert_eq!(contents(&front, ALL).len(), 20);
}

/// A torn first record, and nothing else in the log: the other segment's rows were down before.
#[test]
fn a_torn_first_record_beside_a_free_segment_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    drop(Fronted::create(Box::new(Kept::default()), dir.path(), SMALL).unwrap());
    let mut record = Vec::new();
    record::draft(&mut record, &Change::from([(key(1), Some(&[7; 5_000][..]))])).unwrap();
    record::seal(&mut record, Stamp { usage: 9, salt: 1, seq: 70 });
    let mut bytes = fs::read(dir.path().join(NAMES[1])).unwrap();
    bytes[..BLOCK_BYTES].copy_from_slice(&record[..BLOCK_BYTES]);
    fs::write(dir.path().join(NAMES[1]), bytes).unwrap();
    let engine = Kept::default();
    for round in 0..5 {
        let front = open(engine.clone(), dir.path(), SMALL).unwrap();
        assert_eq!(contents(&front, ALL).len(), 3 * round);
        let first = 10 * round as u64;
        (first..first + 3).for_each(|commit| put(&front, commit, 10).unwrap());
    }
}

#[test]
fn a_first_record_that_was_torn_leaves_what_the_other_segment_has() {
    let dir = tempfile::tempdir().unwrap();
    let engine = two_runs(&dir);
    let path = image(dir.path(), &dir, "torn");
    // As if the second use had only begun: of its first record there is the head.
    let mut bytes = fs::read(path.join(NAMES[1])).unwrap();
    bytes[HEAD_BYTES..].fill(0);
    fs::write(path.join(NAMES[1]), bytes).unwrap();
    let front = open(engine, &path, SMALL).unwrap();
    assert_eq!(contents(&front, ALL).len(), 4);
    (11..=30).for_each(|commit| put(&front, commit, 10).unwrap());
    assert_eq!(contents(&front, ALL).len(), 24);
}

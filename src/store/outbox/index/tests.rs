//! The index against a plain map, over random histories.

use proptest::prelude::*;

use super::*;
use crate::domain::outcome::Reason;
use crate::store::outbox::record::Head;

const LANES: u16 = 3;

#[derive(Clone, Debug)]
enum Op {
    /// A commit that accepts events: for each the lanes as bits, none meaning quarantine.
    Accept(Vec<u8>),
    /// A claim after so many milliseconds.
    Claim { lane: LaneId, limit: usize, after_ms: u64 },
    /// A commit that settles some of what is claimed.
    Settle(Vec<(prop::sample::Index, Change)>),
    /// Something claimed is given back.
    Release(prop::sample::Index),
    /// A commit by people: cancels, dismissals, releases from quarantine, by number.
    Steer(prop::sample::Index),
    /// A settle that comes again.
    Repeat(prop::sample::Index),
    /// Packs that nothing needs are taken out.
    TakeSpent,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    claimed: bool,
    due: Option<Millis>,
    progress: Progress,
}

/// The index, a second one restored from its checkpoint on the way, and what both should hold.
#[derive(Default)]
struct Run {
    index: Index,
    twin: Option<Index>,
    records: Vec<CommitRecord>,
    open: BTreeMap<(LaneId, u64), Open>,
    dead: BTreeSet<(LaneId, u64)>,
    held: BTreeSet<u64>,
    settled: Vec<Move>,
    now: Millis,
}

fn slug(lane: LaneId) -> AppSlug {
    AppSlug::new(&format!("app-{lane}")).unwrap()
}

fn pick<T: Clone>(from: impl Iterator<Item = T>, at: prop::sample::Index) -> Option<T> {
    let all: Vec<T> = from.collect();
    (!all.is_empty()).then(|| at.get(&all).clone())
}

impl Run {
    fn commit(&mut self, record: CommitRecord) {
        let number = self.records.len() as u64 + 1;
        self.index.apply(number, &record);
        if let Some(twin) = &mut self.twin {
            twin.apply(number, &record);
        }
        self.records.push(record);
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Accept(events) => self.accept(events),
            Op::Claim { lane, limit, after_ms } => self.claim(*lane, *limit, *after_ms),
            Op::Settle(which) => self.settle(which),
            Op::Release(at) => self.release(*at),
            Op::Steer(at) => self.steer(*at),
            Op::Repeat(at) => {
                if let Some(step) = pick(self.settled.iter().cloned(), *at) {
                    assert!(!self.index.accepts(&step), "{step:?} came twice");
                    self.commit(CommitRecord { moves: vec![step], ..CommitRecord::default() });
                }
            }
            Op::TakeSpent => self.take_spent(),
        }
        self.check();
    }

    fn accept(&mut self, events: &[u8]) {
        let first = self.index.next_seq();
        let mut record =
            CommitRecord { pack: Some(PackSize { chunks: 1, bytes: 10 }), ..CommitRecord::default() };
        if self.index.names().is_empty() {
            record.names = (0..LANES).map(|lane| (lane, slug(lane))).collect();
        }
        for (seq, bits) in (first..).zip(events) {
            let lanes: Vec<LaneId> = (0..LANES).filter(|lane| bits & (1 << lane) != 0).collect();
            self.open.extend(lanes.iter().map(|lane| ((*lane, seq), Open::default())));
            let quarantined = lanes.is_empty();
            if quarantined {
                self.held.insert(seq);
            }
            record.heads.push(Head { seq, lanes, quarantined });
        }
        self.commit(record);
    }

    fn claim(&mut self, lane: LaneId, limit: usize, after_ms: u64) {
        self.now.0 += after_ms;
        let claims = self.index.claim(lane, limit, self.now);
        for claimed in &claims.deliveries {
            let open = self.open.get_mut(&(lane, claimed.seq)).expect("only what is open is claimed");
            assert!(!open.claimed, "{} was claimed twice", claimed.seq);
            assert!(open.due.is_none_or(|due| due <= self.now), "{} is not due", claimed.seq);
            assert_eq!(claimed.progress, open.progress);
            *open = Open { claimed: true, due: None, ..*open };
        }
        let of_lane = || self.open.range((lane, 0)..=(lane, u64::MAX)).map(|(_, open)| open);
        assert_eq!(claims.next_due, of_lane().filter_map(|open| open.due).min());
        if claims.deliveries.len() < limit {
            let left = of_lane().any(|open| !open.claimed && open.due.is_none_or(|due| due <= self.now));
            assert!(!left, "something that may go was not claimed");
        }
        if let Some(twin) = &mut self.twin {
            let same = twin.claim(lane, limit, self.now);
            assert_eq!((&same.deliveries, same.next_due), (&claims.deliveries, claims.next_due));
            assert!(same.more || !claims.more);
        }
    }

    fn claimed(&self) -> impl Iterator<Item = (LaneId, u64)> {
        self.open.iter().filter(|(_, open)| open.claimed).map(|(name, _)| *name)
    }

    fn settle(&mut self, which: &[(prop::sample::Index, Change)]) {
        let mut record = CommitRecord::default();
        for (at, change) in which {
            let Some((lane, seq)) = pick(self.claimed(), *at) else { break };
            let open = self.open.remove(&(lane, seq)).unwrap();
            let progress =
                Progress { attempts: open.progress.attempts + 1, charged: open.progress.charged + 1 };
            let due = match change {
                Change::Retry { due } => Some(Millis(self.now.0 + due.0)),
                Change::Park => Some(Millis(0)),
                _ => None,
            };
            let change = due.filter(|_| *change != Change::Park).map_or(*change, |due| Change::Retry { due });
            if due.is_some() {
                self.open.insert((lane, seq), Open { claimed: false, due, progress });
            } else if matches!(change, Change::Dead(_)) {
                self.dead.insert((lane, seq));
            }
            record.moves.push(Move { seq, lane, at: self.now, progress, change, note: None });
        }
        for step in &record.moves {
            assert!(self.index.accepts(step), "{step:?}");
        }
        self.settled.extend(record.moves.iter().cloned());
        self.commit(record);
    }

    fn release(&mut self, at: prop::sample::Index) {
        let Some((lane, seq)) = pick(self.claimed(), at) else { return };
        let open = self.open.get_mut(&(lane, seq)).unwrap();
        *open = Open { claimed: false, due: Some(Millis(0)), ..*open };
        let given_back = [Claimed { seq, progress: open.progress }];
        self.index.release(lane, &given_back);
        if let Some(twin) = &mut self.twin {
            twin.release(lane, &given_back);
        }
    }

    fn steer(&mut self, at: prop::sample::Index) {
        let open = self.open.keys().map(|(lane, seq)| (*lane, *seq, Change::Cancelled));
        let dead = self.dead.iter().map(|(lane, seq)| (*lane, *seq, Change::Dismissed));
        let held = self.held.iter().map(|seq| (0, *seq, Change::Released));
        let Some((lane, seq, change)) = pick(open.chain(dead).chain(held), at) else { return };
        match change {
            Change::Cancelled => drop(self.open.remove(&(lane, seq))),
            Change::Dismissed => drop(self.dead.remove(&(lane, seq))),
            _ => drop(self.held.remove(&seq)),
        }
        let step = Move { seq, lane, at: self.now, progress: Progress::default(), change, note: None };
        assert!(self.index.accepts(&step));
        self.commit(CommitRecord { moves: vec![step], ..CommitRecord::default() });
    }

    fn take_spent(&mut self) {
        let taken = self.index.take_spent(u64::MAX, usize::MAX);
        assert!(!self.index.has_spent(u64::MAX));
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.take_spent(u64::MAX, usize::MAX), taken);
        }
        let needed = self.open.keys().chain(&self.dead).map(|(_, seq)| *seq).chain(self.held.iter().copied());
        let needed: BTreeSet<u64> =
            needed.filter_map(|seq| self.index.locate(seq).map(|pack| pack.0)).collect();
        assert_eq!(
            self.index.held_bytes(),
            10 * needed.len() as u64,
            "exactly the packs that are needed stay"
        );
        for (commit, _) in taken {
            assert!(!needed.contains(&commit));
        }
    }

    fn check(&self) {
        for index in [&self.index].into_iter().chain(&self.twin) {
            self.holds(index);
        }
        for ((lane, seq), open) in &self.open {
            let waiting = self.index.waiting(*lane, *seq);
            assert_eq!(waiting, open.due.map(|due| (due, open.progress)), "{seq} of {lane}");
        }
    }

    /// What is open, dead and held, and where the bodies are, whoever has claimed what.
    fn holds(&self, index: &Index) {
        for lane in 0..LANES {
            let counts = index.counts(lane);
            let open = self.open.keys().filter(|(of, _)| *of == lane);
            let dead = self.dead.iter().filter(|(of, _)| *of == lane);
            assert_eq!((counts.open, counts.dead), (open.clone().count() as u64, dead.count() as u64));
            assert_eq!(counts.oldest_seq, open.map(|(_, seq)| *seq).min());
        }
        assert_eq!(index.quarantined(), self.held.len() as u64);
        for (lane, seq) in self.open.keys() {
            assert!(index.is_open(*lane, *seq) && index.locate(*seq).is_some());
        }
    }

    /// The index goes on beside one that was restored from its checkpoint.
    fn fork(&mut self) {
        for (lane, seq) in self.claimed().collect::<Vec<_>>() {
            let open = self.open.get_mut(&(lane, seq)).unwrap();
            *open = Open { claimed: false, due: Some(Millis(0)), ..*open };
            self.index.release(lane, &[Claimed { seq, progress: open.progress }]);
        }
        let bytes = postcard::to_stdvec(&self.index.checkpoint()).unwrap();
        self.twin = Index::restore(postcard::from_bytes(&bytes).unwrap());
        assert!(self.twin.is_some());
    }

    /// Two starts after a crash here: from the whole log, and from a checkpoint taken in the middle of
    /// claims. Both must offer exactly what is open, with the progress that is durable.
    fn restart(&self) {
        let mut replayed = Index::default();
        for (number, record) in (1..).zip(&self.records) {
            replayed.apply(number, record);
        }
        let restored = Index::restore(self.index.checkpoint()).unwrap();
        for mut index in [replayed, restored] {
            self.holds(&index);
            for lane in 0..LANES {
                let mut offered = BTreeMap::new();
                loop {
                    let claims = index.claim(lane, 3, Millis(u64::MAX));
                    if claims.deliveries.is_empty() {
                        break;
                    }
                    for claimed in claims.deliveries {
                        assert_eq!(offered.insert(claimed.seq, claimed.progress), None, "offered twice");
                    }
                }
                let open = self.open.range((lane, 0)..=(lane, u64::MAX));
                let expected: BTreeMap<u64, Progress> =
                    open.map(|((_, seq), open)| (*seq, open.progress)).collect();
                assert_eq!(offered, expected);
            }
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let change = prop_oneof![
        3 => (0..500_u64).prop_map(|ms| Change::Retry { due: Millis(ms) }),
        2 => Just(Change::Delivered),
        1 => Just(Change::Park),
        1 => Just(Change::Dead(Reason::Rejected)),
    ];
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => prop::collection::vec(0..8_u8, 1..6).prop_map(Op::Accept),
        6 => (0..LANES, 1..6_usize, 0..300_u64)
            .prop_map(|(lane, limit, after_ms)| Op::Claim { lane, limit, after_ms }),
        6 => prop::collection::vec((at(), change), 1..5).prop_map(Op::Settle),
        2 => at().prop_map(Op::Release),
        2 => at().prop_map(Op::Steer),
        1 => at().prop_map(Op::Repeat),
        1 => Just(Op::TakeSpent),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_map_does_and_a_restart_loses_nothing(
        before in prop::collection::vec(op(), 0..60),
        after in prop::collection::vec(op(), 0..60),
    ) {
        let mut run = Run::default();
        for op in &before {
            run.step(op);
        }
        run.restart();
        run.fork();
        for op in &after {
            run.step(op);
        }
        run.restart();
    }
}

#[test]
fn a_due_retry_below_the_cursor_is_offered_once() {
    let mut run = Run::default();
    run.accept(&[1]);
    run.index.claim(0, 1, Millis(0));
    let progress = Progress { attempts: 1, charged: 1 };
    let change = Change::Retry { due: Millis(5) };
    let step = Move { seq: 0, lane: 0, at: Millis(0), progress, change, note: None };
    run.commit(CommitRecord { moves: vec![step], ..CommitRecord::default() });
    let mut restored = Index::restore(run.index.checkpoint()).unwrap();
    let claims = restored.claim(0, 10, Millis(5));
    assert_eq!(claims.deliveries, [Claimed { seq: 0, progress }]);
}

#[test]
fn a_receiver_with_too_many_tried_ones_gets_no_fresh_ones() {
    let mut run = Run::default();
    let many = TRIED_MAX + 10;
    for _ in 0..many {
        run.accept(&[1]);
    }
    let claims = run.index.claim(0, TRIED_MAX, Millis(0));
    assert!(claims.more);
    let moves = claims.deliveries.iter().map(|claimed| Move {
        seq: claimed.seq,
        lane: 0,
        at: Millis(0),
        progress: Progress { attempts: 1, charged: 1 },
        change: Change::Retry { due: Millis(10 + claimed.seq) },
        note: None,
    });
    run.commit(CommitRecord { moves: moves.collect(), ..CommitRecord::default() });
    let none = run.index.claim(0, 100, Millis(0));
    assert_eq!((none.deliveries.len(), none.next_due, none.more), (0, Some(Millis(10)), false));
    let one = run.index.claim(0, 2, Millis(10));
    let seqs: Vec<u64> = one.deliveries.iter().map(|claimed| claimed.seq).collect();
    assert_eq!(seqs, [0, TRIED_MAX as u64], "the due one makes room for a fresh one");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let mut run = Run::default();
    run.accept(&[7, 7, 0]);
    let mut checkpoint = run.index.checkpoint();
    checkpoint.lanes[1].open.truncate(5);
    assert!(Index::restore(checkpoint).is_none());
}

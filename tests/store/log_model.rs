//! Random histories of a log against a map that does the same.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use camino_broker::store::log::{Batch, EngineKind, Error, Log, RowId, Space, chunk_count, replay_values};
use camino_broker::testing::log_conformance::{Bench, bytes};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    /// Values to put under the next commit's number, and how far back values are removed.
    Append { puts: Vec<(Space, usize)>, removes: Vec<(Space, u64)> },
    /// A compaction that appends so many times before it is done, and may be stopped.
    Compact { appends: u8, stopped: bool },
    /// Closing or dropping, then opening.
    Reopen { closed: bool },
    /// Going on with the files as they are on the disk.
    Crash,
}

type Model = BTreeMap<(Space, u64), Vec<u8>>;

struct Run {
    bench: Bench,
    log: Box<dyn Log>,
    model: Model,
    commit: u64,
    crashes: u32,
}

impl Run {
    fn new(kind: EngineKind) -> Self {
        let bench = Bench::new(kind);
        let log = bench.open();
        Self { bench, log, model: Model::new(), commit: 0, crashes: 0 }
    }

    fn step(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Append { puts, removes } => {
                append(&*self.log, &mut self.model, &mut self.commit, puts, removes)
            }
            Op::Compact { appends, stopped } => self.compact(*appends, *stopped),
            Op::Reopen { closed } => {
                if *closed {
                    self.log.close()?;
                }
                self.reopen()
            }
            Op::Crash => {
                self.crashes += 1;
                let image = self.bench.crash_image(&format!("crash{}", self.crashes));
                let log = self.bench.open_at(&image)?;
                assert_eq!(values(&*log)?, self.model);
                Ok(())
            }
        }
    }

    fn compact(&mut self, appends: u8, stopped: bool) -> Result<(), Error> {
        let Self { log, model, commit, .. } = self;
        let mut left = appends;
        let mut failure = Ok(());
        log.compact(&mut |_| {
            if left == 0 {
                return if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            left -= 1;
            let puts = [(Space::Moves, 10), (Space::Events, 7_000)];
            failure = append(&**log, model, commit, &puts, &[(Space::Events, 3)]);
            ControlFlow::Continue(())
        })?;
        failure
    }

    fn reopen(&mut self) -> Result<(), Error> {
        // The old handle goes first: its lock would keep the new one out.
        let elsewhere = Bench::new(self.bench.kind());
        drop(std::mem::replace(&mut self.log, elsewhere.open()));
        self.log = self.bench.try_open()?;
        Ok(())
    }
}

fn append(
    log: &dyn Log,
    model: &mut Model,
    commit: &mut u64,
    puts: &[(Space, usize)],
    removes: &[(Space, u64)],
) -> Result<(), Error> {
    *commit += 1;
    let mut batch = Batch::new();
    for (space, back) in removes {
        let name = (*space, commit.saturating_sub(*back));
        if let Some(value) = model.remove(&name) {
            batch.remove_value(name.0, name.1, chunk_count(value.len()));
        }
    }
    for (space, len) in puts {
        let value = bytes(*commit, *len);
        // The same name twice in one batch: the shorter must not leave chunks of the longer.
        if model.contains_key(&(*space, *commit)) {
            continue;
        }
        batch.put_value(*space, *commit, &value);
        model.insert((*space, *commit), value);
    }
    log.append(&batch)
}

fn values(log: &dyn Log) -> Result<Model, Error> {
    let mut model = Model::new();
    for space in Space::ALL {
        replay_values(log, space, 0, &mut |commit, value| {
            model.insert((space, commit), value.to_vec());
            ControlFlow::Continue(())
        })?;
    }
    Ok(model)
}

fn check(run: &Run) -> Result<(), Error> {
    assert_eq!(values(&*run.log)?, run.model);
    let stats = run.log.stats()?;
    let rows = run.model.values().map(|value| u64::from(chunk_count(value.len()))).sum::<u64>();
    assert_eq!(stats.rows, rows);
    let live = run.model.values().map(|value| value.len() as u64).sum::<u64>() + 13 * rows;
    assert_eq!(stats.live_bytes, live);
    if let Some(((space, commit), value)) = run.model.iter().next_back() {
        let row = run.log.read(RowId::first(*space, *commit))?;
        assert_eq!(row.as_deref(), Some(&value[..value.len().min(6_000)]));
    }
    Ok(())
}

fn op() -> impl Strategy<Value = Op> {
    let space = proptest::sample::select(Space::ALL.to_vec());
    let len = prop_oneof![4 => 0..300_usize, 2 => 5_990..12_010_usize, 1 => 50_000..90_000_usize];
    let puts = proptest::collection::vec((space.clone(), len), 0..6);
    let removes = proptest::collection::vec((space, 1..12_u64), 0..12);
    prop_oneof![
        12 => (puts, removes).prop_map(|(puts, removes)| Op::Append { puts, removes }),
        2 => (0..5_u8, proptest::bool::weighted(0.2))
            .prop_map(|(appends, stopped)| Op::Compact { appends, stopped }),
        1 => any::<bool>().prop_map(|closed| Op::Reopen { closed }),
        1 => Just(Op::Crash),
    ]
}

fn history(kind: EngineKind, ops: &[Op]) -> Result<(), Error> {
    let mut run = Run::new(kind);
    for op in ops {
        run.step(op)?;
        check(&run)?;
    }
    run.reopen()?;
    check(&run)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sled_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..40)) {
        history(EngineKind::Sled, &ops)?;
    }

    #[test]
    fn redb_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..40)) {
        history(EngineKind::Redb, &ops)?;
    }
}

//! The real journal taking in what the outbox committed, by events a batch: five deliveries each, all of
//! them arrived at once.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/attempts.rs"]
mod attempts;
#[path = "material/store.rs"]
mod store;
#[path = "material/tempo.rs"]
mod tempo;

use camino_broker::store::journal;
use camino_broker::store::log::EngineKind;
use criterion::{BatchSize, BenchmarkId, Throughput};
use store::Store;

const EVENTS: [usize; 3] = [1, 64, 512];
const RECEIVERS: usize = 5;

fn main() {
    let mut criterion = tempo::criterion();
    let mut group = criterion.benchmark_group("journal");
    for count in EVENTS {
        let (store, folder) = (Store::new(EngineKind::Sled), store::folder());
        let (mut writer, _reader) = journal::open(&folder.path().join("journal.db")).unwrap();
        writer.begin(&store.outbox).unwrap();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("batch", count), |bencher| {
            let committed = || {
                store.append(store.events(count, RECEIVERS));
                let ended = attempts::delivered(&store.outbox);
                assert_eq!(ended.len(), count * RECEIVERS);
                store.outbox.settle(ended);
                store.append(Vec::new());
            };
            let take_in = |()| writer.follow(&store.outbox).unwrap();
            bencher.iter_batched(committed, take_in, BatchSize::PerIteration);
        });
        assert_eq!(writer.position(), store.outbox.tail().head(), "the journal has not followed");
    }
    group.finish();
    criterion.final_summary();
}

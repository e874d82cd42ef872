//! Settling deliveries in the real outbox until they are durable, by their number, over each engine.
//!
//! In the broker nobody waits for this: a settle rides on the next commit. Here the commit is its own.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/attempts.rs"]
mod attempts;
#[path = "material/store.rs"]
mod store;
#[path = "material/tempo.rs"]
mod tempo;

use camino_broker::store::log::EngineKind;
use criterion::{BatchSize, BenchmarkId, Throughput};
use store::Store;

const DELIVERIES: [usize; 3] = [1, 64, 512];

fn main() {
    let mut criterion = tempo::criterion();
    for (name, engine) in [("settle over sled", EngineKind::Sled), ("settle over redb", EngineKind::Redb)] {
        let mut group = criterion.benchmark_group(name);
        for count in DELIVERIES {
            let store = Store::new(engine);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("settle", count), |bencher| {
                let ended = || {
                    store.append(store.events(count, 1));
                    let ended = attempts::delivered(&store.outbox);
                    assert_eq!(ended.len(), count);
                    ended
                };
                let settle = |ended| {
                    store.outbox.settle(ended);
                    // Without events of its own, so that the commit holds the settled ones and nothing else.
                    store.append(Vec::new());
                };
                bencher.iter_batched(ended, settle, BatchSize::PerIteration);
            });
            assert_eq!(store.outbox.counts(0).open, 0, "what was settled is still open");
        }
        group.finish();
    }
    criterion.final_summary();
}

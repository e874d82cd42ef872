//! One durable commit of the real outbox by its number of events, over each engine, sync included.
//!
//! Each event goes to five receivers and waits; nothing is settled meanwhile.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/store.rs"]
mod store;
#[path = "material/tempo.rs"]
mod tempo;

use camino_broker::store::log::EngineKind;
use criterion::{BatchSize, BenchmarkId, Throughput};
use store::Store;

const EVENTS: [usize; 3] = [1, 64, 512];
const RECEIVERS: usize = 5;

fn main() {
    let mut criterion = tempo::criterion();
    for (name, engine) in [("commit over sled", EngineKind::Sled), ("commit over redb", EngineKind::Redb)] {
        let mut group = criterion.benchmark_group(name);
        for count in EVENTS {
            let store = Store::new(engine);
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("append", count), |bencher| {
                let events = || store.events(count, RECEIVERS);
                bencher.iter_batched(events, |events| store.append(events), BatchSize::PerIteration);
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

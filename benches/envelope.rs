//! Reading envelopes, alone by their length and in a batch by its number of items.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/envelope.rs"]
mod material;
#[path = "material/tempo.rs"]
mod tempo;

use std::hint::black_box;

use camino_broker::domain::event;
use criterion::{BenchmarkId, Criterion, Throughput};

const BODY_BYTES: [usize; 3] = [256, 1_024, 65_536];
const ITEMS: [usize; 3] = [1, 64, 500];
const ITEM_BYTES: usize = 1_024;

fn main() {
    let mut criterion = tempo::criterion();
    alone(&mut criterion);
    batch(&mut criterion);
    criterion.final_summary();
}

fn alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    for size in BODY_BYTES {
        let body = material::envelope(size);
        assert_eq!(body.len(), size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("parse", size), |bencher| {
            bencher.iter(|| event::parse(black_box(body.as_bytes())).unwrap());
        });
    }
    group.finish();
}

/// The list and every envelope in it, as ingest reads a batch.
fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch of envelopes");
    for count in ITEMS {
        let items = vec![material::envelope(ITEM_BYTES); count];
        let body = format!(r#"{{"events":[{}]}}"#, items.join(","));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("parse", count), |bencher| {
            bencher.iter(|| {
                let items = event::parse_batch(black_box(body.as_bytes()), count).unwrap();
                items.iter().map(|item| event::parse(item.as_bytes()).unwrap().data.len()).sum::<usize>()
            });
        });
    }
    group.finish();
}

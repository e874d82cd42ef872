//! Letting an event in and deciding who gets it, by its number of receivers and by the registry's size.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/envelope.rs"]
mod material;
#[path = "material/tempo.rs"]
mod tempo;

use std::collections::BTreeMap;
use std::hint::black_box;

use camino_broker::config::{App, Config, SchemaCheck, SenderCheck};
use camino_broker::domain::catalog::{AppDef, Catalog, EventDef};
use camino_broker::domain::event;
use camino_broker::domain::id::{AppSlug, EventType};
use camino_broker::domain::secret::Secret;
use camino_broker::outbox::admission::{Rules, admit};
use camino_broker::outbox::directory::Snapshot;
use criterion::{BenchmarkId, Criterion, Throughput};

const RECEIVERS: [usize; 3] = [5, 50, 1_000];
const TYPES: [usize; 3] = [10, 170, 10_000];
const RULES: Rules = Rules { senders: SenderCheck::Enforce, schema: SchemaCheck::Warn };

fn main() {
    let mut criterion = tempo::criterion();
    by(&mut criterion, "routing by receivers", RECEIVERS.map(|receivers| (receivers, 170, receivers)));
    by(&mut criterion, "routing by types", TYPES.map(|types| (types, types, 5)));
    criterion.final_summary();
}

/// Each of `cases` is the number that is shown, the types and the receivers.
fn by(criterion: &mut Criterion, name: &str, cases: [(usize, usize, usize); 3]) {
    let body = material::envelope(1_024);
    let envelope = event::parse(body.as_bytes()).unwrap();
    let mut group = criterion.benchmark_group(name);
    for (shown, types, receivers) in cases {
        let (catalog, directory) = (catalog(types, receivers), directory(receivers));
        let admitted = admit(&envelope, &catalog, &directory, RULES).unwrap();
        assert!(admitted.decisions.iter().filter(|decided| decided.decision.delivers()).count() == receivers);
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("admit", shown), |bencher| {
            bencher.iter(|| admit(black_box(&envelope), &catalog, &directory, RULES));
        });
    }
    group.finish();
}

fn slug(receiver: usize) -> AppSlug {
    AppSlug::new(&format!("bench-{receiver:04}")).unwrap()
}

/// A registry of `types`, of which the one that is sent has `receivers`.
fn catalog(types: usize, receivers: usize) -> Catalog {
    let sender = AppSlug::new("bench-sender").unwrap();
    let slugs: Vec<AppSlug> = (0..receivers).map(slug).collect();
    let apps = slugs.iter().chain([&sender]).map(|slug| AppDef {
        slug: slug.clone(),
        name: String::new(),
        role: String::new(),
        tier: None,
        url: None,
    });
    let names = (1..types).map(|number| format!("other.type_{number}")).chain(["bench.sent".to_owned()]);
    let events = names.map(|name| EventDef {
        senders: vec![sender.clone()],
        receivers: slugs.clone(),
        senders_complete: true,
        receivers_complete: true,
        ..EventDef::new(EventType::new(&name).unwrap())
    });
    Catalog::new(apps, events).unwrap()
}

fn directory(receivers: usize) -> Snapshot {
    let app = App {
        endpoint: Some("http://receiver.example/r".parse().unwrap()),
        endpoint_secrets: vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
        ..App::default()
    };
    let apps = (0..receivers).map(|receiver| (slug(receiver), app.clone())).collect();
    Snapshot::new(&Config { apps, ..Config::default() }, &BTreeMap::new())
}

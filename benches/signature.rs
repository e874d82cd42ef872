//! Signing a delivery and checking an event's proof, by the length of the body.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "material/tempo.rs"]
mod tempo;

use std::hint::black_box;
use std::time::Duration;

use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::{ProofHeaders, Signer, Verdict, verify};
use camino_broker::domain::time::Millis;
use criterion::{BenchmarkId, Throughput};

const BODY_BYTES: [usize; 3] = [256, 1_024, 65_536];
const NOW: Millis = Millis(1_776_340_800_000);
const TOLERANCE: Duration = Duration::from_mins(5);
const ID: &str = "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f";

fn main() {
    let mut criterion = tempo::criterion();
    let mut group = criterion.benchmark_group("signature");
    let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signer = Signer::new(&secret);
    let seconds = NOW.seconds();
    for size in BODY_BYTES {
        let body = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("sign both ways", size), |bencher| {
            bencher.iter(|| {
                let ecosystem = signer.ecosystem(black_box(&body));
                (ecosystem, Signer::standard([&signer], ID, seconds, black_box(&body)))
            });
        });
        let signature = signer.ecosystem(&body);
        let standard = Signer::standard([&signer], ID, seconds, &body);
        let timestamp = seconds.to_string();
        let ecosystem = ProofHeaders {
            signature: Some(&signature),
            timestamp: Some(&timestamp),
            ..ProofHeaders::default()
        };
        let standard = ProofHeaders {
            webhook_id: Some(ID),
            webhook_timestamp: Some(&timestamp),
            webhook_signature: Some(&standard),
            ..ProofHeaders::default()
        };
        for (name, headers) in [("verify ecosystem", ecosystem), ("verify standard", standard)] {
            let check = || verify(headers, black_box(&body), std::slice::from_ref(&secret), NOW, TOLERANCE);
            assert!(matches!(check(), Verdict::Valid { .. }), "{name} measures a refusal");
            group.bench_function(BenchmarkId::new(name, size), |bencher| bencher.iter(check));
        }
    }
    group.finish();
    criterion.final_summary();
}

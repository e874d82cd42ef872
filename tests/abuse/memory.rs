//! Hostile receivers and hostile clients at once, and a healthy sender with a healthy receiver among them.

use camino_broker::testing::receiver::FakeReceiver;
use http::StatusCode;

use crate::broker::Broker;
use crate::client::Connection;
use crate::receivers::Hostile;
use crate::sender::{body, signed};
use crate::{client, clients};

const SECRET: &str = "colectiva-signs-its-events-with-this";
/// Events of the healthy sender.
const EVENTS: u128 = 100;
/// What the process may have at its worst.
const MEMORY_KIB_MAX: u64 = 200 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_below_200_mib_and_healthy_traffic_goes_on() {
    let (first, second) = (Hostile::start().await, Hostile::start().await);
    let healthy = FakeReceiver::start().await.unwrap();
    let endpoint = |app: &str, url: String| {
        format!(
            "[apps.{app}]\nendpoint = \"{url}\"\nendpoint_secrets = [\"{app}-is-signed-for-with-this\"]\n"
        )
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"1s\"\nheader_timeout = \"1s\"\n\
         [store]\nfree_bytes_min = \"1MiB\"\n\
         [delivery]\nallowed_networks = [\"127.0.0.0/8\"]\ntimeout = \"1s\"\n\
         [delivery.retry]\nfirst = \"100ms\"\nmax = \"1s\"\n\
         [delivery.breaker]\nfailures = 1000\n\
         [apps.colectiva]\nsigning_secrets = [\"{SECRET}\"]\n{}{}{}",
        endpoint("cosmos-pet", format!("http://{}/", first.address)),
        endpoint("garita", format!("http://{}/", second.address)),
        endpoint("hoja", healthy.url()),
    );
    let broker = Broker::start(&config, Vec::new()).await;
    let idle = broker.memory_peak_kib();
    let attack = clients::attack(broker.address());
    let mut connection = Connection::open(broker.address()).await.unwrap();
    for n in 0..EVENTS {
        let request = signed(SECRET, body(n));
        let (status, answer) = connection.send(request).await.expect("a healthy sender is never hung up on");
        assert_eq!(status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&answer));
    }
    // The healthy receiver has all of them, whatever the others do.
    let all = usize::try_from(EVENTS).unwrap();
    client::until("all are delivered", async || (healthy.count() >= all).then_some(())).await;
    let peak = broker.memory_peak_kib();
    drop(attack);
    if let Some(peak) = peak {
        let idle = idle.unwrap_or_default() >> 10;
        println!(
            "peak memory {} MiB ({idle} MiB idle) through {EVENTS} events among the hostile",
            peak >> 10
        );
        assert!(peak < MEMORY_KIB_MAX, "{} MiB", peak >> 10);
    }
    let log = broker.log();
    assert!(!log.contains("panicked"), "{log}");
}

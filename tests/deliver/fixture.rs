//! What every test needs: a sink that may call this machine, an endpoint, an attempt.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use camino_broker::deliver::http::{HttpSink, Options};
use camino_broker::deliver::{Address, Attempt, Endpoint, LiveSecrets, Report, SecretSet, Sink as _, Target};
use camino_broker::domain::address::parse_url;
use camino_broker::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use camino_broker::domain::secret::Secret;
use camino_broker::runtime::clock::{Clock, SystemClock};

pub const NEWEST: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const OLDER: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
/// Blanks, escapes and an order of keys that no serializer would give back.
pub const BODY: &str = "{ \"z\":1.0,\t\"a\": \"\\u00e9 é\",\r\n \"z\" : 2 }\n";
pub const TIMEOUT: Duration = Duration::from_secs(15);
pub const IDLE_MAX: usize = 32;
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(6);

pub fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

pub fn slug(text: &str) -> AppSlug {
    AppSlug::new(text).unwrap()
}

pub fn options(allowed: &[&str]) -> Options {
    Options {
        allowed_networks: allowed.iter().map(|network| network.parse().unwrap()).collect(),
        retry_after_max: RETRY_AFTER_MAX,
        idle_per_receiver_max: IDLE_MAX,
    }
}

/// A sink that may call 127.0.0.1.
pub fn sink_on(clock: Arc<dyn Clock>) -> HttpSink {
    HttpSink::new(options(&["127.0.0.0/8"]), clock).unwrap()
}

pub fn sink() -> HttpSink {
    sink_on(Arc::new(SystemClock::new()))
}

pub fn target(url: &str, secrets: SecretSet) -> Target {
    Target::Http(Box::new(Address { url: parse_url(url).unwrap(), secrets }))
}

/// The secrets of an endpoint across the network.
pub fn secrets(endpoint: &Endpoint) -> &SecretSet {
    let Target::Http(address) = &endpoint.target else { panic!("no address") };
    &address.secrets
}

pub fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        app: slug("cosmos-pet"),
        target: target(url, SecretSet::new(LiveSecrets::new(secret(NEWEST), None))),
        timeout: TIMEOUT,
        retry_on: Vec::new(),
    }
}

pub fn attempt(endpoint: Endpoint) -> Attempt {
    attempt_at(Arc::new(endpoint))
}

pub fn attempt_at(endpoint: Arc<Endpoint>) -> Attempt {
    let event_id = EventId::new("0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f").unwrap();
    let (source, receiver) = (slug("colectiva"), slug("cosmos-pet"));
    Attempt {
        seq: 1,
        delivery_id: DeliveryId::derive(&source, &event_id, &receiver, 0),
        event_type: EventType::new("payment.received").unwrap(),
        correlation_id: CorrelationId::new("cid_1").unwrap(),
        attempt: 1,
        tenant: None,
        body: Bytes::from_static(BODY.as_bytes()),
        webhook_id: event_id.to_string(),
        idempotency_key: "key-1".to_owned(),
        replay_of: None,
        traceparent: None,
        endpoint,
        turn: None,
        event_id,
        source,
        receiver,
    }
}

/// One attempt at `url`, with the system's clock.
pub async fn deliver(url: &str) -> Report {
    sink().send(attempt(endpoint(url))).await
}

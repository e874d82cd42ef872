//! The broker under test: the real wiring on a free port, with a store in a folder of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use camino_broker::app::signals::Signals;
use camino_broker::app::{App, Error, Ports};
use camino_broker::config::{self, Config};
use camino_broker::domain::id::AppSlug;
use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::{sign_ecosystem, sign_standard};
use camino_broker::runtime::clock::{Clock, SystemClock};
use camino_broker::runtime::entropy::OsEntropy;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{FakeReceiver, PATIENCE};
use http::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client, Headers, Wire};
use crate::draft::{Draft, PAYMENT};

pub const EVENTS: &str = "/v1/events";
pub const BATCH: &str = "/v1/events/batch";
/// The first administrator's key.
pub const ADMIN_KEY: &str = "the-key-of-the-first-administrator";
/// Apps that may post, each with a secret of its own.
const SENDERS: [&str; 4] = ["caracol", "colectiva", "constanza", "hoja"];

pub fn slug(text: &str) -> AppSlug {
    AppSlug::new(text).unwrap()
}

/// What `source` signs with when it posts.
pub fn signing_secret(source: &str) -> Secret {
    Secret::new(&format!("{source}-signs-its-events-with-this")).unwrap()
}

/// What the broker signs with when it delivers to `receiver`; `generation` counts rotations.
pub fn endpoint_secret_text(receiver: &str, generation: u32) -> String {
    format!("whsec_{}", BASE64.encode(format!("{receiver:-<24}{generation:08}")))
}

pub fn endpoint_secret(receiver: &str) -> Secret {
    Secret::new(&endpoint_secret_text(receiver, 0)).unwrap()
}

/// Config and clock of a broker that is not there yet.
pub struct Setup {
    pub config: Config,
    clock: Arc<dyn Clock>,
}

impl Setup {
    /// On the system's clock.
    pub fn new() -> Self {
        Self::at(Arc::new(SystemClock::new()))
    }

    /// On a clock that the test turns, which turns faster than anybody answers: no attempt times out.
    pub fn on(clock: ManualClock) -> Self {
        Self::at(Arc::new(clock)).with(|config| config.delivery.timeout = Duration::from_hours(10_000))
    }

    fn at(clock: Arc<dyn Clock>) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.admin_key = Some(Secret::new(ADMIN_KEY).unwrap());
        config.store.free_bytes_min = 1 << 20;
        config.delivery.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        config.delivery.retry.first = Duration::from_millis(10);
        config.delivery.retry.factor = 1.0;
        for sender in SENDERS {
            config.apps.entry(slug(sender)).or_default().signing_secrets = vec![signing_secret(sender)];
        }
        Self { config, clock }
    }

    /// With `change` made to the config.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// With `change` made to one app.
    pub fn app(self, app: &str, change: impl FnOnce(&mut config::App)) -> Self {
        self.with(|config| change(config.apps.entry(slug(app)).or_default()))
    }

    /// With `receiver` as the endpoint of `app`.
    pub fn receiver(self, app: &str, receiver: &FakeReceiver) -> Self {
        self.endpoint(app, &receiver.url())
    }

    pub fn endpoint(self, app: &str, url: &str) -> Self {
        self.app(app, |settings| {
            settings.endpoint = Some(url.parse().unwrap());
            settings.endpoint_secrets = vec![endpoint_secret(app)];
        })
    }

    pub async fn start(self) -> TestApp {
        let dir = tempfile::tempdir().unwrap();
        self.start_in(dir).await
    }

    /// Starts on the store in `dir`.
    pub async fn start_in(mut self, dir: TempDir) -> TestApp {
        self.config.store.path = dir.path().join("data");
        let ports = Ports { clock: Arc::clone(&self.clock), entropy: Arc::new(OsEntropy) };
        let app = Box::pin(App::build(self.config.clone(), ports)).await.unwrap();
        let (client, stopper) = (Client::new(app.address()), app.stopper());
        let address = app.address();
        let mut running = JoinSet::new();
        running.spawn(Box::pin(app.run(Signals::none())));
        TestApp { client, clock: self.clock, config: self.config, address, stopper, running, dir }
    }
}

/// A running broker.
pub struct TestApp {
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    config: Config,
    address: std::net::SocketAddr,
    stopper: CancellationToken,
    running: JoinSet<Result<(), Error>>,
    dir: TempDir,
}

impl TestApp {
    /// Asks it to stop, and returns at once.
    pub fn ask_to_stop(&self) {
        self.stopper.cancel();
    }

    /// Stops it and waits until it is gone; what it leaves is a config and a store to start again with.
    pub async fn stop(mut self) -> (Setup, TempDir) {
        self.stopper.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.running.join_next()).await;
        ended.expect("it stops").unwrap().unwrap().unwrap();
        (Setup { config: self.config, clock: self.clock }, self.dir)
    }

    /// Stops it and starts another on the same store.
    pub async fn restart(self) -> Self {
        let (setup, dir) = self.stop().await;
        setup.start_in(dir).await
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// A connection without a client's help.
    pub async fn wire(&self) -> Wire {
        Wire::open(self.address).await
    }

    /// A draft of `payment.completed` by `colectiva`.
    pub fn payment(&self, n: u32) -> Draft {
        self.draft(n, "colectiva", "payment.completed", PAYMENT)
    }

    pub fn draft(&self, n: u32, source: &str, event_type: &str, data: &str) -> Draft {
        Draft::new(n, source, event_type, data, self.clock.as_ref())
    }

    /// The headers of a JSON body that `source` signed by the ecosystem's scheme.
    pub fn signed(&self, source: &str, body: impl AsRef<[u8]>) -> Headers {
        let signature = sign_ecosystem(&signing_secret(source), body.as_ref());
        let timestamp = self.clock.now().seconds();
        headers(&[
            ("content-type", "application/json"),
            ("x-webhook-signature", &signature),
            ("x-webhook-timestamp", &timestamp.to_string()),
        ])
    }

    /// The same by Standard Webhooks.
    pub fn signed_standard(&self, source: &str, body: impl AsRef<[u8]>) -> Headers {
        let timestamp = self.clock.now().seconds();
        let signature = sign_standard(&[&signing_secret(source)], "msg_1", timestamp, body.as_ref());
        headers(&[
            ("content-type", "application/json"),
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
        ])
    }

    /// Posts a draft, signed by its source.
    pub async fn send(&self, draft: &Draft) -> Answer {
        self.send_as(&draft.source, draft.body()).await
    }

    /// Posts `body`, signed by `source`.
    pub async fn send_as(&self, source: &str, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        self.post(EVENTS, &self.signed(source, &body), body).await
    }

    pub async fn post(&self, path: &str, headers: &Headers, body: impl Into<Bytes>) -> Answer {
        self.client.ask(Method::POST, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client.ask(Method::GET, path, &Vec::new(), "").await
    }

    /// One sample of `/metrics`, such as `camino_dead_letters{receiver="mancha"}`; 0 if it isn't there.
    pub async fn metric(&self, sample: &str) -> u64 {
        let page = self.get("/metrics").await.text();
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Asks `/metrics` until `count` deliveries to `receiver` have come to `outcome`.
    pub async fn until_ended(&self, receiver: &str, outcome: &str, count: u64) {
        let labels = format!("outcome=\"{outcome}\",receiver=\"{receiver}\"");
        self.until(&format!("camino_deliveries_total{{{labels}}}"), count).await;
    }

    /// Turns `clock` by `step` again and again until `done` is; each time the broker gets to work first.
    pub async fn turn_until<T>(
        &self,
        clock: &ManualClock,
        step: Duration,
        done: impl Future<Output = T>,
    ) -> T {
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                biased;
                done = &mut done => return done,
                _ = self.get("/healthz") => clock.advance(step),
            }
        }
    }

    /// Turns `clock`, second by second, until `count` deliveries to `receiver` stand in `state`. A gauge is
    /// measured once a second, so one that was read after a turn is younger than what came before it.
    pub async fn until_queued(&self, clock: &ManualClock, receiver: &str, state: &str, count: u64) {
        let sample = format!("camino_queue_depth{{receiver=\"{receiver}\",state=\"{state}\"}}");
        self.turn_until(clock, Duration::from_secs(1), self.until(&sample, count)).await;
    }

    /// Asks `/metrics` until `sample` is `value`.
    pub async fn until(&self, sample: &str, value: u64) {
        let reached = async { while self.metric(sample).await != value {} };
        let reached = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(reached, "{sample} is {} and not {value}", self.metric(sample).await);
    }
}

pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `headers` with one more, or with another value for one there is.
pub fn with(mut headers: Headers, name: &str, value: &str) -> Headers {
    headers.retain(|(other, _)| other != name);
    headers.push((name.to_owned(), value.to_owned()));
    headers
}

//! The wiring: who is given what, every route on one page, start and stop.
//!
//! The only module that knows everybody. It decides nothing about events.

mod certificate;
pub mod contract;
mod gauges;
mod gone;
mod housekeeping;
mod lifecycle;
mod operational;
pub mod rebuild;
mod routes;
pub mod signals;
mod stores;
pub mod subscribers;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::admin::health::Health;
use crate::config::{Classifier, Config};
use crate::deliver::Ways;
use crate::deliver::http::{HttpSink, Options as SinkOptions};
use crate::deliver::internal::{self, Inbound};
use crate::dispatch::{Dispatcher, Handle, Parts as DispatchParts};
use crate::domain::catalog::Catalog;
use crate::domain::id::AppSlug;
use crate::http::server::{Bounds, Server, TlsError};
use crate::hub::relay::Relay;
use crate::hub::tickets::desk::{Desk, Model};
use crate::hub::tickets::hosted::{self, Hosted};
use crate::hub::{self, Hub};
use crate::ingest::{Ingest, KeyCheck, Parts as IngestParts};
use crate::operations::steering::Steering;
use crate::operations::{Operations, Parts as OperationsParts};
use crate::outbox::Intake;
use crate::outbox::directory::{Directory, Snapshot};
use crate::registry::handle::CatalogHandle;
use crate::registry::{self, Source};
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;
use crate::runtime::task::Tasks;
use crate::store;
use crate::store::control::Control;
use crate::store::control::key::Scope;
use crate::store::journal::{Reader, Writer};
use crate::store::outbox::Outbox;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::{self, Exporter, Tracer};
use crate::web::samples::Samples;
use stores::Stores;

/// Why the broker did not start. Each is one line that names the place and the mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry.
    #[error("the registry cannot be used: {0}")]
    Registry(#[from] registry::Error),
    /// The store's engine.
    #[error(transparent)]
    Log(#[from] store::log::Error),
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] store::outbox::Error),
    /// The store's directory.
    #[error("cannot use the store's directory {}: {reason} (store.path)", path.display())]
    StorePath {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The store's folder holds a backup or half a store.
    #[error(transparent)]
    Backup(#[from] store::backup::Error),
    /// The control store.
    #[error(transparent)]
    Control(#[from] store::control::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] store::journal::Error),
    /// The plans.
    #[error("the registry cannot be used: {0}")]
    Plans(#[from] registry::plans::Error),
    /// The hub.
    #[error(transparent)]
    Hub(#[from] hub::Error),
    /// The hub could not be rebuilt.
    #[error(transparent)]
    Rebuild(#[from] hub::rebuild::Failure),
    /// The first administrator's key.
    #[error(transparent)]
    AdminKey(#[from] store::control::admin_file::Error),
    /// The listener.
    #[error("cannot listen on {address}: {reason}{} (server.listen)", listen_mend(reason))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The listener's certificate.
    #[error("the listener's certificate cannot be used: {0} (server.tls_certificate, server.tls_key)")]
    Certificate(#[from] TlsError),
    /// The client for deliveries.
    #[error("cannot set up deliveries: {0}")]
    Sink(#[from] crate::deliver::http::Error),
    /// The client for the hosted classifier.
    #[error("cannot set up the classifier of tickets: {0} (hub.triage)")]
    Triage(#[from] hosted::SetUp),
    /// The metrics.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The exporter of traces.
    #[error("cannot set up traces: {0} (telemetry.otlp_endpoint)")]
    Traces(#[from] trace::Error),
    /// A thread did not start.
    #[error(transparent)]
    Start(#[from] crate::runtime::task::Error),
    /// A task that the process cannot be without has failed.
    #[error("{0}; the process stops so that it can be started clean")]
    Task(#[from] crate::runtime::task::Failure),
    /// The store has failed while running.
    #[error("the store has failed; nothing more was acknowledged, restart after mending the disk")]
    StoreFailed,
}

/// The clock and the random source that everything below uses.
#[derive(Clone)]
pub struct Ports {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub entropy: Arc<dyn Entropy>,
}

/// A broker that is ready to run.
pub struct App {
    address: SocketAddr,
    config: Arc<Config>,
    ports: Ports,
    tasks: Tasks,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    draining: Arc<AtomicBool>,
    server: Server,
    dispatcher: Dispatcher,
    sink: Arc<HttpSink>,
    catalog: CatalogHandle,
    steering: Steering,
    gone: mpsc::Receiver<AppSlug>,
    control: Arc<Control>,
    operations: Operations,
    samples: Arc<Samples>,
    journal_writer: Writer,
    journal: Arc<Reader>,
    inside: Inside,
    exporter: Option<Exporter>,
}

/// The hub, and what runs it.
struct Inside {
    hub: Arc<Hub>,
    inbound: Inbound,
    relay: Relay,
    desk: Desk,
}

impl App {
    /// Opens the store and the listener. Nothing runs yet, and nothing was touched if this fails.
    pub async fn build(config: Config, ports: Ports) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new()?);
        let catalog = registry::load::load(&Source::of(&config))?;
        say_doubts(&config, &catalog, &metrics);
        let catalog = CatalogHandle::new(catalog);
        let (tls, listener) = (certificate::load(&config)?, listen(&config).await?);
        let address = listener.local_addr().unwrap_or(config.server.listen);
        let Stores { outbox, control, journal_writer, journal, hub, access } =
            stores::open(&config, &ports, &metrics)?;
        let directory = Directory::new(Snapshot::new(&config, &control.overlays()?));
        let (config, draining, tasks) = (Arc::new(config), Arc::new(AtomicBool::new(false)), Tasks::new());
        let (tracer, exporter) = traces(&config, &ports, &metrics)?;
        let (gone_in, gone) = mpsc::channel(GONE_MAX);
        let (internal, inbound) = internal::pair(Arc::clone(&ports.clock));
        let sink = Arc::new(sink(&config, &ports)?);
        let ways = Ways { http: Arc::clone(&sink), internal };
        let (delivered, told) = ((&outbox, &directory), (&metrics, &tracer));
        let (dispatcher, dispatch) = dispatcher(&config, &ports, &tasks, delivered, ways, told, gone_in);
        let intake =
            Intake { store: Arc::clone(&outbox), catalog: catalog.clone(), directory: directory.clone() };
        let desk = desk(&config, &hub, &ports)?;
        let inside = Inside { relay: relay(&hub, &intake, &journal, &ports, &metrics), hub, inbound, desk };
        let keys = key_check(Arc::clone(&control));
        let ingest =
            ingest(&config, &ports, (&metrics, tracer), (intake.clone(), keys, Arc::clone(&draining)));
        let steering =
            Steering { config: Arc::clone(&config), control: Arc::clone(&control), directory, dispatch };
        let operations = Operations::new(OperationsParts {
            control: Arc::clone(&control),
            steering: steering.clone(),
            intake,
            journal: Arc::clone(&journal),
            hub: Arc::clone(&inside.hub),
            access,
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            tasks: tasks.clone(),
        });
        let samples = Arc::new(Samples::default());
        let health = health(&draining, &outbox, &metrics);
        let router = routes::all(ingest, &operations, &samples, &config, health);
        let server = Server::new(listener, router, bounds(&config), Arc::clone(&ports.clock)).with_tls(tls);
        Ok(Self {
            address,
            config,
            ports,
            tasks,
            outbox,
            metrics,
            draining,
            server,
            dispatcher,
            sink,
            catalog,
            steering,
            gone,
            control,
            operations,
            samples,
            journal_writer,
            journal,
            inside,
            exporter,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that stops it when cancelled.
    pub fn stopper(&self) -> tokio_util::sync::CancellationToken {
        self.tasks.soft()
    }
}

/// What sends what is owed; receivers that are gone are told to `gone`.
fn dispatcher(
    config: &Config,
    ports: &Ports,
    tasks: &Tasks,
    (outbox, directory): (&Arc<Outbox>, &Directory),
    ways: Ways,
    (metrics, tracer): (&Arc<Metrics>, &Tracer),
    gone: mpsc::Sender<AppSlug>,
) -> (Dispatcher, Handle) {
    Dispatcher::new(DispatchParts {
        outbox: Arc::clone(outbox),
        directory: directory.clone(),
        sink: Arc::new(ways),
        clock: Arc::clone(&ports.clock),
        entropy: Arc::clone(&ports.entropy),
        tasks: tasks.clone(),
        metrics: Arc::clone(metrics),
        tracer: tracer.clone(),
        in_flight_max: config.delivery.in_flight_max as usize,
        on_gone: Box::new(move |app| gone::tell(&gone, app)),
    })
}

/// The way of what the hub emits.
fn relay(
    hub: &Arc<Hub>,
    intake: &Intake,
    journal: &Arc<Reader>,
    ports: &Ports,
    metrics: &Arc<Metrics>,
) -> Relay {
    Relay {
        hub: Arc::clone(hub),
        intake: intake.clone(),
        journal: Arc::clone(journal),
        clock: Arc::clone(&ports.clock),
        metrics: Arc::clone(metrics),
    }
}

/// Who sees to tickets beside their events.
fn desk(config: &Config, hub: &Arc<Hub>, ports: &Ports) -> Result<Desk, Error> {
    let triage = &config.hub.triage;
    let key = triage.api_key.clone().filter(|_| triage.classifier == Classifier::Hosted);
    let model = key.map(|key| {
        let options = hosted::Options {
            url: triage.url.clone(),
            model: triage.model.clone(),
            key,
            timeout: triage.timeout,
        };
        let classifier = Arc::new(Hosted::new(options, Arc::clone(&ports.clock))?);
        Ok::<_, Error>(Model { classifier, tokens_per_day: triage.tokens_per_day })
    });
    Ok(Desk { hub: Arc::clone(hub), model: model.transpose()?, clock: Arc::clone(&ports.clock) })
}

/// The way in for events.
fn ingest(
    config: &Config,
    ports: &Ports,
    (metrics, tracer): (&Arc<Metrics>, Tracer),
    (intake, keys, draining): (Intake, KeyCheck, Arc<AtomicBool>),
) -> Ingest {
    Ingest::new(IngestParts {
        intake,
        settings: config.ingest.clone(),
        clock: Arc::clone(&ports.clock),
        metrics: Arc::clone(metrics),
        tracer,
        keys,
        draining,
    })
}

/// The tracer, and what sends its spans where a collector is set.
fn traces(
    config: &Config,
    ports: &Ports,
    metrics: &Arc<Metrics>,
) -> Result<(Tracer, Option<Exporter>), Error> {
    let Some(endpoint) = config.telemetry.otlp_endpoint.clone() else { return Ok((Tracer::off(), None)) };
    let (entropy, clock) = (Arc::clone(&ports.entropy), Arc::clone(&ports.clock));
    let (tracer, spans) = Tracer::on(config.telemetry.otlp_share, entropy, Arc::clone(metrics));
    let options = trace::Options { endpoint, clock, metrics: Arc::clone(metrics) };
    Ok((tracer, Some(Exporter::new(spans, options)?)))
}

fn health(draining: &Arc<AtomicBool>, outbox: &Arc<Outbox>, metrics: &Arc<Metrics>) -> Health {
    Health { draining: Arc::clone(draining), outbox: Arc::clone(outbox), metrics: Arc::clone(metrics) }
}

fn say_doubts(config: &Config, catalog: &Catalog, metrics: &Metrics) {
    for warning in config.warnings().into_iter().chain(registry::doubts::of(config, catalog)) {
        event::ConfigDoubt { warning: &warning.to_string() }.emit(metrics);
    }
}

/// Receivers that may say goodbye at a time; each does so once.
const GONE_MAX: usize = 1024;

/// A bearer key posts for the source that it is bound to.
fn key_check(control: Arc<Control>) -> KeyCheck {
    Arc::new(move |presented, now| {
        let caller = control.authenticate(presented, now)?;
        if caller.allows(Scope::EventsWrite) { caller.source.clone() } else { None }
    })
}

fn sink(config: &Config, ports: &Ports) -> Result<HttpSink, Error> {
    let delivery = &config.delivery;
    let own = config.apps.values().filter_map(|app| app.in_flight_max);
    let in_flight = own.chain([delivery.endpoint_in_flight_max]).max().unwrap_or(1);
    let options = SinkOptions {
        allowed_networks: delivery.allowed_networks.clone(),
        // Each receiver's own policy caps it again.
        retry_after_max: longest_wait(config),
        idle_per_receiver_max: in_flight.min(delivery.in_flight_max) as usize,
    };
    Ok(HttpSink::new(options, Arc::clone(&ports.clock))?)
}

fn longest_wait(config: &Config) -> Duration {
    let own = config.apps.keys().map(|app| config.retry_for(app).max);
    own.chain([config.delivery.retry.max]).max().unwrap_or_default()
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        connections_max: config.server.connections_max as usize,
        header_timeout: config.server.header_timeout,
        drain: config.server.drain,
        ..Bounds::default()
    }
}

fn listen_mend(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        ErrorKind::AddrInUse => "; is another process using it?",
        ErrorKind::PermissionDenied => {
            "; ports below 1024 are not for everybody: take another, or grant the right"
        }
        ErrorKind::AddrNotAvailable => "; it is no address of this machine",
        _ => "",
    }
}

async fn listen(config: &Config) -> Result<TcpListener, Error> {
    let address = config.server.listen;
    TcpListener::bind(address).await.map_err(|reason| Error::Listen { address, reason })
}

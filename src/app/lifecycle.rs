//! Start, signals, drain.
//!
//! A stop first refuses new events, then lets requests and attempts in flight end up to
//! `server.drain`, then commits what is left and closes the store. What is cut is delivered after the
//! next start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use super::signals::{Asked, Signals};
use super::{App, Error, Inside, certificate, gauges, gone, housekeeping, operational};
use crate::config::Config;
use crate::domain::id::AppSlug;
use crate::hub::subscriptions;
use crate::operations::{carry_out_replays, live};
use crate::registry::Source;
use crate::registry::handle::CatalogHandle;
use crate::registry::watch::Watch;
use crate::runtime::task::{TaskKind, Tasks};
use crate::store::journal::Retention;
use crate::store::outbox::Outbox;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

impl App {
    /// Runs until it is told to stop (the soft token) or something it cannot be without fails.
    pub async fn run(self, mut signals: Signals) -> Result<(), Error> {
        let (tasks, clock, outbox) =
            (self.tasks.clone(), Arc::clone(&self.ports.clock), Arc::clone(&self.outbox));
        let (metrics, drain) = (Arc::clone(&self.metrics), self.config.server.drain);
        let (catalog, config, draining) =
            (self.catalog.clone(), Arc::clone(&self.config), Arc::clone(&self.draining));
        let tls = self.server.tls().cloned();
        // The journal is stopped last: it takes in what the others leave.
        let recorder = Tasks::new();
        let reloaded = Arc::new(Notify::new());
        let watch = watch(&config, &catalog, &metrics, &reloaded)?;
        let stop = tasks.soft();
        self.start(&recorder, &reloaded)?;
        let failure = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                () = outbox.failure() => break Some(Error::StoreFailed),
                failed = tasks.failed() => break Some(Error::Task(failed)),
                failed = recorder.failed() => break Some(Error::Task(failed)),
                asked = signals.next() => match asked {
                    Asked::Stop => break None,
                    Asked::Reload => {
                        reload(&catalog, &config, &metrics, &reloaded);
                        if let Some(tls) = &tls {
                            certificate::look(tls.clone(), &metrics, None).await;
                        }
                    }
                },
            }
        };
        drop(watch);
        draining.store(true, Ordering::Relaxed);
        event::DrainStarted { bound: drain }.emit(&metrics);
        let stopped = async {
            let drained = tasks.drain(clock.as_ref(), drain).await;
            event::DrainEnded { cut: &drained.cut, orphans: &drained.orphans }.emit(&metrics);
            let closing = Arc::clone(&outbox);
            // The committer's last commit is a blocking wait.
            let _ = tokio::task::spawn_blocking(move || closing.close()).await;
            recorder.drain(clock.as_ref(), drain).await;
            // Only now: the journal has read the last commits from it.
            let closed = tokio::task::spawn_blocking(move || outbox.close_log()).await;
            if let Ok(Err(error)) = closed {
                tracing::error!(error = %error, "the store was not closed well; the next start checks it");
            }
        };
        tokio::select! {
            () = stopped => {}
            () = stopped_again(&mut signals) => std::process::exit(1),
        }
        failure.map_or(Ok(()), Err)
    }

    fn start(self, recorder: &Tasks, reloaded: &Arc<Notify>) -> Result<(), Error> {
        let (tasks, clock, outbox) = (self.tasks, self.ports.clock, self.outbox);
        let stop = tasks.soft();
        let (store, backlog) = (&self.config.store.path, backlog(&outbox));
        event::Started { listen: self.address, store, backlog }.emit(&self.metrics);
        let mut writer = self.journal_writer;
        let (tail, tail_clock, until) = (Arc::clone(&outbox), Arc::clone(&clock), recorder.soft());
        let retention = retention(&self.config);
        recorder
            .thread(TaskKind::Journal, move || writer.run(&tail, tail_clock.as_ref(), &retention, &until))?;
        let Inside { hub, inbound, relay, desk } = self.inside;
        let said = subscriptions::clock::run(Arc::clone(&hub), Arc::clone(&clock));
        tasks.spawn(TaskKind::Subscriptions, said);
        tasks.thread(TaskKind::Hub, move || inbound.run(hub.as_ref()))?;
        let watch = operational::Watch {
            intake: relay.intake.clone(),
            control: Arc::clone(&self.control),
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&clock),
        };
        tasks.spawn(TaskKind::Watch, watch.run());
        tasks.spawn(TaskKind::Relay, relay.run());
        tasks.spawn(TaskKind::Desk, desk.run());
        tasks.spawn(TaskKind::Dispatcher, self.dispatcher.run());
        let sink = self.sink;
        tasks.spawn(TaskKind::Connections, async move { sink.close_idle().await });
        tasks.spawn(TaskKind::Control, gone::run(self.gone, self.steering, Arc::clone(&clock), stop.clone()));
        tasks.spawn(
            TaskKind::Compaction,
            housekeeping::compact(Arc::clone(&outbox), Arc::clone(&clock), self.config.store.compact_every),
        );
        tasks.spawn(TaskKind::Retention, housekeeping::tend_control(self.control, Arc::clone(&clock)));
        let keep = self.config.journal.retention_dead;
        let dismissal = housekeeping::dismiss_old(self.operations.clone(), keep, Arc::clone(&clock));
        tasks.spawn(TaskKind::Retention, dismissal);
        tasks.spawn(TaskKind::Replay, carry_out_replays(self.operations.clone()));
        tasks.spawn(TaskKind::Live, live::tell(self.operations.clone()));
        let release =
            housekeeping::release_quarantine(self.operations, Arc::clone(reloaded), Arc::clone(&clock));
        tasks.spawn(TaskKind::Quarantine, release);
        if let Some(tls) = self.server.tls() {
            let watch = certificate::watch(tls.clone(), Arc::clone(&clock), Arc::clone(&self.metrics));
            tasks.spawn(TaskKind::Certificate, watch);
        }
        let samples = self.samples.run(Arc::clone(&self.metrics), Arc::clone(&clock));
        tasks.spawn(TaskKind::Samples, samples);
        let measured = gauges::Measured {
            outbox,
            journal: self.journal,
            metrics: self.metrics,
            clock,
            store: self.config.store.path.clone(),
            free_bytes_min: self.config.store.free_bytes_min,
        };
        // Once before anybody can ask.
        measured.refresh();
        tasks.spawn(TaskKind::Gauges, measured.run());
        if let Some(exporter) = self.exporter {
            tasks.spawn(TaskKind::Traces, exporter.run());
        }
        let (server, server_stop) = (self.server, stop);
        tasks.spawn(TaskKind::Listener, async move {
            let cut = server.run(server_stop).await.remaining;
            if cut > 0 {
                event::ConnectionsCut { count: cut }.emit();
            }
        });
        Ok(())
    }
}

/// How long the journal keeps what.
fn retention(config: &Config) -> Retention {
    Retention {
        keep_events: config.journal.retention,
        keep_dead: config.journal.retention_dead,
        keep_for: Some((AppSlug::hub(), config.journal.retention_hub)),
    }
}

/// Watches the registry's folder, if it has one of its own.
fn watch(
    config: &Arc<Config>,
    catalog: &CatalogHandle,
    metrics: &Arc<Metrics>,
    reloaded: &Arc<Notify>,
) -> Result<Option<Watch>, Error> {
    let Some(path) = &config.registry.path else { return Ok(None) };
    let (config, catalog) = (Arc::clone(config), catalog.clone());
    let (metrics, reloaded) = (Arc::clone(metrics), Arc::clone(reloaded));
    let source = Source::of(&config);
    let again = catalog.clone();
    let tell = move || reload(&catalog, &config, &metrics, &reloaded);
    let watch = Watch::start(path, tell.clone())?;
    // Nobody would ever tell of a change between the first reading and the start of the watch.
    if !matches!(again.reload(&source), Ok(diff) if diff.is_empty()) {
        tell();
    }
    Ok(Some(watch))
}

/// Deliveries that were open when the store was opened.
fn backlog(outbox: &Outbox) -> u64 {
    (0..).zip(outbox.lanes()).map(|(lane, _)| outbox.counts(lane).open).sum()
}

/// A second request to stop.
async fn stopped_again(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

/// Reads the registry again; a bad one leaves the old one in force.
fn reload(catalog: &CatalogHandle, config: &Config, metrics: &Metrics, reloaded: &Notify) {
    match catalog.reload(&Source::of(config)) {
        Ok(_) => {
            let now = catalog.current();
            event::RegistryReloaded { event_types: now.events().len(), apps: now.apps().len() }.emit(metrics);
            reloaded.notify_one();
        }
        Err(error) => event::RegistryRefused { reason: &error.to_string() }.emit(metrics),
    }
}

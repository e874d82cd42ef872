//! Start, signals, drain.
//!
//! A stop first refuses new events, then lets requests and attempts in flight end up to
//! `server.drain`, then commits what is left and closes the store. What is cut is delivered after the
//! next start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::signals::{Asked, Signals};
use super::{App, Error, gauges, gone, registry_source};
use crate::config::Config;
use crate::registry::handle::CatalogHandle;
use crate::runtime::task::TaskKind;
use crate::store::outbox::Outbox;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

impl App {
    /// Runs until it is told to stop (the soft token) or something it cannot be without fails.
    pub async fn run(self, mut signals: Signals) -> Result<(), Error> {
        let (tasks, clock) = (self.tasks.clone(), Arc::clone(&self.ports.clock));
        let stop = tasks.soft();
        event::Started {
            listen: self.address,
            store: &self.config.store.path,
            backlog: backlog(&self.outbox),
        }
        .emit(&self.metrics);
        let (server, server_stop) = (self.server, stop.clone());
        tasks.spawn(TaskKind::Listener, async move {
            server.run(server_stop).await;
        });
        tasks.spawn(TaskKind::Dispatcher, self.dispatcher.run());
        let gone = gone::run(self.gone, self.steering, Arc::clone(&clock), stop.clone());
        tasks.spawn(TaskKind::Control, gone);
        let gauges = gauges::run(Arc::clone(&self.outbox), Arc::clone(&self.metrics), Arc::clone(&clock));
        tasks.spawn(TaskKind::Gauges, gauges);
        let failure = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                () = self.outbox.failure() => break Some(Error::StoreFailed),
                failed = tasks.failed() => break Some(Error::Task(failed)),
                asked = signals.next() => match asked {
                    Asked::Stop => break None,
                    Asked::Reload => reload(&self.catalog, &self.config, &self.metrics),
                },
            }
        };
        self.draining.store(true, Ordering::Relaxed);
        event::DrainStarted { bound: self.config.server.drain }.emit(&self.metrics);
        let drained = tokio::select! {
            drained = tasks.drain(clock.as_ref(), self.config.server.drain) => drained,
            () = stopped_again(&mut signals) => std::process::exit(1),
        };
        event::DrainEnded { cut: &drained.cut, orphans: &drained.orphans }.emit(&self.metrics);
        let outbox = Arc::clone(&self.outbox);
        // The committer's last commit is a blocking wait.
        let _ = tokio::task::spawn_blocking(move || outbox.close()).await;
        failure.map_or(Ok(()), Err)
    }
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
pub(super) fn reload(catalog: &CatalogHandle, config: &Config, metrics: &Metrics) {
    match catalog.reload(&registry_source(config)) {
        Ok(_) => {
            let now = catalog.current();
            event::RegistryReloaded { event_types: now.events().len(), apps: now.apps().len() }.emit(metrics);
        }
        Err(error) => event::RegistryRefused { reason: &error.to_string() }.emit(metrics),
    }
}

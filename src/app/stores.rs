//! Opening the data directory.

use std::sync::Arc;

use super::subscribers::{access, subscribers};
use super::{Error, Ports};
use crate::config::Config;
use crate::hub::Hub;
use crate::hub::subscriptions::Access;
use crate::store::backup;
use crate::store::control::Control;
use crate::store::control::sealing::{Sealed, Sealing};
use crate::store::folder;
use crate::store::journal::{self, Reader, Writer};
use crate::store::log::{self, SpaceBound};
use crate::store::outbox::open::Surroundings;
use crate::store::outbox::{self, Options, Outbox};
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

/// The journal's file in the store.
pub(super) const JOURNAL_FILE: &str = journal::FILE;
/// Bytes of recent events kept in memory for their delivery.
const CACHE_BYTES: u64 = 32 << 20;

/// The data directory, opened.
pub(super) struct Stores {
    pub(super) outbox: Arc<Outbox>,
    pub(super) control: Arc<Control>,
    pub(super) journal_writer: Writer,
    pub(super) journal: Arc<Reader>,
    pub(super) hub: Arc<Hub>,
    pub(super) access: Access,
}

/// Opens all of it; the outbox first, whose lock keeps other processes out.
pub(super) fn open(config: &Config, ports: &Ports, metrics: &Arc<Metrics>) -> Result<Stores, Error> {
    backup::refuse_no_store(&config.store.path)?;
    let outbox = Arc::new(outbox(config, ports, metrics)?);
    let control = Arc::new(control(config, ports, metrics)?);
    let (journal_writer, journal) = journal::open(&config.store.path.join(JOURNAL_FILE))?;
    let access = access()?;
    let hub = Arc::new(Hub::open(&config.store.path, subscribers(&access), Arc::clone(metrics))?);
    Ok(Stores { outbox, control, journal_writer, journal: Arc::new(journal), hub, access })
}

/// Opens the outbox below `[store] path`.
pub(super) fn outbox(config: &Config, ports: &Ports, metrics: &Arc<Metrics>) -> Result<Outbox, Error> {
    let path = &config.store.path;
    folder::make(path).map_err(|reason| Error::StorePath { path: path.clone(), reason })?;
    let log = log::open(&path.join(outbox::FOLDER), config.store.engine.into(), log::Options::default())?;
    let metrics = Arc::clone(metrics);
    let options = Options {
        free_bytes_min: config.store.free_bytes_min,
        // An id is never forgotten while its request could still pass.
        dedupe_keep: config.ingest.dedupe_window + 2 * config.ingest.timestamp_tolerance,
        cache_bytes: CACHE_BYTES,
        space: SpaceBound { disk_bytes_min: config.store.compact_bytes_min, ..SpaceBound::default() },
        ..Options::default()
    };
    let disk = path.clone();
    let around = Surroundings {
        clock: Arc::clone(&ports.clock),
        free_bytes: Box::new(move || folder::free_bytes(&disk)),
        on_commit: Box::new(move |cost| {
            event::CommitDone { events: cost.events, bytes: cost.bytes, elapsed: cost.took }.emit(&metrics);
        }),
    };
    Ok(Outbox::open(log, options, around)?)
}

/// Opens the control store, with the administrator's key of the config or of the file beside it.
fn control(config: &Config, ports: &Ports, metrics: &Metrics) -> Result<Control, Error> {
    let keys = config.store.secret_key.clone();
    let sealing = Sealing { keys, entropy: Arc::clone(&ports.entropy) };
    let control = Control::open(&config.store.path, sealing)?;
    let Sealed { key_made, resealed } = control.sealed().clone();
    if let Some(path) = key_made {
        event::SecretKeyMade { path: &path }.emit(metrics);
    }
    if resealed > 0 {
        event::SecretsResealed { endpoints: resealed }.emit(metrics);
    }
    if let Some(secret) = &config.server.admin_key {
        return Ok(control.with_admin(secret));
    }
    let mut entropy = [0; 32];
    ports.entropy.fill(&mut entropy);
    let key = control.admin_key(&entropy)?;
    if key.made {
        event::AdminKeyMade { path: &key.path }.emit(metrics);
    }
    Ok(control.with_admin(&key.secret))
}

//! A new hub out of the journal, with the broker stopped: `camino hub rebuild`.
//!
//! Takes the outbox first, whose lock keeps a running broker out, and lets the journal catch up with it.

use std::sync::Arc;

use super::stores;
use super::subscribers::{access, subscribers};
use super::{Error, Ports};
use crate::config::Config;
use crate::hub::rebuild::{Plan, Rebuilt, rebuild};
use crate::store::journal;
use crate::telemetry::metrics::Metrics;

/// How a rebuild is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Go on though the journal lacks events that the hub has had.
    pub incomplete: bool,
    /// Compare only.
    pub dry: bool,
}

/// Rebuilds the hub of the store that `config` names. `progress` is told events done and in all.
pub fn run(
    config: &Config,
    ports: &Ports,
    wish: Wish,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rebuilt, Error> {
    let metrics = Arc::new(Metrics::new()?);
    let outbox = stores::outbox(config, ports, &metrics)?;
    let (mut writer, reader) = journal::open(&config.store.path.join(stores::JOURNAL_FILE))?;
    writer.begin(&outbox)?;
    writer.follow(&outbox)?;
    let access = access()?;
    // Two of each: what the old ones keep in memory nobody asks.
    let again = || subscribers(&access);
    let mut plan = Plan {
        store: &config.store.path,
        subscribers: &again,
        metrics,
        incomplete: wish.incomplete,
        dry: wish.dry,
        progress,
    };
    let rebuilt = rebuild(&reader, &mut plan)?;
    outbox.close();
    outbox.close_log()?;
    Ok(rebuilt)
}

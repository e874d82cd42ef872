//! A source's own quota: events a minute, in fixed minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::http::problem::{Code, Problem};
use crate::outbox::directory::Snapshot;

const MINUTE_MS: u64 = 60_000;

/// What each source has used of its minute. Only sources with a quota are kept, so it is bounded by
/// the config.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    used: Mutex<HashMap<AppSlug, (u64, u64)>>,
}

impl Quotas {
    /// Takes `events` of the quota of `source`, all or none.
    pub(super) fn take(
        &self,
        directory: &Snapshot,
        source: &AppSlug,
        events: usize,
        now: Millis,
    ) -> Result<(), Problem> {
        let Some(quota) = directory.get(source).and_then(|app| app.ingest_quota) else { return Ok(()) };
        let minute = now.0 / MINUTE_MS;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(source.clone()).or_default();
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        if entry.1 + events as u64 > u64::from(quota) {
            let wait = Duration::from_millis(MINUTE_MS - now.0 % MINUTE_MS);
            let detail = format!("{source} may post {quota} events a minute (apps.{source}.ingest_quota)");
            return Err(Problem::new(Code::QuotaExceeded, detail).retry_after(wait));
        }
        entry.1 += events as u64;
        Ok(())
    }
}

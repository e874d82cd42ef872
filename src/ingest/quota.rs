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
    pub(super) fn take<'a>(
        &'a self,
        directory: &Snapshot,
        source: &'a AppSlug,
        events: usize,
        now: Millis,
    ) -> Result<Taken<'a>, Problem> {
        let mut taken = Taken { quotas: self, source, minute: now.0 / MINUTE_MS, events: 0 };
        let Some(quota) = directory.get(source).and_then(|app| app.ingest_quota) else { return Ok(taken) };
        let minute = now.0 / MINUTE_MS;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(source.clone()).or_default();
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        if entry.1 + events as u64 > u64::from(quota) {
            let wait = Duration::from_millis(MINUTE_MS - now.0 % MINUTE_MS);
            let larger = if events as u64 > u64::from(quota) { "; send smaller batches" } else { "" };
            let detail =
                format!("{source} may post {quota} events a minute (apps.{source}.ingest_quota){larger}");
            return Err(Problem::new(Code::QuotaExceeded, detail).retry_after(wait));
        }
        entry.1 += events as u64;
        taken.events = events as u64;
        Ok(taken)
    }
}

/// What was taken of a quota; dropped without [`Taken::used`], it goes back.
#[must_use]
pub(super) struct Taken<'a> {
    quotas: &'a Quotas,
    source: &'a AppSlug,
    minute: u64,
    events: u64,
}

impl Taken<'_> {
    /// The events were accepted.
    pub(super) fn used(mut self) {
        self.events = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.events == 0 {
            return;
        }
        let mut used = self.quotas.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = used.get_mut(self.source).filter(|entry| entry.0 == self.minute) {
            entry.1 = entry.1.saturating_sub(self.events);
        }
    }
}

//! Brings a renewed certificate of the listener into force, without a restart.
//!
//! Looks at the files every few seconds: whoever renews them may replace a link, a folder or a mount,
//! which no watch sees alike. One half of a pair may be there before the other; then the old pair stays until
//! both are. What is wrong is said once, not at every look.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::http::server::{Tls, TlsError};
use crate::runtime::clock::Clock;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

/// Between two looks at the files.
const EVERY: Duration = Duration::from_secs(5);

/// The listener's certificate, where one is configured.
pub(super) fn load(config: &Config) -> Result<Option<Tls>, TlsError> {
    config.server.tls().map(|(certificate, key)| Tls::load(certificate, key)).transpose()
}

/// Looks until the process stops.
pub(super) async fn watch(tls: Tls, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
    let mut said = None;
    loop {
        clock.sleep(EVERY).await;
        said = look(tls.clone(), &metrics, said).await;
    }
}

/// Looks once. Returns what is wrong, which is said unless it was `said` before.
pub(super) async fn look(tls: Tls, metrics: &Metrics, said: Option<String>) -> Option<String> {
    let path = tls.certificate().to_owned();
    let wrong = match tokio::task::spawn_blocking(move || tls.reload()).await {
        // The pair that was tried before: what was said of it still holds.
        Ok(Ok(false)) => return said,
        Ok(Ok(true)) => {
            event::CertificateReloaded { path: &path }.emit(metrics);
            return None;
        }
        Ok(Err(error)) => error.to_string(),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    if said.as_ref() != Some(&wrong) {
        event::CertificateRefused { reason: &wrong }.emit(metrics);
    }
    Some(wrong)
}

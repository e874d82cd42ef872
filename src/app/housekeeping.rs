//! What runs beside the traffic: compaction, retention of the control store, quarantine release.

use std::sync::Arc;
use std::time::Duration;

use crate::operations::{self, Operations, release_learned};
use crate::runtime::clock::Clock;
use crate::store::control::Control;
use crate::store::outbox::Outbox;

/// Longest wait after compactions that failed; each doubles it.
const COMPACTION_WAIT_MAX: Duration = Duration::from_mins(10);
const CONTROL_EVERY: Duration = Duration::from_mins(1);
const DISMISS_EVERY: Duration = Duration::from_mins(10);
/// How long the audit log looks back.
const AUDIT_KEEP: Duration = Duration::from_hours(24 * 400);
const PURGE_ROWS: u32 = 1_000;
/// Until what could not be released is tried again.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Looks `every` so often whether the outbox's size says that rewriting it pays, and does it; after a failure it
/// waits longer.
pub(super) async fn compact(outbox: Arc<Outbox>, clock: Arc<dyn Clock>, every: Duration) {
    let mut wait = every;
    loop {
        clock.sleep(wait).await;
        let store = Arc::clone(&outbox);
        match tokio::task::spawn_blocking(move || store.compact_if_due()).await {
            Ok(Ok(compacted)) => {
                wait = every;
                if compacted {
                    tracing::info!("the outbox was compacted");
                }
            }
            Ok(Err(error)) => {
                wait = (2 * wait).min(COMPACTION_WAIT_MAX.max(every));
                tracing::error!(error = %error, again_in = ?wait, "the outbox could not be compacted");
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Writes down when keys were last used, and purges what is past its time.
pub(super) async fn tend_control(control: Arc<Control>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(CONTROL_EVERY).await;
        let (control, now) = (Arc::clone(&control), clock.now());
        let tended = tokio::task::spawn_blocking(move || {
            control.flush_last_used()?;
            control.purge_answers(now, PURGE_ROWS)?;
            control.purge_audit(now.minus(AUDIT_KEEP), PURGE_ROWS)
        });
        match tended.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "the control store could not be tended"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Releases quarantined events of types that the registry has learned, now and after each `reloaded`. What
/// could not be released is tried again after a while.
pub(super) async fn release_quarantine(
    operations: Operations,
    reloaded: Arc<tokio::sync::Notify>,
    clock: Arc<dyn Clock>,
) {
    loop {
        let failed = match release_learned(&operations).await {
            Ok((released, failed)) => {
                if released > 0 {
                    tracing::info!(released, "quarantined events were released: their types are known now");
                }
                if failed > 0 {
                    tracing::error!(failed, "some quarantined events could not be released yet");
                }
                failed > 0
            }
            Err(problem) => {
                tracing::error!(problem = problem.detail(), "quarantined events could not be released");
                true
            }
        };
        tokio::select! {
            () = reloaded.notified() => {}
            () = clock.sleep(RELEASE_AGAIN_AFTER), if failed => {}
        }
    }
}

/// Lets go of dead letters, quarantined events and what waits in vain past its retention, so that the outbox and
/// the journal can forget them.
pub(super) async fn dismiss_old(operations: Operations, keep: Duration, clock: Arc<dyn Clock>) {
    loop {
        match operations::dismiss_older(&operations, clock.now().minus(keep)).await {
            Ok(0) => {}
            Ok(dismissed) => tracing::info!(
                dismissed,
                "what was past its retention was let go of: dead letters, quarantined events, parked deliveries"
            ),
            Err(error) => {
                tracing::error!(error = %error, "what is past its retention could not be dismissed");
            }
        }
        clock.sleep(DISMISS_EVERY).await;
    }
}

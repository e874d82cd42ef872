//! Makes the block of a receiver that answered 410 last.
//!
//! A crash before it is durable delivers once more, and the receiver answers 410 once more.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::id::AppSlug;
use crate::operations::steering::Steering;
use crate::runtime::clock::Clock;

/// Passes the news on. If too many wait, the lane stays blocked in memory all the same.
pub(super) fn tell(gone: &mpsc::Sender<AppSlug>, app: &AppSlug) {
    if gone.try_send(app.clone()).is_err() {
        tracing::error!(receiver = %app, "the endpoint is disabled only until the next start");
    }
}

/// Disables endpoints until the process stops.
pub(super) async fn run(
    mut gone: mpsc::Receiver<AppSlug>,
    steering: Steering,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        let app = tokio::select! {
            biased;
            app = gone.recv() => app,
            () = stop.cancelled() => return,
        };
        let Some(app) = app else { return stop.cancelled().await };
        if let Err(error) = steering.gone(&app, clock.now()).await {
            tracing::error!(receiver = %app, error = %error, "the endpoint is disabled only until the next start");
        }
    }
}

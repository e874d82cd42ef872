//! The clock port: what time it is, and a wait until an instant.
//!
//! Wall time is for what people and other machines see (timestamps, windows, due times on disk);
//! spans are measured on the monotonic clock, so that a jump of the wall clock moves no timeout.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Millis, millis};

/// A source of time. Production has [`SystemClock`]; tests turn `testing::ManualClock` by hand.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Millis;

    /// Time since some fixed instant, never going backwards.
    fn monotonic(&self) -> Duration;

    /// Resolves when `span` has passed on the monotonic clock.
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts counting monotonic time now.
    #[expect(clippy::disallowed_methods, reason = "the one room that asks the OS for time")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one room that asks the OS for time")]
    fn now(&self) -> Millis {
        Millis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

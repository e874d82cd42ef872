//! A clock that stands still until a test turns it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::time::Millis;
use crate::runtime::clock::Clock;

/// Wall and monotonic time, turned by hand. Clones turn together.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wall: Mutex<Millis>,
    monotonic: watch::Sender<Duration>,
    sleepers: watch::Sender<usize>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Millis) -> Self {
        Self {
            shared: Arc::new(Shared {
                wall: Mutex::new(now),
                monotonic: watch::Sender::new(Duration::ZERO),
                sleepers: watch::Sender::new(0),
            }),
        }
    }

    /// Lets `span` pass on both clocks and wakes whoever slept for it.
    pub fn advance(&self, span: Duration) {
        self.jump_to(self.now().plus(span));
        self.shared.monotonic.send_modify(|at| *at += span);
    }

    /// Sets the wall clock alone, as an operator or NTP does. Wakes nobody.
    pub fn jump_to(&self, now: Millis) {
        *self.shared.wall.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Resolves once at least `count` sleeps are waiting.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.shared.sleepers.subscribe();
        // The sender lives in `self`, so this can't fail.
        let _ = sleepers.wait_for(|waiting| *waiting >= count).await;
    }
}

impl Default for ManualClock {
    /// Stands at 2026-04-16T12:00:00Z.
    fn default() -> Self {
        Self::new(Millis(1_776_340_800_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        *self.shared.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        *self.shared.monotonic.borrow()
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Counted from the call, not from the first poll: that is when the caller asked.
        let until = self.monotonic() + span;
        let sleeper = Sleeper::new(Arc::clone(&self.shared));
        let mut monotonic = self.shared.monotonic.subscribe();
        Box::pin(async move {
            let _ = monotonic.wait_for(|at| *at >= until).await;
            drop(sleeper);
        })
    }
}

/// Counts one sleep for as long as it waits.
struct Sleeper {
    shared: Arc<Shared>,
}

impl Sleeper {
    fn new(shared: Arc<Shared>) -> Self {
        shared.sleepers.send_modify(|waiting| *waiting += 1);
        Self { shared }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.shared.sleepers.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_span_has_passed_and_not_before() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(10));
        clock.advance(Duration::from_secs(9));
        let early = tokio::select! { biased; () = &mut sleep => true, () = std::future::ready(()) => false };
        assert!(!early);
        clock.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.monotonic(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_jump_of_the_wall_clock_wakes_nobody() {
        let clock = ManualClock::default();
        let _sleep = clock.sleep(Duration::from_secs(1));
        clock.jump_to(Millis(0));
        clock.wait_for_sleepers(1).await;
        assert_eq!((clock.now(), clock.monotonic()), (Millis(0), Duration::ZERO));
    }
}

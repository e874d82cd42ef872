//! Failed proofs are slowed per address past 100 a minute; a valid proof never is.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::http::failures::Failures;
use crate::http::problem::{Code, Problem};
use crate::runtime::clock::Clock;

/// Failures of one address in a minute before its failures are slowed.
pub(super) const FAILURES_FREE: u32 = 100;
/// How long a slowed answer is held back.
const HELD_BACK: Duration = Duration::from_secs(1);
/// Most answers held back at a time; beyond it they go at once, as 429.
const HELD_MAX: usize = 256;
/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Slowdown {
    failures: Failures,
    held: AtomicUsize,
}

impl Slowdown {
    /// Counts a failed proof of `address` and gives the answer back when it may go.
    pub(super) async fn failed(&self, address: IpAddr, clock: &dyn Clock, problem: Problem) -> Problem {
        if self.failures.count(address, clock.now()) <= FAILURES_FREE {
            return problem;
        }
        let slowed =
            Problem::new(Code::ProofsSlowed, "too many failed proofs from this address within a minute")
                .retry_after(Duration::from_mins(1));
        let Some(_place) = Place::take(&self.held) else { return slowed };
        clock.sleep(HELD_BACK).await;
        problem
    }
}

/// One of the answers held back. Dropped, it is free again, also when the client has hung up meanwhile.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(held: &'a AtomicUsize) -> Option<Self> {
        let place = Self(held);
        (held.fetch_add(1, Ordering::Relaxed) < HELD_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_hangs_up_gives_its_place_back() {
        let held = AtomicUsize::new(0);
        for _ in 0..2 * HELD_MAX {
            assert!(Place::take(&held).is_some());
        }
        let places: Vec<_> = (0..HELD_MAX).map_while(|_| Place::take(&held)).collect();
        assert_eq!(places.len(), HELD_MAX);
        assert!(Place::take(&held).is_none());
        drop(places);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}

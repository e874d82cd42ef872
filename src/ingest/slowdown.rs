//! Failed proofs are slowed per address past 100 a minute; a valid proof never is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::http::problem::{Code, Problem};
use crate::runtime::clock::Clock;

/// Failures of one address in a minute before its failures are slowed.
pub(super) const FAILURES_FREE: u32 = 100;
/// How long a slowed answer is held back.
const HELD_BACK: Duration = Duration::from_secs(1);
/// Most answers held back at a time; beyond it they go at once, as 429.
const HELD_MAX: usize = 256;
/// Most addresses remembered; beyond it all are forgotten, which only makes the guard kinder.
const ADDRESSES_MAX: usize = 16_384;

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Slowdown {
    failures: Mutex<(u64, HashMap<IpAddr, u32>)>,
    held: AtomicUsize,
}

impl Slowdown {
    /// Counts a failed proof of `address` and gives the answer back when it may go.
    pub(super) async fn failed(&self, address: IpAddr, clock: &dyn Clock, problem: Problem) -> Problem {
        if self.count(address, clock.now().0 / 60_000) <= FAILURES_FREE {
            return problem;
        }
        let slowed =
            Problem::new(Code::ProofsSlowed, "too many failed proofs from this address within a minute")
                .retry_after(Duration::from_mins(1));
        let Some(_place) = Place::take(&self.held) else { return slowed };
        clock.sleep(HELD_BACK).await;
        problem
    }

    fn count(&self, address: IpAddr, minute: u64) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.0 != minute || failures.1.len() >= ADDRESSES_MAX {
            *failures = (minute, HashMap::new());
        }
        let count = failures.1.entry(whole_customer(address)).or_default();
        *count = count.saturating_add(1);
        *count
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

/// An IPv6 customer holds at least a /64, so that counts as one address.
fn whole_customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::V6(Ipv6Addr::from(segments))
        }
        other => other,
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

//! How often an address failed to prove itself within a minute.
//!
//! Counts, and says when it is too often. Bounded: with too many addresses all are forgotten, which only makes whoever
//! asks kinder.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::problem::{Code, Problem};
use crate::domain::time::Millis;
use crate::telemetry::event;

/// Wrong keys of one address in a minute before more are answered 429.
const GUESSES_FREE: u32 = 20;
/// Most addresses remembered.
const ADDRESSES_MAX: usize = 16_384;
const MINUTE_MS: u64 = 60_000;

/// Failures of the current minute, by address.
#[derive(Debug, Default)]
pub struct Failures {
    minute: Mutex<(u64, HashMap<IpAddr, u32>)>,
}

impl Failures {
    /// Counts one more of `address`; returns how many that makes within the minute.
    pub fn count(&self, address: IpAddr, now: Millis) -> u32 {
        let minute = now.0 / MINUTE_MS;
        let mut failures = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.0 != minute || failures.1.len() >= ADDRESSES_MAX {
            *failures = (minute, HashMap::new());
        }
        let count = failures.1.entry(whole_customer(address)).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Counts a wrong key of `address`; once there were too many, what to answer instead of "wrong key".
    pub fn wrong_key(&self, address: IpAddr, now: Millis) -> Option<Problem> {
        let guesses = self.count(address, now);
        if guesses <= GUESSES_FREE {
            return None;
        }
        if guesses == GUESSES_FREE + 1 {
            event::KeysGuessed { address }.emit();
        }
        let detail = "too many wrong keys from this address within a minute";
        Some(Problem::new(Code::KeysSlowed, detail).retry_after(Self::left(now)))
    }

    /// How long until the count begins anew.
    pub fn left(now: Millis) -> Duration {
        Duration::from_millis(MINUTE_MS - now.0 % MINUTE_MS)
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
    fn an_address_is_counted_by_the_minute_and_with_its_neighbours() {
        let failures = Failures::default();
        let count =
            |address: &str, seconds: u64| failures.count(address.parse().unwrap(), Millis(seconds * 1000));
        assert_eq!((count("192.0.2.1", 0), count("192.0.2.1", 59), count("192.0.2.2", 59)), (1, 2, 1));
        assert_eq!(
            (count("2001:db8::1", 59), count("2001:db8::ffff:1", 59), count("2001:db8:0:1::1", 59)),
            (1, 2, 1)
        );
        assert_eq!((count("::ffff:192.0.2.1", 59), count("::ffff:192.0.2.2", 59)), (1, 1));
        assert_eq!(count("192.0.2.1", 60), 1, "a new minute");
        assert_eq!(Failures::left(Millis(59_000)), Duration::from_secs(1));
    }

    #[test]
    fn the_memory_for_addresses_is_bounded() {
        let failures = Failures::default();
        for n in 0..u32::try_from(3 * ADDRESSES_MAX).unwrap() {
            failures.count(IpAddr::V4(n.into()), Millis(0));
        }
        assert!(failures.minute.lock().unwrap().1.len() <= ADDRESSES_MAX);
    }
}

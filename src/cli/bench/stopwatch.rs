//! The wall clock in nanoseconds, which two processes of one machine share.
//!
//! The clock port counts milliseconds and spans of its own process; neither can say how long an event
//! took from one process to another.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "measures between processes, finer than the port counts")]
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

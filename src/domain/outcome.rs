//! What an attempt came to.

use std::time::Duration;

/// Why a delivery did not arrive (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// status
    Status,
    /// rejected
    Rejected,
    /// gone
    Gone,
    /// blocked
    BlockedAddress,
    /// exhausted
    Exhausted,
    /// expired
    Expired,
    /// timeout
    Timeout,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// ok
    Delivered,
    /// again
    Retry {
        /// why
        reason: Reason,
        /// asked
        retry_after: Option<Duration>,
    },
    /// 410
    Gone,
    /// 4xx
    Rejected,
    /// ssrf
    Blocked,
}

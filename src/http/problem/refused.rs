//! What a caller is told when the outbox takes nothing: try again, nothing was kept.

use std::time::Duration;

use super::{Code, Problem};
use crate::store::outbox::Error;

/// When to try again.
const SOON: Duration = Duration::from_secs(5);

/// The answer when the outbox takes nothing. Never carries the engine's own words.
pub fn refused(error: &Error) -> Problem {
    let (code, detail) = match error {
        Error::DiskFull { .. } => (Code::DiskFull, "the store's disk is nearly full; nothing was accepted"),
        Error::Busy => (Code::Overloaded, "too many events wait to be stored; nothing was accepted"),
        Error::Closed => (Code::Draining, "the broker is stopping; nothing was accepted"),
        _ => (Code::StoreFailing, "the store is failing; nothing was accepted"),
    };
    Problem::new(code, detail).retry_after(SOON)
}

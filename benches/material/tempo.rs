//! How long each measurement takes: short enough for a whole file to be done in half a minute.
//!
//! A run tells how much something costs and how that grows; it is never a test that passes or fails.

use std::time::Duration;

use criterion::Criterion;

/// A criterion that obeys the command line, with measurements of about a second.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .nresamples(10_000)
        .configure_from_args()
}

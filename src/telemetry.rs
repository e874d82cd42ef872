//! What the process says about itself: log lines and metrics, both from one place per happening.
//!
//! A thing that happens is a struct in `event`; its `emit` writes one log line and moves the metrics.
//! No secret and no body ever goes in, and no label value comes from an unbounded set.

pub mod event;
pub mod log;
pub mod metrics;
pub mod totals;
pub mod trace;

pub use metrics::Metrics;

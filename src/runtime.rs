//! The only callers of the operating system's clock and random source, and the owner of tasks.
//!
//! Knows nothing of events or deliveries.

pub mod clock;
pub mod entropy;
pub mod task;

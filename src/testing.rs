//! Fakes for tests and conformance suites. Behind the feature `testing`; no release binary holds them.
//!
//! Nothing here waits on time: what a test waits for, it is told.

pub mod clock;
pub mod event;
pub mod log_conformance;
pub mod receiver;

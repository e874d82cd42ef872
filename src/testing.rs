//! Fakes for tests: a receiver, a clock. Behind the feature `testing`; no release binary holds them.
//!
//! Nothing here waits on time: what a test waits for, it is told.

pub mod clock;
pub mod receiver;

//! What every HTTP door shares: problems, capped bodies, correlation ids, keys, pages, the listener.
//!
//! Knows no route and no event; those are the doors above it.

pub mod body;
pub mod contract;
pub mod correlation;
pub mod failures;
pub mod json;
pub mod key;
pub mod page;
pub mod problem;
pub mod query;
pub mod server;

pub use problem::{Code, Problem};

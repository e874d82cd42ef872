//! The rules of the broker as pure functions and values.
//!
//! Nothing here does I/O, reads a clock, draws a random number or starts a task: `now` and
//! `entropy` are arguments, decisions are return values. It imports no other module of ours.

pub mod address;
pub mod breaker;
pub mod catalog;
pub mod delivery;
pub mod event;
pub mod id;
pub mod invariant;
pub mod operational;
pub mod outcome;
pub mod parked;
pub mod rate;
pub mod retry;
pub mod routing;
pub mod scheduler;
pub mod schema;
pub mod secret;
pub mod signature;
pub mod subscription;
pub mod time;
pub mod trace;
pub mod triage;

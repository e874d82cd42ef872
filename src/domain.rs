//! The rules of the broker as pure functions and values.
//!
//! Nothing here does I/O, reads a clock, draws a random number or starts a task: `now` and
//! `entropy` are arguments, decisions are return values. It imports no other module of ours.

pub mod catalog;
pub mod id;
pub mod schema;
pub mod time;

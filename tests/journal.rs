//! The journal behind a real outbox, over each engine: what people read is what happened.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

#[path = "journal/bench.rs"]
mod bench;
#[path = "journal/onward.rs"]
mod onward;
#[path = "journal/reading.rs"]
mod reading;
#[path = "journal/replaying.rs"]
mod replaying;
#[path = "journal/writing.rs"]
mod writing;

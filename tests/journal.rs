//! The journal behind a real outbox, over each engine: what people read is what happened.

#[path = "journal/bench.rs"]
mod bench;
#[path = "journal/writing.rs"]
mod writing;

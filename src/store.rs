//! What the broker keeps on disk, one port per file.
//!
//! Knows nothing of HTTP, receivers or the registry. A crash in here loses nothing that was
//! acknowledged: each port says when a write is durable.

pub mod backup;
pub mod checkup;
pub mod control;
pub mod folder;
pub mod journal;
pub mod log;
pub mod outbox;

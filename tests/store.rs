//! The stores against their conformance suites and models, every engine alike.

#[path = "store/log.rs"]
mod log;
#[path = "store/log_model.rs"]
mod log_model;
#[cfg(test)]
#[path = "store/outbox_space.rs"]
mod outbox_space;

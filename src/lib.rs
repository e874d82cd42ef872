//! Camino: a durable webhook fan-out broker.
//!
//! The trip of an event, which is also the order to read the code in:
//!
//! ```text
//! POST /v1/events
//!   -> ingest     reads at most N raw bytes; never re-serializes them
//!   -> verify     a signature over the raw bytes, or a bearer key bound to one source
//!   -> registry   knows the type? may this source send it? does `data` fit? who receives it?
//!   -> outbox     dedupe + event + its targets in one durable commit; only then 202
//!   -> dispatch   per-receiver queues, caps, breaker, retry timers: a sans-I/O brain and its shell
//!   -> deliver    sign, send, classify the answer
//!   -> settle     outcome and next state, batched; a lost settle repeats a delivery, never loses one
//!   -> journal    what people read: events, deliveries, attempts, decisions
//! ```
//!
//! The modules below are layers: one imports only what stands above it in this list
//! (`tests/tidy.rs` holds the rule, `docs/ARCHITECTURE.md` the reasons).

pub mod domain;

pub mod runtime;

pub mod config;
pub mod telemetry;

pub mod store;

pub mod registry;

pub mod outbox;

pub mod deliver;

pub mod dispatch;
pub mod hub;

pub mod http;

pub mod operations;

pub mod admin;
pub mod ingest;
pub mod web;

pub mod app;

pub mod cli;

#[cfg(feature = "testing")]
pub mod testing;

//! Fakes, builders and conformance suites. Only tests use this; production never imports it.

pub mod log_conformance;

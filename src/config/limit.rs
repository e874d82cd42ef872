//! Checks of single settings: each has a smallest and a largest sensible value.
//!
//! A fault names the key and the rule; the place in the file is added by whoever knows the file.

use std::time::Duration;

use super::unit::show_span;

/// A setting that breaks a rule: the dotted key and the rule in words, without secret values.
#[derive(Debug)]
pub struct Fault {
    pub(super) key: String,
    pub(super) rule: String,
}

impl Fault {
    pub(super) fn new(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into() }
    }
}

/// Refuses a span outside `min..=max`.
pub fn span(key: &str, value: Duration, min: Duration, max: Duration) -> Result<(), Fault> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let (value, min, max) = (show_span(value), show_span(min), show_span(max));
    Err(Fault::new(key, format!("is {value}, but must be from {min} to {max}")))
}

/// Refuses a number outside `min..=max`.
pub fn count(key: &str, value: u64, min: u64, max: u64) -> Result<(), Fault> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("is {value}, but must be from {min} to {max}")))
}

/// Refuses an optional number outside `1..=max`.
pub fn optional(key: &str, value: Option<u32>, max: u32) -> Result<(), Fault> {
    value.map_or(Ok(()), |value| count(key, value.into(), 1, max.into()))
}

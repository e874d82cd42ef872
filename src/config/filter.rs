//! `[apps.<slug>] filter`: which events an app wants of those that the registry routes to it.

use std::fmt;

use serde::Deserialize;

use super::limit::Fault;
use super::list;
use crate::domain::id::{AppSlug, EventType};

/// Which events are wanted; a part left out wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Only events of these sources.
    #[serde(deserialize_with = "list::optional")]
    pub sources: Option<Vec<AppSlug>>,
    /// Only events of types that fit one of these patterns.
    #[serde(deserialize_with = "list::optional")]
    pub types: Option<Vec<TypePattern>>,
}

impl Filter {
    /// Whether an event of `kind` from `source` is wanted.
    pub fn admits(&self, source: &AppSlug, kind: &EventType) -> bool {
        let source_fits = self.sources.as_ref().is_none_or(|list| list.contains(source));
        let type_fits =
            self.types.as_ref().is_none_or(|list| list.iter().any(|pattern| pattern.matches(kind)));
        source_fits && type_fits
    }

    pub(super) fn check(&self, key: &str) -> Result<(), Fault> {
        let rule = "is empty, so nothing would pass; leave it out to let all pass";
        if self.sources.as_ref().is_some_and(Vec::is_empty) {
            return Err(Fault::new(format!("{key}.sources"), rule));
        }
        if self.types.as_ref().is_some_and(Vec::is_empty) {
            return Err(Fault::new(format!("{key}.types"), rule));
        }
        Ok(())
    }
}

/// A type of event, or every type under a prefix: `payment.completed`, `payment.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypePattern {
    /// This type alone.
    Exact(EventType),
    /// Every type that begins with this text, its last dot included; empty means every type.
    Under(String),
}

impl TypePattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Under(String::new()));
        }
        match text.strip_suffix(".*") {
            Some(prefix) => EventType::new(prefix).ok().map(|prefix| Self::Under(format!("{prefix}."))),
            None => EventType::new(text).ok().map(Self::Exact),
        }
    }

    /// Whether `kind` fits.
    pub fn matches(&self, kind: &EventType) -> bool {
        match self {
            Self::Exact(exact) => exact == kind,
            Self::Under(prefix) => kind.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => exact.fmt(f),
            Self::Under(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl list::Item for TypePattern {
    const WANTED: &'static str = "event types or patterns, such as payment.completed, payment.* or *";

    fn read(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

impl list::Item for AppSlug {
    const WANTED: &'static str = "app slugs, such as cosmos-pet";

    fn read(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_segments() {
        for (pattern, kind, fits) in [
            ("payment.completed", "payment.completed", true),
            ("payment.completed", "payment.completed.twice", false),
            ("payment.*", "payment.completed", true),
            ("payment.*", "payment.a.b", true),
            ("payment.*", "payment", false),
            ("payment.*", "payments.completed", false),
            ("*", "anything", true),
        ] {
            let pattern = TypePattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(&EventType::new(kind).unwrap()), fits, "{pattern:?} {kind}");
        }
        for bad in ["", "pay*", "*.completed", ".*", "a b"] {
            assert_eq!(TypePattern::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_part_left_out_wants_all_and_both_parts_must_fit() {
        let (bloom, type_) = (AppSlug::new("bloom").unwrap(), EventType::new("payment.completed").unwrap());
        assert!(Filter::default().admits(&bloom, &type_));
        let types = Some(vec![TypePattern::new("order.*").unwrap()]);
        let both = Filter { sources: Some(vec![bloom.clone()]), types };
        assert!(!both.admits(&bloom, &type_));
        assert!(both.admits(&bloom, &EventType::new("order.placed").unwrap()));
    }
}

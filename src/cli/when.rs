//! Moments on the command line: as a time, or as how long ago or from now.

use std::time::Duration;

use crate::config::parse_span;
use crate::domain::time::Millis;
use crate::runtime::clock::{Clock as _, SystemClock};

/// Reads `2027-01-01T00:00:00Z`, or `15m` for a quarter of an hour ago.
pub(super) fn parse(text: &str) -> Result<Millis, String> {
    at(text, "how long ago: 15m, 2h", |span| SystemClock::new().now().minus(span))
}

/// Reads `2027-01-01T00:00:00Z`, or `90d` for ninety days from now.
pub(super) fn parse_ahead(text: &str) -> Result<Millis, String> {
    at(text, "how long from now: 12h, 90d", |span| SystemClock::new().now().plus(span))
}

fn at(text: &str, spans: &str, moment: impl FnOnce(Duration) -> Millis) -> Result<Millis, String> {
    Millis::parse_rfc3339(text)
        .or_else(|| parse_span(text).ok().map(moment))
        .ok_or_else(|| format!("write it as 2027-01-01T00:00:00Z, or as {spans}"))
}

/// An RFC 3339 text for lines that a person reads as they come: today's without the day.
pub(super) fn shown(text: &str, now: Millis) -> String {
    match text.split_once('T') {
        Some((day, time)) if now.rfc3339().starts_with(day) => time.to_owned(),
        Some((day, time)) => format!("{day} {time}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_span_from_now() {
        let now = Millis::parse_rfc3339("2026-04-16T12:00:00Z").unwrap();
        for (text, ago, ahead) in [
            ("2026-04-16T11:00:00Z", "2026-04-16T11:00:00Z", "2026-04-16T11:00:00Z"),
            ("15m", "2026-04-16T11:45:00Z", "2026-04-16T12:15:00Z"),
            ("1h30m", "2026-04-16T10:30:00Z", "2026-04-16T13:30:00Z"),
            ("90d", "2026-01-16T12:00:00Z", "2026-07-15T12:00:00Z"),
        ] {
            assert_eq!(at(text, "", |span| now.minus(span)).ok(), Millis::parse_rfc3339(ago), "{text}");
            assert_eq!(at(text, "", |span| now.plus(span)).ok(), Millis::parse_rfc3339(ahead), "{text}");
        }
        for text in ["yesterday", "", "2h ago", "2026-04-16"] {
            assert!(parse(text).is_err() && parse_ahead(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_day_is_left_away_today() {
        let now = Millis::parse_rfc3339("2026-04-16T13:00:00Z").unwrap();
        assert_eq!(shown("2026-04-16T12:00:00.123Z", now), "12:00:00.123Z");
        assert_eq!(shown("2026-04-15T12:00:00.123Z", now), "2026-04-15 12:00:00.123Z");
        assert_eq!(shown("-", now), "-");
    }
}

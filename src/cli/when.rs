//! Moments on the command line: as a time, or as how long ago.

use crate::config::parse_span;
use crate::domain::time::Millis;
use crate::runtime::clock::{Clock as _, SystemClock};

/// Reads `2027-01-01T00:00:00Z`, or `15m` for a quarter of an hour ago.
pub(super) fn parse(text: &str) -> Result<Millis, String> {
    at(text, SystemClock::new().now())
}

fn at(text: &str, now: Millis) -> Result<Millis, String> {
    let ago = || parse_span(text).ok().map(|span| now.minus(span));
    Millis::parse_rfc3339(text)
        .or_else(ago)
        .ok_or_else(|| "write it as 2027-01-01T00:00:00Z, or as how long ago: 15m, 2h".to_owned())
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
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = Millis::parse_rfc3339("2026-04-16T12:00:00Z").unwrap();
        for (text, wanted) in [
            ("2026-04-16T11:00:00Z", "2026-04-16T11:00:00Z"),
            ("15m", "2026-04-16T11:45:00Z"),
            ("1h30m", "2026-04-16T10:30:00Z"),
        ] {
            assert_eq!(at(text, now).ok(), Millis::parse_rfc3339(wanted), "{text}");
        }
        assert!(at("yesterday", now).is_err() && at("", now).is_err());
    }

    #[test]
    fn the_day_is_left_away_today() {
        let now = Millis::parse_rfc3339("2026-04-16T13:00:00Z").unwrap();
        assert_eq!(shown("2026-04-16T12:00:00.123Z", now), "12:00:00.123Z");
        assert_eq!(shown("2026-04-15T12:00:00.123Z", now), "2026-04-15 12:00:00.123Z");
        assert_eq!(shown("-", now), "-");
    }
}

//! Instants and spans as the domain counts them: whole milliseconds since the Unix epoch.
//!
//! Never reads a clock; `runtime::clock` makes these values.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The instant `span` later, at most the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The instant `span` earlier, at least the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch, as webhook timestamps count them.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The instant as RFC 3339 in UTC with milliseconds, such as `2026-04-16T12:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        let bounded = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(bounded)
            .map_or_else(|_| "9999-12-31T23:59:59.999Z".to_owned(), |at| format!("{at:.3}"))
    }

    /// Reads an RFC 3339 instant; an offset is required. `None` for anything else or before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Self)
    }
}

/// One instant by two clocks: the wall's, which people and files count by, and a schedule's own, which
/// started with the wall's and never jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Millis,
    /// The schedule's clock.
    pub schedule: Millis,
}

impl Moment {
    /// The instant `at` of the schedule, as it is written down.
    pub fn to_wall(self, at: Millis) -> Millis {
        carried(at, self.schedule, self.wall)
    }

    /// The written instant `at`, as the schedule counts.
    pub fn to_schedule(self, at: Millis) -> Millis {
        carried(at, self.wall, self.schedule)
    }

    /// How far the wall clock has moved against the schedule since `earlier`.
    pub fn jump_since(self, earlier: Self) -> Duration {
        let ahead = |moment: Self| i128::from(moment.wall.0) - i128::from(moment.schedule.0);
        let jump_ms = (ahead(self) - ahead(earlier)).unsigned_abs();
        Duration::from_millis(u64::try_from(jump_ms).unwrap_or(u64::MAX))
    }
}

fn carried(at: Millis, from: Millis, to: Millis) -> Millis {
    if to >= from {
        Millis(at.0.saturating_add(to.0 - from.0))
    } else {
        Millis(at.0.saturating_sub(from.0 - to.0))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// `span` in whole milliseconds, at most `u64::MAX`.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_its_text_form() {
        let at = Millis(1_776_340_800_123);
        assert_eq!(at.rfc3339(), "2026-04-16T12:00:00.123Z");
        assert_eq!(Millis::parse_rfc3339(&at.rfc3339()), Some(at));
    }

    #[test]
    fn an_instant_goes_from_one_clock_to_the_other_and_back() {
        for (wall, schedule) in [(5_000, 5_000), (9_000, 5_000), (2_000, 5_000)] {
            let moment = Moment { wall: Millis(wall), schedule: Millis(schedule) };
            assert_eq!(moment.to_wall(moment.schedule), moment.wall);
            for at in [6_000, 60_000] {
                assert_eq!(moment.to_schedule(moment.to_wall(Millis(at))), Millis(at));
            }
            let even = Moment { wall: Millis(7), schedule: Millis(7) };
            assert_eq!(moment.jump_since(even), Duration::from_millis(wall.abs_diff(schedule)));
        }
    }

    #[test]
    fn an_offset_is_required_and_honoured() {
        assert_eq!(Millis::parse_rfc3339("2026-04-16T12:00:00"), None);
        assert_eq!(
            Millis::parse_rfc3339("2026-04-16T06:00:00-06:00"),
            Millis::parse_rfc3339("2026-04-16T12:00:00Z"),
        );
    }
}

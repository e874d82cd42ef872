//! When a ticket that nobody has ended goes a level up: the more pressing, the sooner.

use std::time::Duration;

use super::verdict::Priority;
use crate::domain::time::Millis;

/// The highest level.
pub const LEVEL_MAX: u8 = 3;

/// How long a ticket of `priority` may wait on each level.
pub const fn allowance(priority: Priority) -> Duration {
    Duration::from_hours(match priority {
        Priority::Urgent => 1,
        Priority::High => 4,
        Priority::Medium => 24,
        Priority::Low => 72,
    })
}

/// When a ticket that was opened at `opened` leaves `level`; never on the highest.
pub fn due(priority: Priority, opened: Millis, level: u8) -> Option<Millis> {
    (level < LEVEL_MAX).then(|| opened.plus(allowance(priority).saturating_mul(u32::from(level) + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_pressing_the_sooner_and_no_further_than_the_highest() {
        let hour = 3_600_000;
        for (priority, level, hours) in [
            (Priority::Urgent, 0, Some(1)),
            (Priority::Urgent, 2, Some(3)),
            (Priority::High, 1, Some(8)),
            (Priority::Medium, 0, Some(24)),
            (Priority::Low, 0, Some(72)),
            (Priority::Urgent, 3, None),
        ] {
            let due = due(priority, Millis(5), level);
            assert_eq!(due, hours.map(|hours: u64| Millis(5 + hours * hour)), "{priority} {level}");
        }
    }
}

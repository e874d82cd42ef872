//! What the clock does when nobody says anything. Each timer has one instant, and rings once for it.

use std::time::Duration;

use super::machine::{By, Facts, Input, Subscription, Verdict, tell};
use super::{DEBT, State, Trigger};
use crate::domain::time::Millis;

const DAY: Duration = Duration::from_secs(86_400);

/// How long before its end a trial is announced to end.
pub const TRIAL_WARNING: Duration = Duration::from_secs(3 * 86_400);
/// How long a renewal may take after the billing day has begun in UTC: it is a date without a zone, and
/// charges are tried more than once.
pub const RENEWAL_SLACK: Duration = Duration::from_secs(2 * 86_400);
/// How long an owed renewal changes nothing but what is paused.
pub const GRACE: Duration = Duration::from_secs(10 * 86_400);
/// How long a suspension for a debt can be lifted by paying it.
pub const RESTORE: Duration = Duration::from_secs(30 * 86_400);

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The trial ends soon; changes no state.
    TrialExpiring,
    /// The trial ended.
    TrialEnded,
    /// Nobody renewed.
    RenewalMissed,
    /// The grace is over.
    GraceEnded,
    /// The debt was not paid in time.
    RestoreEnded,
    /// The last day has come.
    LastDay,
}

impl Timer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::TrialExpiring,
        Self::TrialEnded,
        Self::RenewalMissed,
        Self::GraceEnded,
        Self::RestoreEnded,
        Self::LastDay,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrialExpiring => "trial_expiring",
            Self::TrialEnded => "trial_ended",
            Self::RenewalMissed => "renewal_missed",
            Self::GraceEnded => "grace_ended",
            Self::RestoreEnded => "restore_ended",
            Self::LastDay => "last_day",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == text)
    }

    /// What it says; none if it only announces.
    pub const fn trigger(self) -> Option<Trigger> {
        match self {
            Self::TrialExpiring => None,
            Self::TrialEnded | Self::RestoreEnded => Some(Trigger::Expired),
            Self::RenewalMissed => Some(Trigger::PastDue),
            Self::GraceEnded => Some(Trigger::Suspended),
            Self::LastDay => Some(Trigger::Cancelled),
        }
    }
}

impl Subscription {
    /// What the clock says next, and when.
    pub fn next(&self) -> Option<(Millis, Timer)> {
        match self.state {
            State::Trialing => {
                let ends = self.trial_ends?;
                let early = (ends.minus(TRIAL_WARNING).max(self.since), Timer::TrialExpiring);
                Some(if self.is_warned { (ends, Timer::TrialEnded) } else { early })
            }
            State::Active => Some((self.period_ends?.plus(RENEWAL_SLACK), Timer::RenewalMissed)),
            State::PastDue => Some((self.grace_ends?, Timer::GraceEnded)),
            State::Suspended => Some((self.restore_by?, Timer::RestoreEnded)),
            State::PendingCancellation => Some((self.ends?, Timer::LastDay)),
            State::Cancelled | State::Expired => None,
        }
    }

    /// The subscription after `timer` rang at `at`; none if that is not what comes next.
    pub fn ring(&self, timer: Timer, at: Millis) -> Option<Self> {
        if self.next() != Some((at, timer)) {
            return None;
        }
        let Some(trigger) = timer.trigger() else {
            return Some(Self { is_warned: true, ..self.clone() });
        };
        let reason = match timer {
            Timer::GraceEnded => Some(DEBT.to_owned()),
            _ => self.reason.clone(),
        };
        let facts = Facts { reason, ..Facts::default() };
        match tell(Some(self), &Input { at, by: By::Clock, trigger, facts }) {
            Verdict::Applied { now, .. } => Some(*now),
            _ => None,
        }
    }

    /// Whole days from `at` until the trial ends, rounded up.
    pub fn trial_days_left(&self, at: Millis) -> u64 {
        let left = self.trial_ends.map_or(Duration::ZERO, |ends| ends.since(at));
        left.as_secs().div_ceil(DAY.as_secs())
    }
}

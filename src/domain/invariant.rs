//! What holds at every instant of a delivery's life, each rule said once, as a pure function.
//!
//! The machines assert the cheap ones in debug builds; `tests/sim` asserts all of them after every
//! step. Nothing here decides anything, and nothing may depend on it in a release build.

use super::breaker::State;
use super::delivery::Progress;
use super::scheduler::Block;
use super::time::Millis;

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An accepted delivery is neither waiting nor terminal, or is both.
    #[error("a delivery that is {fate:?} has open = {open}, dead = {dead} in the index")]
    Lost {
        /// What became of it.
        fate: Fate,
        /// Whether the index counts it as open.
        open: bool,
        /// Whether the index counts it as dead.
        dead: bool,
    },
    /// A terminal delivery moved.
    #[error("a delivery that was {before:?} became {after:?}")]
    Reopened {
        /// What it was.
        before: Fate,
        /// What it became.
        after: Fate,
    },
    /// An attempt was counted twice, or not at all.
    #[error("{before:?} became {after:?} by one attempt (charged: {charged})")]
    Miscounted {
        /// Before the attempt.
        before: Progress,
        /// After it.
        after: Progress,
        /// Whether the attempt counts against the budget.
        charged: bool,
    },
    /// More attempts were charged than the policy has.
    #[error("{charged} attempts charged, {attempts_max} allowed")]
    Overspent {
        /// Charged.
        charged: u16,
        /// Allowed.
        attempts_max: u16,
    },
    /// Something was sent to an endpoint that may not be sent to.
    #[error("sent to an endpoint that is {0:?}")]
    SentToBlocked(Block),
    /// Something was sent that the breaker does not let pass.
    #[error("sent (probe: {probe}) while the breaker was {state:?}")]
    SentPastBreaker {
        /// Where the breaker stood before.
        state: State,
        /// Whether it went as a probe.
        probe: bool,
    },
    /// More attempts are under way than the cap lets.
    #[error("{in_flight} attempts under way, {cap} allowed")]
    OverCap {
        /// Under way.
        in_flight: usize,
        /// Allowed.
        cap: usize,
    },
    /// A delivery has two attempts under way.
    #[error("attempt {attempt} was sent while attempt {live} was under way")]
    TwoLive {
        /// The one under way.
        live: u16,
        /// The one sent.
        attempt: u16,
    },
    /// An attempt's number did not rise.
    #[error("attempt {attempt} came after attempt {last}")]
    NumberFell {
        /// The highest number before.
        last: u16,
        /// The number sent.
        attempt: u16,
    },
    /// The result of one attempt settled another.
    #[error("attempt {settled} was settled by the result of attempt {answered}")]
    StrangeResult {
        /// The attempt that was answered.
        answered: u16,
        /// The attempt that was settled.
        settled: u16,
    },
    /// Others went too often while a lane could have sent.
    #[error("{passed_over} others were sent while a lane of {lanes} waited for its turn")]
    Starved {
        /// Sends of others meanwhile.
        passed_over: usize,
        /// All lanes.
        lanes: usize,
    },
}

/// What became of an accepted delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits, or is under way.
    Open,
    /// It arrived.
    Delivered,
    /// It failed for good.
    Dead,
    /// A person cancelled it.
    Cancelled,
}

/// Nothing accepted is lost: what the index knows of a delivery agrees with its fate.
pub fn accounted_for(fate: Fate, open: bool, dead: bool) -> Result<(), Error> {
    let agrees = (open, dead) == (fate == Fate::Open, fate == Fate::Dead);
    if agrees { Ok(()) } else { Err(Error::Lost { fate, open, dead }) }
}

/// A terminal delivery never changes.
pub fn terminal_is_final(before: Fate, after: Fate) -> Result<(), Error> {
    if before == Fate::Open { Ok(()) } else { Err(Error::Reopened { before, after }) }
}

/// One attempt raises the count by one, and the charged count only if it is charged.
pub fn counted_once(before: Progress, after: Progress, charged: bool) -> Result<(), Error> {
    let expected = Progress {
        attempts: before.attempts.saturating_add(1),
        charged: before.charged.saturating_add(u16::from(charged)),
    };
    if after == expected { Ok(()) } else { Err(Error::Miscounted { before, after, charged }) }
}

/// No delivery is charged more attempts than `attempts_max`, the highest that its policy has had.
pub fn within_budget(progress: Progress, attempts_max: u16) -> Result<(), Error> {
    let charged = progress.charged;
    if charged <= attempts_max.max(1) { Ok(()) } else { Err(Error::Overspent { charged, attempts_max }) }
}

/// Nothing goes to a blocked endpoint; while its breaker is open, one probe goes when the wait is over.
/// `state` is where the breaker stood before this send.
pub fn may_send(block: Option<Block>, state: State, probe: bool, now: Millis) -> Result<(), Error> {
    if let Some(block) = block {
        return Err(Error::SentToBlocked(block));
    }
    let passes = match state {
        State::Closed => !probe,
        State::Open { until } => probe && until <= now,
        State::HalfOpen => false,
    };
    if passes { Ok(()) } else { Err(Error::SentPastBreaker { state, probe }) }
}

/// After a send no more than `cap` attempts are under way.
pub fn within_cap(in_flight: usize, cap: usize) -> Result<(), Error> {
    if in_flight <= cap { Ok(()) } else { Err(Error::OverCap { in_flight, cap }) }
}

/// A delivery has at most one attempt under way: `live` is the one before this `attempt`.
pub fn only_one_live(live: Option<u16>, attempt: u16) -> Result<(), Error> {
    live.map_or(Ok(()), |live| Err(Error::TwoLive { live, attempt }))
}

/// Within one life of the process a delivery's attempts have rising numbers.
pub fn numbers_rise(last: Option<u16>, attempt: u16) -> Result<(), Error> {
    match last {
        Some(last) if attempt <= last => Err(Error::NumberFell { last, attempt }),
        _ => Ok(()),
    }
}

/// A result settles the attempt that it answers and no other.
pub fn own_result(answered: u16, settled: u16) -> Result<(), Error> {
    if answered == settled { Ok(()) } else { Err(Error::StrangeResult { answered, settled }) }
}

/// A lane that could send is passed over by each other lane once at most.
pub fn turns_are_fair(passed_over: usize, lanes: usize) -> Result<(), Error> {
    if passed_over < lanes { Ok(()) } else { Err(Error::Starved { passed_over, lanes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_in_exactly_one_place() {
        for (fate, open, dead) in [
            (Fate::Open, true, false),
            (Fate::Delivered, false, false),
            (Fate::Dead, false, true),
            (Fate::Cancelled, false, false),
        ] {
            for (seen_open, seen_dead) in [(false, false), (false, true), (true, false), (true, true)] {
                let holds = accounted_for(fate, seen_open, seen_dead).is_ok();
                assert_eq!(holds, (seen_open, seen_dead) == (open, dead), "{fate:?}");
            }
        }
    }

    #[test]
    fn only_an_open_delivery_moves() {
        assert!(terminal_is_final(Fate::Open, Fate::Dead).is_ok());
        for before in [Fate::Delivered, Fate::Dead, Fate::Cancelled] {
            assert!(terminal_is_final(before, Fate::Open).is_err());
            assert!(terminal_is_final(before, Fate::Delivered).is_err());
        }
    }

    #[test]
    fn an_attempt_counts_once() {
        let at = |attempts, charged| Progress { attempts, charged };
        assert!(counted_once(at(3, 2), at(4, 3), true).is_ok());
        assert!(counted_once(at(3, 2), at(4, 2), false).is_ok());
        assert!(counted_once(at(3, 2), at(4, 2), true).is_err());
        assert!(counted_once(at(3, 2), at(3, 2), false).is_err());
        assert!(within_budget(at(9, 5), 5).is_ok());
        assert!(within_budget(at(9, 6), 5).is_err());
    }

    #[test]
    fn the_breaker_lets_one_probe_pass_when_its_wait_is_over() {
        let now = Millis(1000);
        for (state, probe, passes) in [
            (State::Closed, false, true),
            (State::Closed, true, false),
            (State::Open { until: now }, true, true),
            (State::Open { until: now }, false, false),
            (State::Open { until: Millis(1001) }, true, false),
            (State::HalfOpen, true, false),
            (State::HalfOpen, false, false),
        ] {
            assert_eq!(may_send(None, state, probe, now).is_ok(), passes, "{state:?} {probe}");
            assert!(may_send(Some(Block::Paused), state, probe, now).is_err());
        }
    }

    #[test]
    fn attempts_are_one_at_a_time_in_turn_and_rise() {
        assert!(within_cap(2, 2).is_ok() && within_cap(3, 2).is_err());
        assert!(only_one_live(None, 1).is_ok() && only_one_live(Some(1), 2).is_err());
        assert!(numbers_rise(None, 1).is_ok() && numbers_rise(Some(1), 2).is_ok());
        assert!(numbers_rise(Some(2), 2).is_err());
        assert!(own_result(2, 2).is_ok() && own_result(1, 2).is_err());
        assert!(turns_are_fair(2, 3).is_ok() && turns_are_fair(3, 3).is_err());
    }
}

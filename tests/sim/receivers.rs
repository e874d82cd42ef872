//! The fake network: what a receiver in some mood answers, how late, and how often.

use std::time::Duration;

use camino_broker::domain::outcome::{Answer, Failure, Outcome, classify};
use camino_broker::domain::time::Millis;

use crate::rng::Rng;

/// How a receiver behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// 200 within 50 ms.
    Healthy,
    /// 200 after seconds.
    Slow,
    /// 500.
    Failing,
    /// 429 with a `Retry-After`.
    Busy,
    /// 422: it refuses the event.
    Refusing,
    /// 401: its secret is another one.
    WrongSecret,
    /// 410.
    Gone,
    /// No answer within the lease; then it answers all the same, perhaps.
    Hanging,
    /// No connection.
    Down,
    /// Its name leads to an address that may not be called.
    Inside,
    /// Nothing wrong with it: the broker cannot read its own disk.
    Unread,
    /// Sometimes so, sometimes so.
    Flaky,
}

impl Mood {
    pub const ALL: [Self; 12] = [
        Self::Healthy,
        Self::Slow,
        Self::Failing,
        Self::Busy,
        Self::Refusing,
        Self::WrongSecret,
        Self::Gone,
        Self::Hanging,
        Self::Down,
        Self::Inside,
        Self::Unread,
        Self::Flaky,
    ];
}

/// What comes back for one request, and when: none, one or several results.
pub fn answers(
    mood: Mood,
    lease: Duration,
    retry_after_max: Duration,
    now: Millis,
    rng: &mut Rng,
) -> Vec<(Duration, Outcome)> {
    let status = |status, retry_after: Option<&str>| {
        classify(Answer::Status { status, retry_after }, &[], now, retry_after_max)
    };
    let failure = |failure| classify(Answer::Failure(failure), &[], now, retry_after_max);
    let soon = rng.millis(1, 50);
    match mood {
        Mood::Healthy => vec![(soon, status(200, None))],
        Mood::Slow => vec![(rng.millis(1_000, 15_000), status(204, None))],
        Mood::Failing => vec![(soon, status(rng.pick(&[500, 502, 503, 302]), None))],
        Mood::Busy => {
            let after = rng.pick(&["0", "7", "120", "86400", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"]);
            vec![(soon, status(429, Some(after)))]
        }
        Mood::Refusing => vec![(soon, status(rng.pick(&[400, 404, 422]), None))],
        Mood::WrongSecret => vec![(soon, status(401, None))],
        Mood::Gone => vec![(soon, status(410, None))],
        Mood::Hanging => {
            let late = lease + rng.millis(0, 4 * 60_000);
            let outcome = status(rng.pick(&[200, 200, 500, 410, 422]), None);
            if rng.percent(20) { Vec::new() } else { vec![(late, outcome)] }
        }
        Mood::Down => vec![(soon, failure(rng.pick(&[Failure::Connect, Failure::Dns, Failure::Tls])))],
        Mood::Inside => vec![(soon, failure(Failure::BlockedAddress))],
        Mood::Unread => vec![(soon, Outcome::Unsent)],
        Mood::Flaky => {
            let mood = rng.pick(&[Mood::Healthy, Mood::Failing, Mood::Down, Mood::Hanging, Mood::Slow]);
            answers(mood, lease, retry_after_max, now, rng)
        }
    }
}

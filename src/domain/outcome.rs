//! What an attempt came to: one function from a receiver's answer, or the lack of one, to an outcome.
//!
//! Says nothing on what follows from an outcome: how long to wait, when to give up and when to open
//! the breaker belong to others. A 3xx is never followed and never a success, whatever its `Location`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// What came back, or why nothing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The receiver answered.
    Status {
        /// The status code.
        status: u16,
        /// The `Retry-After` header, as it came.
        retry_after: Option<&'a str>,
    },
    /// The receiver didn't.
    Failure(Failure),
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Not within the endpoint's timeout.
    Timeout,
    /// No connection, or one that broke or spoke no HTTP.
    Connect,
    /// No secure connection, such as a certificate that doesn't fit.
    Tls,
    /// No address for the name.
    Dns,
    /// Only addresses that deliveries may not go to.
    BlockedAddress,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Try again later.
    Retry {
        /// Why it failed.
        reason: Reason,
        /// How long the receiver asks to be left alone, already capped.
        retry_after: Option<Duration>,
    },
    /// The receiver wants nothing at this address any more: disable the endpoint.
    Gone,
    /// The receiver refuses this event: a dead letter at once.
    Rejected,
    /// The address may not be called: a dead letter at once.
    Blocked,
    /// Nothing was sent, for a reason of ours. Nobody is charged for it.
    Unsent,
}

impl Outcome {
    /// The reason to write down; none for a delivery.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Delivered => None,
            Self::Retry { reason, .. } => Some(reason),
            Self::Gone => Some(Reason::Gone),
            Self::Rejected => Some(Reason::Rejected),
            Self::Blocked => Some(Reason::BlockedAddress),
            Self::Unsent => Some(Reason::Unsent),
        }
    }

    /// The name in metrics and on attempts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::Gone => "gone",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
            Self::Unsent => "unsent",
        }
    }
}

/// Why a delivery isn't there yet, or never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An answer that says "later": 408, 425, 429, 5xx, or one that `retry_on` names.
    Status,
    /// No answer in time.
    Timeout,
    /// No connection, or a broken one.
    Connect,
    /// No secure connection.
    Tls,
    /// No address for the name.
    Dns,
    /// A 3xx.
    Redirect,
    /// A 410.
    Gone,
    /// Another 4xx.
    Rejected,
    /// The address may not be called.
    BlockedAddress,
    /// All attempts are used up.
    Exhausted,
    /// Too old after a failed attempt.
    Expired,
    /// The broker could not make the attempt, such as when its own disk could not be read.
    Unsent,
}

impl Reason {
    /// Every reason, for metrics and documents.
    pub const ALL: [Self; 12] = [
        Self::Status,
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::Dns,
        Self::Redirect,
        Self::Gone,
        Self::Rejected,
        Self::BlockedAddress,
        Self::Exhausted,
        Self::Expired,
        Self::Unsent,
    ];

    /// The name in answers, filters and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::Rejected => "rejected",
            Self::BlockedAddress => "blocked_address",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Unsent => "unsent",
        }
    }

    /// Reads the name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `answer` means. `retry_on` are the endpoint's own 4xx statuses that mean "later";
/// `retry_after_max` caps what a receiver may ask for.
pub fn classify(answer: Answer<'_>, retry_on: &[u16], now: Millis, retry_after_max: Duration) -> Outcome {
    let (status, retry_after) = match answer {
        Answer::Failure(failure) => return failed(failure),
        Answer::Status { status, retry_after } => (status, retry_after),
    };
    let later = |reason| Outcome::Retry {
        reason,
        retry_after: retry_after.and_then(|text| parse_retry_after(text, now, retry_after_max)),
    };
    match status {
        200..=299 => Outcome::Delivered,
        300..=399 => later(Reason::Redirect),
        408 | 425 | 429 => later(Reason::Status),
        400..=499 if retry_on.contains(&status) => later(Reason::Status),
        410 => Outcome::Gone,
        400..=499 => Outcome::Rejected,
        // 5xx, and numbers that are no final answer at all.
        0..=199 | 500..=u16::MAX => later(Reason::Status),
    }
}

const fn failed(failure: Failure) -> Outcome {
    let reason = match failure {
        Failure::BlockedAddress => return Outcome::Blocked,
        Failure::Timeout => Reason::Timeout,
        Failure::Connect => Reason::Connect,
        Failure::Tls => Reason::Tls,
        Failure::Dns => Reason::Dns,
    };
    Outcome::Retry { reason, retry_after: None }
}

/// Reads `Retry-After`: whole seconds, or a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// At most `max`; a date in the past is zero; anything else is `None`, as if the header weren't there.
pub fn parse_retry_after(text: &str, now: Millis, max: Duration) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are many seconds all the same.
        let span = text.parse().map_or(Duration::MAX, Duration::from_secs);
        return Some(span.min(max));
    }
    let at = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    // In civil time, because a `Timestamp` ends a day before the year 9999 does.
    let since_epoch = at.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    let at = Millis(u64::try_from(since_epoch.as_millis()).unwrap_or(0));
    Some(at.since(now).min(max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
    const MAX: Duration = Duration::from_hours(6);

    fn of(status: u16, retry_on: &[u16]) -> Outcome {
        classify(Answer::Status { status, retry_after: None }, retry_on, NOW, MAX)
    }

    fn retry(reason: Reason) -> Outcome {
        Outcome::Retry { reason, retry_after: None }
    }

    #[test]
    fn every_status_has_its_row() {
        for status in 200..300 {
            assert_eq!(of(status, &[]), Outcome::Delivered, "{status}");
        }
        for status in 300..400 {
            assert_eq!(of(status, &[]), retry(Reason::Redirect), "{status}");
        }
        for status in (400..500).filter(|status| ![408, 410, 425, 429].contains(status)) {
            assert_eq!(of(status, &[]), Outcome::Rejected, "{status}");
        }
        for status in [0, 100, 199, 408, 425, 429, 500, 502, 503, 504, 511, 599, 600, 999] {
            assert_eq!(of(status, &[]), retry(Reason::Status), "{status}");
        }
        assert_eq!(of(410, &[]), Outcome::Gone);
    }

    #[test]
    fn every_failure_has_its_row() {
        for (failure, outcome) in [
            (Failure::Timeout, retry(Reason::Timeout)),
            (Failure::Connect, retry(Reason::Connect)),
            (Failure::Tls, retry(Reason::Tls)),
            (Failure::Dns, retry(Reason::Dns)),
            (Failure::BlockedAddress, Outcome::Blocked),
        ] {
            assert_eq!(classify(Answer::Failure(failure), &[], NOW, MAX), outcome);
        }
    }

    #[test]
    fn retry_on_turns_a_refusal_into_later_and_nothing_else() {
        assert_eq!(of(404, &[404]), retry(Reason::Status));
        assert_eq!(of(410, &[410]), retry(Reason::Status));
        assert_eq!(of(403, &[404]), Outcome::Rejected);
        assert_eq!(of(200, &[200]), Outcome::Delivered);
        assert_eq!(of(302, &[302]), retry(Reason::Redirect));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_up_to_the_cap() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 120 ", seconds(120)),
            ("21600", Some(MAX)),
            ("21601", Some(MAX)),
            ("99999999999999999999999", Some(MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(MAX)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("1994-11-06T08:49:37Z", None),
        ] {
            assert_eq!(parse_retry_after(text, NOW, MAX), expected, "{text:?}");
        }
    }

    #[test]
    fn retry_after_rides_on_every_answer_that_means_later() {
        for status in [302, 429, 503] {
            let answer = Answer::Status { status, retry_after: Some("7") };
            let Outcome::Retry { retry_after, .. } = classify(answer, &[], NOW, MAX) else {
                panic!("{status} means later");
            };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn a_reason_survives_its_name() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_no_wait_exceeds_the_cap(status: u16, text: String, now: u64) {
            let answer = Answer::Status { status, retry_after: Some(&text) };
            if let Outcome::Retry { retry_after: Some(span), .. } = classify(answer, &[], Millis(now), MAX) {
                prop_assert!(span <= MAX);
            }
        }
    }
}

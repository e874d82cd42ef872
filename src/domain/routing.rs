//! Who gets an event, and why: one decision per receiver, kept with the event so that `explain` can
//! answer later.
//!
//! Never decides when something is sent, and never drops a receiver without a reason.

use serde::{Deserialize, Serialize};

use super::id::AppSlug;

/// Why an event is in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuarantineReason {
    /// The registry has no such type.
    UnknownType,
    /// The registry knows the type by name only.
    TypeIncomplete,
}

impl QuarantineReason {
    /// The code in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownType => "unknown_type",
            Self::TypeIncomplete => "type_incomplete",
        }
    }
}

/// What was decided for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The receiver.
    pub receiver: AppSlug,
    /// The decision.
    pub decision: Decision,
    /// More for people, such as the filter's name.
    pub detail: Option<String>,
}

/// Why a receiver does or does not get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// A delivery was made.
    Queued,
    /// A delivery was made and waits: its endpoint is paused or disabled.
    Parked,
    /// The app takes no part: no delivery.
    NoEndpoint,
    /// The source does not get its own event back.
    OwnEvent,
    /// The endpoint's filter keeps it out.
    Filtered,
}

impl Decision {
    /// The code in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parked => "parked",
            Self::NoEndpoint => "no_endpoint",
            Self::OwnEvent => "own_event",
            Self::Filtered => "filtered",
        }
    }

    /// Whether the decision made a delivery.
    pub fn delivers(self) -> bool {
        matches!(self, Self::Queued | Self::Parked)
    }
}

/// One departure from the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftNote {
    /// The field, such as `data.amountCents`, `eventId` or `source`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

/// What routing needs to know of one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Why its endpoint may not be sent to, if so (`paused`, `disabled`).
    pub blocked: Option<&'a str>,
    /// Whether it gets its own events back.
    pub echo: bool,
    /// Whether its filter lets this event through.
    pub wanted: bool,
}

/// The decision for `receiver`, which takes part as `standing` says (`None`: it takes no part).
pub fn decide(source: &AppSlug, receiver: &AppSlug, standing: Option<Standing<'_>>) -> Decided {
    let (decision, detail) = match standing {
        None => (Decision::NoEndpoint, Some("no endpoint is configured for this app".to_owned())),
        Some(standing) if source == receiver && !standing.echo => {
            (Decision::OwnEvent, Some("the source does not get its own event back (echo = false)".to_owned()))
        }
        Some(standing) if !standing.wanted => {
            (Decision::Filtered, Some("the endpoint's filter does not want it".to_owned()))
        }
        Some(standing) => match standing.blocked {
            Some(blocked) => (Decision::Parked, Some(format!("the endpoint is {blocked}"))),
            None => (Decision::Queued, None),
        },
    };
    Decided { receiver: receiver.clone(), decision, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> AppSlug {
        AppSlug::new(text).unwrap()
    }

    #[test]
    fn each_decision_has_its_case() {
        let open = Standing { blocked: None, echo: false, wanted: true };
        let cases = [
            ("comal", None, Decision::NoEndpoint),
            ("comal", Some(open), Decision::Queued),
            ("colectiva", Some(open), Decision::OwnEvent),
            ("colectiva", Some(Standing { echo: true, ..open }), Decision::Queued),
            ("comal", Some(Standing { blocked: Some("paused"), ..open }), Decision::Parked),
            ("comal", Some(Standing { wanted: false, ..open }), Decision::Filtered),
            ("comal", Some(Standing { blocked: Some("paused"), wanted: false, ..open }), Decision::Filtered),
        ];
        for (receiver, standing, wanted) in cases {
            let decided = decide(&slug("colectiva"), &slug(receiver), standing);
            assert_eq!(decided.decision, wanted, "{receiver} {standing:?}");
        }
    }
}

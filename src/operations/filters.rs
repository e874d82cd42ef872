//! The filters of the lists, as a query writes them.
//!
//! Each list names those that it applies; any other is refused, so that none is left out silently.

use std::str::FromStr;

use crate::domain::routing::QuarantineReason;
use crate::domain::time::Millis;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::store::journal::{Filter, ShownReason, ShownState};

macro_rules! filters {
    ($($(#[$doc:meta])* $list:ident: $names:expr, $reason:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $list(
            /// What is wanted.
            pub Filter,
        );

        impl Parameters for $list {
            const NAMES: &'static [&'static str] = &$names;

            fn read(given: &Given) -> Result<Self, Problem> {
                let mut filter = filter(given)?;
                $reason(given, &mut filter)?;
                Ok(Self(filter))
            }
        }
    )+};
}

filters! {
    /// Of events. Their `reason` is why they are or were in quarantine, their `state` one of a delivery.
    Events: ["receiver", "source", "eventType", "organization", "state", "reason", "since", "until", "q"],
        why_held;
    /// Of deliveries.
    Deliveries: ["receiver", "source", "eventType", "organization", "state", "reason", "since", "until", "q"],
        why_undelivered;
    /// Of dead letters, which have one state.
    Letters: ["receiver", "source", "eventType", "organization", "reason", "since", "until", "q"],
        why_undelivered;
    /// Of events in quarantine, which have no receivers yet.
    Held: ["source", "eventType", "organization", "reason", "since", "until", "q"],
        why_held;
    /// Of departures from the registry, which are counted, not listed one by one.
    Departures: ["source", "eventType", "since", "until"],
        no_reason;
}

fn filter(given: &Given) -> Result<Filter, Problem> {
    let text = |name: &str| given.get(name).map(ToOwned::to_owned);
    let state = |word: &str| {
        let rule = "must be pending, delivered, parked, dead or cancelled";
        ShownState::parse(word).ok_or_else(|| invalid("state", rule))
    };
    Ok(Filter {
        receiver: parsed("receiver", given.get("receiver"))?,
        source: parsed("source", given.get("source"))?,
        event_type: parsed("eventType", given.get("eventType"))?,
        organization: text("organization"),
        state: given.get("state").map(state).transpose()?,
        since: time(given, "since")?,
        until: time(given, "until")?,
        q: text("q"),
        ..Filter::default()
    })
}

fn why_undelivered(given: &Given, filter: &mut Filter) -> Result<(), Problem> {
    let Some(word) = given.get("reason") else { return Ok(()) };
    let known = || ShownReason::words().collect::<Vec<_>>().join(", ");
    let reason = ShownReason::parse(word);
    filter.reason = Some(reason.ok_or_else(|| invalid("reason", &format!("must be one of {}", known())))?);
    Ok(())
}

fn why_held(given: &Given, filter: &mut Filter) -> Result<(), Problem> {
    let Some(word) = given.get("reason") else { return Ok(()) };
    let reasons = [QuarantineReason::UnknownType, QuarantineReason::TypeIncomplete];
    let rule = "must be unknown_type or type_incomplete, why events are held; why deliveries wait or died is a \
                filter of /v1/deliveries";
    let reason = reasons.into_iter().find(|reason| reason.as_str() == word);
    filter.held = Some(reason.ok_or_else(|| invalid("reason", rule))?);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "one of three readers of the same form")]
fn no_reason(_: &Given, _: &mut Filter) -> Result<(), Problem> {
    Ok(())
}

fn time(given: &Given, name: &str) -> Result<Option<Millis>, Problem> {
    let rule = "must be RFC 3339, such as 2026-04-16T12:00:00Z";
    given.get(name).map(|text| Millis::parse_rfc3339(text).ok_or_else(|| invalid(name, rule))).transpose()
}

/// A value of a type that reads itself.
pub fn parsed<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| text.parse().map_err(|error: T::Err| invalid(name, &error.to_string()))).transpose()
}

fn invalid(name: &str, rule: &str) -> Problem {
    Problem::new(Code::RequestInvalid, format!("`{name}` {rule}")).with("field", name.into())
}

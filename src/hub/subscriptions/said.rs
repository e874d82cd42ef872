//! What an event says of a subscription, by the documents' fields.

use serde_json::Value;

use crate::domain::subscription::{By, Cycle, Facts, Input, Trigger};
use crate::hub::Event;
use crate::registry::plans::Plans;

/// What `event` says; none if it says nothing of a subscription's state.
pub(super) fn of(event: &Event<'_>) -> Option<Input> {
    let (trigger, until): (_, &[&str]) = match event.event_type.as_str() {
        "subscription.trial_started" => (Trigger::TrialStarted, &["trialEndDate"]),
        "subscription.activated" => (Trigger::Activated, &["nextBillingDate"]),
        "subscription.renewed" => (Trigger::Renewed, &["nextBillingDate"]),
        "subscription.changed" => (Trigger::PlanChanged, &[]),
        "subscription.payment_failed" => (Trigger::PaymentFailed, &[]),
        "subscription.past_due" => (Trigger::PastDue, &["gracePeriodEnd"]),
        "subscription.suspended" => (Trigger::Suspended, &["restoreBy"]),
        "subscription.pending_cancellation" => (Trigger::CancellationScheduled, &["cancellationDate"]),
        "subscription.cancelled" => (Trigger::Cancelled, &["effectiveDate"]),
        "subscription.expired" => (Trigger::Expired, &["expiredAt"]),
        _ => return None,
    };
    let owned = |names: &[&str]| event.text(names).map(std::borrow::Cow::into_owned);
    let facts = Facts {
        plan: plan(event),
        cycle: event.text(&["billingCycle"]).and_then(|cycle| Cycle::parse(&cycle)),
        amount_cents: whole(event, &["amount"]),
        currency: owned(&["currency"]),
        until: event.time(until),
        reason: owned(&["reason"]),
    };
    Some(Input { at: event.at, by: By::Event, trigger, facts })
}

/// The plan that an event names.
pub(super) fn plan(event: &Event<'_>) -> Option<String> {
    event.text(&["newPlanId", "planId", "plan_id"]).map(std::borrow::Cow::into_owned)
}

/// The app that an event is about: `data.app`, else the one that owns the plan.
pub(super) fn app(event: &Event<'_>, plans: &Plans) -> Option<String> {
    let named = event.text(&["app"]).map(std::borrow::Cow::into_owned);
    named.or_else(|| plans.owner(&plan(event)?).map(ToOwned::to_owned))
}

/// A whole number; a fraction is rounded.
pub(super) fn whole(event: &Event<'_>, names: &[&str]) -> Option<i64> {
    names.iter().find_map(|name| number(event.field(name)?))
}

/// The same of a value. Beyond what a double counts exactly there is none.
pub(super) fn number(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
    let rounded = |number: f64| (number.abs() < 9e15).then(|| number.round() as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(rounded))
}

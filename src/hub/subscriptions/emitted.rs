//! What the other apps are told of a transition, in the documents' fields with `app` and `subscriptionId`.

use serde_json::{Value, json};

use super::rows::Held;
use crate::domain::subscription::{DEBT, State, Trigger};
use crate::domain::time::Millis;
use crate::registry::plans::Plans;

/// What is in money when nobody says.
const CURRENCY: &str = "MXN";

/// A transition.
pub(super) struct Transition<'a> {
    pub(super) from: Option<State>,
    pub(super) trigger: Trigger,
    pub(super) plan_before: &'a str,
    pub(super) at: Millis,
}

/// The type and data of the event that tells of a transition; none where nothing is new to anybody.
pub(super) fn of(held: &Held, transition: &Transition<'_>, plans: &Plans) -> Option<(&'static str, Value)> {
    let (is, at) = (&held.is, transition.at);
    let is_new = transition.from != Some(is.state);
    let cycle = is.cycle.as_str();
    let (amount, currency) = (is.amount_cents.unwrap_or(0), is.currency.as_deref().unwrap_or(CURRENCY));
    let name = plans.plan(&held.app, &is.plan).map_or(is.plan.as_str(), |plan| plan.name.as_str());
    let (event_type, mut data) = match (transition.trigger, is.state) {
        (Trigger::TrialStarted, State::Trialing) => {
            let data = json!({ "trialEndDate": is.trial_ends.map(date), "billingCycle": cycle });
            ("subscription.trial_started", data)
        }
        (Trigger::Activated | Trigger::Resumed, State::Active) if is_new => (
            "subscription.activated",
            json!({
                "planName": name, "billingCycle": cycle, "nextBillingDate": is.period_ends.map(date),
                "amount": amount, "currency": currency,
            }),
        ),
        (Trigger::Renewed, State::Active) => (
            "subscription.renewed",
            json!({
                "billingCycle": cycle, "nextBillingDate": is.period_ends.map(date),
                "amount": amount, "currency": currency,
            }),
        ),
        (Trigger::PlanChanged, _) if transition.plan_before != is.plan => (
            "subscription.changed",
            json!({
                "oldPlanId": transition.plan_before, "newPlanId": is.plan, "billingCycle": cycle,
                "amount": amount,
            }),
        ),
        (Trigger::PaymentFailed | Trigger::PastDue, State::PastDue) if is_new => (
            "subscription.past_due",
            json!({
                "billingCycle": cycle, "dueAmount": amount, "currency": currency,
                "gracePeriodEnd": is.grace_ends.map(date),
            }),
        ),
        (Trigger::Suspended, State::Suspended) if is_new => (
            "subscription.suspended",
            json!({
                "reason": is.reason.as_deref().unwrap_or(DEBT), "suspendedAt": at.rfc3339(),
                "restoreBy": is.restore_by.map(Millis::rfc3339),
            }),
        ),
        (Trigger::CancellationScheduled, State::PendingCancellation) => (
            "subscription.pending_cancellation",
            json!({ "cancellationDate": is.ends.map(date), "reason": is.reason }),
        ),
        (Trigger::Cancelled, State::Cancelled) if is_new => (
            "subscription.cancelled",
            json!({
                "reason": is.reason.as_deref().unwrap_or("not_said"),
                "effectiveDate": date(is.ends.unwrap_or(at)),
            }),
        ),
        (Trigger::Expired, State::Expired) if is_new => {
            ("subscription.expired", json!({ "expiredAt": date(at) }))
        }
        _ => return None,
    };
    with_whose(&mut data, held);
    Some((event_type, data))
}

/// That a trial ends soon.
pub(super) fn trial_expiring(held: &Held, at: Millis) -> (&'static str, Value) {
    let days = held.is.trial_days_left(at);
    let mut data = json!({ "trialEndDate": held.is.trial_ends.map(date), "daysRemaining": days });
    with_whose(&mut data, held);
    ("subscription.trial_expiring", data)
}

/// Adds whose it is, and leaves out what nobody knows.
fn with_whose(data: &mut Value, held: &Held) {
    if let Value::Object(fields) = data {
        fields.retain(|_, value| !value.is_null());
        fields.entry("planId").or_insert_with(|| held.is.plan.as_str().into());
        fields.insert("subscriptionId".to_owned(), held.id.as_str().into());
        if !held.app.is_empty() {
            fields.insert("app".to_owned(), held.app.as_str().into());
        }
    }
}

/// The day of an instant, in UTC.
pub(super) fn date(at: Millis) -> String {
    let mut text = at.rfc3339();
    text.truncate(10);
    text
}

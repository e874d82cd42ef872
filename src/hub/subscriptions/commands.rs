//! What people and the clock ask of subscriptions.

use serde_json::{Value, json};

use super::rows::{self, Held, Said, id_of};
use super::{Outcome, Subscriptions, Target, asked, emitted, said};
use crate::domain::subscription::{By, Cycle, Facts, Input, State, Timer, Trigger, Verdict};
use crate::domain::time::Millis;
use crate::hub::command::Command;
use crate::hub::event::time;
use crate::hub::{Trouble, Work, organizations};

/// How long a trial is if nobody says.
const TRIAL_DAYS: u64 = 14;

/// `subscriptions.create {app, planId, trial?, ...}`.
pub(super) fn create(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    command: &Command,
) -> Result<Value, Trouble> {
    let (app, plan) = (wanted(command, "app")?, wanted(command, "planId")?);
    sold(subscriptions, app, plan)?;
    let id = id_of(work.organization(), app, plan);
    let is_trial = command.body.get("trial").and_then(Value::as_bool).unwrap_or(false);
    let before = rows::load(work.tx, &id)?;
    if let Some(held) = before.filter(|held| !is_over(held)) {
        let state = held.is.state.as_str();
        return Err(Trouble::Conflict(format!(
            "there is the subscription `{id}` already, and it is {state}"
        )));
    }
    let trigger = if is_trial { Trigger::TrialStarted } else { Trigger::Activated };
    let mut facts = facts(command)?;
    facts.plan = Some(plan.to_owned());
    if is_trial && facts.until.is_none() {
        facts.until = Some(work.at().plus(std::time::Duration::from_secs(TRIAL_DAYS * 86_400)));
    }
    spoken(subscriptions, work, (&id, app), trigger, facts)
}

fn is_over(held: &Held) -> bool {
    use crate::domain::subscription::State::{Cancelled, Expired};
    matches!(held.is.state, Cancelled | Expired)
}

/// `subscriptions.change {subscription, action, ...}`: plan, suspend, resume, cancel, renew.
pub(super) fn change(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    command: &Command,
) -> Result<Value, Trouble> {
    let id = wanted(command, "subscription")?;
    let held = held(work, id)?;
    let mut facts = facts(command)?;
    let trigger = match wanted(command, "action")? {
        "plan" => {
            let plan = wanted(command, "planId")?;
            sold(subscriptions, &held.app, plan)?;
            facts.plan = Some(plan.to_owned());
            Trigger::PlanChanged
        }
        "suspend" => {
            let reason = facts.reason.get_or_insert_with(|| "manual".to_owned());
            if !["payment_failed", "compliance", "manual"].contains(&reason.as_str()) {
                let detail = "`reason` must be payment_failed, compliance or manual";
                return Err(Trouble::Refused(detail.to_owned()));
            }
            Trigger::Suspended
        }
        "resume" => Trigger::Resumed,
        "renew" => Trigger::Renewed,
        "activate" => Trigger::Activated,
        "cancel" if command.body.get("atPeriodEnd").and_then(Value::as_bool).unwrap_or(true) => {
            Trigger::CancellationScheduled
        }
        "cancel" => Trigger::Cancelled,
        other => {
            let known = "plan, suspend, resume, renew, activate or cancel";
            return Err(Trouble::Refused(format!("`action` must be {known}, and not `{other}`")));
        }
    };
    spoken(subscriptions, work, (id, &held.app), trigger, facts)
}

/// Says it for a person.
fn spoken(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    (id, app): (&str, &str),
    trigger: Trigger,
    facts: Facts,
) -> Result<Value, Trouble> {
    let input = Input { at: work.at(), by: By::Person, trigger, facts };
    match subscriptions.say(work, Target { id, app, told_by: "" }, &input)? {
        Outcome::Applied(held) => Ok(shown(&held)),
        Outcome::Kept(Verdict::Illegal, state) => {
            let state = state.map_or("not there", State::as_str);
            let what = trigger.as_str();
            Err(Trouble::Conflict(format!("a subscription that is {state} cannot be {what}")))
        }
        Outcome::Kept(..) => Err(Trouble::Conflict("it was said before".to_owned())),
    }
}

/// `subscriptions.ring {subscription, timer}`: the clock's word, of the instant that it is for.
pub(super) fn ring(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    command: &Command,
) -> Result<Value, Trouble> {
    let held = held(work, wanted(command, "subscription")?)?;
    let at = work.at();
    let timer = Timer::parse(wanted(command, "timer")?);
    let rung = timer.and_then(|timer| Some((timer, held.is.ring(timer, at)?)));
    let Some((timer, is)) = rung else {
        // Somebody said something meanwhile.
        return Ok(json!({ "subscriptionId": held.id, "said": false }));
    };
    let (from, plan_before) = (held.is.state, held.is.plan.clone());
    let held = Held { is, ..held };
    rows::save(work, &held)?;
    subscriptions.touch(&held.organization);
    let said = Said {
        what: timer.as_str(),
        outcome: "applied",
        state: held.is.state.as_str(),
        why: "nobody said anything else in time",
    };
    rows::remember(work, &held.id, &said)?;
    let told = match timer.trigger() {
        None => Some(emitted::trial_expiring(&held, at)),
        Some(trigger) => {
            let transition = emitted::Transition { from: Some(from), trigger, plan_before: &plan_before, at };
            emitted::of(&held, &transition, subscriptions.access.plans())
        }
    };
    if let Some((event_type, data)) = told {
        work.emit(event_type, &data)?;
    }
    Ok(shown(&held))
}

/// `subscriptions.register {app, tenantId?}`: binds the tenant, and tells what the app may count on.
pub(super) fn register(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    command: &Command,
) -> Result<Value, Trouble> {
    let app = wanted(command, "app")?;
    let tenant = asked(command, "tenantId").unwrap_or(&command.organization);
    if !organizations::register(work, (app, tenant), &command.organization)? {
        return Err(Trouble::Conflict(format!("`{tenant}` of {app} is bound to another organization")));
    }
    let held = rows::load(work.tx, &id_of(&command.organization, app, ""))?;
    let sold = subscriptions.access.plans().app(app);
    let plans: Vec<&String> = sold.map(|sold| sold.plans.keys().collect()).unwrap_or_default();
    Ok(json!({
        "organizationId": command.organization, "app": app, "tenantId": tenant,
        "subscription": held.as_ref().map(shown), "plans": plans,
    }))
}

/// What a command answers of a subscription.
pub(super) fn shown(held: &Held) -> Value {
    let is = &held.is;
    json!({
        "subscriptionId": held.id, "organizationId": held.organization,
        "app": Some(&held.app).filter(|app| !app.is_empty()), "planId": is.plan,
        "state": is.state.as_str(), "since": is.since.rfc3339(), "billingCycle": is.cycle.as_str(),
        "trialEndsAt": is.trial_ends.map(Millis::rfc3339), "periodEndsAt": is.period_ends.map(Millis::rfc3339),
        "endsAt": is.ends.map(Millis::rfc3339), "reason": is.reason,
    })
}

fn held(work: &Work<'_>, id: &str) -> Result<Held, Trouble> {
    let held = rows::load(work.tx, id)?.filter(|held| held.organization == work.organization());
    held.ok_or_else(|| Trouble::Missing(format!("there is no subscription `{id}`")))
}

fn wanted<'a>(command: &'a Command, name: &str) -> Result<&'a str, Trouble> {
    asked(command, name).ok_or_else(|| Trouble::Refused(format!("the body must have `{name}`")))
}

fn sold(subscriptions: &Subscriptions, app: &str, plan: &str) -> Result<(), Trouble> {
    match subscriptions.access.plans().plan(app, plan) {
        Some(_) => Ok(()),
        None => Err(Trouble::Refused(format!("`{app}` has no plan `{plan}` (registry/plans.toml)"))),
    }
}

fn facts(command: &Command) -> Result<Facts, Trouble> {
    let cycle = asked(command, "billingCycle");
    let until = asked(command, "until");
    let wrong = |name: &str, rule: &str| Trouble::Refused(format!("`{name}` must be {rule}"));
    Ok(Facts {
        plan: None,
        cycle: match cycle {
            Some(cycle) => {
                Some(Cycle::parse(cycle).ok_or_else(|| wrong("billingCycle", "monthly or yearly"))?)
            }
            None => None,
        },
        amount_cents: command.body.get("amount").and_then(said::number),
        currency: asked(command, "currency").map(ToOwned::to_owned),
        until: match until {
            Some(until) => Some(time(until).ok_or_else(|| wrong("until", "a date or an RFC 3339 instant"))?),
            None => None,
        },
        reason: asked(command, "reason").map(ToOwned::to_owned),
    })
}

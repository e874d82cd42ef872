//! What becomes of a subscription when something is said of it.

use std::time::Duration;

use super::table::{Rule, rule};
use super::timer::{GRACE, RESTORE};
use super::{Cycle, DEBT, State, Trigger};
use crate::domain::time::Millis;

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An event, of its own time.
    Event,
    /// A person, now.
    Person,
    /// The clock, because nobody said anything.
    Clock,
}

/// What was said besides; what is not there stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The plan.
    pub plan: Option<String>,
    /// How often it is paid.
    pub cycle: Option<Cycle>,
    /// What a period costs.
    pub amount_cents: Option<i64>,
    /// In which currency.
    pub currency: Option<String>,
    /// The date that belongs to what is said: the end of the trial, the period, the grace or the
    /// suspension, or the day of the cancellation.
    pub until: Option<Millis>,
    /// Why.
    pub reason: Option<String>,
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Of which instant.
    pub at: Millis,
    /// By whom.
    pub by: By,
    /// What.
    pub trigger: Trigger,
    /// With what.
    pub facts: Facts,
}

/// A subscription of one organization to one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Millis,
    /// The instant of the last thing that an event or a person said.
    pub told_at: Millis,
    /// What that was.
    pub told: Trigger,
    /// The plan's id; empty if nobody said it.
    pub plan: String,
    /// How often it is paid.
    pub cycle: Cycle,
    /// What a period costs.
    pub amount_cents: Option<i64>,
    /// In which currency.
    pub currency: Option<String>,
    /// The end of the trial.
    pub trial_ends: Option<Millis>,
    /// The end of the period that is paid.
    pub period_ends: Option<Millis>,
    /// The end of the grace.
    pub grace_ends: Option<Millis>,
    /// The last moment at which a debt can be paid.
    pub restore_by: Option<Millis>,
    /// The day of the cancellation.
    pub ends: Option<Millis>,
    /// Why it is suspended or ends.
    pub reason: Option<String>,
    /// Whether the end of its trial was announced.
    pub is_warned: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds from now on.
    Applied {
        /// The state before.
        from: Option<State>,
        /// The rule's reason.
        why: &'static str,
        /// The subscription now.
        now: Box<Subscription>,
    },
    /// The same was said of the same instant before.
    Repeated,
    /// Something later was said before: recorded, not applied.
    Late,
    /// The state does not allow it: recorded, not applied.
    Illegal,
}

/// Says `input` of a subscription, or of one that nothing was said of before.
pub fn tell(before: Option<&Subscription>, input: &Input) -> Verdict {
    if let Some(before) = before.filter(|_| input.by == By::Event) {
        match (input.at, input.trigger).cmp(&(before.told_at, before.told)) {
            std::cmp::Ordering::Less => return Verdict::Late,
            std::cmp::Ordering::Equal => return Verdict::Repeated,
            std::cmp::Ordering::Greater => {}
        }
    }
    let is_for_debt = before.is_some_and(|before| before.reason.as_deref() == Some(DEBT));
    match rule(before.map(|before| before.state), input.trigger, is_for_debt) {
        None => Verdict::Illegal,
        Some(rule) => {
            let now = Box::new(applied(before, input, rule));
            Verdict::Applied { from: before.map(|before| before.state), why: rule.why, now }
        }
    }
}

fn applied(before: Option<&Subscription>, input: &Input, rule: &Rule) -> Subscription {
    let mut now = before.cloned().unwrap_or_else(|| unheard_of(input));
    // A person speaks of now, even if an event claims to be of a little later.
    let at = if input.by == By::Person { input.at.max(now.told_at) } else { input.at };
    if now.state != rule.to || before.is_none() {
        now.since = at;
    }
    if input.by != By::Clock {
        (now.told_at, now.told) = (at, input.trigger);
    }
    now.state = rule.to;
    let facts = &input.facts;
    if let Some(plan) = &facts.plan {
        now.plan.clone_from(plan);
    }
    now.cycle = facts.cycle.unwrap_or(now.cycle);
    now.amount_cents = facts.amount_cents.or(now.amount_cents);
    now.currency = facts.currency.clone().or(now.currency);
    dates(&mut now, before, input, at);
    now
}

/// The dates that follow.
fn dates(now: &mut Subscription, before: Option<&Subscription>, input: &Input, at: Millis) {
    let until = input.facts.until;
    let was = before.map(|before| before.state);
    match input.trigger {
        Trigger::TrialStarted => {
            (now.trial_ends, now.is_warned) = (until.or(now.trial_ends), false);
        }
        Trigger::Activated | Trigger::Renewed => {
            let period = Duration::from_secs(now.cycle.days() * 86_400);
            now.period_ends = Some(until.unwrap_or_else(|| at.plus(period)));
        }
        Trigger::Resumed if was != Some(State::PendingCancellation) => {
            // Whoever lets it go on lets it go on for a period.
            let period = Duration::from_secs(now.cycle.days() * 86_400);
            let left = now.period_ends.filter(|ends| *ends > at);
            now.period_ends = until.or(left).or_else(|| Some(at.plus(period)));
        }
        Trigger::PaymentFailed | Trigger::PastDue if now.state == State::PastDue => {
            let begun = now.grace_ends.filter(|_| was == Some(State::PastDue));
            let told = until.filter(|_| input.trigger == Trigger::PastDue);
            now.grace_ends = told.or(begun).or_else(|| Some(at.plus(GRACE)));
        }
        Trigger::Suspended => {
            let reason = input.facts.reason.clone().unwrap_or_else(|| DEBT.to_owned());
            let is_debt = reason == DEBT;
            now.restore_by = until.or_else(|| is_debt.then(|| at.plus(RESTORE)));
            now.reason = Some(reason);
        }
        Trigger::CancellationScheduled => {
            now.ends = until.or(now.period_ends).or(now.trial_ends).or(Some(at));
            now.reason.clone_from(&input.facts.reason);
        }
        Trigger::Cancelled => {
            now.ends = until.or(Some(at));
            now.reason = input.facts.reason.clone().or(now.reason.take());
        }
        _ => {}
    }
    if matches!(now.state, State::Active | State::Trialing) {
        (now.grace_ends, now.restore_by, now.ends, now.reason) = (None, None, None, None);
    }
}

fn unheard_of(input: &Input) -> Subscription {
    Subscription {
        state: State::Expired,
        since: input.at,
        told_at: Millis(0),
        told: input.trigger,
        plan: String::new(),
        cycle: Cycle::Monthly,
        amount_cents: None,
        currency: None,
        trial_ends: None,
        period_ends: None,
        grace_ends: None,
        restore_by: None,
        ends: None,
        reason: None,
        is_warned: false,
    }
}

//! The legal transitions, each with its reason. What is not here is not legal.
//!
//! The hub may hear of a subscription in its middle, so most things may be the first that is said of one.

use super::State::{self, Active, Cancelled, Expired, PastDue, PendingCancellation, Suspended, Trialing};
use super::Trigger as On;

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Always.
    Always,
    /// If the suspension is for a debt.
    ForDebt,
    /// If the suspension is for something else.
    ForOther,
}

/// A legal transition.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The state before; none if nothing was said before.
    pub from: Option<State>,
    /// What is said.
    pub on: On,
    /// When it holds.
    pub guard: Guard,
    /// The state after.
    pub to: State,
    /// Why.
    pub why: &'static str,
}

macro_rules! rules {
    ($($from:expr, $on:ident $(($guard:ident))? => $to:ident: $why:literal;)+) => {
        &[$(Rule {
            from: $from,
            on: On::$on,
            guard: rules!(@guard $($guard)?),
            to: $to,
            why: $why,
        }),+]
    };
    (@guard) => { Guard::Always };
    (@guard $guard:ident) => { Guard::$guard };
}

/// All of them.
pub const TABLE: &[Rule] = rules! {
    None, TrialStarted => Trialing: "a trial begins";
    None, Activated => Active: "bought without a trial";
    None, Renewed => Active: "its beginning was not told here";
    None, PlanChanged => Active: "its beginning was not told here";
    None, PaymentFailed => PastDue: "its beginning was not told here";
    None, PastDue => PastDue: "its beginning was not told here";
    None, Suspended => Suspended: "its beginning was not told here";
    None, CancellationScheduled => PendingCancellation: "its beginning was not told here";
    None, Cancelled => Cancelled: "its beginning was not told here";
    None, Expired => Expired: "its beginning was not told here";

    Some(Trialing), TrialStarted => Trialing: "the trial ends at another time";
    Some(Trialing), Activated => Active: "bought after the trial";
    Some(Trialing), Renewed => Active: "paid, so it was bought";
    Some(Trialing), PlanChanged => Trialing: "another plan is tried";
    Some(Trialing), PaymentFailed => Trialing: "a trial owes nothing yet";
    Some(Trialing), PastDue => PastDue: "the first period is owed";
    Some(Trialing), Suspended => Suspended: "a breach";
    Some(Trialing), CancellationScheduled => PendingCancellation: "ends with the trial";
    Some(Trialing), Cancelled => Cancelled: "not wanted";
    Some(Trialing), Expired => Expired: "the trial ended and nobody bought";

    Some(Active), Activated => Active: "told again, perhaps with other terms";
    Some(Active), Renewed => Active: "another period";
    Some(Active), PlanChanged => Active: "another plan";
    Some(Active), PaymentFailed => PastDue: "the renewal is owed, and grace begins";
    Some(Active), PastDue => PastDue: "the period ended and nobody paid";
    Some(Active), Suspended => Suspended: "a breach, or by hand";
    Some(Active), CancellationScheduled => PendingCancellation: "ends with the period";
    Some(Active), Cancelled => Cancelled: "ended at once";
    Some(Active), Expired => Expired: "ended with its period";

    Some(PastDue), Activated => Active: "paid";
    Some(PastDue), Renewed => Active: "paid";
    Some(PastDue), Resumed => Active: "a person forgives";
    Some(PastDue), PlanChanged => PastDue: "another plan; the debt stays";
    Some(PastDue), PaymentFailed => PastDue: "one more attempt; the grace is not longer for it";
    Some(PastDue), PastDue => PastDue: "told again";
    Some(PastDue), Suspended => Suspended: "the grace is over";
    Some(PastDue), Cancelled => Cancelled: "ended with a debt";
    Some(PastDue), Expired => Expired: "ended with a debt";

    Some(Suspended), Activated (ForDebt) => Active: "the debt is paid";
    Some(Suspended), Activated (ForOther) => Suspended: "money does not mend a breach; a person resumes";
    Some(Suspended), Renewed (ForDebt) => Active: "the debt is paid";
    Some(Suspended), Renewed (ForOther) => Suspended: "money does not mend a breach; a person resumes";
    Some(Suspended), Resumed => Active: "a person lets it go on";
    Some(Suspended), PlanChanged => Suspended: "another plan; the lock stays";
    Some(Suspended), PaymentFailed => Suspended: "still owed";
    Some(Suspended), Suspended => Suspended: "told again, or for another reason";
    Some(Suspended), Cancelled => Cancelled: "ended while locked";
    Some(Suspended), Expired => Expired: "not restored in time";

    Some(PendingCancellation), Activated => Active: "bought again before its end";
    Some(PendingCancellation), Renewed => Active: "paid for another period, so it goes on";
    Some(PendingCancellation), Resumed => Active: "the cancellation is taken back";
    Some(PendingCancellation), PlanChanged => PendingCancellation: "another plan until its end";
    Some(PendingCancellation), PaymentFailed => PendingCancellation: "it ends anyway";
    Some(PendingCancellation), Suspended => Suspended: "a breach";
    Some(PendingCancellation), CancellationScheduled => PendingCancellation: "ends on another date";
    Some(PendingCancellation), Cancelled => Cancelled: "its last day has come";
    Some(PendingCancellation), Expired => Expired: "ended with its period";

    Some(Cancelled), Activated => Active: "bought anew";
    Some(Cancelled), Cancelled => Cancelled: "told again";

    Some(Expired), Activated => Active: "bought anew";
    Some(Expired), Renewed => Active: "paid after the end";
    Some(Expired), Cancelled => Cancelled: "somebody ended what had ended";
    Some(Expired), Expired => Expired: "told again";
};

/// The rule for `on` in the state `from`; `is_for_debt` tells suspensions apart.
pub fn rule(from: Option<State>, on: On, is_for_debt: bool) -> Option<&'static Rule> {
    let holds = |guard| match guard {
        Guard::Always => true,
        Guard::ForDebt => is_for_debt,
        Guard::ForOther => !is_for_debt,
    };
    TABLE.iter().find(|rule| rule.from == from && rule.on == on && holds(rule.guard))
}

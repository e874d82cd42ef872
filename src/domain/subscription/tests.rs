//! The machine over random orders, and its table against the document that draws it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::time::Millis;

const DAY: u64 = 86_400_000;
const DOCUMENT: &str = include_str!("../../../docs/subscriptions.md");

fn said(at: u64, trigger: Trigger) -> Input {
    Input { at: Millis(at), by: By::Event, trigger, facts: Facts::default() }
}

fn told(before: Option<&Subscription>, input: &Input) -> Option<Subscription> {
    match tell(before, input) {
        Verdict::Applied { now, .. } => Some(*now),
        _ => before.cloned(),
    }
}

fn all(inputs: &[Input]) -> Option<Subscription> {
    inputs.iter().fold(None, |now, input| told(now.as_ref(), input))
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = (
        1..400_u64,
        select(Trigger::ALL),
        prop::option::of(1..60_u64),
        select(&["payment_failed", "compliance"][..]),
    );
    vec(input, 1..24).prop_map(|inputs| {
        let input = |(day, trigger, until, reason): (u64, Trigger, Option<u64>, &str)| {
            let until = until.map(|days| Millis((day + days) * DAY));
            let facts = Facts { until, reason: Some(reason.to_owned()), ..Facts::default() };
            Input { facts, ..said(day * DAY, trigger) }
        };
        inputs.into_iter().map(input).collect()
    })
}

proptest! {
    #[test]
    fn only_what_the_table_allows_happens(inputs in inputs()) {
        let mut now: Option<Subscription> = None;
        for input in &inputs {
            let verdict = tell(now.as_ref(), input);
            if let Verdict::Applied { from, now: after, .. } = &verdict {
                prop_assert_eq!(*from, now.as_ref().map(|now| now.state));
                let is_legal = TABLE.iter().any(|rule| {
                    (rule.from, rule.on, rule.to) == (*from, input.trigger, after.state)
                });
                prop_assert!(is_legal);
                now = Some((**after).clone());
            }
        }
    }

    #[test]
    fn what_is_late_changes_nothing_and_time_never_goes_back(inputs in inputs()) {
        let mut now: Option<Subscription> = None;
        for input in &inputs {
            let verdict = tell(now.as_ref(), input);
            let key = now.as_ref().map(|now| (now.told_at, now.told));
            let is_behind = key.is_some_and(|key| (input.at, input.trigger) <= key);
            prop_assert_eq!(matches!(verdict, Verdict::Late | Verdict::Repeated), is_behind);
            let after = told(now.as_ref(), input);
            prop_assert!(after.as_ref().map(|after| (after.told_at, after.told)) >= key);
            now = after;
        }
    }

    #[test]
    fn an_event_that_was_applied_is_not_applied_again(inputs in inputs()) {
        let (mut now, mut applied) = (None, Vec::new());
        for input in inputs {
            if let Verdict::Applied { now: after, .. } = tell(now.as_ref(), &input) {
                now = Some(*after);
                applied.push(input);
            }
            for before in &applied {
                prop_assert!(matches!(tell(now.as_ref(), before), Verdict::Late | Verdict::Repeated));
            }
        }
    }

    /// The end is legal in every state: whichever way the rest came, the last by its own time counts.
    #[test]
    fn the_last_by_its_own_time_counts_in_every_order(
        (first, second) in inputs().prop_flat_map(|mut inputs| {
            inputs.push(said(1_000 * DAY, Trigger::Cancelled));
            (Just(inputs.clone()).prop_shuffle(), Just(inputs).prop_shuffle())
        }),
    ) {
        let end = |inputs: &[Input]| all(inputs).map(|now| (now.state, now.since.max(now.told_at), now.ends));
        prop_assert_eq!(end(&first), Some((State::Cancelled, Millis(1_000 * DAY), Some(Millis(1_000 * DAY)))));
        prop_assert_eq!(end(&first), end(&second));
    }

    /// What the journal's order gives: sorted by their own time, nothing is late.
    #[test]
    fn in_their_own_order_nothing_is_late(mut inputs in inputs()) {
        inputs.sort_by_key(|input| (input.at, input.trigger));
        inputs.dedup_by_key(|input| (input.at, input.trigger));
        let mut now: Option<Subscription> = None;
        for input in &inputs {
            prop_assert!(!matches!(tell(now.as_ref(), input), Verdict::Late | Verdict::Repeated));
            now = told(now.as_ref(), input);
        }
    }

    #[test]
    fn the_clock_comes_to_an_end_and_says_each_thing_once(inputs in inputs()) {
        let mut now = all(&inputs);
        let mut rung = Vec::new();
        while let Some((at, timer)) = now.as_ref().and_then(Subscription::next) {
            let before = now.clone();
            now = now.and_then(|now| now.ring(timer, at));
            prop_assert!(now.is_some(), "{timer:?} of {before:?}");
            prop_assert!(now.as_ref().is_some_and(|now| now.ring(timer, at).is_none()), "rang twice");
            rung.push(timer);
            prop_assert!(rung.len() <= Timer::ALL.len());
        }
    }

    /// The clock only says what follows from silence, so an event of before it spoke is not late.
    #[test]
    fn the_clock_makes_nothing_late(inputs in inputs()) {
        let Some(now) = all(&inputs) else { return Ok(()) };
        let Some((at, timer)) = now.next() else { return Ok(()) };
        let rung = now.ring(timer, at);
        prop_assert_eq!(rung.map(|rung| (rung.told_at, rung.told)), Some((now.told_at, now.told)));
    }
}

/// What arrives, the state that it ends in, and what came of each.
type Arrivals = (&'static [(u64, Trigger)], State, &'static str);

#[test]
fn events_that_come_in_another_order_end_where_their_own_times_say() {
    use Trigger::{Activated, CancellationScheduled, Cancelled, PaymentFailed, Renewed, TrialStarted};
    // In the order of arrival, each with its own day; and of each: applied, repeated, late, illegal.
    let table: [Arrivals; 9] = [
        (&[(16, Activated), (30, Cancelled)], State::Cancelled, "aa"),
        (&[(30, Cancelled), (16, Activated)], State::Cancelled, "al"),
        (&[(16, Activated), (16, Activated)], State::Active, "ar"),
        (&[(47, Renewed), (46, PaymentFailed)], State::Active, "al"),
        (&[(46, PaymentFailed), (16, Activated), (47, Renewed)], State::Active, "ala"),
        (&[(16, TrialStarted), (16, Activated)], State::Active, "aa"),
        (&[(16, Activated), (16, TrialStarted)], State::Active, "al"),
        (
            &[(30, CancellationScheduled), (16, Activated), (10, TrialStarted)],
            State::PendingCancellation,
            "all",
        ),
        (&[(16, Activated), (30, Cancelled), (31, Renewed)], State::Cancelled, "aai"),
    ];
    for (arrivals, end, wanted) in table {
        let (mut now, mut outcomes): (Option<Subscription>, String) = (None, String::new());
        for (day, trigger) in arrivals {
            let input = said(day * DAY, *trigger);
            outcomes.push(match tell(now.as_ref(), &input) {
                Verdict::Applied { .. } => 'a',
                Verdict::Repeated => 'r',
                Verdict::Late => 'l',
                Verdict::Illegal => 'i',
            });
            now = told(now.as_ref(), &input);
        }
        assert_eq!((now.map(|now| now.state), outcomes.as_str()), (Some(end), wanted), "{arrivals:?}");
    }
}

#[test]
fn a_trial_is_announced_and_ends() {
    let begun = Input {
        facts: Facts { until: Some(Millis(14 * DAY)), ..Facts::default() },
        ..said(0, Trigger::TrialStarted)
    };
    let trial = told(None, &begun).unwrap();
    assert_eq!(trial.next(), Some((Millis(11 * DAY), Timer::TrialExpiring)));
    assert_eq!(trial.trial_days_left(Millis(11 * DAY)), 3);
    let warned = trial.ring(Timer::TrialExpiring, Millis(11 * DAY)).unwrap();
    assert_eq!((warned.state, warned.next()), (State::Trialing, Some((Millis(14 * DAY), Timer::TrialEnded))));
    let ended = warned.ring(Timer::TrialEnded, Millis(14 * DAY)).unwrap();
    assert_eq!((ended.state, ended.next()), (State::Expired, None));
}

#[test]
fn what_is_not_renewed_is_owed_then_locked_then_gone() {
    let bought = Input {
        facts: Facts { until: Some(Millis(30 * DAY)), ..Facts::default() },
        ..said(0, Trigger::Activated)
    };
    let mut now = told(None, &bought).unwrap();
    let mut seen = Vec::new();
    while let Some((at, timer)) = now.next() {
        now = now.ring(timer, at).unwrap();
        seen.push((at.0 / DAY, now.state, now.reason.clone()));
    }
    let debt = Some(DEBT.to_owned());
    let expected =
        [(32, State::PastDue, None), (42, State::Suspended, debt.clone()), (72, State::Expired, debt)];
    assert_eq!(seen, expected);
    // The payment was only told late.
    let paid = told(Some(&now), &said(29 * DAY, Trigger::Renewed)).unwrap();
    assert_eq!((paid.state, paid.reason), (State::Active, None));
}

#[test]
fn money_lifts_a_debt_and_no_breach() {
    for (reason, after) in
        [(DEBT, State::Active), ("compliance", State::Suspended), ("manual", State::Suspended)]
    {
        let facts = Facts { reason: Some(reason.to_owned()), ..Facts::default() };
        let locked = told(None, &Input { facts, ..said(1, Trigger::Suspended) }).unwrap();
        assert_eq!(told(Some(&locked), &said(2, Trigger::Renewed)).unwrap().state, after, "{reason}");
        let resumed = Input { by: By::Person, ..said(2, Trigger::Resumed) };
        assert_eq!(told(Some(&locked), &resumed).unwrap().state, State::Active, "{reason}");
    }
}

#[test]
fn a_person_is_never_late() {
    let now = told(None, &said(100, Trigger::Activated)).unwrap();
    let asked = Input { by: By::Person, ..said(90, Trigger::CancellationScheduled) };
    let now = told(Some(&now), &asked).unwrap();
    assert_eq!((now.state, now.told_at), (State::PendingCancellation, Millis(100)));
}

#[test]
fn the_table_has_each_rule_once_and_the_document_draws_it() {
    let mut seen = std::collections::HashSet::new();
    let is_guarded = |rule: &Rule| rule.guard != Guard::Always;
    for rule in TABLE {
        assert!(seen.insert((rule.from, rule.on, rule.guard)), "{rule:?} is there twice");
        let twin = TABLE.iter().filter(|other| (other.from, other.on) == (rule.from, rule.on)).count();
        assert_eq!(twin, 1 + usize::from(is_guarded(rule)), "{rule:?}");
        let from = rule.from.map_or("(none)", State::as_str);
        let guard = match rule.guard {
            Guard::Always => "",
            Guard::ForDebt => " (for a debt)",
            Guard::ForOther => " (for something else)",
        };
        let (on, to, why) = (rule.on.as_str(), rule.to.as_str(), rule.why);
        let line = format!("| {from}{guard} | {on} | {to} | {why} |");
        assert!(DOCUMENT.contains(&line), "docs/subscriptions.md lacks\n{line}");
    }
    let drawn = DOCUMENT
        .lines()
        .filter(|line| Trigger::ALL.iter().any(|on| line.contains(&format!("| {} |", on.as_str()))))
        .count();
    assert_eq!(drawn, TABLE.len(), "the document draws what is not in the table");
}

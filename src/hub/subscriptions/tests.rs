//! Subscriptions over a file of their own: what is applied, told, recommended and answered.

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::access::{Access, Reason};
use super::reading::{self, Filter};
use super::{Subscriptions, clock};
use crate::deliver::internal::{Host as _, Verdict};
use crate::domain::time::Millis;
use crate::hub::crm::Crm;
use crate::hub::crm::reading::Reach;
use crate::hub::organizations::Organizations;
use crate::hub::tests::event_at;
use crate::hub::{Command, CommandError, Hub};
use crate::registry::plans::Plans;
use crate::telemetry::metrics::Metrics;

const ORG: &str = "org_1";
const DAY: u64 = 86_400_000;

struct Bench {
    hub: Hub,
    access: Access,
    dir: TempDir,
    n: u64,
}

fn open(dir: &TempDir) -> (Hub, Access) {
    let access = Access::new(Plans::embedded().unwrap());
    let subscribers: Vec<Box<dyn crate::hub::Subscriber>> =
        vec![Box::new(Organizations), Box::new(Crm::new()), Box::new(Subscriptions::new(access.clone()))];
    (Hub::open(dir.path(), subscribers, Arc::new(Metrics::new().unwrap())).unwrap(), access)
}

fn instant(text: &str) -> Millis {
    Millis::parse_rfc3339(text).unwrap()
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (hub, access) = open(&dir);
        Self { hub, access, dir, n: 0 }
    }

    fn restarted(self) -> Self {
        let Self { hub, dir, n, .. } = self;
        drop(hub);
        let (hub, access) = open(&dir);
        Self { hub, access, dir, n }
    }

    fn post_to(&mut self, organization: &str, source: &str, event_type: &str, at: &str, data: &Value) {
        self.n += 1;
        let event = event_at(self.n, source, event_type, data, at, organization);
        assert_eq!(self.hub.handle(&[event]).unwrap(), [Verdict::Taken]);
    }

    fn post(&mut self, event_type: &str, at: &str, data: &Value) {
        self.post_to(ORG, "colectiva", event_type, at, data);
    }

    fn ask(&mut self, kind: &str, body: Value) -> Result<Value, CommandError> {
        self.n += 1;
        self.hub.command(&Command {
            id: format!("cmd_{}", self.n),
            at: instant("2026-05-01T00:00:00Z"),
            actor: "key_1".to_owned(),
            organization: ORG.to_owned(),
            correlation: format!("cid_{}", self.n),
            kind: kind.to_owned(),
            body,
        })
    }

    fn told(&self) -> Vec<(String, Value)> {
        let read = |emission: crate::hub::emission::Emission| {
            let body: Value = serde_json::from_slice(&emission.body).unwrap();
            (emission.event_type, body["data"].clone())
        };
        self.hub.waiting(100).unwrap().into_iter().map(read).collect()
    }

    fn told_types(&self) -> Vec<String> {
        self.told().into_iter().map(|(event_type, _)| event_type).collect()
    }

    fn all(&self, filter: &Filter) -> Vec<Value> {
        let read =
            |file: &rusqlite::Connection| reading::subscriptions(file, &Reach::All, filter, (None, 50));
        self.hub.read(read).unwrap().unwrap().items
    }

    fn one(&self) -> Value {
        let id = self.all(&Filter::default())[0]["subscriptionId"].as_str().unwrap().to_owned();
        self.hub.read(|file| reading::subscription(file, &id)).unwrap().unwrap().1
    }

    fn may(&self, app: &str, feature: &str) -> (bool, Reason) {
        let answer = self.access.answer(app, ORG, feature, instant("2026-05-01T00:00:00Z"));
        (answer.allowed, answer.reason)
    }
}

fn pro() -> Value {
    json!({
        "planId": "pro", "planName": "Pro", "billingCycle": "monthly", "nextBillingDate": "2026-05-16",
        "amount": 49900, "currency": "MXN",
    })
}

const APRIL: &str = "2026-04-16T12:00:00Z";

#[test]
fn a_plan_opens_its_features_and_its_event_is_not_told_twice() {
    let mut bench = Bench::new();
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (false, Reason::NoSubscription));
    assert_eq!(bench.may("cosmos-pet", "appointments.read"), (true, Reason::Free));
    bench.post("subscription.activated", APRIL, &pro());
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (true, Reason::Included));
    assert_eq!(bench.may("cosmos-pet", "teleportation"), (false, Reason::UnknownFeature));
    assert_eq!(bench.may("nobody", "x"), (false, Reason::UnknownApp));
    assert_eq!(bench.told(), [], "Colectiva told everybody");
    let one = bench.one();
    assert_eq!((&one["app"], &one["state"]), (&json!("cosmos-pet"), &json!("active")));
    let bench = bench.restarted();
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (true, Reason::Included));
}

#[test]
fn what_is_owed_pauses_and_what_is_suspended_keeps_reading() {
    let mut bench = Bench::new();
    bench.post("subscription.activated", APRIL, &pro());
    let failed = json!({ "planId": "pro", "reason": "insufficient_funds", "attempt": 1 });
    bench.post("subscription.payment_failed", "2026-05-16T12:00:00Z", &failed);
    bench.post("subscription.payment_failed", "2026-05-17T12:00:00Z", &failed);
    let told = bench.told();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].0.as_str(), &told[0].1["gracePeriodEnd"]),
        ("subscription.past_due", &json!("2026-05-26"))
    );
    assert_eq!((&told[0].1["dueAmount"], &told[0].1["currency"]), (&json!(49900), &json!("MXN")));
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (false, Reason::PastDue));
    let id = bench.one()["subscriptionId"].clone();
    let body = json!({ "subscription": id, "action": "suspend", "reason": "compliance" });
    assert_eq!(bench.ask("subscriptions.change", body).unwrap()["state"], "suspended");
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (false, Reason::Suspended));
    assert_eq!(bench.may("cosmos-pet", "appointments.read"), (true, Reason::ReadOnly));
    let body = json!({ "subscription": id, "action": "cancel" });
    assert!(matches!(bench.ask("subscriptions.change", body), Err(CommandError::Conflict(_))));
    bench.ask("subscriptions.change", json!({ "subscription": id, "action": "resume" })).unwrap();
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (true, Reason::Included));
    let expected = ["subscription.past_due", "subscription.suspended", "subscription.activated"];
    assert_eq!(bench.told_types(), expected);
}

#[test]
fn what_is_late_is_recorded_and_not_applied() {
    let mut bench = Bench::new();
    let cancelled = json!({ "planId": "pro", "reason": "customer_request", "effectiveDate": "2026-04-30" });
    bench.post("subscription.cancelled", "2026-04-30T00:00:00Z", &cancelled);
    bench.post("subscription.activated", APRIL, &pro());
    let one = bench.one();
    assert_eq!((&one["state"], &one["history"][0]["outcome"]), (&json!("cancelled"), &json!("late")));
    assert_eq!(bench.may("cosmos-pet", "appointments.create"), (false, Reason::Cancelled));
    bench.post("subscription.renewed", "2026-05-01T00:00:00Z", &pro());
    assert_eq!(bench.one()["history"][0]["outcome"], "illegal");
}

#[test]
fn the_app_is_the_one_named_or_the_owner_of_the_plan_or_unknown() {
    let mut bench = Bench::new();
    let of = |plan: &str, app: Option<&str>| json!({ "planId": plan, "app": app, "nextBillingDate": "2099-01-01" });
    bench.post("subscription.activated", APRIL, &of("pro", Some("hoja")));
    bench.post("subscription.activated", APRIL, &of("plenura_pro", None));
    bench.post("subscription.activated", APRIL, &of("plan_of_nobody", None));
    let unresolved = bench.all(&Filter { is_unresolved: true, ..Filter::default() });
    assert_eq!((unresolved.len(), &unresolved[0]["planId"]), (1, &json!("plan_of_nobody")));
    assert_eq!(unresolved[0]["app"], Value::Null);
    let apps: std::collections::BTreeSet<String> =
        bench.all(&Filter::default()).iter().map(|one| one["app"].to_string()).collect();
    assert_eq!(apps.into_iter().collect::<Vec<_>>(), ["\"hoja\"", "\"plenura\"", "null"]);
}

#[test]
fn the_clock_says_each_thing_once_after_a_restart_too() {
    let mut bench = Bench::new();
    let body = json!({ "app": "plenura", "planId": "plenura_pro", "trial": true, "until": "2026-05-15" });
    bench.ask("subscriptions.create", body.clone()).unwrap();
    assert!(matches!(bench.ask("subscriptions.create", body), Err(CommandError::Conflict(_))));
    let begun = instant("2026-05-01T00:00:00Z");
    assert_eq!(clock::say(&bench.hub, begun).unwrap().count, 0);
    let days = |days: u64| Millis(begun.0 + days * DAY);
    assert_eq!(clock::say(&bench.hub, days(11)).unwrap().count, 1);
    let mut bench = bench.restarted();
    assert_eq!(clock::say(&bench.hub, days(12)).unwrap().count, 0);
    while clock::say(&bench.hub, days(40)).unwrap().is_more {
        bench = bench.restarted();
    }
    let told = bench.told();
    let types: Vec<&str> = told.iter().map(|(event_type, _)| event_type.as_str()).collect();
    assert_eq!(types, ["subscription.trial_started", "subscription.trial_expiring", "subscription.expired"]);
    assert_eq!(told[1].1["daysRemaining"], 3);
    assert_eq!(told[2].1["expiredAt"], "2026-05-15");
    assert_eq!(bench.may("plenura", "bookings.create"), (true, Reason::Free));
}

#[test]
fn what_nobody_renews_goes_step_by_step() {
    let mut bench = Bench::new();
    bench.post("subscription.activated", APRIL, &pro());
    let later = instant("2027-01-01T00:00:00Z");
    while clock::say(&bench.hub, later).unwrap().is_more {}
    let expected = ["subscription.past_due", "subscription.suspended", "subscription.expired"];
    assert_eq!(bench.told_types(), expected);
    let at: Vec<String> = bench.hub.waiting(9).unwrap().iter().map(|told| told.at.rfc3339()).collect();
    assert_eq!(at, ["2026-05-18T00:00:00.000Z", "2026-05-28T00:00:00.000Z", "2026-06-27T00:00:00.000Z"]);
}

#[test]
fn a_limit_that_is_near_is_told_once_and_becomes_a_recommendation() {
    let mut bench = Bench::new();
    let near = |count: i64| {
        json!({
            "therapistId": "ther_luisa_m", "currentCount": count, "limit": 5, "utilizationPercent": count * 20,
            "plan": "free", "suggestedPlan": "plenura_pro", "triggerReason": "approaching_limit",
        })
    };
    for (day, count) in [(16, 4), (17, 5)] {
        let at = format!("2026-04-{day}T12:00:00Z");
        bench.post_to(ORG, "plenura", "upsell.appointment_capacity", &at, &near(count));
    }
    assert_eq!(bench.told_types(), ["subscription.limit_approaching"]);
    assert_eq!(bench.told()[0].1["percentUsed"], 80);
    assert_eq!(bench.may("plenura", "bookings.create"), (false, Reason::LimitReached));
    let answer = bench.access.answer("plenura", ORG, "bookings.create", instant("2026-05-01T00:00:00Z"));
    assert_eq!(
        (answer.used, answer.limit, answer.required_plan.as_deref()),
        (Some(5), Some(5), Some("plenura_pro"))
    );
    let all = |bench: &Bench| {
        let read = |file: &rusqlite::Connection| {
            reading::recommendations(file, &Reach::All, (None, None), (None, 50))
        };
        bench.hub.read(read).unwrap().unwrap().items
    };
    let found = all(&bench);
    assert_eq!((found.len(), found[0].times, found[0].percent_used), (1, 2, Some(100)));
    let body = json!({ "recommendation": found[0].recommendation_id, "action": "dismissed" });
    assert_eq!(bench.ask("subscriptions.track", body).unwrap()["status"], "dismissed");
    assert_eq!(all(&bench), []);
}

#[test]
fn every_documented_upsell_becomes_a_recommendation() {
    let mut bench = Bench::new();
    let catalog = crate::registry::embedded::catalog().unwrap();
    let types: Vec<_> =
        catalog.events().filter(|event| event.event_type.as_str().starts_with("upsell.")).collect();
    assert!(types.len() >= 5);
    for event in &types {
        let data = event
            .example
            .clone()
            .map_or_else(|| json!({ "used": 90, "limit": 100 }), |example| json!(example));
        let source = event.senders[0].as_str();
        bench.post_to(ORG, source, event.event_type.as_str(), APRIL, &data);
    }
    let read =
        |file: &rusqlite::Connection| reading::recommendations(file, &Reach::All, (None, None), (None, 50));
    let found = bench.hub.read(read).unwrap().unwrap().items;
    assert_eq!(found.len(), types.len());
    assert!(
        bench.hub.read(|file| reading::insights(file, ORG)).unwrap()["recommendations"].as_u64() > Some(4)
    );
}

#[test]
fn an_etag_changes_with_the_answer_only() {
    let mut bench = Bench::new();
    let now = instant("2026-05-01T00:00:00Z");
    let etag = |bench: &Bench| bench.access.answer("cosmos-pet", ORG, "appointments.create", now).etag();
    let before = etag(&bench);
    assert_eq!(before, etag(&bench));
    bench.post("subscription.activated", APRIL, &pro());
    assert_ne!(before, etag(&bench));
}

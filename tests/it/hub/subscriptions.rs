//! Subscriptions over HTTP: what an event opens, what a person changes, and what is told to the apps.

use http::Method;
use serde_json::{Value, json};

use super::deliveries::{post, setup};
use crate::app::{Setup, signing_secret};
use crate::desk::Desk;

/// Far enough away that the clock has nothing to say.
const FAR: &str = "2099-01-01";

fn with_all() -> Setup {
    let with = |setup: Setup, app: &'static str| {
        setup.app(app, move |config| config.signing_secrets = vec![signing_secret(app)])
    };
    with(with(setup(), "colectiva"), "plenura")
}

fn pro() -> Value {
    json!({
        "planId": "pro", "planName": "Pro", "billingCycle": "monthly", "nextBillingDate": FAR,
        "amount": 49900, "currency": "MXN",
    })
}

fn asked(app: &str, feature: &str) -> String {
    format!("/api/ecosystem/feature-access?app={app}&organization=org_1&feature={feature}")
}

async fn bound_key(desk: &Desk<'_>, organization: &str) -> String {
    let body = json!({"name": "bound", "scopes": ["operate"], "organizations": [organization]});
    let made = desk.post("/v1/keys", &body.to_string()).await.taken(201);
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_opens_a_feature_and_a_person_closes_it() {
    let app = with_all().start().await;
    let desk = app.desk();
    let create = asked("cosmos-pet", "appointments.create");
    assert_eq!(desk.get(&create).await["reason"], "no_subscription");
    post(&app, 1, "colectiva", "subscription.activated", &pro(), "org_1").await;
    app.until_ended("camino", "delivered", 1).await;
    let answer = desk.ask(Method::GET, &create, "").await;
    let open = answer.taken(200);
    assert_eq!(
        (&open["allowed"], &open["reason"], &open["state"]),
        (&json!(true), &json!("included"), &json!("active"))
    );
    assert_eq!((&open["planId"], &open["ttlSeconds"]), (&json!("pro"), &json!(60)));
    let etag = answer.header("etag").unwrap().to_owned();
    let mut headers = desk.headers();
    headers.push(("if-none-match".to_owned(), etag));
    assert_eq!(app.client.ask(Method::GET, &create, &headers, "").await.status.as_u16(), 304);
    let id = desk.items("/api/subscriptions").await[0]["subscriptionId"].as_str().unwrap().to_owned();
    let path = format!("/api/subscriptions/{id}");
    let suspended = desk.patch(&path, &json!({"action": "suspend", "reason": "manual"})).await.taken(200);
    assert_eq!(suspended["state"], "suspended");
    assert_eq!(app.client.ask(Method::GET, &create, &headers, "").await.taken(200)["reason"], "suspended");
    let read = desk.get(&asked("cosmos-pet", "appointments.read")).await;
    assert_eq!((&read["allowed"], &read["reason"]), (&json!(true), &json!("read_only")));
    desk.patch(&path, &json!({"action": "fly"})).await.problem(400, "request.invalid");
    desk.patch(&path, &json!({"action": "cancel"})).await.problem(409, "resource.state_conflict");
    let told = desk.until_items("/v1/events?source=camino", 1).await;
    assert_eq!(told[0]["eventType"], "subscription.suspended");
    assert_eq!(desk.get(&path).await["history"][0]["said"], "suspended");
}

#[tokio::test]
async fn what_the_plan_does_not_include_is_402() {
    let app = with_all().start().await;
    let desk = app.desk();
    let registered = json!({"app": "caracol", "organizationId": "org_1", "tenantId": "vinos"}).to_string();
    let registered = desk.post("/api/ecosystem/register", &registered).await.taken(200);
    assert_eq!((&registered["tenantId"], &registered["subscription"]), (&json!("vinos"), &Value::Null));
    let path = "/api/ecosystem/customer-insights?organization=org_1";
    let key = bound_key(&desk, "org_1").await;
    let bound = app.desk_of(&key);
    let problem = bound.ask(Method::GET, path, "").await.problem(402, "subscription.tier_required");
    assert_eq!((&problem["tenantId"], &problem["requiredTier"]), (&json!("org_1"), &json!("pro")));
    assert_eq!(desk.get(path).await["contacts"], 0);
    let bought = json!({"organizationId": "org_1", "app": "camino", "planId": "camino_pro", "until": FAR});
    let bought = bound.post("/api/subscriptions", &bought.to_string()).await.taken(200);
    assert_eq!(bought["state"], "active");
    assert_eq!(bound.get(path).await["subscriptions"][0]["planId"], "camino_pro");
}

#[tokio::test]
async fn an_upsell_becomes_a_recommendation_that_is_tracked() {
    let app = with_all().start().await;
    let desk = app.desk();
    let full = json!({
        "therapistId": "ther_1", "currentCount": 5, "limit": 5, "utilizationPercent": 100, "plan": "free",
        "suggestedPlan": "plenura_pro", "triggerReason": "monthly_limit_reached",
    });
    post(&app, 1, "plenura", "upsell.appointment_capacity", &full, "org_1").await;
    app.until_ended("camino", "delivered", 1).await;
    let path = "/api/ecosystem/upsell-recommendations?organization=org_1";
    let found = desk.items(path).await;
    assert_eq!((&found[0]["suggestedPlan"], &found[0]["percentUsed"]), (&json!("plenura_pro"), &json!(100)));
    let tracked = json!({"recommendationId": found[0]["recommendationId"], "action": "dismissed"});
    desk.post("/api/ecosystem/upsell-track", &tracked.to_string()).await.taken(200);
    assert_eq!(desk.items(path).await.len(), 0);
    let used = json!({"organizationId": "org_1", "app": "plenura", "feature": "bookings.create", "used": 1});
    desk.post("/api/ecosystem/upsell-track", &used.to_string()).await.taken(200);
    assert_eq!(desk.get(&asked("plenura", "bookings.create")).await["used"], 1);
}

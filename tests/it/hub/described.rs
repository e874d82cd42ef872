//! The hub's answers against the interface's document, with something of every kind in it.

use http::Method;
use serde_json::{Value, json};

use super::deliveries::{post, setup};
use super::organizations::{MARK, post_all};
use crate::app::{TestApp, signing_secret};
use crate::contract::assert_described;
use crate::desk::Desk;

/// The lists, each of which has items.
const LISTS: [&str; 10] = [
    "/api/crm/contacts",
    "/api/crm/duplicates",
    "/api/crm/deals",
    "/api/crm/deadlines",
    "/api/crm/products",
    "/api/crm/alerts",
    "/api/cobranza",
    "/api/subscriptions",
    "/api/ecosystem/upsell-recommendations",
    "/api/support/tickets",
];

async fn filled() -> TestApp {
    let app = setup().app("agora", |app| app.signing_secrets = vec![signing_secret("agora")]).start().await;
    post_all(&app, &theirs()).await;
    let due = json!({"deadlineId": "t_3", "matterId": "m_1", "title": "Contestar", "dueDate": "2026-04-30"});
    post(&app, 12, "agora", "deadline.created", &due, &theirs()).await;
    let order = json!({"orderId": "o_2", "tenantId": format!("tenant-{MARK}"), "total": 1});
    post(&app, 13, "caracol", "caracol.order.created", &order, "org_own").await;
    app.until_ended("camino", "delivered", 13).await;
    app
}

fn theirs() -> String {
    format!("org_{MARK}")
}

/// The id of the first item of `list`.
async fn first(desk: &Desk<'_>, list: &str, name: &str) -> String {
    let items = desk.items(list).await;
    items.first().and_then(|item| item[name].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_the_hub_holds_is_shown_as_described() {
    let app = filled().await;
    let desk = app.desk();
    for path in LISTS {
        let page = desk.get(path).await;
        assert!(!page["items"].as_array().unwrap().is_empty(), "{path} has nothing to look at");
        assert_described(path, "get", 200, &page);
    }
    let contact = first(&desk, &format!("/api/crm/contacts?q={MARK}"), "contactId").await;
    let subscription = first(&desk, "/api/subscriptions", "subscriptionId").await;
    let ticket = first(&desk, "/api/support/tickets", "ticketId").await;
    for (path, id) in [
        ("/api/orgs/{id}", &theirs()),
        ("/api/orgs/{id}/timeline", &theirs()),
        ("/api/crm/contacts/{id}", &contact),
        ("/api/crm/contacts/{id}/timeline", &contact),
        ("/api/subscriptions/{id}", &subscription),
        ("/api/support/tickets/{id}", &ticket),
    ] {
        assert_described(path, "get", 200, &desk.get(&path.replace("{id}", id)).await);
    }
    let organization = desk.get(&format!("/api/orgs/{}", theirs())).await;
    for kept in ["bindings", "conflicts"] {
        assert_ne!(organization[kept], json!([]), "{kept} of {organization}");
    }
    for (path, query) in [
        ("/api/analytics/conversion-funnel", String::new()),
        ("/api/ecosystem/customer-insights", format!("?organization={}", theirs())),
        (
            "/api/ecosystem/feature-access",
            format!("?app=cosmos-pet&feature=appointments.read&organization={}", theirs()),
        ),
    ] {
        assert_described(path, "get", 200, &desk.get(&format!("{path}{query}")).await);
    }
}

#[tokio::test]
async fn what_is_changed_in_the_hub_is_answered_as_described() {
    let app = filled().await;
    let desk = app.desk();
    let contacts = desk.items(&format!("/api/crm/contacts?q={MARK}")).await;
    let contact = |at: usize| contacts[at]["contactId"].as_str().unwrap().to_owned();
    let subscription = first(&desk, "/api/subscriptions", "subscriptionId").await;
    let recommendation = first(&desk, "/api/ecosystem/upsell-recommendations", "recommendationId").await;
    let bought =
        json!({"organizationId": "org_own", "app": "camino", "planId": "camino_pro", "until": "2099-01-01"});
    let used =
        json!({"organizationId": theirs(), "app": "cosmos-pet", "feature": "appointments.read", "used": 1});
    let changes: [(&str, &str, String, Value); 12] = [
        (
            "post",
            "/api/orgs/resolve",
            String::new(),
            json!({"app": "caracol", "tenantId": format!("tenant-{MARK}")}),
        ),
        ("post", "/api/orgs/resolve", String::new(), json!({"organizationId": theirs()})),
        ("post", "/api/crm/contacts/{id}/deletion-request", contact(0), Value::Null),
        ("post", "/api/crm/contacts/{id}/merge", contact(0), json!({"into": contact(1)})),
        (
            "patch",
            "/api/crm/deals/{id}",
            first(&desk, "/api/crm/deals", "dealId").await,
            json!({"stage": "won"}),
        ),
        (
            "patch",
            "/api/cobranza/{id}",
            first(&desk, "/api/cobranza", "receivableId").await,
            json!({"note": "el viernes"}),
        ),
        (
            "patch",
            "/api/support/tickets/{id}",
            first(&desk, "/api/support/tickets", "ticketId").await,
            json!({"status": "closed"}),
        ),
        ("post", "/api/subscriptions", String::new(), bought),
        ("patch", "/api/subscriptions/{id}", subscription, json!({"action": "suspend", "reason": "manual"})),
        (
            "post",
            "/api/ecosystem/upsell-track",
            String::new(),
            json!({"recommendationId": recommendation, "action": "clicked"}),
        ),
        ("post", "/api/ecosystem/upsell-track", String::new(), used),
        (
            "post",
            "/api/ecosystem/register",
            String::new(),
            json!({"app": "camino", "organizationId": "org_own"}),
        ),
    ];
    for (method, path, id, body) in changes {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let verb: Method = method.to_uppercase().parse().unwrap();
        let answer = desk.ask(verb, &path.replace("{id}", &id), &body).await;
        assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.text());
        assert_described(path, method, 200, &answer.json());
    }
    let merged = desk.get(&format!("/api/crm/contacts/{}", contact(0))).await;
    assert_ne!(merged["mergedInto"], Value::Null);
    assert_described("/api/crm/contacts/{id}", "get", 200, &merged);
}

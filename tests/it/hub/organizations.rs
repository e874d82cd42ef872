//! Whose things a key sees: another organization's are not there, by any path.

use http::Method;
use serde_json::{Value, json};

use super::deliveries::{post, setup};
use crate::app::TestApp;
use crate::desk::Desk;

/// Every route of the hub, with what stands for an id of its kind.
const ROUTES: [(&str, &str); 29] = [
    ("POST", "/api/orgs/resolve"),
    ("GET", "/api/orgs/{org}"),
    ("GET", "/api/orgs/{org}/timeline"),
    ("GET", "/api/crm/contacts"),
    ("GET", "/api/crm/contacts/{contact}"),
    ("GET", "/api/crm/contacts/{contact}/timeline"),
    ("POST", "/api/crm/contacts/{contact}/merge"),
    ("POST", "/api/crm/contacts/{contact}/deletion-request"),
    ("GET", "/api/crm/duplicates"),
    ("GET", "/api/crm/deals"),
    ("PATCH", "/api/crm/deals/{deal}"),
    ("GET", "/api/crm/deadlines"),
    ("GET", "/api/crm/products"),
    ("GET", "/api/crm/alerts"),
    ("GET", "/api/analytics/conversion-funnel"),
    ("GET", "/api/cobranza"),
    ("PATCH", "/api/cobranza/{receivable}"),
    ("GET", "/api/subscriptions"),
    ("POST", "/api/subscriptions"),
    ("GET", "/api/subscriptions/{subscription}"),
    ("PATCH", "/api/subscriptions/{subscription}"),
    ("GET", "/api/ecosystem/feature-access?app=cosmos-pet&feature=appointments.read&organization={org}"),
    ("GET", "/api/ecosystem/upsell-recommendations"),
    ("POST", "/api/ecosystem/upsell-track"),
    ("POST", "/api/ecosystem/register"),
    ("GET", "/api/ecosystem/customer-insights?organization={org}"),
    ("GET", "/api/support/tickets"),
    ("GET", "/api/support/tickets/{ticket}"),
    ("PATCH", "/api/support/tickets/{ticket}"),
];

/// Every other path of the management API that reads or changes things of organizations.
const ELSEWHERE: [&str; 12] = [
    "/v1/events",
    "/v1/events/0192f0c1-7a3b-7c11-9d55-000000000001",
    "/v1/events/0192f0c1-7a3b-7c11-9d55-000000000001/deliveries",
    "/v1/events/0192f0c1-7a3b-7c11-9d55-000000000001/explain",
    "/v1/deliveries",
    "/v1/dead-letters",
    "/v1/quarantine",
    "/v1/drift",
    "/v1/stats",
    "/v1/endpoints",
    "/v1/keys",
    "/v1/audit",
];

/// A word that stands in everything of the other organization, and nowhere else.
pub const MARK: &str = "zacatecas";

/// Makes a key that is bound to `organization`.
async fn bound_key(desk: &Desk<'_>, scope: &str, organization: &str) -> String {
    let body = json!({"name": "bound", "scopes": [scope], "organizations": [organization]});
    let made = desk.post("/v1/keys", &body.to_string()).await.taken(201);
    made["key"].as_str().unwrap().to_owned()
}

/// Posts something of every kind about `theirs`, and one contact of `org_own`.
pub async fn post_all(app: &TestApp, theirs: &str) {
    for (n, source, event_type, data) in [
        (
            1,
            "caracol",
            "customer.created",
            json!({"customerId": MARK, "name": format!("{MARK} luna"), "email": format!("a@{MARK}.mx")}),
        ),
        (
            2,
            "comal",
            "customer.created",
            json!({"customerId": MARK, "name": format!("{MARK} luna"), "phone": "5511122233"}),
        ),
        (3, "rito", "deal.created", json!({"dealId": MARK, "status": MARK})),
        (
            4,
            "colectiva",
            "invoice.paid",
            json!({"invoiceId": MARK, "amount": 100, "currency": "MXN", "paidAt": "2026-04-16T15:30:00.000Z"}),
        ),
        (5, "caracol", "inventory.low", json!({"productId": MARK})),
        (6, "comal", "product.created", json!({"productId": MARK, "storeId": MARK, "name": MARK})),
        (
            7,
            "caracol",
            "caracol.order.created",
            json!({"orderId": MARK, "tenantId": format!("tenant-{MARK}"), "total": 1}),
        ),
        (9, "colectiva", "subscription.activated", json!({"planId": "pro", "nextBillingDate": "2099-01-01"})),
        (
            10,
            "constanza",
            "upsell.stamp_upgrade",
            json!({"app": MARK, "used": 90, "limit": 100, "recommendation": MARK}),
        ),
        (
            11,
            "caracol",
            "support.ticket_created",
            json!({"source_ticket_id": MARK, "user_email": format!("a@{MARK}.mx"), "subject": MARK, "description": "no abre"}),
        ),
    ] {
        post(app, n, source, event_type, &data, theirs).await;
    }
    post(app, 8, "caracol", "customer.created", &json!({"customerId": "own", "name": "Eva Ríos"}), "org_own")
        .await;
}

/// What each route is asked with.
fn body_of(method: &Method, route: &str, contact: &str) -> String {
    let body = match route {
        _ if *method == Method::GET => return String::new(),
        "/api/orgs/resolve" => json!({"app": "caracol", "tenantId": format!("tenant-{MARK}")}),
        "/api/subscriptions" => {
            json!({"organizationId": format!("org_{MARK}"), "app": "cosmos-pet", "planId": "pro"})
        }
        "/api/ecosystem/register" => json!({"organizationId": format!("org_{MARK}"), "app": "caracol"}),
        "/api/ecosystem/upsell-track" => json!({
            "organizationId": format!("org_{MARK}"), "app": "cosmos-pet", "feature": "appointments.read", "used": 1,
        }),
        route if route.ends_with("/merge") => json!({"into": contact}),
        route if route.contains("subscriptions") => json!({"action": "resume"}),
        route if route.contains("deals") => json!({"stage": "won"}),
        route if route.contains("tickets") => json!({"status": "closed"}),
        _ => json!({"status": "paid"}),
    };
    body.to_string()
}

/// Whether the body names whose things it is about.
fn in_body(method: &Method, route: &str) -> bool {
    let named = ["/api/subscriptions", "/api/ecosystem/upsell-track", "/api/ecosystem/register"];
    *method == Method::POST && named.contains(&route)
}

#[tokio::test]
async fn anothers_things_are_not_there_by_any_path() {
    let app = setup().start().await;
    let admin = app.desk();
    let theirs = format!("org_{MARK}");
    post_all(&app, &theirs).await;
    app.until_ended("camino", "delivered", 11).await;
    let first = async |path: &str, name: &str| admin.items(path).await[0][name].as_str().unwrap().to_owned();
    let ids = [
        ("{org}", theirs.clone()),
        ("{contact}", first(&format!("/api/crm/contacts?q={MARK}"), "contactId").await),
        ("{deal}", first("/api/crm/deals", "dealId").await),
        ("{ticket}", first("/api/support/tickets", "ticketId").await),
        ("{receivable}", first("/api/cobranza", "receivableId").await),
        ("{subscription}", first("/api/subscriptions", "subscriptionId").await),
    ];
    let key = bound_key(&admin, "operate", "org_own").await;
    let desk = app.desk_of(&key);
    for (method, route) in ROUTES {
        let path = ids.iter().fold(route.to_owned(), |path, (name, id)| path.replace(name, id));
        let method: Method = method.parse().unwrap();
        for query in ["", &format!("?organization={theirs}")] {
            if !query.is_empty() && (method != Method::GET || path.contains(MARK) || route.contains('{')) {
                continue;
            }
            let body = body_of(&method, route, &ids[1].1);
            let answer = desk.ask(method.clone(), &format!("{path}{query}"), &body).await;
            let named = route.contains('{') || route.ends_with("/resolve") || in_body(&method, route);
            let expected = if named { 404 } else { 200 };
            assert_eq!(answer.status.as_u16(), expected, "{method} {path}: {}", answer.text());
            let told = if named { String::new() } else { answer.text() };
            assert!(!told.contains(MARK), "{path}{query} tells {told}");
        }
    }
    for path in ELSEWHERE {
        desk.refused(path, 403, "key.scope_missing").await;
    }
    assert_eq!(desk.items("/api/crm/contacts").await.len(), 1);
    assert_eq!(desk.get("/api/orgs/org_own").await["organizationId"], "org_own");
    assert_eq!(admin.items("/api/crm/contacts").await.len(), 3);
    assert_eq!(admin.items("/api/crm/duplicates").await.len(), 1);
    let funnel = desk.get("/api/analytics/conversion-funnel").await;
    assert_eq!(funnel["steps"][0]["reached"], 0);
}

#[tokio::test]
async fn a_key_that_reads_changes_nothing_and_no_key_opens_nothing() {
    let app = setup().start().await;
    let admin = app.desk();
    let (_, reads) = admin.make_key("read", None).await;
    for (method, route) in ROUTES {
        let method: Method = method.parse().unwrap();
        app.client.ask(method.clone(), route, &Vec::new(), "").await.problem(401, "key.missing");
        if method != Method::GET && !route.ends_with("/resolve") {
            app.desk_of(&reads).ask(method, route, "{}").await.problem(403, "key.scope_missing");
        }
    }
    for (scopes, organizations) in [(json!(["admin"]), json!(["org_1"])), (json!(["read"]), json!([]))] {
        let body = json!({"name": "x", "scopes": scopes, "organizations": organizations});
        admin.post("/v1/keys", &body.to_string()).await.problem(400, "request.invalid");
    }
}

#[tokio::test]
async fn a_tenant_leads_to_its_organization() {
    let escuela = crate::app::signing_secret("escuela");
    let app = setup().app("escuela", |app| app.signing_secrets = vec![escuela]).start().await;
    let provisioned = json!({"ecosystemOrgId": "org_9", "appOrgId": "montes", "app": "escuela", "provisionedAt": "2026-04-16T14:00:00.000Z"});
    post(&app, 1, "escuela", "tenant.provisioned", &provisioned, "org_9").await;
    app.until_ended("camino", "delivered", 1).await;
    let desk = app.desk();
    let resolve = async |body: Value| desk.post("/api/orgs/resolve", &body.to_string()).await;
    let found = resolve(json!({"app": "escuela", "tenantId": "montes"})).await.taken(200);
    assert_eq!(found, json!({"organizationId": "org_9", "by": "binding"}));
    resolve(json!({"app": "hoja", "tenantId": "montes"})).await.problem(404, "resource.not_found");
    resolve(json!({"app": "hoja"})).await.problem(400, "request.invalid");
    assert_eq!(desk.get("/api/orgs/org_9").await["status"], "provisioned");
}

#[test]
fn every_route_of_the_hub_is_walked() {
    let source = include_str!("../../../src/admin/hub.rs");
    // `{org}` and `{id}` stand at the same place.
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        path.split('/').map(part).collect::<Vec<_>>()
    };
    let routes: Vec<&str> =
        source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() >= 25, "{routes:?}");
    for route in routes {
        assert!(ROUTES.iter().any(|(_, walked)| shape(walked) == shape(route)), "{route} is not walked");
    }
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused() {
    let app = setup().start().await;
    let desk = app.desk();
    for path in [
        "/api/support/tickets?priority=sometimes",
        "/api/support/tickets?status=lost",
        "/api/support/tickets?category=sport",
        "/api/support/tickets?area=51",
        "/api/subscriptions?state=happy",
        "/api/ecosystem/upsell-recommendations?status=ignored",
        "/api/crm/deals?phase=soon",
        "/api/crm/deals?kind=big",
        "/api/cobranza?status=maybe",
        "/api/analytics/conversion-funnel?kind=big",
    ] {
        desk.refused(path, 400, "request.invalid").await;
    }
    assert_eq!(desk.items("/api/support/tickets?priority=urgent&status=in_progress").await.len(), 0);
}

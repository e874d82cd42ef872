//! The hub made anew of the journal: the same state, and nothing emitted.

use std::sync::Arc;

use camino_broker::app::rebuild::{Wish, run};
use camino_broker::app::{Error, Ports};
use camino_broker::runtime::clock::SystemClock;
use camino_broker::runtime::entropy::OsEntropy;
use serde_json::{Value, json};

use super::deliveries::{post, setup};
use crate::app::{TestApp, signing_secret};
use crate::desk::Desk;

/// Subscriptions and tickets, with a person's word between two events: one event more than `n`, and four
/// after it. Emits one event.
async fn served(app: &TestApp, desk: &Desk<'_>, n: u32) {
    let paid = json!({"app": "cosmos-pet", "planId": "pro", "nextBillingDate": "2099-01-01"});
    post(app, n, "colectiva", "subscription.activated", &paid, "org_1").await;
    let ticket = |id: &str| {
        json!({
            "source_ticket_id": id, "user_email": "c1@example.com", "subject": "La pantalla sale en blanco",
            "description": "Desde ayer no carga nada",
        })
    };
    post(app, n + 1, "caracol", "support.ticket_created", &ticket("t_1"), "org_1").await;
    let tickets = desk.until_items("/api/support/tickets", 1).await;
    let subscriptions = desk.until_items("/api/subscriptions", 1).await;
    let id = |thing: &Value, name: &str| thing[name].as_str().unwrap().to_owned();
    let path = format!("/api/subscriptions/{}", id(&subscriptions[0], "subscriptionId"));
    desk.patch(&path, &json!({"action": "suspend", "reason": "manual"})).await.taken(200);
    let path = format!("/api/support/tickets/{}", id(&tickets[0], "ticketId"));
    let correction = json!({"category": "billing", "priority": "low", "status": "in_progress"});
    assert_eq!(desk.patch(&path, &correction).await.taken(200)["category"], "billing");
    // What the classifier has learned of it counts for the next, and money does not mend what a person stopped.
    post(app, n + 2, "caracol", "support.ticket_created", &ticket("t_2"), "org_1").await;
    post(app, n + 3, "colectiva", "subscription.renewed", &paid, "org_1").await;
    let full = json!({"currentCount": 5, "limit": 5, "plan": "free", "suggestedPlan": "plenura_pro"});
    post(app, n + 4, "plenura", "upsell.appointment_capacity", &full, "org_1").await;
}

#[tokio::test]
async fn a_rebuilt_hub_is_the_same_and_emits_nothing() {
    let signing = |config: &mut camino_broker::config::App, app| {
        config.signing_secrets = vec![signing_secret(app)];
    };
    let setup = setup().app("colectiva", |config| signing(config, "colectiva"));
    let app = setup.app("plenura", |config| signing(config, "plenura")).start().await;
    let desk = app.desk();
    for n in 0..40 {
        let email = format!("c{}@example.com", n % 7);
        let data =
            json!({"customerId": format!("c_{n}"), "name": format!("Ana Luna {}", n % 3), "email": email});
        post(&app, n, "caracol", "customer.created", &data, "org_1").await;
    }
    let deal = json!({"dealId": "d_1", "newStatus": "won", "clientId": "c_1"});
    post(&app, 50, "rito", "deal.status_changed", &deal, "org_1").await;
    app.until_ended("camino", "delivered", 41).await;
    let pair = desk.items("/api/crm/duplicates").await.remove(0);
    let path = format!("/api/crm/contacts/{}/merge", pair["contactId"].as_str().unwrap());
    desk.post(&path, &json!({"into": pair["otherContactId"]}).to_string()).await.taken(200);
    // What comes behind the merge finds what it left.
    post(
        &app,
        60,
        "caracol",
        "customer.created",
        &json!({"customerId": "c_60", "email": "c1@example.com"}),
        "org_1",
    )
    .await;
    served(&app, &desk, 70).await;
    app.until_ended("camino", "delivered", 47).await;
    // deal.won, customer.merged, subscription.suspended, subscription.limit_approaching
    app.until("camino_hub_emissions_total{outcome=\"relayed\"}", 4).await;
    desk.until_items("/v1/events?source=camino", 4).await;

    let (mut setup, dir) = app.stop().await;
    setup.config.store.path = dir.path().join("data");
    let config = setup.config.clone();
    let rebuild = move |dry| {
        let ports = Ports { clock: Arc::new(SystemClock::new()), entropy: Arc::new(OsEntropy) };
        let mut steps = Vec::new();
        let rebuilt =
            run(&config, &ports, Wish { incomplete: false, dry }, &mut |done, all| steps.push((done, all)));
        rebuilt.map(|rebuilt| (rebuilt, steps))
    };
    let (rebuilt, steps) = tokio::task::spawn_blocking({
        let rebuild = rebuild.clone();
        move || {
            rebuild(true).unwrap();
            rebuild(false).unwrap()
        }
    })
    .await
    .unwrap();
    assert_eq!((rebuilt.events, rebuilt.commands, rebuilt.refused), (47, 3, 0));
    assert_eq!(steps.last(), Some(&(47, 47)));
    assert_eq!(rebuilt.before.as_ref(), Some(&rebuilt.after));
    let rows = |table: &str| rebuilt.after.iter().find(|sum| sum.table == table).unwrap().rows;
    assert_eq!((rows("subscription_history"), rows("support_tickets"), rows("support_lessons")), (3, 2, 1));
    assert!(rebuilt.after.iter().filter(|sum| sum.rows > 0).count() >= 12, "{:?}", rebuilt.after);

    let app = setup.start_in(dir).await;
    let refused = tokio::task::spawn_blocking(move || rebuild(true)).await.unwrap();
    assert!(matches!(refused, Err(Error::Log(_))), "the broker runs");
    let desk = app.desk();
    post(&app, 80, "rito", "deal.created", &json!({"dealId": "d_2"}), "org_1").await;
    app.until_ended("camino", "delivered", 1).await;
    assert_eq!(desk.items("/v1/events?source=camino").await.len(), 4, "nothing was emitted again");
}

//! The hub made anew of the journal: the same state, and nothing emitted.

use std::sync::Arc;

use camino_broker::app::rebuild::{Wish, run};
use camino_broker::app::{Error, Ports};
use camino_broker::runtime::clock::SystemClock;
use camino_broker::runtime::entropy::OsEntropy;
use serde_json::json;

use super::deliveries::{post, setup};

#[tokio::test]
async fn a_rebuilt_hub_is_the_same_and_emits_nothing() {
    let app = setup().start().await;
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
    app.until_ended("camino", "delivered", 42).await;
    app.until("camino_hub_emissions_total{outcome=\"relayed\"}", 2).await;
    desk.until_items("/v1/events?source=camino", 2).await;

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
    assert_eq!((rebuilt.events, rebuilt.commands, rebuilt.refused), (42, 1, 0));
    assert_eq!(steps.last(), Some(&(42, 42)));
    assert_eq!(rebuilt.before.as_ref(), Some(&rebuilt.after));
    assert!(rebuilt.after.iter().filter(|sum| sum.rows > 0).count() >= 8, "{:?}", rebuilt.after);

    let app = setup.start_in(dir).await;
    let refused = tokio::task::spawn_blocking(move || rebuild(true)).await.unwrap();
    assert!(matches!(refused, Err(Error::Log(_))), "the broker runs");
    let desk = app.desk();
    post(&app, 70, "rito", "deal.created", &json!({"dealId": "d_2"}), "org_1").await;
    app.until_ended("camino", "delivered", 1).await;
    assert_eq!(desk.items("/v1/events?source=camino").await.len(), 2, "nothing was emitted again");
}

//! `PUT /v1/endpoints/{app}`: an endpoint as a whole, also for an app that the config gives none.

use camino_broker::domain::secret::Secret;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::{Value, json};

use crate::app::{Setup, endpoint_secret, endpoint_secret_text, signing_secret};

const MANCHA: &str = "/v1/endpoints/mancha";

fn field(problem: &Value) -> Option<&str> {
    problem["field"].as_str()
}

#[tokio::test]
async fn an_app_without_an_endpoint_gets_one_and_the_next_event() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().start().await;
    let desk = app.desk();
    app.send(&app.payment(1)).await.taken(202);
    let secret = endpoint_secret_text("mancha", 0);
    let problem = desk.put(MANCHA, &json!({ "secret": secret })).await.problem(400, "request.invalid");
    assert_eq!(field(&problem), Some("url"));
    let problem = desk.put(MANCHA, &json!({ "url": receiver.url() })).await.problem(400, "request.invalid");
    assert_eq!(field(&problem), Some("secret"));
    desk.refused(MANCHA, 404, "resource.not_found").await;
    let body = json!({ "url": receiver.url(), "secret": secret, "inFlightMax": 2 });
    let made = desk.put(MANCHA, &body).await.taken(200);
    assert_eq!((&made["url"], &made["origin"]), (&json!(receiver.url()), &json!("overlay")));
    assert_eq!((&made["secrets"], &made["inFlightMax"]), (&json!(1), &json!(2)));
    assert!(!made.to_string().contains(&secret));
    let accepted = app.send(&app.payment(2)).await.taken(202);
    assert_eq!(accepted["deliveries"][0]["receiver"], "mancha");
    let request = receiver.received().await;
    assert!(request.is_signed_by(&[endpoint_secret("mancha")], app.clock.now()));
    // It is there after a restart, and gone with a reset.
    let app = app.restart().await;
    app.send(&app.payment(3)).await.taken(202);
    receiver.wait_for(2).await;
    let reset = app.desk().post("/v1/endpoints/mancha/reset", "").await.taken(200);
    assert_eq!((&reset["url"], &reset["state"]), (&json!(null), &json!("none")));
    app.desk().refused(MANCHA, 404, "resource.not_found").await;
    let accepted = app.send(&app.payment(4)).await.taken(202);
    assert_eq!(accepted["deliveries"], json!([]));
}

#[tokio::test]
async fn what_is_left_out_goes_back_to_the_config_but_for_secrets() {
    let (old, new) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let app = Setup::new().receiver("mancha", &old).start().await;
    let desk = app.desk();
    desk.patch(MANCHA, &json!({ "url": new.url(), "ratePerSecond": 9, "paused": true })).await.taken(200);
    let whole = desk.put(MANCHA, &json!({ "inFlightMax": 5 })).await.taken(200);
    assert_eq!((&whole["url"], &whole["ratePerSecond"]), (&json!(old.url()), &json!(null)));
    assert_eq!((&whole["state"], &whole["inFlightMax"]), (&json!("active"), &json!(5)));
    let rotated = desk.post("/v1/endpoints/mancha/rotate-secret", "").await.taken(200);
    let whole = desk.put(MANCHA, &json!({})).await.taken(200);
    assert_eq!((&whole["origin"], &whole["secrets"]), (&json!("overlay"), &json!(2)));
    app.send(&app.payment(1)).await.taken(202);
    let newest = Secret::new(rotated["secret"].as_str().unwrap()).unwrap();
    assert!(old.received().await.is_signed_by(&[newest], app.clock.now()));
}

#[tokio::test]
async fn a_secret_in_a_put_signs_and_the_one_before_signs_along() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    let body = json!({ "secret": endpoint_secret_text("mancha", 1) });
    // Twice is once: the newest is the same.
    for _ in 0..2 {
        assert_eq!(desk.put(MANCHA, &body).await.taken(200)["secrets"], 2);
    }
    app.send(&app.payment(1)).await.taken(202);
    let request = receiver.received().await;
    let newest = Secret::new(&endpoint_secret_text("mancha", 1)).unwrap();
    assert!(request.is_signed_by(&[newest], app.clock.now()));
    assert_eq!(request.header("webhook-signature").unwrap().split(' ').count(), 2);
}

#[tokio::test]
async fn nobody_gets_another_apps_signing_secret_and_the_hub_has_no_endpoint() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let body = json!({ "url": "https://a.example/", "secret": signing_secret("hoja").reveal() });
    let problem = desk.put(MANCHA, &body).await.problem(400, "request.invalid");
    assert_eq!(field(&problem), Some("secret"));
    assert!(!problem.to_string().contains(signing_secret("hoja").reveal()), "{problem}");
    desk.put("/v1/endpoints/hoja", &body).await.taken(200);
    let own = json!({ "url": "https://a.example/", "secret": endpoint_secret_text("camino", 0) });
    desk.put("/v1/endpoints/camino", &own).await.problem(409, "resource.state_conflict");
    desk.put("/v1/endpoints/nobody-knows-me", &own).await.problem(404, "resource.not_found");
}

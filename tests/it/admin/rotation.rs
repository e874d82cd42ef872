//! `POST /v1/endpoints/{app}/rotate-secret`: the new secret signs, the old one signs along.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use camino_broker::domain::secret::Secret;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::json;

use crate::app::{Setup, endpoint_secret, endpoint_secret_text, signing_secret, slug};
use crate::desk::names;

const ROTATE: &str = "/v1/endpoints/mancha/rotate-secret";

#[tokio::test]
async fn the_next_delivery_carries_both_signatures_of_a_rotation() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    let rotated = desk.post(ROTATE, "").await.taken(200);
    assert_eq!(names(&rotated), ["app", "secret"]);
    let newest = Secret::new(rotated["secret"].as_str().unwrap()).unwrap();
    assert_eq!(desk.get("/v1/endpoints/mancha").await["secrets"], 2);
    let app = app.restart().await;
    app.send(&app.payment(1)).await.taken(202);
    let request = receiver.received().await;
    assert_eq!(request.header("webhook-signature").unwrap().split(' ').count(), 2);
    let now = app.clock.now();
    assert!(request.is_signed_by(std::slice::from_ref(&newest), now));
    let (ecosystem, standard) = request.verdicts(&[endpoint_secret("mancha")], now);
    let shown = format!("{ecosystem:?} {standard:?}");
    assert!(shown.starts_with("BadSignature Valid"), "the ecosystem's header has room for one: {shown}");
    // A second rotation drops the oldest.
    let again = app.desk().post(ROTATE, "").await.taken(200);
    assert_ne!(again["secret"], rotated["secret"]);
    app.send(&app.payment(2)).await.taken(202);
    let request = receiver.received().await;
    let (_, old) = request.verdicts(&[endpoint_secret("mancha")], app.clock.now());
    assert_eq!(format!("{old:?}"), "BadSignature");
    let (_, before) = request.verdicts(&[newest], app.clock.now());
    assert!(format!("{before:?}").starts_with("Valid"));
}

#[tokio::test]
async fn a_supplied_secret_is_taken_unless_it_could_forge_another_app() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    let plain = signing_secret("colectiva");
    let spelled = format!("whsec_{}", BASE64.encode(plain.reveal()));
    for secret in [plain.reveal(), spelled.as_str()] {
        let body = json!({ "secret": secret }).to_string();
        let problem = desk.post(ROTATE, &body).await.problem(400, "request.invalid");
        assert_eq!(problem["field"], "secret");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("colectiva") && !detail.contains(secret), "{detail}");
    }
    for bad in ["", "whsec_", "whsec_no base64", " padded"] {
        let body = json!({ "secret": bad }).to_string();
        let problem = desk.post(ROTATE, &body).await.problem(400, "request.invalid");
        assert_eq!(problem["field"], "secret");
    }
    let problem = desk.post(ROTATE, r#"{"secret":"whsec_!!"}"#).await.problem(400, "request.invalid");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("`secret` begins with `whsec_`, so the rest must be base64"), "{detail}");
    desk.post(ROTATE, r#"{"secrets":"x"}"#).await.problem(400, "request.invalid");
    assert_eq!(desk.get("/v1/endpoints/mancha").await["secrets"], 1, "nothing was changed");
    let own = json!({ "secret": endpoint_secret_text("mancha", 7) });
    assert_eq!(desk.post(ROTATE, &own.to_string()).await.taken(200)["secret"], own["secret"]);
    app.send(&app.payment(1)).await.taken(202);
    let secret = Secret::new(&endpoint_secret_text("mancha", 7)).unwrap();
    assert!(receiver.received().await.is_signed_by(&[secret], app.clock.now()));
}

#[tokio::test]
async fn sources_with_secrets_of_their_own_are_said_to_be_left_out() {
    let receiver = FakeReceiver::start().await.unwrap();
    let own = Secret::new(&endpoint_secret_text("own", 0)).unwrap();
    let setup = Setup::new().receiver("mancha", &receiver).app("mancha", |app| {
        app.endpoint_secrets_by_source.insert(slug("colectiva"), vec![own.clone()]);
    });
    let app = setup.start().await;
    let rotated = app.desk().post(ROTATE, "").await.taken(200);
    assert_eq!(rotated["exceptSources"], json!(["colectiva"]));
    assert!(rotated["note"].as_str().unwrap().contains("endpoint_secrets_by_source"), "{rotated}");
    app.send(&app.payment(1)).await.taken(202);
    assert!(receiver.received().await.is_signed_by(&[own], app.clock.now()));
}

//! `Idempotency-Key` on writes: once for each key, and whole even if the caller hangs up.

use std::pin::pin;

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::Method;
use serde_json::{Value, json};

use crate::app::{Setup, headers, with};

const BODY: &str = r#"{"name":"once","scopes":["read"]}"#;
const TEST: &str = "/v1/endpoints/mancha/test";

#[tokio::test]
async fn the_same_body_gets_the_same_answer_and_nothing_is_done_twice() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let first = desk.once("k1", "/v1/keys", BODY).await;
    let made = first.taken(201);
    assert!(first.header("idempotency-replayed").is_none());
    let again = desk.once("k1", "/v1/keys", BODY).await;
    let repeated = again.taken(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(repeated, json!({ "keyId": made["keyId"], "key": null }), "a secret is shown once only");
    assert_eq!(desk.items("/v1/keys").await.len(), 1);
    // The other spelling of the header is the same key.
    let alias = with(desk.headers(), "x-idempotency-key", "k1");
    let alias = app.client.ask(Method::POST, "/v1/keys", &alias, BODY).await;
    assert_eq!(alias.taken(201)["keyId"], made["keyId"]);
    desk.once("k1", "/v1/keys", &BODY.replace("once", "twice"))
        .await
        .problem(409, "idempotency.body_mismatch");
    desk.once("k2", "/v1/keys", BODY).await.taken(201);
    let app = app.restart().await;
    assert_eq!(app.desk().once("k1", "/v1/keys", BODY).await.taken(201)["keyId"], made["keyId"]);
    assert_eq!(app.desk().items("/v1/keys").await.len(), 2);
}

#[tokio::test]
async fn a_key_is_its_callers_its_methods_and_its_paths_own() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let desk = app.desk();
    let (_, key) = desk.make_key("admin", None).await;
    let other = app.desk_of(&key);
    let mine = desk.once("k", "/v1/keys", BODY).await.taken(201);
    let theirs = other.once("k", "/v1/keys", BODY).await.taken(201);
    assert_ne!(mine["keyId"], theirs["keyId"]);
    for path in ["pause", "resume"] {
        let answer = desk.once("k", &format!("/v1/endpoints/mancha/{path}"), "").await;
        assert!(answer.header("idempotency-replayed").is_none(), "{path}");
    }
    let bare = headers(&[("idempotency-key", "k")]);
    app.client.ask(Method::POST, "/v1/keys", &bare, BODY).await.problem(401, "key.missing");
    for bad in ["", &"x".repeat(256)] {
        desk.once(bad, "/v1/keys", BODY).await.problem(400, "request.invalid");
    }
}

#[tokio::test]
async fn a_refusal_is_repeated_too_and_is_tied_to_the_request_that_asks() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let ask = async |correlation: &str| {
        let headers = with(with(desk.headers(), "idempotency-key", "k"), "x-correlation-id", correlation);
        let answer = app.client.ask(Method::POST, "/v1/endpoints/mancha/pause", &headers, "").await;
        assert_eq!(answer.header("idempotency-replayed").is_some(), correlation == "second");
        let problem = answer.problem(404, "resource.not_found");
        assert_eq!(problem["correlationId"], correlation);
        problem["detail"].clone()
    };
    assert_eq!(ask("first").await, ask("second").await);
}

#[tokio::test]
async fn in_flight_is_409_with_retry_after_and_a_hang_up_cuts_nothing() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(200).with_body("at last").held()]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    {
        let mut waiting = pin!(desk.once("k", TEST, ""));
        tokio::select! {
            answer = &mut waiting => panic!("the receiver holds it: {answer:?}"),
            _ = receiver.received() => {}
        }
        assert_eq!(desk.once("k", TEST, "").await.later(409, "idempotency.in_flight"), 1);
        desk.once("k", TEST, "other").await.problem(409, "idempotency.body_mismatch");
        // The caller hangs up here.
    }
    desk.once("k", TEST, "").await.problem(409, "idempotency.in_flight");
    receiver.release(1);
    let answer = loop {
        let answer = desk.once("k", TEST, "").await;
        if answer.status != 409 {
            break answer;
        }
    };
    assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    assert_eq!(answer.taken(200)["answer"], Value::from("at last"));
    assert_eq!(receiver.count(), 1, "it was carried out once");
}

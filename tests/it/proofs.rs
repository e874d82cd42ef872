//! Who may post: the accepted proofs, the one answer to all that fail, the window, and the guard that
//! slows those who guess.

use std::pin::pin;
use std::time::Duration;

use camino_broker::domain::signature::{sign_ecosystem, sign_standard};
use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use serde_json::Value;

use crate::app::{EVENTS, Setup, TestApp, headers, signing_secret, with};
use crate::client::Headers;

const REFUSED: &str = "webhook.signature_invalid";

/// `headers` without those whose name begins with `prefix`.
fn without(headers: Headers, prefix: &str) -> Headers {
    headers.into_iter().filter(|(name, _)| !name.starts_with(prefix)).collect()
}

async fn refused(app: &TestApp, headers: &Headers, body: &str) -> Value {
    let headers = with(headers.clone(), "x-correlation-id", "same");
    app.post(EVENTS, &headers, body.to_owned()).await.problem(401, REFUSED)
}

#[tokio::test]
async fn either_scheme_proves_the_source_and_so_do_both_at_once() {
    let app = Setup::new().start().await;
    let bodies: Vec<String> = (1..=4).map(|n| app.payment(n).body()).collect();
    let mut both = app.signed("colectiva", &bodies[2]);
    both.extend(without(app.signed_standard("colectiva", &bodies[2]), "content-type"));
    let mut upper = app.signed("colectiva", &bodies[3]);
    for (_, value) in upper.iter_mut().filter(|(name, _)| name == "x-webhook-signature") {
        *value = format!("sha256={}", value[7..].to_uppercase());
    }
    let proofs =
        [app.signed("colectiva", &bodies[0]), app.signed_standard("colectiva", &bodies[1]), both, upper];
    for (headers, body) in proofs.iter().zip(bodies) {
        app.post(EVENTS, headers, body).await.taken(202);
    }
}

#[tokio::test]
async fn one_of_two_signatures_is_enough() {
    let app = Setup::new().start().await;
    let (first, second) = (app.payment(1).body(), app.payment(2).body());
    let mut good_standard = app.signed_standard("colectiva", &first);
    good_standard.extend(without(app.signed("colectiva", "another body"), "content-type"));
    app.post(EVENTS, &good_standard, first).await.taken(202);
    let mut good_ecosystem = app.signed("colectiva", &second);
    good_ecosystem.extend(without(app.signed_standard("hoja", &second), "content-type"));
    app.post(EVENTS, &good_ecosystem, second).await.taken(202);
}

#[tokio::test]
async fn both_live_secrets_of_a_rotation_prove_the_source() {
    let rotating = Setup::new().app("colectiva", |app| {
        app.signing_secrets = vec![signing_secret("colectiva-next"), signing_secret("colectiva")];
    });
    let app = rotating.start().await;
    let (old, new) = (app.payment(1).body(), app.payment(2).body());
    app.post(EVENTS, &app.signed("colectiva", &old), old.clone()).await.taken(202);
    app.post(EVENTS, &app.signed("colectiva-next", &new), new.clone()).await.taken(202);
}

#[tokio::test]
async fn bad_signature_unknown_source_no_proof_and_wrong_source_are_the_same_401() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let stranger = app.payment(1).with("source", "\"nobody-knows-me\"").body();
    let silent = app.payment(1).with("source", "\"agora\"").body();
    let good = app.signed("colectiva", &body);
    let standard = app.signed_standard("colectiva", &body);
    let timestamp = app.clock.now().seconds().to_string();
    let mut cases = vec![
        // No proof, or half of one.
        (headers(&[("content-type", "application/json")]), body.as_str()),
        (without(good.clone(), "x-webhook-timestamp"), &body),
        (without(good.clone(), "x-webhook-signature"), &body),
        (without(standard.clone(), "webhook-id"), &body),
        // Another source's secret; a source nobody knows; one that has no secret.
        (app.signed("hoja", &body), &body),
        (app.signed("colectiva", &stranger), &stranger),
        (app.signed("agora", &silent), &silent),
        // A key that nobody was given.
        (headers(&[("content-type", "application/json"), ("authorization", "Bearer guess")]), &body),
        (headers(&[("content-type", "application/json"), ("x-api-key", "guess")]), &body),
        // The incoming id is part of the signed text.
        (with(standard, "webhook-id", "msg_2"), &body),
    ];
    for wrong in ["", "sha256=", "sha256=00", "sha256=zz", "sha1=00", &"0".repeat(64)] {
        cases.push((with(good.clone(), "x-webhook-signature", wrong), &body));
    }
    for wrong in ["", "soon", "-1", "1e9", "+5"] {
        cases.push((with(good.clone(), "x-webhook-timestamp", wrong), &body));
    }
    let other = sign_ecosystem(&signing_secret("colectiva"), b"another body");
    cases.push((with(good.clone(), "x-webhook-signature", &other), &body));
    let mut answers = Vec::new();
    for (headers, body) in &cases {
        answers.push(refused(&app, headers, body).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let shown = answers[0].to_string();
    assert!(!shown.contains("colectiva") && !shown.contains(&timestamp), "{shown}");
    // Not one of them left a trace.
    app.post(EVENTS, &good, body.clone()).await.taken(202);
}

#[tokio::test]
async fn outside_the_window_401_and_the_edges_are_inside() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let now = clock.now().seconds();
    let table = [(now - 300, 202), (now + 300, 202), (now - 301, 401), (now + 301, 401), (0, 401)];
    let mut n = 0;
    for (at, status) in table {
        for standard in [false, true] {
            n += 1;
            let body = app.payment(n).body();
            let mut headers = app.signed("colectiva", &body);
            if standard {
                let secret = signing_secret("colectiva");
                let signature = sign_standard(&[&secret], "msg_1", at, body.as_bytes());
                headers = with(app.signed_standard("colectiva", &body), "webhook-signature", &signature);
            }
            let name = if standard { "webhook-timestamp" } else { "x-webhook-timestamp" };
            let answer = app.post(EVENTS, &with(headers, name, &at.to_string()), body).await;
            if status == 202 {
                answer.taken(202);
            } else {
                answer.problem(401, "webhook.timestamp_out_of_window");
            }
        }
    }
}

#[tokio::test]
async fn a_bad_signature_outside_the_window_is_a_bad_signature() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let old = with(app.signed("hoja", &body), "x-webhook-timestamp", "1000");
    app.post(EVENTS, &old, body).await.problem(401, REFUSED);
}

#[tokio::test]
async fn failed_proofs_are_slowed_past_100_a_minute_while_a_valid_proof_is_not() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let body = app.payment(1).body();
    let bad = app.signed("hoja", &body);
    for _ in 0..100 {
        app.post(EVENTS, &bad, body.clone()).await.problem(401, REFUSED);
    }
    let good = app.payment(2);
    let mut slowed = pin!(app.post(EVENTS, &bad, body.clone()));
    tokio::select! {
        biased;
        early = &mut slowed => panic!("not slowed: {early:?}"),
        valid = app.send(&good) => drop(valid.taken(202)),
    }
    // The answer is the same; it only comes later.
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut slowed => break answer,
            _ = app.get("/healthz") => clock.advance(Duration::from_millis(500)),
        }
    };
    answer.problem(401, REFUSED);
    clock.advance(Duration::from_mins(1));
    app.post(EVENTS, &bad, body).await.problem(401, REFUSED);
}

/// The headers of a JSON body that comes with a key.
fn keyed(key: &str) -> Headers {
    headers(&[("content-type", "application/json"), ("authorization", &format!("Bearer {key}"))])
}

#[tokio::test]
async fn a_bearer_key_proves_the_source_it_is_bound_to_and_no_other() {
    let app = Setup::new().start().await;
    let (key_id, key) = app.desk().make_key("events:write", Some("colectiva")).await;
    let (_, reads) = app.desk().make_key("admin", None).await;
    let body = app.payment(1).body();
    app.post(EVENTS, &keyed(&key), body.clone()).await.taken(202);
    let other_header = headers(&[("content-type", "application/json"), ("x-api-key", &key)]);
    app.post(EVENTS, &other_header, app.payment(2).body()).await.taken(202);
    let batch = format!("{{\"events\":[{},{}]}}", app.payment(3).body(), app.payment(4).body());
    let json = app.post("/v1/events/batch", &keyed(&key), batch).await.taken(200);
    assert!(json["items"].as_array().unwrap().iter().all(|item| item["status"] == "accepted"), "{json}");
    let path = format!("/v1/events/{}", crate::draft::id(1));
    assert_eq!(app.desk().until(&path, |event| event["proof"].is_string()).await["proof"], "bearer");
    let wrong = app.draft(5, "hoja", "sale.completed", crate::draft::SALE).body();
    let unproven = refused(&app, &keyed(&key), &wrong).await;
    for other in [reads.as_str(), crate::app::ADMIN_KEY, "cmn_guess"] {
        assert_eq!(refused(&app, &keyed(other), &body).await, unproven, "no scope includes events:write");
    }
    // A key that proves nothing takes nothing away from a signature.
    let mut both = app.signed("hoja", &wrong);
    both.push(("x-api-key".to_owned(), key.clone()));
    app.post(EVENTS, &both, wrong.clone()).await.taken(202);
    app.desk().ask(http::Method::DELETE, &format!("/v1/keys/{key_id}"), "").await.taken(200);
    assert_eq!(refused(&app, &keyed(&key), &app.payment(6).body()).await, unproven, "revoked");
}

#[tokio::test]
async fn a_bearer_key_is_refused_past_its_end() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let end = clock.now().plus(Duration::from_mins(10)).rfc3339();
    let body = serde_json::json!({
        "name": "backfill", "scopes": ["events:write"], "source": "colectiva", "expiresAt": end
    });
    let made = app.desk().post("/v1/keys", &body.to_string()).await.taken(201);
    let key = made["key"].as_str().unwrap();
    app.post(EVENTS, &keyed(key), app.payment(1).body()).await.taken(202);
    clock.advance(Duration::from_mins(11));
    refused(&app, &keyed(key), &app.payment(2).body()).await;
}

#[tokio::test]
async fn a_backfill_by_key_may_carry_old_times_and_a_signed_event_may_not() {
    let app = Setup::new().start().await;
    let (_, key) = app.desk().make_key("events:write", Some("colectiva")).await;
    for (n, time) in [(1, "\"2019-01-01T00:00:00Z\""), (2, "\"2099-01-01T00:00:00Z\"")] {
        let draft = app.payment(n).with("timestamp", time);
        let code = if n == 1 { "event.too_old" } else { "event.in_future" };
        app.send(&draft).await.problem(422, code);
        app.post(EVENTS, &keyed(&key), draft.body()).await.taken(202);
        let json = app.post(EVENTS, &keyed(&key), draft.body()).await.taken(200);
        assert_eq!(json["status"], "duplicate");
    }
}

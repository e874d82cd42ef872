//! What ingest refuses for its form: the envelope, its age, its size, its type, the source's quota.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use serde_json::json;

use camino_broker::runtime::clock::Clock as _;

use crate::app::{EVENTS, Setup, with};
use crate::draft::SALE;

#[tokio::test]
async fn malformed_json_400() {
    let app = Setup::new().start().await;
    let good = app.payment(1).body();
    let twice = good.replacen('{', "{\"data\":1,", 1);
    let cut = &good[..good.len() - 1];
    let more = format!("{good}{good}");
    for body in ["", "{", "[]", "7", "\"text\"", "null", cut, more.as_str(), twice.as_str()] {
        app.send_as("colectiva", body.to_owned()).await.problem(400, "envelope.malformed");
    }
}

#[tokio::test]
async fn invalid_utf8_400() {
    let app = Setup::new().start().await;
    let mut body = app.payment(1).body().into_bytes();
    let at = body.windows(5).position(|w| w == b"pay_1").unwrap();
    body[at] = 0xff;
    let problem = app.send_as("colectiva", body).await.problem(400, "envelope.malformed");
    assert!(problem["detail"].as_str().unwrap().contains("UTF-8"));
}

#[tokio::test]
async fn nesting_over_64_400() {
    let app = Setup::new().start().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // The envelope itself is one level.
    app.send(&app.payment(1).with("data", &nested(63))).await.taken(202);
    for depth in [64, 100_000] {
        let draft = app.payment(2).with("data", &nested(depth));
        app.send(&draft).await.problem(400, "envelope.malformed");
    }
    let brackets = format!("\"{}\"", "[{\\\"".repeat(1000));
    app.send(&app.payment(3).with("data", &brackets)).await.taken(202);
}

#[tokio::test]
async fn missing_or_ill_typed_field_400_names_the_field() {
    let app = Setup::new().start().await;
    for field in ["eventId", "eventType", "timestamp", "source", "organizationId", "data"] {
        let problem = app.send(&app.payment(1).without(field)).await.problem(400, "envelope.invalid");
        assert_eq!(problem["field"], field);
    }
    for (field, value) in [
        ("eventId", "7"),
        ("eventId", "\"\""),
        ("eventId", "\"with blank\""),
        ("eventType", "null"),
        ("eventType", "\"a/b\""),
        ("timestamp", "1776340800"),
        ("timestamp", "\"2026-04-16T12:00:00\""),
        ("timestamp", "\"yesterday\""),
        ("source", "\"Not A Slug\""),
        ("organizationId", "[]"),
        ("metadata", "[]"),
    ] {
        let problem = app.send(&app.payment(1).with(field, value)).await.problem(400, "envelope.invalid");
        assert_eq!(problem["field"], field, "{value}");
    }
    let long = format!("\"{}\"", "x".repeat(129));
    let problem = app.send(&app.payment(1).with("eventId", &long)).await.problem(400, "envelope.invalid");
    assert_eq!(problem["field"], "eventId");
    let problem = app.send(&app.payment(1).with("metadata", r#"{"correlationId":7}"#)).await;
    assert_eq!(problem.problem(400, "envelope.invalid")["field"], "metadata.correlationId");
}

#[tokio::test]
async fn too_old_422_and_the_edge_is_inside() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let window = Duration::from_hours(72);
    let quoted = |at: camino_broker::domain::time::Millis| format!("\"{at}\"");
    let edge = clock.now().minus(window);
    app.send(&app.payment(1).with("timestamp", &quoted(edge))).await.taken(202);
    let older = quoted(edge.minus(Duration::from_millis(1)));
    app.send(&app.payment(2).with("timestamp", &older)).await.problem(422, "event.too_old");
    // Another offset is the same instant.
    app.send(&app.payment(3).with("timestamp", "\"2026-04-16T06:00:00-06:00\"")).await.taken(202);
}

#[tokio::test]
async fn in_future_422_and_the_edge_is_inside() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let edge = clock.now().plus(Duration::from_mins(5));
    app.send(&app.payment(1).with("timestamp", &format!("\"{edge}\""))).await.taken(202);
    let later = edge.plus(Duration::from_millis(1));
    let draft = app.payment(2).with("timestamp", &format!("\"{later}\""));
    app.send(&draft).await.problem(422, "event.in_future");
    clock.advance(Duration::from_secs(1));
    app.send(&draft).await.taken(202);
}

#[tokio::test]
async fn over_body_bytes_max_413() {
    let app = Setup::new().with(|config| config.ingest.body_bytes_max = 4096).start().await;
    let padded = |bytes: usize| {
        let body = app.payment(1).with("extra", "\"\"").body();
        let pad = "x".repeat(bytes - body.len());
        body.replace("\"extra\":\"\"", &format!("\"extra\":\"{pad}\""))
    };
    app.send_as("colectiva", padded(4097)).await.problem(413, "body.too_large");
    app.send_as("colectiva", padded(4096)).await.taken(202);
}

/// Such a client writes all of its body before it reads, so a server that closes early breaks its pipe.
#[tokio::test]
async fn over_body_bytes_max_413_is_seen_by_a_client_that_writes_everything_first() {
    let app = Setup::new().start().await;
    let body = vec![b'x'; 5 << 20];
    let mut announced = app.wire().await;
    let json = app.signed("colectiva", &body);
    announced.head(EVENTS, &with(json.clone(), "content-length", &body.len().to_string())).await;
    announced.write("\r\n").await;
    announced.write(&body).await;
    announced.answer().await.problem(413, "body.too_large");

    let mut chunked = app.wire().await;
    chunked.head(EVENTS, &with(json, "transfer-encoding", "chunked")).await;
    chunked.write("\r\n").await;
    for piece in body.chunks(100_000) {
        chunked.chunk(piece).await;
    }
    chunked.chunk(&[]).await;
    chunked.answer().await.problem(413, "body.too_large");
}

#[tokio::test]
async fn a_chunked_body_within_its_bound_is_taken() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let mut wire = app.wire().await;
    wire.head(EVENTS, &with(app.signed("colectiva", &body), "transfer-encoding", "chunked")).await;
    wire.write("\r\n").await;
    for piece in body.as_bytes().chunks(7) {
        wire.chunk(piece).await;
    }
    wire.chunk(&[]).await;
    assert_eq!(wire.answer().await.status.as_u16(), 202);
}

#[tokio::test]
async fn wrong_content_type_415() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let signed = app.signed("colectiva", &body);
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""] {
        let answer = app.post(EVENTS, &with(signed.clone(), "content-type", wrong), body.clone()).await;
        answer.problem(415, "content_type.unsupported");
    }
    let none = signed.iter().filter(|(name, _)| name != "content-type").cloned().collect();
    app.post(EVENTS, &none, body).await.problem(415, "content_type.unsupported");
    let kinds = ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"];
    for (n, right) in (2..).zip(kinds) {
        let body = app.payment(n).body();
        let headers = with(app.signed("colectiva", &body), "content-type", right);
        app.post(EVENTS, &headers, body).await.taken(202);
    }
}

#[tokio::test]
async fn over_its_quota_429() {
    let clock = ManualClock::default();
    let limited = Setup::on(clock.clone()).app("colectiva", |app| app.ingest_quota = Some(2));
    let app = limited.start().await;
    clock.advance(Duration::from_secs(13));
    for n in [1, 2] {
        app.send(&app.payment(n)).await.taken(202);
    }
    let third = app.payment(3);
    assert_eq!(app.send(&third).await.later(429, "quota.exceeded"), 47, "until the minute ends");
    // A repeat takes nothing of the quota, and another source has its own.
    app.send(&app.payment(1)).await.taken(200);
    app.send(&app.draft(1, "hoja", "sale.completed", SALE)).await.taken(202);
    clock.advance(Duration::from_secs(47));
    assert_eq!(app.send(&third).await.taken(202)["status"], json!("accepted"));
}

#[tokio::test]
async fn a_path_or_method_that_is_not_there_is_a_problem_too() {
    let app = Setup::new().start().await;
    app.get("/v1/nothing").await.problem(404, "resource.not_found");
    let answer = app.get("/v1/events/batch").await;
    answer.problem(405, "request.method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
}

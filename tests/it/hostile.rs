//! Clients that mean harm, or are as broken as if they did. Each costs a bounded part of the broker, gets an
//! answer where one can be given, and healthy traffic goes on beside it.

use std::time::Duration;

use camino_broker::http::body::READ_SPAN_MAX;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::FakeReceiver;

use crate::app::{BATCH, EVENTS, Setup, TestApp, headers, with};
use crate::client::Wire;
use crate::draft::SALE;

/// A sender as it should be is served all the same.
async fn healthy(app: &TestApp, n: u32) {
    app.send(&app.payment(n)).await.taken(202);
}

/// What the broker says to bytes that are no request of ours, until it closes.
async fn said(app: &TestApp, bytes: impl AsRef<[u8]>) -> String {
    let mut wire = app.wire().await;
    wire.write(bytes).await;
    String::from_utf8_lossy(&wire.rest().await).into_owned()
}

#[tokio::test]
async fn slow_headers_are_cut_off() {
    let app =
        Setup::new().with(|config| config.server.header_timeout = Duration::from_millis(300)).start().await;
    let mut slow = Vec::new();
    for head in
        ["", "P", "POST /v1/events HTTP/1.1\r\n", "POST /v1/events HTTP/1.1\r\nhost: camino\r\nx-slow: "]
    {
        let mut wire = app.wire().await;
        wire.write(head).await;
        slow.push(wire);
    }
    healthy(&app, 1).await;
    for wire in slow {
        let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(!rest.contains("202"), "{rest}");
    }
}

#[tokio::test]
async fn a_connection_that_stays_idle_between_requests_is_closed() {
    let app =
        Setup::new().with(|config| config.server.header_timeout = Duration::from_millis(300)).start().await;
    let answer = said(&app, "GET /healthz HTTP/1.1\r\nhost: camino\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn slow_bodies_408() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let body = app.payment(1).body();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut wire = app.wire().await;
        let length = body.len().to_string();
        wire.head(EVENTS, &with(app.signed("colectiva", &body), "content-length", &length)).await;
        wire.write(format!("\r\n{}", &body[..40])).await;
        slow.push(wire);
    }
    healthy(&app, 2).await;
    for wire in slow {
        // Turned until it answers: when the broker began to read is not known here.
        let answer = app.turn_until(&clock, READ_SPAN_MAX, wire.answer()).await;
        answer.problem(408, "body.timeout");
    }
    healthy(&app, 3).await;
}

#[tokio::test]
async fn too_many_connections_wait_and_idle_ones_make_room() {
    let few = |config: &mut camino_broker::config::Config| {
        config.server.connections_max = 4;
        config.server.header_timeout = Duration::from_millis(300);
    };
    let app = Setup::new().with(few).start().await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(app.wire().await);
    }
    // Waits its turn behind all of them, and has it once they were cut off.
    healthy(&app, 1).await;
    for wire in idle {
        assert!(wire.rest().await.is_empty(), "nobody asked");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_431() {
    let app = Setup::new().start().await;
    let long = format!("POST {EVENTS} HTTP/1.1\r\nhost: camino\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let lines = "x-one-more: of them\r\n".repeat(1000);
    let many = format!("POST {EVENTS} HTTP/1.1\r\nhost: camino\r\n{lines}\r\n");
    let target = format!("GET /{} HTTP/1.1\r\nhost: camino\r\n\r\n", "x".repeat(1 << 20));
    for head in [long, many, target] {
        let mut wire = app.wire().await;
        // It may be cut off before all of it is out.
        wire.try_write(&head).await;
        let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(
            rest.is_empty() || rest.starts_with("HTTP/1.1 431") || rest.starts_with("HTTP/1.1 414"),
            "{rest}"
        );
    }
    healthy(&app, 1).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_hung_up_on() {
    let app = Setup::new().start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx : space before the colon\r\n\r\n",
    ] {
        let answer = said(&app, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    healthy(&app, 1).await;
}

#[tokio::test]
async fn two_lengths_of_one_body_are_never_read_as_two_requests() {
    let app = Setup::new().start().await;
    let inner = "GET /metrics HTTP/1.1\r\nhost: camino\r\n\r\n";
    for lengths in [
        format!("content-length: 0\r\ncontent-length: {}", inner.len()),
        "content-length: +1".to_owned(),
        "content-length: 1, 2".to_owned(),
        "content-length: -1".to_owned(),
        "content-length: 99999999999999999999999".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
    ] {
        let request = format!("POST {EVENTS} HTTP/1.1\r\nhost: camino\r\n{lengths}\r\n\r\n{inner}");
        let answer = said(&app, request).await;
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("camino_"), "{lengths}: {answer}");
    }
    // A length beside chunks: the chunks count, and the connection is not used again.
    let both = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: camino\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
    );
    let mut wire = app.wire().await;
    wire.write(both).await;
    let first = wire.read_some().await;
    assert!(first.starts_with("HTTP/1.1 4"), "{first}");
    healthy(&app, 1).await;
}

#[tokio::test]
async fn broken_chunks_400() {
    let app = Setup::new().start().await;
    for chunks in ["zz\r\n", "-1\r\n", "ffffffffffffffff1\r\nx", "5\r\nhello, world\r\n"] {
        let mut wire = app.wire().await;
        let json = headers(&[("content-type", "application/json"), ("transfer-encoding", "chunked")]);
        wire.head(EVENTS, &json).await;
        wire.write(format!("\r\n{chunks}")).await;
        let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{chunks:?}: {rest}");
    }
    healthy(&app, 1).await;
}

#[tokio::test]
async fn an_endless_body_413() {
    let app = Setup::new().start().await;
    let mut wire = app.wire().await;
    let json = headers(&[("content-type", "application/json"), ("transfer-encoding", "chunked")]);
    wire.head(EVENTS, &json).await;
    wire.write("\r\n").await;
    let chunk = [b"10000\r\n", vec![b'x'; 0x10000].as_slice(), b"\r\n"].concat();
    // Ends when the broker has had enough.
    let mut sent = 0;
    while wire.try_write(&chunk).await {
        sent += chunk.len();
        assert!(sent < 256 << 20, "it takes all of it");
    }
    healthy(&app, 1).await;
}

#[tokio::test]
async fn deep_json_400_wherever_it_stands() {
    let app = Setup::new().start().await;
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let deep = open.repeat(200_000 / open.len());
        app.send_as("colectiva", deep.clone()).await.problem(400, "envelope.malformed");
        let body = format!("{{\"events\":{deep}");
        app.post(BATCH, &app.signed("colectiva", &body), body).await.problem(400, "envelope.malformed");
        let data = app.payment(1).with("data", &deep).body();
        app.send_as("colectiva", data).await.problem(400, "envelope.malformed");
        for path in ["/v1/keys", "/v1/endpoints/mancha/rotate-secret"] {
            let answer = app.desk().post(path, &deep).await;
            assert!(answer.status.is_client_error(), "{path}: {}", answer.text());
        }
    }
    healthy(&app, 2).await;
}

#[tokio::test]
async fn huge_numbers_pass_unread_as_data_and_are_refused_as_fields() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let digits = "9".repeat(100_000);
    for (n, number) in (1..).zip(["1e400", "-1e-400", "1e999999999999", &digits, "0.1e+99999", "-0"]) {
        let data = SALE.replace("2380", number);
        let draft = app.draft(n, "colectiva", "sale.completed", &data);
        let answer = app.send(&draft).await;
        // The registry decides who may send it; whoever may, the bytes stay as they are.
        assert!([202, 403].contains(&answer.status.as_u16()), "{number:.20}: {}", answer.text());
    }
    for field in ["eventId", "timestamp", "source", "organizationId"] {
        let problem = app.send(&app.payment(90).with(field, "1e400")).await.problem(400, "envelope.invalid");
        assert_eq!(problem["field"], field);
    }
    for number in ["1e400", "-1", "99999999999999999999999999", "0.5"] {
        let body = format!("{{\"inFlightMax\":{number}}}");
        app.desk()
            .ask(http::Method::PATCH, "/v1/endpoints/mancha", &body)
            .await
            .problem(400, "request.invalid");
    }
    healthy(&app, 100).await;
}

#[tokio::test]
async fn duplicate_keys_400_for_every_field_of_the_envelope() {
    let app = Setup::new().start().await;
    for field in ["eventId", "eventType", "timestamp", "source", "organizationId", "data", "metadata"] {
        let body = app.payment(1).with("metadata", "{}").body();
        for twin in [
            format!("\"{field}\":\"other\","),
            format!("\"\\u{:04x}{}\":1,", field.as_bytes()[0], &field[1..]),
        ] {
            let twice = body.replacen('{', &format!("{{{twin}"), 1);
            app.send_as("colectiva", twice).await.problem(400, "envelope.malformed");
        }
    }
    let twice = app.payment(1).with("metadata", r#"{"correlationId":"a","correlationId":"b"}"#);
    app.send(&twice).await.problem(400, "envelope.invalid");
    let body = format!("{{\"events\":[],\"events\":[{}]}}", app.payment(1).body());
    app.post(BATCH, &app.signed("colectiva", &body), body).await.problem(400, "envelope.malformed");
    // In `data` they are the sender's business, and go on as they came.
    app.send(&app.payment(2).with("data", r#"{"a":1,"a":2}"#)).await.taken(202);
    for body in [
        r#"{"name":"a","name":"b","scopes":["read"]}"#,
        r#"{"name":"a","scopes":["read"],"scopes":["admin"]}"#,
    ] {
        app.desk().post("/v1/keys", body).await.problem(400, "request.invalid");
    }
}

#[tokio::test]
async fn invalid_utf8_400_wherever_it_stands() {
    let app = Setup::new().start().await;
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
        for part in ["org_1", "pay_1", "eventId"] {
            let good = app.payment(1).body();
            let at = good.find(part).unwrap();
            let body = [&good.as_bytes()[..at], bad, &good.as_bytes()[at..]].concat();
            app.send_as("colectiva", body).await.problem(400, "envelope.malformed");
        }
        let body = [b"{\"name\":\"", bad, b"\",\"scopes\":[\"read\"]}"].concat();
        app.post("/v1/keys", &app.desk().headers(), body).await.problem(400, "request.invalid");
        let mut head =
            b"POST /v1/events HTTP/1.1\r\nhost: camino\r\nconnection: close\r\nx-correlation-id: ".to_vec();
        head.extend_from_slice(bad);
        head.extend_from_slice(b"\r\ncontent-length: 0\r\n\r\n");
        let answer = said(&app, head).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    for path in ["/v1/events/%ff", "/v1/events/%c0%80", "/v1/endpoints/%ff"] {
        let answer = app.desk().ask(http::Method::GET, path, "").await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text());
    }
    healthy(&app, 2).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_mid_body_leaves_nothing_behind() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    for cut in [0, 1, body.len() / 2, body.len() - 1] {
        let mut wire = app.wire().await;
        let length = body.len().to_string();
        wire.head(EVENTS, &with(app.signed("colectiva", &body), "content-length", &length)).await;
        wire.write(format!("\r\n{}", &body[..cut])).await;
        drop(wire);
    }
    // Had one of them been taken, this would be a repeat.
    app.send(&app.payment(1)).await.taken(202);
}

#[tokio::test]
async fn large_bodies_beyond_what_memory_may_hold_503_and_small_ones_pass() {
    let app = Setup::new().start().await;
    let mut held: Vec<Wire> = Vec::new();
    let piece = vec![b'x'; 1_000_000];
    let json = headers(&[("content-type", "application/json"), ("content-length", "1000001")]);
    // Each lacks its last byte, so all of them are held.
    let mut refused = 0;
    for _ in 0..200 {
        let mut wire = app.wire().await;
        wire.head(EVENTS, &json).await;
        wire.write("\r\n").await;
        wire.try_write(&piece).await;
        held.push(wire);
    }
    healthy(&app, 1).await;
    for mut wire in held {
        wire.try_write(b"x").await;
        let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
        refused += usize::from(rest.starts_with("HTTP/1.1 503"));
    }
    assert!(refused > 0, "all 200 MB were held at once");
}

//! The live tail: what comes is told, a listener that comes back goes on where it was, and a stop ends it.

use camino_broker::testing::receiver::PATIENCE;

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::client::Wire;
use crate::draft::id;

/// A connection that listens, with more headers.
async fn listen(app: &TestApp, query: &str, more: &str) -> Wire {
    let mut wire = app.wire().await;
    let head =
        format!("GET /v1/stream{query} HTTP/1.1\r\nhost: camino\r\nauthorization: Bearer {ADMIN_KEY}\r\n");
    wire.write(format!("{head}{more}\r\n")).await;
    wire
}

/// What is read until `mark` was.
async fn until(wire: &mut Wire, mark: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(mark) {
            text.push_str(&wire.read_some().await);
        }
    };
    let is_read = tokio::time::timeout(PATIENCE, read).await.is_ok();
    assert!(is_read, "{mark} never came: {text}");
    text
}

/// The id of the last frame in `text`.
fn last_id(text: &str) -> u64 {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn what_comes_is_told_and_a_listener_goes_on_where_it_was() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.desk().until_items("/v1/events", 1).await;
    let mut wire = listen(&app, "", "").await;
    let head = until(&mut wire, "retry: 1000").await;
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/event-stream"), "{head}");
    app.send(&app.payment(2)).await.taken(202);
    let id_of = |n: u32| format!("\"eventId\":\"{}\"", id(n));
    let told = until(&mut wire, &id_of(2)).await;
    assert!(told.contains("event: event") && !told.contains(&id_of(1)), "{told}");
    let last = last_id(&told);
    app.send(&app.payment(3)).await.taken(202);
    app.desk().until_items("/v1/events", 3).await;
    let mut again = listen(&app, "", &format!("last-event-id: {last}\r\n")).await;
    let told = until(&mut again, &id_of(3)).await;
    assert!(!told.contains(&id_of(2)), "{told}");
    let mut earlier = listen(&app, &format!("?after={}", last - 1), "").await;
    let told = until(&mut earlier, &id_of(3)).await;
    assert!(told.contains(&id_of(2)) && !told.contains(&id_of(1)), "{told}");
}

#[tokio::test]
async fn a_listener_hears_only_what_it_asked_for() {
    let app = Setup::new().start().await;
    let mut wire = listen(&app, "?source=caracol", "").await;
    until(&mut wire, "retry: 1000").await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.draft(2, "caracol", "none.such", "{}")).await.taken(202);
    let told = until(&mut wire, "event: event").await;
    assert!(told.contains("none.such") && !told.contains("payment.completed"), "{told}");
}

#[tokio::test]
async fn a_stop_ends_the_stream() {
    let app = Setup::new().start().await;
    let mut wire = listen(&app, "", "connection: close\r\n").await;
    until(&mut wire, "retry: 1000").await;
    app.ask_to_stop();
    tokio::time::timeout(PATIENCE, wire.rest()).await.expect("an end");
}

#[tokio::test]
async fn nobody_listens_without_a_key() {
    let app = Setup::new().start().await;
    app.get("/v1/stream").await.problem(401, "key.missing");
    app.desk().refused("/v1/stream?after=yesterday", 400, "request.invalid").await;
    assert_eq!(app.browser().get("/stream").await.status, 303);
}

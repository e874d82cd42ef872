//! The live tail: what comes is told, a listener that comes back goes on where it was, and a stop ends it.

use std::time::Duration;

use camino_broker::domain::time::Millis;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::PATIENCE;

use super::browser::{Browser, token};
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

/// A connection that listens with the session of `browser`.
async fn listen_from(app: &TestApp, browser: &Browser<'_>) -> Wire {
    let mut wire = app.wire().await;
    let session = browser.cookie("camino_session").unwrap();
    let head = format!("GET /stream HTTP/1.1\r\nhost: camino\r\ncookie: camino_session={session}\r\n");
    wire.write(format!("{head}connection: close\r\n\r\n")).await;
    until(&mut wire, "retry: 1000").await;
    wire
}

async fn ends(wire: Wire, why: &str) {
    let is_over = tokio::time::timeout(PATIENCE, wire.rest()).await.is_ok();
    assert!(is_over, "{why}");
}

/// No time passes but by hand, so no heartbeat ends them.
#[tokio::test]
async fn streams_end_at_once_with_the_sign_out_another_sign_in_or_their_key() {
    let app = Setup::on(ManualClock::new(Millis(1_790_000_000_000))).start().await;
    let (id, key) = app.desk().make_key("read", None).await;
    let (out, again) = (app.signed_in_with(&key).await, app.signed_in_with(&key).await);
    let revoked = app.signed_in_with(&key).await;
    let of_out = listen_from(&app, &out).await;
    let of_again = listen_from(&app, &again).await;
    let of_revoked = listen_from(&app, &revoked).await;
    out.submit("/sign-out", &[]).await;
    ends(of_out, "signed out").await;
    let stolen = again.cookie("camino_session").unwrap();
    // The form that was open in another tab.
    let stranger = app.browser();
    let form = token(&stranger.page("/").await);
    again.set_cookie("camino_visit", &stranger.cookie("camino_visit").unwrap());
    assert_eq!(again.send("/sign-in", &[("key", &key), ("token", &form)], &[]).await.status, 303);
    ends(of_again, "signed in anew").await;
    let thief = app.browser();
    thief.set_cookie("camino_session", &stolen);
    assert_eq!(thief.get("/events").await.status, 303, "the old session is over");
    app.desk().ask(http::Method::DELETE, &format!("/v1/keys/{id}"), "").await.taken(200);
    ends(of_revoked, "the key was revoked").await;
}

#[tokio::test]
async fn a_stream_and_refreshes_keep_no_session_alive() {
    let clock = ManualClock::new(Millis(1_790_000_000_000));
    let app = Setup::on(clock.clone()).start().await;
    let browser = app.signed_in().await;
    let wire = listen_from(&app, &browser).await;
    clock.advance(Duration::from_mins(119));
    assert_eq!(browser.refresh("/events").await.status, 200);
    let another = listen_from(&app, &browser).await;
    clock.advance(Duration::from_mins(1));
    assert_eq!(browser.refresh("/events").await.status, 303);
    // With the next heartbeat, which may not have set its alarm yet when the clock is moved.
    let beats = async {
        loop {
            clock.advance(Duration::from_secs(15));
            tokio::task::yield_now().await;
        }
    };
    let both = async {
        ends(wire, "unused for too long").await;
        ends(another, "unused for too long").await;
    };
    tokio::select! {
        () = beats => {}
        () = both => {}
    }
}

#[tokio::test]
async fn nobody_listens_without_a_key() {
    let app = Setup::new().start().await;
    app.get("/v1/stream").await.problem(401, "key.missing");
    app.desk().refused("/v1/stream?after=yesterday", 400, "request.invalid").await;
    assert_eq!(app.browser().get("/stream").await.status, 303);
}

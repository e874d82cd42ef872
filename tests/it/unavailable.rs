//! When ingest takes nothing: 503, nothing acked, and it says when to try again.

use camino_broker::testing::receiver::FakeReceiver;

use crate::app::{BATCH, EVENTS, Setup, with};

/// More than any disk has.
const ENDLESS_BYTES: u64 = 1 << 60;

#[tokio::test]
async fn disk_full_503() {
    let receiver = FakeReceiver::start().await.unwrap();
    let full = Setup::new().with(|config| config.store.free_bytes_min = ENDLESS_BYTES);
    let app = full.receiver("mancha", &receiver).start().await;
    let draft = app.payment(1);
    for _ in 0..2 {
        assert!(app.send(&draft).await.later(503, "store.full") >= 1);
    }
    let batch = format!("{{\"events\":[{}]}}", draft.body());
    app.post(BATCH, &app.signed("colectiva", &batch), batch).await.later(503, "store.full");
    app.get("/readyz").await.later(503, "store.full");
    // Nothing of it was kept: with room again, the same post is new.
    let (setup, dir) = app.stop().await;
    let app = setup.with(|config| config.store.free_bytes_min = 1 << 20).start_in(dir).await;
    app.send(&draft).await.taken(202);
    assert_eq!(receiver.wait_for(1).await.len(), 1);
    app.get("/readyz").await.taken(200);
}

#[tokio::test]
async fn a_repeat_is_answered_although_the_disk_is_full() {
    let app = Setup::new().start().await;
    let draft = app.payment(1);
    app.send(&draft).await.taken(202);
    let (setup, dir) = app.stop().await;
    let app = setup.with(|config| config.store.free_bytes_min = ENDLESS_BYTES).start_in(dir).await;
    app.send(&draft).await.taken(200);
}

#[tokio::test]
async fn draining_503_for_a_request_that_comes_after_the_stop_was_asked() {
    let app = Setup::new().start().await;
    let body = app.payment(1).body();
    let mut wire = app.wire().await;
    // Half a head, and another request's answer after it: the connection is known to the broker.
    wire.head(EVENTS, &app.signed("colectiva", &body)).await;
    app.get("/healthz").await.taken(200);
    app.ask_to_stop();
    let stopped = app.stop();
    let late = async {
        tokio::task::yield_now().await;
        wire.write(format!("content-length: {}\r\n\r\n{body}", body.len())).await;
        wire.answer().await
    };
    let ((setup, dir), answer) = tokio::join!(stopped, late);
    assert!(answer.later(503, "server.draining") >= 1);
    let app = setup.start_in(dir).await;
    app.send_as("colectiva", body).await.taken(202);
}

#[tokio::test]
async fn a_request_in_flight_when_the_stop_is_asked_is_finished_and_kept() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let body = app.payment(1).body();
    let mut wire = app.wire().await;
    let chunked = with(app.signed("colectiva", &body), "transfer-encoding", "chunked");
    wire.head(EVENTS, &chunked).await;
    wire.write("\r\n").await;
    let (begin, rest) = body.as_bytes().split_at(20);
    wire.chunk(begin).await;
    app.get("/healthz").await.taken(200);
    app.ask_to_stop();
    let late = async {
        wire.chunk(rest).await;
        wire.chunk(&[]).await;
        wire.answer().await
    };
    let ((setup, dir), answer) = tokio::join!(app.stop(), late);
    assert_eq!(answer.status.as_u16(), 202);
    let app = setup.start_in(dir).await;
    receiver.wait_for(1).await;
    app.send_as("colectiva", body).await.taken(200);
}

//! Names that answer differently the second time. 127.0.0.1 stands for the public address here, and
//! 127.0.0.2 for the one inside, where a listener counts who comes.

use std::net::SocketAddr;
use std::sync::Arc;

use camino_broker::deliver::Sink as _;
use camino_broker::domain::outcome::Outcome;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::addresses::assert_blocked;
use crate::counting::{Counter, Scripted};
use crate::fixture::{attempt, attempt_at, endpoint};

const OUTSIDE: &str = "127.0.0.1";
const INSIDE: &str = "127.0.0.2";

/// A receiver outside, and a listener inside on the same port, so that only the address tells them apart.
async fn both() -> (FakeReceiver, Counter, String) {
    let outside = FakeReceiver::start().await.unwrap();
    let port = outside.address().port();
    let inside = Counter::on(SocketAddr::new(INSIDE.parse().unwrap(), port)).await;
    (outside, inside, format!("http://rebinding.example:{port}/"))
}

#[tokio::test]
async fn the_address_that_was_vetted_is_the_one_that_is_called() {
    let (outside, inside, url) = both().await;
    let resolver = Scripted::new(&[&[OUTSIDE], &[INSIDE]]);
    let sink = resolver.clone().sink(&["127.0.0.1/32"]);
    let report = sink.send(attempt(endpoint(&url))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    // Had it asked again to connect, it would have got the other one.
    assert_eq!((resolver.asked(), outside.count(), inside.count().await), (1, 1, 0));
}

#[tokio::test]
async fn a_connection_that_is_used_again_asks_nobody_and_goes_nowhere_else() {
    let (outside, inside, url) = both().await;
    let resolver = Scripted::new(&[&[OUTSIDE], &[INSIDE]]);
    let sink = resolver.clone().sink(&["127.0.0.1/32"]);
    let endpoint = Arc::new(endpoint(&url));
    for _ in 0..5 {
        let report = sink.send(attempt_at(Arc::clone(&endpoint))).await;
        assert_eq!(report.outcome, Outcome::Delivered);
    }
    let peers: Vec<_> = outside.all().iter().map(|request| request.peer).collect();
    assert!(peers.iter().all(|peer| *peer == peers[0]), "one connection: {peers:?}");
    assert_eq!((resolver.asked(), inside.count().await), (1, 0));
}

#[tokio::test]
async fn a_new_connection_is_vetted_although_another_is_open() {
    let (outside, inside, url) = both().await;
    outside.script([Answer::hang()]);
    let resolver = Scripted::new(&[&[OUTSIDE], &[INSIDE]]);
    let sink = Arc::new(resolver.clone().sink(&["127.0.0.1/32"]));
    let endpoint = Arc::new(endpoint(&url));
    let (busy, first) = (Arc::clone(&sink), attempt_at(Arc::clone(&endpoint)));
    let mut sent = tokio::task::JoinSet::new();
    sent.spawn(async move { busy.send(first).await.outcome });
    outside.wait_for(1).await;
    // The one connection is busy, so this one needs another, and the name has turned.
    assert_blocked(&sink.send(attempt_at(endpoint)).await, "loopback");
    outside.release(1);
    assert_eq!(sent.join_all().await, [Outcome::Delivered]);
    assert_eq!((resolver.asked(), inside.count().await), (2, 0));
}

#[tokio::test]
async fn a_new_connection_is_vetted_after_the_old_one_broke() {
    let (outside, inside, url) = both().await;
    outside.script([Answer::status(200), Answer::HangUp]);
    let resolver = Scripted::new(&[&[OUTSIDE], &[INSIDE]]);
    let sink = resolver.clone().sink(&["127.0.0.1/32"]);
    for _ in 0..2 {
        sink.send(attempt(endpoint(&url))).await;
    }
    assert_blocked(&sink.send(attempt(endpoint(&url))).await, "loopback");
    assert_eq!((outside.count(), inside.count().await), (2, 0));
}

#[tokio::test]
async fn of_a_public_and_a_private_answer_the_private_one_is_never_called() {
    let (outside, inside, url) = both().await;
    for answer in [[INSIDE, OUTSIDE], [OUTSIDE, INSIDE]] {
        let report = Scripted::new(&[&answer]).sink(&["127.0.0.1/32"]).send(attempt(endpoint(&url))).await;
        assert_eq!(report.outcome, Outcome::Delivered);
    }
    assert_eq!((outside.count(), inside.count().await), (2, 0));
}

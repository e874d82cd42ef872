//! Receivers that answer too much, too slowly or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use camino_broker::deliver::{EXCERPT_BYTES_MAX, Sink as _};
use camino_broker::domain::outcome::{Outcome, Reason};
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{IDLE_MAX, TIMEOUT, attempt, attempt_at, deliver, endpoint, sink, sink_on};

#[tokio::test]
async fn an_endless_body_is_cut_off_and_the_status_decides() {
    let receiver = FakeReceiver::start().await.unwrap();
    for (status, outcome) in [(StatusCode::OK, Outcome::Delivered), (StatusCode::CONFLICT, Outcome::Rejected)]
    {
        receiver.script([Answer::Endless(status)]);
        let report = deliver(&receiver.url()).await;
        assert_eq!(report.outcome, outcome);
        assert_eq!(report.excerpt.unwrap().len(), EXCERPT_BYTES_MAX);
    }
}

#[tokio::test]
async fn a_cut_off_answer_costs_its_connection_and_a_read_one_does_not() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(200), Answer::status(500), Answer::Endless(StatusCode::OK)]);
    let sink = sink();
    let endpoint = Arc::new(endpoint(&receiver.url()));
    for _ in 0..4 {
        sink.send(attempt_at(Arc::clone(&endpoint))).await;
    }
    let peers: Vec<_> = receiver.all().iter().map(|request| request.peer).collect();
    assert_eq!((peers[0], peers[0]), (peers[1], peers[2]), "one connection while answers are read");
    assert_ne!(peers[2], peers[3]);
}

#[tokio::test]
async fn the_connections_of_a_busy_receiver_are_used_again() {
    let receiver = FakeReceiver::start().await.unwrap();
    let (sink, endpoint) = (Arc::new(sink()), Arc::new(endpoint(&receiver.url())));
    let mut peers = Vec::new();
    for round in 1..=2 {
        receiver.script((0..IDLE_MAX).map(|_| Answer::hang()));
        let mut sent = tokio::task::JoinSet::new();
        for _ in 0..IDLE_MAX {
            let (sink, attempt) = (Arc::clone(&sink), attempt_at(Arc::clone(&endpoint)));
            sent.spawn(async move { sink.send(attempt).await.outcome });
        }
        receiver.wait_for(IDLE_MAX * round).await;
        receiver.release(IDLE_MAX);
        sent.join_all().await;
        let all = receiver.all();
        peers.push(all[all.len() - IDLE_MAX..].iter().map(|request| request.peer).collect::<BTreeSet<_>>());
    }
    assert_eq!(peers[0].len(), IDLE_MAX);
    // Not each: one may be dialled before another is back.
    let again = peers[0].intersection(&peers[1]).count();
    assert!(again > IDLE_MAX / 2, "{again} of {IDLE_MAX}");
}

#[tokio::test]
async fn a_body_that_stalls_changes_nothing_about_the_status() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::Stalled(StatusCode::OK, "so far".into())]);
    let mut endpoint = endpoint(&receiver.url());
    endpoint.timeout = Duration::from_secs(2);
    let report = sink().send(attempt(endpoint)).await;
    assert_eq!((report.outcome, report.excerpt.as_deref()), (Outcome::Delivered, Some("so far")));
}

#[tokio::test]
async fn a_head_that_never_ends_is_a_timeout() {
    let clock = ManualClock::default();
    let sink = sink_on(Arc::new(clock.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (report, _stream) = tokio::join!(sink.send(attempt(endpoint(&url))), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
        clock.advance(TIMEOUT);
        stream
    });
    assert_eq!(report.outcome, Outcome::Retry { reason: Reason::Timeout, retry_after: None });
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_no_answer() {
    let receiver = FakeReceiver::start().await.unwrap();
    let many = (0..200).fold(Answer::status(200), |answer, n| answer.with_header(&format!("x-{n}"), "1"));
    let long = Answer::status(200).with_header("x-long", &"x".repeat(1024 * 1024));
    for (name, answer) in [("many", many), ("long", long)] {
        receiver.script([answer]);
        let report = deliver(&receiver.url()).await;
        let wanted = Outcome::Retry { reason: Reason::Connect, retry_after: None };
        assert_eq!(report.outcome, wanted, "{name}");
    }
}

#[tokio::test]
async fn an_excerpt_is_text_within_its_bound_whatever_the_bytes() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400).with_body(vec![0xff; 10_000])]);
    let excerpt = deliver(&receiver.url()).await.excerpt.unwrap();
    assert!(excerpt.len() <= EXCERPT_BYTES_MAX && excerpt.chars().all(|c| c == '\u{fffd}'));
}

#[tokio::test]
async fn one_hanging_receiver_delays_nobody_else() {
    let (hanging, healthy) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    hanging.otherwise(Answer::hang());
    let sink = Arc::new(sink());
    let stuck = Arc::new(endpoint(&hanging.url()));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (sink, attempt) = (Arc::clone(&sink), attempt_at(Arc::clone(&stuck)));
        waiting.spawn(async move { sink.send(attempt).await.outcome });
    }
    hanging.wait_for(32).await;
    let report = sink.send(attempt(endpoint(&healthy.url()))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    hanging.release(32);
    assert!(waiting.join_all().await.iter().all(|outcome| *outcome == Outcome::Delivered));
}

#[tokio::test]
async fn a_connection_that_its_receiver_has_closed_costs_no_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut told = TcpStream::connect(address).await.unwrap();
    let (mut telling, _) = listener.accept().await.unwrap();
    let server = async {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            drop(stream);
            telling.write_all(b".").await.unwrap();
        }
    };
    let client = async {
        let (sink, endpoint) = (sink(), Arc::new(endpoint(&format!("http://{address}/"))));
        for _ in 0..3 {
            assert_eq!(sink.send(attempt_at(Arc::clone(&endpoint))).await.outcome, Outcome::Delivered);
            // Sent after the connection was closed, so whoever reads this can see that it was.
            told.read_exact(&mut [0]).await.unwrap();
        }
    };
    tokio::join!(server, client);
}

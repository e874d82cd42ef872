//! Addresses that deliveries may not go to, literal and behind names.

use std::sync::Arc;

use camino_broker::deliver::http::HttpSink;
use camino_broker::deliver::{Report, Sink as _, Target};
use camino_broker::domain::outcome::Outcome;
use camino_broker::runtime::clock::SystemClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::counting::Scripted;
use crate::fixture::{attempt, endpoint, options};

async fn deliver_unallowed(url: &str) -> Report {
    let sink = HttpSink::new(options(&[]), Arc::new(SystemClock::new())).unwrap();
    sink.send(attempt(endpoint(url))).await
}

pub fn assert_blocked(report: &Report, kind: &str) {
    assert_eq!((report.outcome, report.status), (Outcome::Blocked, None));
    let error = report.error.as_deref().unwrap();
    assert!(error.contains(kind), "{error} is not about {kind}");
}

#[tokio::test]
async fn a_blocked_literal_is_a_dead_letter() {
    let receiver = FakeReceiver::start().await.unwrap();
    let port = receiver.address().port();
    for (host, kind) in [
        ("127.0.0.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("0.0.0.0", "this network"),
        ("10.0.0.1", "private"),
        ("169.254.169.254", "cloud metadata"),
        ("[64:ff9b::7f00:1]", "loopback"),
        ("[fd00::1]", "unique local"),
    ] {
        for scheme in ["http", "https"] {
            assert_blocked(&deliver_unallowed(&format!("{scheme}://{host}:{port}/")).await, kind);
        }
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_a_dead_letter() {
    let receiver = FakeReceiver::start().await.unwrap();
    let port = receiver.address().port();
    for host in ["localhost", "LocalHost", "localhost."] {
        assert_blocked(&deliver_unallowed(&format!("http://{host}:{port}/")).await, "loopback");
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn an_unusual_spelling_never_reaches_the_resolver() {
    let resolver = Scripted::new(&[&["127.0.0.1"]]);
    let sink = resolver.clone().sink(&["127.0.0.0/8"]);
    for host in ["2130706433", "0x7f.1", "0x7f000001", "127.1", "0177.0.0.1"] {
        let mut endpoint = endpoint("http://placeholder.example/");
        // Past the check of the config, which refuses these as well.
        let Target::Http(address) = &mut endpoint.target else { panic!("no address") };
        address.url = format!("http://{host}/").parse().unwrap();
        assert_blocked(&sink.send(attempt(endpoint)).await, "unusual spelling");
    }
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn a_name_is_vetted_anew_for_each_connection() {
    let receiver = FakeReceiver::start().await.unwrap();
    // A broken connection forces a second look-up, which answers with what isn't allowed.
    receiver.script([Answer::HangUp]);
    let url = format!("http://rebinding.example:{}/", receiver.address().port());
    let resolver = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let sink = resolver.clone().sink(&["127.0.0.0/8"]);
    sink.send(attempt(endpoint(&url))).await;
    assert_blocked(&sink.send(attempt(endpoint(&url))).await, "cloud metadata");
    assert_eq!((receiver.count(), resolver.asked()), (1, 2));
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_ones_are_called() {
    let receiver = FakeReceiver::start().await.unwrap();
    let url = format!("http://mixed.example:{}/", receiver.address().port());
    let mixed = Scripted::new(&[&["10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1"]]);
    let report = mixed.sink(&["127.0.0.0/8"]).send(attempt(endpoint(&url))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let refused = Scripted::new(&[&["10.0.0.1", "fd00::1"]]);
    assert_blocked(&refused.sink(&["127.0.0.0/8"]).send(attempt(endpoint(&url))).await, "private");
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let receiver = FakeReceiver::start().await.unwrap();
    let url = format!("http://two.example:{}/", receiver.address().port());
    // The receiver listens on 127.0.0.1 alone.
    let two = Scripted::new(&[&["127.0.0.2", "127.0.0.1"]]);
    let report = two.sink(&["127.0.0.0/8"]).send(attempt(endpoint(&url))).await;
    assert_eq!(report.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn a_name_without_addresses_is_a_dns_failure() {
    let report = Scripted::new(&[&[]]).sink(&[]).send(attempt(endpoint("http://empty.example/"))).await;
    assert_eq!(report.outcome.reason().unwrap().as_str(), "dns");
}

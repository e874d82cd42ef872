//! The holes of other brokers, one test each, named for the case.
//!
//! What needs a killed process, a failing disk or counted memory is proven again, and harder, in `tests/crash`,
//! `tests/powercut` and `tests/abuse`; here each case has its plain form.

use std::time::Duration;

use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::StatusCode;
use serde_json::json;

use crate::app::Setup;
use crate::draft::id;

/// A broker with one receiver that waits an hour before it tries again.
fn patient(receiver: &FakeReceiver) -> Setup {
    Setup::new().receiver("mancha", receiver).with(|config| {
        config.delivery.retry.first = Duration::from_hours(1);
    })
}

#[tokio::test]
async fn store_write_fails_during_ingest() {
    let app = Setup::new().with(|config| config.store.free_bytes_min = 1 << 60).start().await;
    assert!(app.send(&app.payment(1)).await.later(503, "store.full") >= 1);
    assert!(app.desk().items("/v1/events").await.is_empty(), "nothing was acked and nothing is there");
}

#[tokio::test]
async fn crash_after_event_commit_before_scheduling() {
    let receiver = FakeReceiver::start().await.unwrap();
    // Committed, and never scheduled: nobody could be sent to yet.
    let app = patient(&receiver).start().await;
    app.desk().post("/v1/endpoints/mancha/pause", "").await.taken(200);
    let draft = app.payment(1);
    let first = app.send(&draft).await.taken(202);
    let app = app.restart().await;
    let again = app.send(&draft).await.taken(200);
    assert_eq!((&again["status"], &again["deliveries"]), (&json!("duplicate"), &first["deliveries"]));
    app.desk().post("/v1/endpoints/mancha/resume", "").await.taken(200);
    assert_eq!(receiver.wait_for(1).await[0].header("webhook-id"), Some(id(1).as_str()));
}

#[tokio::test]
async fn receiver_2xx_our_outcome_write_fails() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::hang()]);
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.server.drain = Duration::from_millis(50)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.wait_for(1).await;
    // The receiver takes it, and we never learn.
    let app = app.restart().await;
    receiver.release(1);
    let requests = receiver.wait_for(2).await;
    for name in ["webhook-id", "idempotency-key", "x-camino-delivery-id"] {
        assert_eq!(requests[0].header(name), requests[1].header(name), "{name}");
    }
    app.until_ended("mancha", "delivered", 1).await;
}

#[tokio::test]
async fn redirect_302_to_a_login_page_that_answers_200() {
    let login = FakeReceiver::start().await.unwrap();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::redirect(302, &login.url()).with_body("please log in"));
    let app = patient(&receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let found = app.desk().until_items("/v1/deliveries?reason=redirect", 1).await;
    assert_eq!((&found[0]["state"], &found[0]["lastStatus"]), (&json!("pending"), &json!(302)));
    let path = format!("/v1/deliveries/{}/attempts", found[0]["deliveryId"].as_str().unwrap());
    let attempts = app.desk().items(&path).await;
    assert!(attempts[0]["excerpt"].as_str().unwrap().contains("please log in"), "{attempts:?}");
    assert_eq!(login.count(), 0);
}

#[tokio::test]
async fn status_304_or_other_3xx_without_location() {
    for status in [300, 302, 304, 399] {
        let receiver = FakeReceiver::start().await.unwrap();
        receiver.otherwise(Answer::status(status));
        let app = patient(&receiver).start().await;
        app.send(&app.payment(1)).await.taken(202);
        let found = app.desk().until_items("/v1/deliveries?reason=redirect", 1).await;
        assert_eq!(found[0]["state"], "pending", "{status}");
    }
}

#[tokio::test]
async fn slow_endpoint_beyond_its_lease() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::hang()]);
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.timeout = Duration::from_millis(300)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let requests = receiver.wait_for(2).await;
    // The first attempt is over before the second begins, and its late answer changes nothing.
    receiver.release(1);
    assert_eq!(requests[1].header("x-camino-attempt"), Some("2"));
    app.until_ended("mancha", "delivered", 1).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn retry_after_in_seconds_as_a_date_and_absurd() {
    for (value, least, most) in [
        ("3600", 3_600, 3_960),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 43_000, 47_600),
        ("99999999999999999999", 0, 47_600),
    ] {
        let receiver = FakeReceiver::start().await.unwrap();
        receiver.otherwise(Answer::status(429).with_header("retry-after", value));
        let app = Setup::new().receiver("mancha", &receiver);
        let app = app.with(|config| config.delivery.retry.max = Duration::from_hours(12)).start().await;
        let before = app.clock.now();
        app.send(&app.payment(1)).await.taken(202);
        let path = "/v1/deliveries?receiver=mancha";
        let list = app.desk().until(path, |list| list["items"][0]["nextAttemptAt"].is_string()).await;
        let due = list["items"][0]["nextAttemptAt"].as_str().unwrap();
        let due = camino_broker::domain::time::Millis::parse_rfc3339(due).unwrap();
        let wait = due.since(before).as_secs();
        assert!((least..=most + 30).contains(&wait), "{value}: shown as due in {wait} s");
    }
}

#[tokio::test]
async fn status_410() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(410));
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    desk.until("/v1/endpoints/mancha", |endpoint| endpoint["state"] == "disabled").await;
    app.send(&app.payment(2)).await.taken(202);
    desk.until_items("/v1/deliveries?state=parked", 2).await;
    assert_eq!(receiver.count(), 1);
    let told = desk.items("/v1/audit").await;
    assert_eq!(told.iter().filter(|entry| entry["action"] == "endpoints.disable").count(), 1, "once");
}

#[tokio::test]
async fn endpoint_disabled_with_backlog_re_enabled() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
    let app = setup.app("mancha", |app| app.rate_per_second = Some(2)).start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/mancha/pause", "").await.taken(200);
    for n in 1..=20 {
        app.send(&app.payment(n)).await.taken(202);
    }
    assert_eq!(receiver.count(), 0);
    desk.post("/v1/endpoints/mancha/resume", "").await.taken(200);
    receiver.wait_for(1).await;
    let before = clock.monotonic();
    app.turn_until(&clock, Duration::from_millis(50), receiver.wait_for(20)).await;
    let took = clock.monotonic().saturating_sub(before).as_secs_f64();
    assert!((8.5..=10.5).contains(&took), "19 at 2 a second took {took} s");
    app.until_ended("mancha", "delivered", 20).await;
}

#[tokio::test]
async fn same_id_from_two_sources_and_same_id_with_another_body() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let first = app.payment(1);
    app.send(&first).await.taken(202);
    let other = app.draft(1, "hoja", "payment.completed", crate::draft::PAYMENT);
    let answer = app.send(&other).await;
    assert!(
        matches!(answer.status, StatusCode::ACCEPTED | StatusCode::FORBIDDEN),
        "no duplicate of the other"
    );
    let changed = first.clone().with("organizationId", "\"org_2\"");
    app.send(&changed).await.problem(409, "idempotency.body_mismatch");
    app.send(&first).await.taken(200);
}

#[tokio::test]
async fn never_ending_body() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::Endless(StatusCode::OK)]);
    let setup = Setup::new().receiver("mancha", &receiver);
    let app = setup.with(|config| config.delivery.timeout = Duration::from_secs(2)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.until_ended("mancha", "delivered", 1).await;
    assert_eq!(receiver.count(), 1, "its status said that it has it");
}

#[tokio::test]
async fn slow_headers() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::hang()]);
    let setup = patient(&receiver);
    let app = setup.with(|config| config.delivery.timeout = Duration::from_millis(300)).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.desk().until_items("/v1/deliveries?reason=timeout", 1).await;
}

#[tokio::test]
async fn store_restart_in_the_middle_of_a_run() {
    let receiver = FakeReceiver::start().await.unwrap();
    let mut app = Setup::new().receiver("mancha", &receiver).start().await;
    for n in 1..=30 {
        app.send(&app.payment(n)).await.taken(202);
        if n % 10 == 0 {
            app = app.restart().await;
        }
    }
    let requests = receiver.wait_for(30).await;
    let mut ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 30, "all, and nobody had to do anything");
}

#[tokio::test]
async fn hostname_that_resolves_to_a_refused_address() {
    for url in ["http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://localhost:9/"] {
        let setup = Setup::new().endpoint("mancha", url);
        let app = setup.with(|config| config.delivery.allowed_networks.clear()).start().await;
        app.send(&app.payment(1)).await.taken(202);
        app.until_ended("mancha", "dead", 1).await;
        app.desk().until_items("/v1/dead-letters?reason=blocked_address", 1).await;
    }
}

#[tokio::test]
async fn clock_jumps_ten_minutes() {
    for forwards in [true, false] {
        let clock = ManualClock::default();
        let receiver = FakeReceiver::start().await.unwrap();
        receiver.fail(1, 503);
        let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
        let setup = setup.with(|config| {
            config.delivery.retry.first = Duration::from_hours(10);
            config.delivery.retry.max = Duration::from_hours(10);
        });
        let app = setup.start().await;
        app.send(&app.payment(1)).await.taken(202);
        receiver.wait_for(1).await;
        let (now, jump) = (clock.now(), Duration::from_mins(10));
        clock.jump_to(if forwards { now.plus(jump) } else { now.minus(jump) });
        app.turn_until(&clock, Duration::from_mins(20), receiver.wait_for(2)).await;
        app.until_ended("mancha", "delivered", 1).await;
        assert_eq!(receiver.count(), 2, "forwards: {forwards}");
    }
}

#[tokio::test]
async fn type_with_no_receivers_and_unknown_type() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let unknown = app.send(&app.payment(2).with("eventType", "\"payment.recieved\"")).await.taken(202);
    assert_eq!((&unknown["status"], &unknown["reason"]), (&json!("quarantined"), &json!("unknown_type")));
    let desk = app.desk();
    desk.until_items("/v1/events", 2).await;
    let explained = desk.get(&format!("/v1/events/{}/explain", id(1))).await;
    let decisions = explained["decisions"].as_array().unwrap();
    assert!(decisions.iter().all(|one| one["decision"] == "no_endpoint"), "{explained}");
    assert_eq!(desk.until_items("/v1/quarantine", 1).await[0]["eventId"], id(2));
}

#[tokio::test]
async fn ten_thousand_endpoints_retry_at_once() {
    // The herd itself is `domain::scheduler::pace`; here its receivers fail together beside a healthy one.
    let failing = FakeReceiver::start().await.unwrap();
    failing.otherwise(Answer::status(503));
    let healthy = FakeReceiver::start().await.unwrap();
    let setup = Setup::new().receiver("mancha", &failing).receiver("baul", &failing);
    let setup = setup.receiver("constanza", &failing).receiver("cosmos-pet", &healthy);
    let app = setup.start().await;
    for n in 1..=100 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("cosmos-pet", "delivered", 100).await;
}

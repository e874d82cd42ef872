//! `ordering = "organization"`: one by one within an organization, in the order of acceptance.

use std::time::Duration;

use camino_broker::config::Ordering;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};
use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::draft::id;

fn ordered(setup: Setup, receiver: &FakeReceiver) -> Setup {
    setup.receiver("mancha", receiver).app("mancha", |app| app.ordering = Ordering::Organization)
}

async fn send(app: &TestApp, n: u32, organization: &str) {
    let draft = app.payment(n).with("organizationId", &format!("\"{organization}\""));
    app.send(&draft).await.taken(202);
}

fn ids(requests: &[Received]) -> Vec<&str> {
    requests.iter().map(|request| request.header("webhook-id").unwrap()).collect()
}

#[tokio::test]
async fn a_retry_holds_back_its_organization_and_no_other() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(1, 503);
    let setup = ordered(Setup::on(clock.clone()), &receiver);
    let app = setup.with(|config| config.delivery.retry.first = Duration::from_hours(60)).start().await;
    send(&app, 1, "org_1").await;
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    send(&app, 2, "org_1").await;
    send(&app, 3, "org_1").await;
    send(&app, 4, "org_2").await;
    assert_eq!(ids(&receiver.wait_for(2).await), [id(1), id(4)], "the other organization's goes at once");
    let requests = app.turn_until(&clock, Duration::from_hours(1), receiver.wait_for(5)).await;
    assert_eq!(ids(&requests), [id(1), id(4), id(1), id(2), id(3)]);
}

#[tokio::test]
async fn a_dead_one_lets_the_next_one_go() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(422)]);
    let app = ordered(Setup::new(), &receiver).start().await;
    for n in 1..=3 {
        send(&app, n, "org_1").await;
    }
    assert_eq!(ids(&receiver.wait_for(3).await), [id(1), id(2), id(3)]);
    app.until_ended("mancha", "dead", 1).await;
    app.until_ended("mancha", "delivered", 2).await;
}

#[tokio::test]
async fn a_pause_holds_all_of_them_and_their_order() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = ordered(Setup::new(), &receiver).start().await;
    let desk = app.desk();
    desk.post("/v1/endpoints/mancha/pause", "").await.taken(200);
    for n in 1..=20 {
        send(&app, n, "org_1").await;
    }
    assert_eq!(receiver.count(), 0);
    desk.post("/v1/endpoints/mancha/resume", "").await.taken(200);
    let wanted: Vec<String> = (1..=20).map(id).collect();
    assert_eq!(ids(&receiver.wait_for(20).await), wanted);
}

#[tokio::test]
async fn a_restart_keeps_the_order_behind_a_retry() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(1, 503);
    let setup = ordered(Setup::on(clock.clone()), &receiver);
    let app = setup.with(|config| config.delivery.retry.first = Duration::from_hours(60)).start().await;
    send(&app, 1, "org_1").await;
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    send(&app, 2, "org_1").await;
    let app = app.restart().await;
    send(&app, 3, "org_2").await;
    assert_eq!(ids(&receiver.wait_for(2).await), [id(1), id(3)]);
    let requests = app.turn_until(&clock, Duration::from_hours(1), receiver.wait_for(4)).await;
    assert_eq!(ids(&requests), [id(1), id(3), id(1), id(2)]);
}

#[tokio::test]
async fn a_replay_stays_outside() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = ordered(Setup::new(), &receiver).start().await;
    send(&app, 1, "org_1").await;
    let desk = app.desk();
    desk.until_items("/v1/deliveries?state=delivered&receiver=mancha", 1).await;
    receiver.script([Answer::hang()]);
    send(&app, 2, "org_1").await;
    receiver.wait_for(2).await;
    let body = json!({ "receiver": "mancha", "until": app.clock.now().rfc3339() }).to_string();
    desk.post("/v1/replays", &body).await.taken(202);
    let requests = receiver.wait_for(3).await;
    assert_eq!(requests[2].header("webhook-id"), Some(id(1).as_str()));
    let of = |at: usize| requests[at].header("x-camino-delivery-id");
    assert_ne!(of(2), of(0), "made again, though another one is under way");
    receiver.release(1);
    app.until_ended("mancha", "delivered", 3).await;
}

#[tokio::test]
async fn a_receiver_that_goes_and_comes_back_gets_the_rest_in_order() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = ordered(Setup::new(), &receiver).start().await;
    app.desk().post("/v1/endpoints/mancha/pause", "").await.taken(200);
    for n in 1..=3 {
        send(&app, n, "org_1").await;
    }
    let (setup, dir) = app.stop().await;
    let app = setup.app("mancha", |app| app.endpoint = None).start_in(dir).await;
    app.until("camino_queue_depth{receiver=\"mancha\",state=\"pending\"}", 3).await;
    let (setup, dir) = app.stop().await;
    let app = ordered(setup, &receiver).start_in(dir).await;
    assert_eq!(receiver.count(), 0);
    app.desk().post("/v1/endpoints/mancha/resume", "").await.taken(200);
    send(&app, 4, "org_1").await;
    assert_eq!(ids(&receiver.wait_for(4).await), [id(1), id(2), id(3), id(4)]);
}

#[tokio::test]
async fn one_that_is_let_go_of_by_age_lets_the_next_one_go() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(1, 503);
    let setup = ordered(Setup::on(clock.clone()), &receiver).with(|config| {
        config.delivery.retry.first = Duration::from_hours(24 * 300);
        config.delivery.retry.max = Duration::from_hours(24 * 300);
        config.delivery.retry.max_age = Duration::from_hours(24 * 400);
    });
    let app = setup.start().await;
    send(&app, 1, "org_1").await;
    receiver.wait_for(1).await;
    app.until_queued(&clock, "mancha", "retrying", 1).await;
    send(&app, 2, "org_1").await;
    clock.advance(Duration::from_hours(24 * 91));
    let requests = app.turn_until(&clock, Duration::from_secs(1), receiver.wait_for(2)).await;
    assert_eq!(ids(&requests), [id(1), id(2)], "the first was cancelled while it waited");
    app.until_ended("mancha", "delivered", 1).await;
}

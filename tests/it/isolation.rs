//! One receiver's trouble is nobody else's.

use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::app::Setup;

#[tokio::test]
async fn a_hanging_receiver_holds_nobody_else() {
    let (hanging, well) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    hanging.otherwise(Answer::hang());
    let setup = Setup::new().receiver("mancha", &hanging).receiver("cosmos-pet", &well);
    let app = setup
        .with(|config| {
            config.delivery.in_flight_max = 8;
            config.delivery.endpoint_in_flight_max = 4;
        })
        .start()
        .await;
    for n in 1..=40 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("cosmos-pet", "delivered", 40).await;
    hanging.wait_for(4).await;
    assert_eq!(hanging.count(), 4, "its own cap holds");
    hanging.release(40);
    app.until_ended("mancha", "delivered", 40).await;
    assert_eq!((hanging.count(), well.count()), (40, 40));
}

#[tokio::test]
async fn a_failing_receiver_holds_nobody_else() {
    let (failing, well) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    failing.otherwise(Answer::status(503));
    let app = Setup::new().receiver("mancha", &failing).receiver("cosmos-pet", &well).start().await;
    for n in 1..=40 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("cosmos-pet", "delivered", 40).await;
    let requests = well.all();
    assert!(requests.iter().all(|request| request.header("x-camino-attempt") == Some("1")));
}

#[tokio::test]
async fn a_rate_cap_holds_for_its_receiver_alone() {
    let clock = ManualClock::default();
    let (slow, well) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let setup = Setup::on(clock.clone()).receiver("mancha", &slow).receiver("cosmos-pet", &well);
    let app = setup.app("mancha", |app| app.rate_per_second = Some(2)).start().await;
    for n in 1..=12 {
        app.send(&app.payment(n)).await.taken(202);
    }
    app.until_ended("cosmos-pet", "delivered", 12).await;
    assert!(slow.count() < 12);
    app.turn_until(&clock, Duration::from_millis(100), slow.wait_for(12)).await;
    let at =
        |index: usize| -> u64 { slow.all()[index].header("webhook-timestamp").unwrap().parse().unwrap() };
    assert!(at(11) - at(0) >= 4, "twelve at two a second");
}

//! `/v1/dead-letters`: what waits for a person, and nothing else.

use camino_broker::testing::receiver::{Answer, FakeReceiver};

use crate::app::Setup;
use crate::desk::each;
use crate::draft::id;

#[tokio::test]
async fn dead_letters_are_listed_filtered_and_paged() {
    let [good, bad, worse] =
        [FakeReceiver::start().await, FakeReceiver::start().await, FakeReceiver::start().await];
    let (good, bad, worse) = (good.unwrap(), bad.unwrap(), worse.unwrap());
    bad.otherwise(Answer::status(400));
    worse.otherwise(Answer::status(500));
    let setup = Setup::new().receiver("mancha", &good).receiver("baul", &bad).receiver("constanza", &worse);
    let app = setup.with(|config| config.delivery.retry.max_attempts = 2).start().await;
    for n in 1..=2 {
        app.send(&app.payment(n)).await.taken(202);
    }
    let desk = app.desk();
    let all = desk.until_items("/v1/dead-letters", 4).await;
    assert!(all.iter().all(|letter| letter["state"] == "dead"));
    assert_eq!(each(&all, "eventId"), [id(2), id(2), id(1), id(1)], "newest first");
    assert_eq!(
        each(&desk.items("/v1/dead-letters?reason=exhausted").await, "receiver"),
        ["constanza", "constanza"]
    );
    assert_eq!(each(&desk.items("/v1/dead-letters?receiver=baul").await, "reason"), ["rejected"; 2]);
    for none in ["receiver=mancha", "source=hoja", "reason=gone", "since=2100-01-01T00:00:00Z"] {
        assert!(desk.items(&format!("/v1/dead-letters?{none}")).await.is_empty(), "{none}");
    }
    let pages = desk.pages("/v1/dead-letters?limit=3").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(pages.concat(), all);
}

#[tokio::test]
async fn dead_letters_outlive_a_restart() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let before = app.desk().until_items("/v1/dead-letters", 1).await;
    let app = app.restart().await;
    assert_eq!(app.desk().until_items("/v1/dead-letters", 1).await, before);
}

//! What operators change from a page: pause and resume, test, new secret, retry, replay, release.

use camino_broker::testing::receiver::{Answer, FakeReceiver};

use super::browser::token;
use crate::app::Setup;
use crate::draft::id;

#[tokio::test]
async fn an_endpoint_is_paused_resumed_and_tested() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let browser = app.signed_in().await;
    let paused = browser.submit("/endpoints/mancha/pause", &[]).await;
    assert_eq!((paused.status.as_u16(), paused.header("location")), (303, Some("/endpoints/mancha")));
    let page = browser.page("/endpoints/mancha").await;
    assert!(page.contains("mancha: paused") && page.contains("/endpoints/mancha/resume"), "{page}");
    assert!(!browser.page("/endpoints/mancha").await.contains("mancha: paused"), "said once");
    browser.submit("/endpoints/mancha/resume", &[]).await;
    assert_eq!(app.desk().get("/v1/endpoints/mancha").await["state"], "active");
    let tested = browser.submit("/endpoints/mancha/test", &[]).await;
    assert_eq!(tested.status, 200);
    assert!(tested.text().contains("HTTP 200"), "{}", tested.text());
    let done: Vec<_> = app.desk().items("/v1/audit").await;
    let actions: Vec<_> = done.iter().map(|line| line["action"].as_str().unwrap()).collect();
    let wanted = ["endpoints.test", "endpoints.resume", "endpoints.pause", "dashboard.sign_in"];
    assert_eq!(actions, wanted);
}

#[tokio::test]
async fn a_new_secret_is_shown_once() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let browser = app.signed_in().await;
    let answer = browser.submit("/endpoints/mancha/rotate-secret", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
    assert!(answer.text().contains("whsec_"));
    for path in ["/endpoints/mancha", "/audit", "/"] {
        assert!(!browser.page(path).await.contains("whsec_"), "{path}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_retried_and_arrives() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(422)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let dead = app.desk().until_items("/v1/dead-letters", 1).await;
    let browser = app.signed_in().await;
    let path = format!("/deliveries/{}/retry", dead[0]["deliveryId"].as_str().unwrap());
    assert!(browser.page("/dead-letters").await.contains(&path));
    let trip = format!("/events/colectiva/{}", id(1));
    let sent = browser.submit(&path, &[("next", trip.as_str())]).await;
    assert_eq!((sent.status.as_u16(), sent.header("location")), (303, Some(trip.as_str())));
    assert!(browser.page(&trip).await.contains("It is being sent again to mancha"));
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=delivered", 1).await;
    browser.submit(&path, &[]).await;
    let page = browser.page("/dead-letters").await;
    assert!(page.contains("retried or dismissed already"), "{page}");
}

#[tokio::test]
async fn a_replay_is_counted_before_it_begins() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(422), Answer::status(422)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.payment(2)).await.taken(202);
    app.desk().until_items("/v1/dead-letters", 2).await;
    let browser = app.signed_in().await;
    let counted = browser.submit("/replays", &[("state", "dead"), ("receiver", "mancha")]).await;
    assert_eq!(counted.status, 200);
    let page = counted.text();
    assert!(page.contains("<strong>2</strong>") && page.contains("name=\"confirmed\""), "{page}");
    assert!(app.desk().items("/v1/replays").await.is_empty(), "nothing began");
    let fields = [("token", token(&page)), ("confirmed", "yes".to_owned()), ("state", "dead".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let begun = browser.send("/replays", &fields, &[]).await;
    assert_eq!((begun.status.as_u16(), begun.header("location")), (303, Some("/replays")));
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=delivered", 2).await;
    assert!(browser.page("/replays").await.contains("dead"));
}

#[tokio::test]
async fn a_quarantined_event_that_cannot_be_routed_says_so() {
    let app = Setup::new().start().await;
    app.send(&app.draft(1, "caracol", "payment.compleeted", "{}")).await.taken(202);
    app.desk().until_items("/v1/quarantine", 1).await;
    let browser = app.signed_in().await;
    let page = browser.page("/quarantine").await;
    let path = format!("/quarantine/caracol/{}/release", id(1));
    assert!(page.contains(&path) && page.contains("payment.completed?"), "{page}");
    assert_eq!(browser.submit(&path, &[]).await.status, 303);
    assert!(browser.page("/quarantine").await.contains("the registry cannot route this type yet"));
}

//! What operators change from a page: pause and resume, test, new secret, retry, replay, release.

use camino_broker::testing::receiver::{Answer, FakeReceiver};

use super::access::strict;
use super::browser::{Browser, token, value};
use crate::app::Setup;
use crate::client::Answer as Answered;
use crate::draft::id;

/// What is filled in.
type Fields<'a> = &'a [(&'a str, &'a str)];

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

/// A count goes as far as the journal says that it has come, and it says so a moment after it shows it.
const LAG: &str = "camino_journal_lag_events";

/// Says yes to what `page` has counted.
async fn confirm(browser: &Browser<'_>, page: &str, asked: &[(&str, &str)]) -> Answered {
    let shown = ["token", "matched", "below"].map(|name| (name, value(page, name)));
    let shown: Vec<_> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.send("/replays", &[&shown, asked].concat(), &[]).await
}

#[tokio::test]
async fn a_replay_is_counted_before_it_begins() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.otherwise(Answer::status(422));
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.payment(2)).await.taken(202);
    app.desk().until_items("/v1/dead-letters", 2).await;
    app.until(LAG, 0).await;
    let browser = app.signed_in().await;
    let asked = [("state", "dead"), ("receiver", "mancha")];
    let counted = browser.submit("/replays", &asked).await;
    assert_eq!(counted.status, 200);
    let page = counted.text();
    assert!(page.contains("<strong>2</strong>"), "{page}");
    assert!(app.desk().items("/v1/replays").await.is_empty(), "nothing began");
    app.send(&app.payment(3)).await.taken(202);
    app.desk().until_items("/v1/dead-letters", 3).await;
    receiver.otherwise(Answer::status(200));
    let begun = confirm(&browser, &page, &asked).await;
    assert_eq!((begun.status.as_u16(), begun.header("location")), (303, Some("/replays")));
    let jobs = app.desk().until("/v1/replays", |list| list["items"][0]["state"] == "done").await;
    assert_eq!((&jobs["items"][0]["matched"], &jobs["items"][0]["done"]), (&2.into(), &2.into()));
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=delivered", 2).await;
    assert_eq!(app.desk().items("/v1/dead-letters").await.len(), 1, "the one that was not counted");
    assert!(browser.page("/replays").await.contains("dead"));
}

#[tokio::test]
async fn a_replay_of_more_than_was_counted_is_counted_again() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.desk().until_items("/v1/deliveries?state=delivered", 1).await;
    let browser = app.signed_in().await;
    browser.submit("/endpoints/mancha/pause", &[]).await;
    app.send(&app.payment(2)).await.taken(202);
    app.desk().until_items("/v1/events", 2).await;
    app.until(LAG, 0).await;
    let asked = [("state", "delivered"), ("receiver", "mancha")];
    let counted = browser.submit("/replays", &asked).await.text();
    assert!(counted.contains("<strong>1</strong>"), "{counted}");
    browser.submit("/endpoints/mancha/resume", &[]).await;
    app.desk().until_items("/v1/deliveries?state=delivered", 2).await;
    let anew = confirm(&browser, &counted, &asked).await;
    assert_eq!(anew.status, 200);
    let anew = anew.text();
    assert!(anew.contains("<strong>2</strong>") && anew.contains("More match by now"), "{anew}");
    assert!(app.desk().items("/v1/replays").await.is_empty(), "nothing began");
    assert_eq!(confirm(&browser, &anew, &asked).await.status, 303);
    assert_eq!(app.desk().items("/v1/replays").await[0]["matched"], 2);
}

#[tokio::test]
async fn a_form_is_carried_out_once_however_often_it_is_sent() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let delivered = app.desk().until_items("/v1/deliveries?state=delivered", 1).await;
    app.until(LAG, 0).await;
    let retry = format!("/deliveries/{}/retry", delivered[0]["deliveryId"].as_str().unwrap());
    let browser = app.signed_in().await;
    let counted = browser.submit("/replays", &[("state", "delivered")]).await.text();
    let (matched, below) = (value(&counted, "matched"), value(&counted, "below"));
    let forms: [(&str, Fields<'_>, &str); 5] = [
        ("/replays", &[("state", "delivered"), ("matched", &matched), ("below", &below)], "replays.begin"),
        (&retry, &[], "deliveries.retry"),
        ("/endpoints/mancha/test", &[], "endpoints.test"),
        ("/endpoints/mancha/rotate-secret", &[], "endpoints.rotate_secret"),
        ("/keys", &[("name", "night shift"), ("read", "yes")], "keys.create"),
    ];
    for (path, fields, action) in forms {
        let token = token(&browser.page("/").await);
        let fields = [&[("token", token.as_str())], fields].concat();
        // As by a double click, and once more by a reload.
        let (one, other) = tokio::join!(browser.send(path, &fields, &[]), browser.send(path, &fields, &[]));
        let refused = [one, other].into_iter().filter(|answer| answer.status == 409).count();
        assert_eq!(refused, 1, "{path}");
        let again = browser.send(path, &fields, &[]).await;
        assert_eq!(again.status, 409, "{path}");
        strict(&again);
        let page = again.text();
        assert!(page.contains("Sent already") && !page.contains("class=\"secret\""), "{page}");
        let audit = app.desk().items("/v1/audit").await;
        assert_eq!(audit.iter().filter(|line| line["action"] == action).count(), 1, "{action}: {audit:?}");
    }
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    let token = token(&browser.page("/keys").await);
    let fields = [("token", token.as_str()), ("name", "night shift"), ("read", "yes")];
    let wrong = [&fields[..], &[("expiresAt", "tomorrow")]].concat();
    for (fields, status) in [(&wrong[..], 400), (&wrong, 400), (&fields, 200), (&fields, 409)] {
        assert_eq!(browser.send("/keys", fields, &[]).await.status.as_u16(), status, "{fields:?}");
    }
}

#[tokio::test]
async fn a_count_changes_nothing_and_may_be_reloaded() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    let token = token(&browser.page("/replays").await);
    for _ in 0..2 {
        let counted = browser.send("/replays", &[("token", &token), ("state", "delivered")], &[]).await;
        assert_eq!(counted.status, 200);
        assert!(!counted.text().contains("Sent already"), "{}", counted.text());
    }
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

//! What the pages show: each with a store that has something of everything, in both languages, and never a secret.

use camino_broker::testing::receiver::{Answer, FakeReceiver};

use super::access::{PAGES, strict};
use crate::app::{ADMIN_KEY, Setup, TestApp, endpoint_secret_text, signing_secret};
use crate::draft::id;

/// A broker with a delivered, a dead and a quarantined event.
async fn seeded() -> TestApp {
    let (good, strict) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    strict.otherwise(Answer::status(422).with_body("no <thanks>"));
    let app = Setup::new().receiver("mancha", &good).receiver("constanza", &strict).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.draft(2, "caracol", "payment.compleeted", "{}")).await.taken(202);
    app.desk().until_items("/v1/dead-letters", 1).await;
    app.desk().until_items("/v1/quarantine", 1).await;
    app.desk().until_items("/v1/deliveries?receiver=mancha&state=delivered", 1).await;
    app
}

/// Nothing that anybody could sign or sign in with.
#[track_caller]
fn no_secret(path: &str, page: &str) {
    assert!(!page.contains(ADMIN_KEY), "{path}");
    for app in ["mancha", "constanza"] {
        assert!(!page.contains(&endpoint_secret_text(app, 0)), "{path}");
    }
    for app in ["colectiva", "caracol"] {
        assert!(!page.contains(signing_secret(app).reveal()), "{path}");
    }
}

#[tokio::test]
async fn every_page_is_there_in_both_languages_and_shows_no_secret() {
    let app = seeded().await;
    let event = format!("/events/colectiva/{}", id(1));
    let more =
        [event.as_str(), "/endpoints/mancha", "/registry/payment.completed", "/events?q=0001&state=dead"];
    for language in ["es-MX", "en"] {
        let browser = app.signed_in().await.speaking(language);
        for path in PAGES.into_iter().chain(more) {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            strict(&answer);
            let page = answer.text();
            assert!(page.contains(&format!("<html lang=\"{}\"", &language[..2])), "{path}");
            assert!(page.contains("<h1>") && page.contains("id=\"main\""), "{path}");
            no_secret(path, &page);
        }
    }
}

#[tokio::test]
async fn the_overview_shows_each_receiver_and_what_needs_a_person() {
    let app = seeded().await;
    let page = app.signed_in().await.page("/").await;
    for shown in
        ["mancha", "constanza", "1 dead", "1 in quarantine", "href=\"/dead-letters?receiver=constanza\""]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test]
async fn an_event_is_found_and_its_trip_says_why_it_failed() {
    let app = seeded().await;
    let browser = app.signed_in().await;
    let found = browser.page("/events?receiver=constanza&state=dead&source=&q=&since=").await;
    let path = format!("/events/colectiva/{}", id(1));
    assert!(found.contains(&path), "{found}");
    let trip = browser.page(&path).await;
    for shown in ["422", "the receiver rejected it", "no &lt;thanks&gt;", "Delivery to", "/retry"] {
        assert!(trip.contains(shown), "{shown}: {trip}");
    }
    let none = browser.page("/events?q=nobody-has-this").await;
    assert!(none.contains("Nothing matches these filters."), "{none}");
}

#[tokio::test]
async fn what_is_wrong_is_said_on_a_page() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    for (path, status) in [
        ("/events/caracol/none", 404),
        ("/events?state=tired", 400),
        ("/events?colour=red", 400),
        ("/endpoints/none", 404),
        ("/registry/none.such", 404),
        ("/contacts/none", 404),
        ("/tickets/none", 404),
        ("/subscriptions/none", 404),
        ("/language/de", 404),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        strict(&answer);
        assert!(answer.text().contains("That did not work"), "{path}");
    }
}

#[tokio::test]
async fn a_language_is_chosen_and_kept() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    assert!(browser.page("/events").await.contains("lang=\"en\""));
    let chosen = browser.get("/language/es?next=%2Fevents").await;
    assert_eq!((chosen.status.as_u16(), chosen.header("location")), (303, Some("/events")));
    let page = browser.page("/events").await;
    assert!(
        page.contains("<html lang=\"es\"") && page.contains("Todavía no ha llegado ningún evento."),
        "{page}"
    );
    let away = browser.get("/language/es?next=https%3A%2F%2Fevil.example").await;
    assert_eq!(away.header("location"), Some("/"));
}

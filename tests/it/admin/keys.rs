//! `/v1/keys`: made, shown once, listed without their text, refused once revoked or expired.

use std::time::Duration;

use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use http::Method;
use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::client::Answer;
use crate::desk::{each, names};

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let body = json!({ "name": "the dashboard", "scopes": ["read"] }).to_string();
    let made = desk.post("/v1/keys", &body).await.taken(201);
    assert_eq!(names(&made), ["keyId", "key"]);
    let (id, key) = (made["keyId"].as_str().unwrap(), made["key"].as_str().unwrap());
    app.desk_of(key).get("/v1/stats").await;
    let listed = desk.items("/v1/keys").await;
    let (named, times) =
        (["keyId", "name", "scopes", "source", "organizations"], ["createdAt", "expiresAt", "revokedAt"]);
    assert_eq!(names(&listed[0]), [&named[..], &times[..], &["lastUsedAt"]].concat());
    assert_eq!((&listed[0]["name"], &listed[0]["scopes"]), (&json!("the dashboard"), &json!(["read"])));
    assert!(listed[0]["lastUsedAt"].is_string() && !listed[0].to_string().contains(key));
    // A restart forgets neither the key nor its end.
    let app = app.restart().await;
    app.desk_of(key).get("/v1/stats").await;
    // Twice is as good as once.
    for _ in 0..2 {
        let revoked = app.desk().ask(Method::DELETE, &format!("/v1/keys/{id}"), "").await.taken(200);
        assert_eq!(revoked, json!({ "keyId": id, "revoked": true }));
    }
    app.desk_of(key).refused("/v1/stats", 401, "key.missing").await;
    assert!(app.desk().items("/v1/keys").await[0]["revokedAt"].is_string());
    let app = app.restart().await;
    app.desk_of(key).refused("/v1/stats", 401, "key.missing").await;
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let end = clock.now().plus(Duration::from_secs(60)).rfc3339();
    let body = json!({ "name": "short", "scopes": ["read"], "expiresAt": end }).to_string();
    let made = app.desk().post("/v1/keys", &body).await.taken(201);
    let desk = app.desk_of(made["key"].as_str().unwrap());
    desk.get("/v1/stats").await;
    clock.advance(Duration::from_secs(61));
    desk.refused("/v1/stats", 401, "key.missing").await;
}

#[tokio::test]
async fn a_key_that_could_do_nothing_or_too_much_is_not_made() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    for body in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["root"] }),
        json!({ "name": "x", "scopes": ["events:write"] }),
        json!({ "name": "x", "scopes": ["read"], "source": "hoja" }),
        json!({ "name": "x", "scopes": ["read"], "expiresAt": "2000-01-01T00:00:00Z" }),
        json!({ "name": "x", "scopes": ["read"], "expires": "2100-01-01T00:00:00Z" }),
    ] {
        desk.post("/v1/keys", &body.to_string()).await.problem(400, "request.invalid");
    }
    assert!(desk.items("/v1/keys").await.is_empty());
}

#[tokio::test]
async fn a_word_that_is_none_is_answered_with_those_that_are() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    for (path, body, field, detail) in [
        (
            "/v1/keys",
            json!({ "name": "x", "scopes": ["read", "foo"] }),
            "scopes[1]",
            "`scopes[1]` must be read, operate, admin or events:write",
        ),
        (
            "/v1/replays",
            json!({ "state": "pending" }),
            "state",
            "`state` must be delivered, dead or cancelled",
        ),
        (
            "/v1/replays",
            json!({ "sinse": "2026-04-16T12:00:00Z" }),
            "sinse",
            "there is no field `sinse` here; did you mean `since`? (known here: receiver, source, eventType, \
             organization, state, since, until, dryRun, asNew, ratePerSecond)",
        ),
        (
            "/v1/replays",
            json!({ "since": "yesterday" }),
            "since",
            "`since` must be an instant such as 2026-04-16T12:00:00Z",
        ),
    ] {
        let problem = desk.post(path, &body.to_string()).await.problem(400, "request.invalid");
        assert_eq!((&problem["field"], &problem["detail"]), (&json!(field), &json!(detail)));
    }
}

#[tokio::test]
async fn keys_are_paged() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    for _ in 0..5 {
        desk.make_key("read", None).await;
    }
    let all = desk.items("/v1/keys").await;
    let pages = desk.pages("/v1/keys?limit=2").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(each(&pages.concat(), "keyId"), each(&all, "keyId"));
}

/// Asks with a wrong key, each time another.
async fn guess(app: &TestApp, n: u32) -> Answer {
    app.desk_of(&format!("cmn_guess_{n}")).ask(Method::GET, "/v1/keys", "").await
}

#[tokio::test]
async fn guesses_past_20_a_minute_are_429_while_a_valid_key_is_never_refused() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    for n in 0..20 {
        guess(&app, n).await.problem(401, "key.missing");
    }
    for n in 20..100 {
        let wait = guess(&app, n).await.later(429, "key.slowed");
        assert!((1..=60).contains(&wait), "{wait}");
    }
    app.desk().get("/v1/keys").await;
    // Who brings no key guesses nothing.
    app.get("/v1/keys").await.problem(401, "key.missing");
    clock.advance(Duration::from_mins(1));
    guess(&app, 101).await.problem(401, "key.missing");
}

#[tokio::test]
async fn a_revoked_and_an_expired_key_count_as_guesses() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    let (id, key) = app.desk().make_key("read", None).await;
    app.desk().ask(Method::DELETE, &format!("/v1/keys/{id}"), "").await.taken(200);
    for _ in 0..20 {
        app.desk_of(&key).refused("/v1/stats", 401, "key.missing").await;
    }
    app.desk_of(&key).refused("/v1/stats", 429, "key.slowed").await;
}

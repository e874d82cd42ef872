//! Who gets in: the sign-in, its cookie, the tokens of forms, scopes, and the headers of every page.

use std::time::Duration;

use camino_broker::domain::time::Millis;
use camino_broker::testing::clock::ManualClock;
use serde_json::json;

use super::browser::token;
use crate::app::{ADMIN_KEY, Setup};
use crate::client::Answer;

/// Names with their values.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Every page that needs nothing but a session.
pub const PAGES: [&str; 12] = [
    "/",
    "/events",
    "/endpoints",
    "/dead-letters",
    "/quarantine",
    "/registry",
    "/replays",
    "/contacts",
    "/subscriptions",
    "/tickets",
    "/keys",
    "/audit",
];

/// Every form that changes something.
const FORMS: [&str; 14] = [
    "/deliveries/none/retry",
    "/endpoints/mancha/pause",
    "/endpoints/mancha/resume",
    "/endpoints/mancha/test",
    "/endpoints/mancha/reset",
    "/endpoints/mancha/rotate-secret",
    "/quarantine/caracol/none/release",
    "/registry/payment.completed/test",
    "/replays/rpl_none/cancel",
    "/subscriptions/none",
    "/tickets/none",
    "/keys",
    "/keys/key_none/revoke",
    "/replays",
];

/// What every page must say about itself.
#[track_caller]
pub fn strict(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let page = answer.text();
    for inline in ["<style", " style=", " onclick=", "javascript:", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn without_a_session_every_page_is_the_way_to_the_sign_in() {
    let app = Setup::new().start().await;
    let browser = app.browser();
    let door = browser.get("/").await;
    assert_eq!(door.status, 200);
    strict(&door);
    assert!(door.text().contains("type=\"password\""));
    for path in PAGES.into_iter().filter(|path| *path != "/") {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        let next = path.replace('/', "%2F");
        assert_eq!(answer.header("location"), Some(format!("/?next={next}").as_str()));
    }
    let posted = browser.send("/endpoints/mancha/pause", &[("token", "x")], &[]).await;
    assert_eq!((posted.status.as_u16(), posted.header("location")), (303, Some("/")));
}

#[tokio::test]
async fn a_key_is_changed_for_a_strict_cookie_that_does_not_hold_it() {
    let app = Setup::new().start().await;
    let browser = app.browser();
    let answer = browser.submit("/sign-in", &[("key", ADMIN_KEY), ("next", "/events?state=dead")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/events?state=dead")));
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .find_map(|value| value.to_str().ok().filter(|value| value.starts_with("camino_session=")));
    let cookie = cookie.expect("a session");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(ADMIN_KEY) && !cookie.contains("Secure"), "{cookie}");
    assert!(browser.page("/").await.contains("Overview"));
    let out = browser.submit("/sign-out", &[]).await;
    assert_eq!(out.status, 303);
    assert_eq!(browser.cookie("camino_session"), None);
    assert_eq!(browser.get("/events").await.status, 303);
}

#[tokio::test]
async fn a_cookie_that_was_stolen_before_the_sign_out_opens_nothing_after_it() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    let id = browser.cookie("camino_session").unwrap();
    browser.submit("/sign-out", &[]).await;
    let thief = app.browser();
    thief.set_cookie("camino_session", &id);
    assert_eq!(thief.get("/events").await.status, 303);
}

#[tokio::test]
async fn a_wrong_key_is_said_and_too_many_are_slowed_but_a_valid_one_is_not() {
    let app = Setup::on(ManualClock::new(Millis(1_790_000_000_000))).start().await;
    let browser = app.browser();
    let first = browser.sign_in("cmn_guess").await;
    assert_eq!(first.status, 200);
    strict(&first);
    assert!(first.text().contains("This key is not valid."));
    assert_eq!(browser.cookie("camino_session"), None);
    // Those of the API count along.
    for _ in 0..19 {
        app.desk_of("cmn_guess").refused("/v1/stats", 401, "key.missing").await;
    }
    let slowed = browser.sign_in("cmn_guess").await;
    assert_eq!(slowed.status, 429);
    strict(&slowed);
    assert!(slowed.header("retry-after").is_some());
    app.desk_of("cmn_guess").refused("/v1/stats", 429, "key.slowed").await;
    assert_eq!(browser.sign_in(ADMIN_KEY).await.status, 303);
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let browser = app.signed_in().await;
    let own = token(&browser.page("/endpoints/mancha").await);
    let other = token(&app.signed_in().await.page("/").await);
    assert_ne!(own, other);
    let path = "/endpoints/mancha/pause";
    let evil = ("origin", "https://evil.example");
    let forged: [(Pairs<'_>, Pairs<'_>); 5] = [
        (&[], &[]),
        (&[("token", "")], &[]),
        (&[("token", &other)], &[]),
        (&[("token", &own)], &[evil]),
        (&[("token", &own)], &[("sec-fetch-site", "cross-site")]),
    ];
    for (fields, headers) in forged {
        let answer = browser.send(path, fields, headers).await;
        assert_eq!(answer.status, 403, "{fields:?} {headers:?}");
        strict(&answer);
        assert!(answer.text().contains("form.foreign"));
    }
    assert_eq!(app.desk().get("/v1/endpoints/mancha").await["state"], "active");
    assert_eq!(browser.send(path, &[("token", &own)], &[]).await.status, 303);
    assert_eq!(app.desk().get("/v1/endpoints/mancha").await["state"], "paused");
    let stranger = app.browser();
    stranger.get("/").await;
    let signed = stranger.send("/sign-in", &[("key", ADMIN_KEY), ("token", "guess")], &[]).await;
    assert_eq!(signed.status, 403, "nobody is signed in by another's form");
}

#[tokio::test]
async fn a_read_key_sees_and_changes_nothing() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let (_, key) = app.desk().make_key("read", None).await;
    let reader = app.signed_in_with(&key).await;
    let page = reader.page("/endpoints/mancha").await;
    assert!(!page.contains("/pause") && !page.contains("rotate-secret"), "{page}");
    assert!(!reader.page("/").await.contains("href=\"/audit\""));
    for path in FORMS {
        let answer = reader.submit(path, &[]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("key.scope_missing"), "{path}");
        strict(&answer);
    }
    let all = app.desk().items("/v1/audit").await;
    let refused = &all[0];
    assert_eq!((&refused["action"], &refused["target"]), (&"request.refused".into(), &"/replays".into()));
    assert_eq!(refused["detail"]["code"], "key.scope_missing");
    assert_eq!(reader.get("/audit").await.status, 403);
    let (_, key) = app.desk().make_key("operate", None).await;
    let operator = app.signed_in_with(&key).await;
    assert!(operator.page("/endpoints/mancha").await.contains("/endpoints/mancha/pause"));
    for path in ["/endpoints/mancha/rotate-secret", "/keys", "/keys/key_none/revoke"] {
        assert_eq!(operator.submit(path, &[]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_key_that_only_posts_events_opens_no_pages() {
    let app = Setup::new().start().await;
    let (_, key) = app.desk().make_key("events:write", Some("caracol")).await;
    let browser = app.browser();
    let answer = browser.sign_in(&key).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("does not open the dashboard"));
    assert_eq!(browser.cookie("camino_session"), None);
}

#[tokio::test]
async fn a_key_of_one_organization_opens_no_pages() {
    let app = Setup::new().start().await;
    for scope in ["read", "operate"] {
        let body = json!({ "name": "bound", "scopes": [scope], "organizations": ["org_1"] });
        let made = app.desk().post("/v1/keys", &body.to_string()).await.taken(201);
        let browser = app.browser();
        let answer = browser.sign_in(made["key"].as_str().unwrap()).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("does not open the dashboard"), "{scope}");
        assert_eq!(browser.cookie("camino_session"), None);
    }
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions() {
    let app = Setup::new().start().await;
    let (id, key) = app.desk().make_key("read", None).await;
    let browser = app.signed_in_with(&key).await;
    browser.page("/events").await;
    app.desk().ask(http::Method::DELETE, &format!("/v1/keys/{id}"), "").await.taken(200);
    assert_eq!(browser.get("/events").await.status, 303);
}

#[tokio::test]
async fn an_idle_session_ends() {
    let clock = ManualClock::new(Millis(1_790_000_000_000));
    let app = Setup::on(clock.clone()).start().await;
    let browser = app.signed_in().await;
    clock.advance(Duration::from_mins(119));
    browser.page("/events").await;
    clock.advance(Duration::from_mins(120));
    assert_eq!(browser.get("/events").await.status, 303);
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_names_of_their_own() {
    let app = Setup::new().start().await;
    let browser = app.browser();
    let door = browser.get("/").await.text();
    let asset = |ending: &str| {
        let at = door.find(ending).unwrap();
        let from = door[..at].rfind('"').unwrap() + 1;
        door[from..at + ending.len()].to_owned()
    };
    for (ending, kind) in [(".css", "text/css"), (".js", "text/javascript"), (".svg", "image/svg+xml")] {
        let answer = browser.get(&asset(ending)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with(kind));
        assert!(answer.header("cache-control").unwrap().contains("immutable"));
        let tag = answer.header("etag").unwrap().to_owned();
        let again = headers_with(&tag);
        let kept = app.client.ask(http::Method::GET, &asset(ending), &again, "").await;
        assert_eq!((kept.status.as_u16(), kept.body.len()), (304, 0));
    }
    assert_eq!(browser.get("/assets/none.css").await.status, 404);
}

fn headers_with(tag: &str) -> crate::client::Headers {
    crate::app::headers(&[("if-none-match", tag)])
}

#[tokio::test]
async fn what_a_page_tells_to_have_gone_wrong_stands_in_the_audit_log() {
    let app = Setup::new().start().await;
    let browser = app.signed_in().await;
    assert_eq!(browser.submit("/keys/none/revoke", &[]).await.status, 303);
    let audit = app.desk().items("/v1/audit").await;
    let refused = audit.iter().find(|line| line["action"] == "request.refused").unwrap();
    assert_eq!(
        (&refused["target"], &refused["detail"]["status"]),
        (&"/keys/{id}/revoke".into(), &404.into())
    );
    assert!(browser.page("/keys").await.contains("class=\"notice bad\""));
}

//! The interface's document against the broker as it answers: what it says of methods, keys and bodies holds.

use std::time::Duration;

use camino_broker::app::contract::openapi;
use camino_broker::testing::clock::ManualClock;
use http::Method;
use serde_json::{Value, json};

use crate::app::{EVENTS, Setup, TestApp, headers};
use crate::desk::Desk;

/// A path of the document with something that isn't there in it.
fn filled(path: &str) -> String {
    path.replace("{id}", "nothing").replace("{app}", "nothing").replace("{slug}", "nothing")
}

fn methods(item: &Value) -> Vec<String> {
    item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()
}

#[tokio::test]
async fn each_path_has_the_methods_that_are_described_and_no_other() {
    let app = Setup::new().start().await;
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        let answer = app.desk().ask(Method::OPTIONS, &filled(path), "").await;
        answer.problem(405, "request.method_not_allowed");
        let allowed = answer.header("allow").unwrap();
        let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).filter(|one| *one != "HEAD").collect();
        let mut described = methods(item);
        allowed.sort_unstable();
        described.sort_unstable();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test]
async fn what_needs_a_key_is_closed_without_one_and_with_a_wrong_one_and_the_rest_is_open() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).start().await;
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let head = headers(&[("content-type", "application/json")]);
            let answer = app.client.ask(method.clone(), &filled(path), &head, "").await;
            let security = operation["security"].to_string();
            let wanted = match () {
                () if security == "[]" => &[200, 404][..],
                // A proof is looked for once the body is read.
                () if security.contains("ecosystemSignature") => &[400],
                () => &[401],
            };
            assert!(wanted.contains(&answer.status.as_u16()), "{method} {path}: {}", answer.status);
            if security != "[]" && !security.contains("ecosystemSignature") {
                // So that no wrong key is one too many.
                clock.advance(Duration::from_mins(1));
                let answer = app.desk_of("cmn_nobody").ask(method, &filled(path), "").await;
                answer.problem(401, "key.missing");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let app = Setup::new().endpoint("constanza", "http://192.0.2.1:9/hooks").start().await;
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("requestBody").is_none() {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            // What isn't there may be said before the body is looked at.
            let wanted = if path.contains("{id}") { &[400, 404][..] } else { &[400] };
            for body in ["[]", "[[]]", "null", "7", "\"a\"", "{"] {
                let path = filled(&path.replace("{app}", "constanza"));
                let answer = app.desk().ask(method.clone(), &path, body).await;
                assert!(wanted.contains(&answer.status.as_u16()), "{method} {path} {body}: {answer:?}");
            }
        }
    }
}

/// What is said of the answer to `method` of `path`.
fn schema(path: &str, method: &str, status: u16) -> &'static Value {
    let content = &openapi()["paths"][path][method]["responses"][status.to_string()]["content"];
    &content["application/json"]["schema"]
}

/// The answer is what the document says of `status` there.
#[track_caller]
pub fn assert_described(path: &str, method: &str, status: u16, answer: &Value) {
    let schema = schema(path, method, status);
    assert!(!schema.is_null(), "{method} {path} answers {status}, which nobody describes");
    let schemas = &openapi()["components"]["schemas"];
    let root = json!({ "allOf": [schema], "components": { "schemas": schemas } });
    let rules = jsonschema::options().should_validate_formats(true).offline().build(&root).unwrap();
    let errors: Vec<String> =
        rules.iter_errors(answer).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:#?}\n{answer:#}");
}

#[tokio::test]
async fn lists_and_things_that_are_there_are_as_described() {
    let app = Setup::new().endpoint("constanza", "http://192.0.2.1:9/hooks").start().await;
    let desk = app.desk();
    let posted = app.send(&app.payment(1)).await.taken(202);
    assert_described(EVENTS, "post", 202, &posted);
    let held = app.send(&app.draft(2, "colectiva", "payment.complete", "{}")).await.taken(202);
    assert_described(EVENTS, "post", 202, &held);
    assert_eq!(held["status"], "quarantined");
    let made = desk.post("/v1/keys", r#"{"name":"watch","scopes":["read"]}"#).await.taken(201);
    assert_described("/v1/keys", "post", 201, &made);
    let begun = desk.post("/v1/replays", "{}").await.taken(202);
    assert_described("/v1/replays", "post", 202, &begun);
    for path in openapi()["paths"].as_object().unwrap().keys() {
        let operation = &openapi()["paths"][path]["get"];
        let is_read = operation["security"].to_string().contains("bearer") && !path.contains('{');
        // The stream has no end: tests/it/web/stream.rs reads it.
        let is_whole = operation["responses"]["200"]["content"].get("text/event-stream").is_none();
        let is_asked = operation["parameters"].to_string().contains("\"required\":true");
        if is_read && is_whole && !is_asked {
            assert_described(path, "get", 200, &desk.get(path).await);
        }
    }
    things(&app, &desk, posted["eventId"].as_str().unwrap(), begun["replayId"].as_str().unwrap()).await;
}

/// One of each kind, by its id.
async fn things(app: &TestApp, desk: &Desk<'_>, event: &str, replay: &str) {
    let one = |path: &str, id: &str| path.replace("{id}", id).replace("{app}", id).replace("{slug}", id);
    let delivery = desk.items(&format!("/v1/events/{event}/deliveries")).await;
    for (path, id) in [
        ("/v1/events/{id}", event),
        ("/v1/events/{id}/deliveries", event),
        ("/v1/events/{id}/explain", event),
        ("/v1/endpoints/{app}", "constanza"),
        ("/v1/endpoints/{app}", "camino"),
        ("/v1/replays/{id}", replay),
        ("/v1/registry/apps/{id}", "colectiva"),
        ("/v1/registry/events/{id}", "payment.completed"),
        ("/errors/{slug}", "event-too-old"),
    ] {
        assert_described(path, "get", 200, &desk.get(&one(path, id)).await);
    }
    for delivery in delivery.iter().filter_map(|delivery| delivery["deliveryId"].as_str()) {
        for path in ["/v1/deliveries/{id}", "/v1/deliveries/{id}/attempts"] {
            assert_described(path, "get", 200, &desk.get(&one(path, delivery)).await);
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_described(path, "get", 200, &app.get(path).await.json());
    }
}

#[tokio::test]
async fn the_page_for_people_loads_nothing() {
    let app = Setup::new().start().await;
    let page = app.get("/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = page.text();
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(
                html.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())),
                "{path}"
            );
        }
    }
    for foreign in ["<script", " src=", "<link", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

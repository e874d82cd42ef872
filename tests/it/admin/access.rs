//! Who may ask what, and that every refusal is a problem that says what to mend.

use std::time::Duration;

use camino_broker::http::Code;
use camino_broker::testing::clock::ManualClock;
use http::Method;

use crate::app::Setup;
use crate::client::Answer;

/// Every route with the scope that it needs.
const ROUTES: [(&str, &str, &str); 37] = [
    ("GET", "/v1/keys", "admin"),
    ("POST", "/v1/keys", "admin"),
    ("DELETE", "/v1/keys/key_0000000000000000", "admin"),
    ("GET", "/v1/audit", "admin"),
    ("GET", "/v1/backup", "admin"),
    ("POST", "/v1/backup", "admin"),
    ("GET", "/v1/endpoints", "read"),
    ("GET", "/v1/endpoints/mancha", "read"),
    ("PUT", "/v1/endpoints/mancha", "admin"),
    ("PATCH", "/v1/endpoints/mancha", "admin"),
    ("POST", "/v1/endpoints/mancha/pause", "operate"),
    ("POST", "/v1/endpoints/mancha/resume", "operate"),
    ("POST", "/v1/endpoints/mancha/rotate-secret", "admin"),
    ("POST", "/v1/endpoints/mancha/test", "operate"),
    ("POST", "/v1/endpoints/mancha/reset", "operate"),
    ("GET", "/v1/events", "read"),
    ("GET", "/v1/events/nobody", "read"),
    ("GET", "/v1/events/nobody/deliveries", "read"),
    ("GET", "/v1/events/nobody/explain", "read"),
    ("GET", "/v1/deliveries", "read"),
    ("GET", "/v1/deliveries/nobody", "read"),
    ("GET", "/v1/deliveries/nobody/attempts", "read"),
    ("POST", "/v1/deliveries/nobody/retry", "operate"),
    ("GET", "/v1/dead-letters", "read"),
    ("GET", "/v1/replays", "read"),
    ("POST", "/v1/replays", "operate"),
    ("GET", "/v1/replays/nobody", "read"),
    ("POST", "/v1/replays/nobody/cancel", "operate"),
    ("GET", "/v1/quarantine", "read"),
    ("POST", "/v1/quarantine/nobody/release", "operate"),
    ("GET", "/v1/drift", "read"),
    ("GET", "/v1/journal", "read"),
    ("GET", "/v1/stats", "read"),
    ("GET", "/v1/registry/apps", "read"),
    ("GET", "/v1/registry/apps/mancha", "read"),
    ("GET", "/v1/registry/events", "read"),
    ("GET", "/v1/registry/events/payment.completed", "read"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn every_route_needs_a_key_with_its_scope() {
    let clock = ManualClock::default();
    let app = Setup::on(clock.clone()).endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let admin = app.desk();
    let (_, reads) = admin.make_key("read", None).await;
    let (_, operates) = admin.make_key("operate", None).await;
    let (_, administers) = admin.make_key("admin", None).await;
    let (_, posts) = admin.make_key("events:write", Some("colectiva")).await;
    for (name, path, scope) in ROUTES {
        // A minute each, so that no wrong key is one too many.
        clock.advance(Duration::from_mins(1));
        let bare = app.client.ask(method(name), path, &Vec::new(), "").await;
        bare.problem(401, "key.missing");
        assert_eq!(bare.header("www-authenticate"), Some("Bearer"), "{name} {path}");
        app.desk_of("cmn_nobody").ask(method(name), path, "").await.problem(401, "key.missing");
        let (too_small, enough) = match scope {
            "read" => (&posts, vec![&reads, &operates, &administers]),
            "operate" => (&reads, vec![&operates, &administers]),
            _ => (&operates, vec![&administers]),
        };
        let refused = app.desk_of(too_small).ask(method(name), path, "").await;
        let detail = refused.problem(403, "key.scope_missing")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{scope}`")), "{name} {path}: {detail}");
        for key in enough {
            let answer = app.desk_of(key).ask(method(name), path, "").await;
            assert!(![401, 403].contains(&answer.status.as_u16()), "{name} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_key_may_come_as_x_api_key_too() {
    let app = Setup::new().start().await;
    let headers = crate::app::headers(&[("x-api-key", crate::app::ADMIN_KEY)]);
    app.client.ask(Method::GET, "/v1/keys", &headers, "").await.taken(200);
}

#[tokio::test]
async fn ids_that_nothing_has_are_404() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let desk = app.desk();
    let reads = [
        "/v1/events/nobody",
        "/v1/events/no%20id",
        "/v1/events/nobody/deliveries",
        "/v1/events/nobody/explain",
        "/v1/deliveries/nobody",
        "/v1/deliveries/dlv_00000000000000000000000000000000",
        "/v1/deliveries/nobody/attempts",
        "/v1/endpoints/nobody",
        "/v1/endpoints/comal",
        "/v1/registry/apps/nobody",
        "/v1/registry/events/no.such.type",
        "/v1/nothing",
        "/openapi",
    ];
    for path in reads {
        let problem = desk.refused(path, 404, "resource.not_found").await;
        assert!(!problem.to_string().contains("openapi"), "it doesn't send people to another 404: {problem}");
    }
    let writes = [
        "/v1/deliveries/nobody/retry",
        "/v1/quarantine/nobody/release",
        "/v1/endpoints/nobody/pause",
        "/v1/endpoints/comal/resume",
        "/v1/endpoints/comal/reset",
        "/v1/endpoints/comal/test",
        "/v1/endpoints/comal/rotate-secret",
    ];
    for path in writes {
        desk.post(path, "").await.problem(404, "resource.not_found");
    }
    for id in ["nobody", "key_0000000000000000"] {
        let answer = desk.ask(Method::DELETE, &format!("/v1/keys/{id}"), "").await;
        answer.problem(404, "resource.not_found");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_too() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let desk = app.desk();
    let detail = |answer: Answer| {
        let problem = answer.problem(400, "request.invalid");
        problem["detail"].as_str().unwrap().to_owned()
    };
    let get = async |path: &str| detail(desk.ask(Method::GET, path, "").await);
    assert!(get("/v1/events/%FF").await.contains("UTF-8"));
    assert!(get("/v1/endpoints/%FF").await.contains("UTF-8"));
    assert!(get("/v1/registry/apps/%FF").await.contains("UTF-8"));
    for path in ["/v1/deliveries/%FF/retry", "/v1/quarantine/%FF/release"] {
        assert!(detail(desk.ask(Method::POST, path, "").await).contains("UTF-8"));
    }
    assert_eq!(get("/v1/events?since=a&since=b").await, "`since` is given more than once");
    assert!(get("/v1/events/x?source=a&source=b").await.contains("more than once"));
    assert!(get("/v1/events?limit=0").await.starts_with("`limit`"));
    assert!(get("/v1/events?cursor=nonsense").await.starts_with("`cursor`"));
    assert!(get("/v1/keys?cursor=nonsense").await.starts_with("`cursor`"));
    assert!(get("/v1/audit?cursor=nonsense").await.starts_with("`cursor`"));
    for path in ["/v1/keys", "/v1/endpoints/mancha/rotate-secret"] {
        assert!(detail(desk.post(path, "{").await).starts_with("the body"), "{path}");
    }
    for path in ["PUT", "PATCH"] {
        let body = r#"{"ulr":"https://a.example/"}"#;
        assert!(detail(desk.ask(method(path), "/v1/endpoints/mancha", body).await).contains("ulr"));
    }
    let wrong = desk.ask(Method::DELETE, "/v1/events", "").await;
    wrong.problem(405, "request.method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST,GET,HEAD"), "{wrong:?}");
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    desk.post("/v1/keys", &long).await.problem(413, "body.too_large");
}

#[tokio::test]
async fn no_parameter_is_ignored() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    let table = [
        ("/v1/events?recever=mancha", "recever", Some("receiver")),
        ("/v1/events/x?sorce=a", "sorce", Some("source")),
        ("/v1/deliveries?organisation=o", "organisation", Some("organization")),
        ("/v1/dead-letters?state=pending", "state", None),
        ("/v1/quarantine?receiver=mancha", "receiver", None),
        ("/v1/quarantine?state=pending", "state", None),
        ("/v1/drift?organization=o", "organization", None),
        ("/v1/drift?reason=status", "reason", None),
        ("/v1/audit?since=2026-01-01T00:00:00Z", "since", None),
        ("/v1/keys?scope=read", "scope", None),
        ("/v1/endpoints?state=paused", "state", None),
        ("/v1/registry/apps?q=a", "q", None),
        ("/v1/registry/events?source=a", "source", None),
    ];
    for (path, name, meant) in table {
        let problem = desk.refused(path, 400, "request.invalid").await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("no parameter `{name}`")), "{path}: {detail}");
        assert_eq!(problem["field"], name);
        let known = problem["known"].as_array().unwrap();
        assert!(known.contains(&"limit".into()) || path.contains("/x?"), "{path}: {known:?}");
        if let Some(meant) = meant {
            assert!(detail.contains(&format!("did you mean `{meant}`?")), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_problems_type_leads_to_its_page() {
    let app = Setup::new().start().await;
    let problem = app.get("/v1/keys").await.problem(401, "key.missing");
    let page = app.get(problem["type"].as_str().unwrap()).await.taken(200);
    for name in ["type", "title", "status", "code"] {
        assert_eq!(page[name], problem[name], "{name}");
    }
    for code in Code::ALL {
        let page = app.get(&code.type_uri()).await.taken(200);
        assert_eq!(page["code"], code.as_str());
        assert!(!page["meaning"].as_str().unwrap().is_empty() && !page["mend"].as_str().unwrap().is_empty());
    }
    app.get("/errors/nobody").await.problem(404, "resource.not_found");
}

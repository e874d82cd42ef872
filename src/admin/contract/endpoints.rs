//! Endpoints: where events go.

use axum::http::Method;
use serde_json::{Value, json};

use crate::domain::outcome::Reason;
use crate::http::contract::shape::{
    bounded, count, flag, list, named, object, or_null, page_of, page_with, partly, slug, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::store::control::key::Scope;
use crate::store::control::overlay::{IN_FLIGHT_MAX, RATE_PER_SECOND_MAX, URL_BYTES_MAX};

const ID: &str = "The app's slug.";
const APP: &str = "constanza";

pub(super) fn chapter() -> Chapter {
    let steered = |path, id, summary| {
        Operation::new(Method::POST, path, id, summary).keyed(Scope::Operate).named(ID, APP).answers(
            200,
            "The endpoint as it is now.",
            named("Endpoint"),
            example(),
        )
    };
    Chapter {
        name: "endpoints",
        about: "Where events go. The config is the base; what is changed here lies over it, survives a restart, and \
                can be reset.",
        operations: vec![
            get("/v1/endpoints", "listEndpoints", "List endpoints, by app").lists::<()>().answers(
                200,
                "A page.",
                page_of("Endpoint"),
                page_with(&example()),
            ),
            get("/v1/endpoints/{app}", "showEndpoint", "Show an endpoint").named(ID, APP).answers(
                200,
                "The endpoint.",
                named("Endpoint"),
                example(),
            ),
            put(),
            patch(),
            steered("/v1/endpoints/{app}/pause", "pauseEndpoint", "Let deliveries to an app wait"),
            steered(
                "/v1/endpoints/{app}/resume",
                "resumeEndpoint",
                "Send what waits, and enable what is disabled",
            ),
            steered("/v1/endpoints/{app}/reset", "resetEndpoint", "Go back to the config"),
            rotate(),
            probe(),
        ],
        shapes: shapes(),
    }
}

fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, path, id, summary).keyed(Scope::Read)
}

fn put() -> Operation {
    let whole = json!({ "url": "https://constanza.example/api/ecosystem/webhooks", "secret": "whsec_c2VjcmV0LW9mLWNvbnN0YW56YS1pbg==" });
    Operation::new(
        Method::PUT,
        "/v1/endpoints/{app}",
        "putEndpoint",
        "Give an app an endpoint, or set one whole",
    )
    .about(
        "What is left out goes back to the config, but for secrets, which stay. An app of the registry that \
             has no endpoint gets one: `url` and `secret` are needed then.",
    )
    .keyed(Scope::Admin)
    .named(ID, APP)
    .takes(settings([("secret", or_null(text("What deliveries are signed with from now on.")))]), whole)
    .answers(200, "The endpoint as it is now.", named("Endpoint"), example())
    .refuses(&[Code::StateConflict])
}

fn patch() -> Operation {
    Operation::new(Method::PATCH, "/v1/endpoints/{app}", "patchEndpoint", "Change parts of an endpoint")
        .about("What is left out stays, null goes back to the config.")
        .keyed(Scope::Admin)
        .named(ID, APP)
        .takes(settings([]), json!({ "inFlightMax": 8, "ratePerSecond": null }))
        .answers(200, "The endpoint as it is now.", named("Endpoint"), example())
        .refuses(&[Code::StateConflict])
}

fn rotate() -> Operation {
    let rotation = partly(
        "The new secret; left out, one is made.",
        [],
        [("secret", or_null(text("A text, or `whsec_` and base64.")))],
    );
    let secret = json!({ "app": APP, "secret": "whsec_c2VjcmV0LW9mLWNvbnN0YW56YS1pbg==" });
    Operation::new(
        Method::POST,
        "/v1/endpoints/{app}/rotate-secret",
        "rotateSecret",
        "Sign with a new secret",
    )
    .about("The one before signs along until the next rotation. The secret is shown in this answer only.")
    .keyed(Scope::Admin)
    .named(ID, APP)
    .may_take(rotation, json!({}))
    .answers(200, "The new secret.", named("RotatedSecret"), secret)
    .refuses(&[Code::StateConflict])
}

fn probe() -> Operation {
    let example = json!({
        "app": APP, "outcome": "rejected", "reason": "rejected", "status": 401, "error": null,
        "answer": "bad signature", "durationMs": 42,
    });
    Operation::new(Method::POST, "/v1/endpoints/{app}/test", "testEndpoint", "Send a signed test event now")
        .about("Once, and at once; the answer says what the receiver answered. It is no delivery.")
        .keyed(Scope::Operate)
        .named(ID, APP)
        .answers(200, "What came of it.", named("Probe"), example)
        .refuses(&[Code::StateConflict])
}

/// What can be changed of an endpoint, and `more`.
fn settings<const N: usize>(more: [(&str, Value); N]) -> Value {
    let mut url = text("Where its events go: https:// or http://, without user or password.");
    url["maxLength"] = URL_BYTES_MAX.into();
    let mut all = partly(
        "Settings of an endpoint.",
        [],
        [
            ("paused", or_null(flag("Whether its deliveries wait."))),
            ("url", or_null(url)),
            ("inFlightMax", or_null(bounded(1, IN_FLIGHT_MAX.into(), "Attempts in flight at once."))),
            ("ratePerSecond", or_null(bounded(1, RATE_PER_SECOND_MAX.into(), "Most deliveries a second."))),
        ],
    );
    for (name, shape) in more {
        all["properties"][name] = shape;
    }
    all
}

fn shapes() -> Vec<(&'static str, Value)> {
    let outcomes = ["delivered", "retry", "gone", "rejected", "blocked", "unsent"];
    vec![
        ("Endpoint", endpoint()),
        (
            "RotatedSecret",
            partly(
                "A secret, shown once.",
                [
                    ("app", slug("The app.")),
                    (
                        "secret",
                        or_null(text("The secret; null in the repeat of an answer, by its Idempotency-Key.")),
                    ),
                ],
                [
                    (
                        "exceptSources",
                        list(slug("An app."), "Sources whose events have secrets of their own."),
                    ),
                    ("note", text("What that means.")),
                ],
            ),
        ),
        (
            "Probe",
            object(
                "What a test event came to.",
                [
                    ("app", slug("The app.")),
                    ("outcome", word(outcomes, "What a delivery would have come to.")),
                    ("reason", or_null(word(Reason::ALL.map(Reason::as_str), "Why it did not arrive."))),
                    ("status", or_null(count("The receiver's status."))),
                    ("error", or_null(text("The transport's error."))),
                    ("answer", or_null(text("The beginning of the receiver's answer."))),
                    ("durationMs", count("How long it took.")),
                ],
            ),
        ),
    ]
}

/// An endpoint. An app whose endpoint was only the overlay's, and is reset, has the first four members alone.
fn endpoint() -> Value {
    let states = ["active", "paused", "disabled", "none"];
    partly(
        "Where the events of one app go, and how that goes. Only with a url or as the hub has it the members \
         beyond `origin`.",
        [
            ("app", slug("The app.")),
            ("url", or_null(text("Where its events go; null for the hub, and for an app without endpoint."))),
            ("state", word(states, "Whether it is sent to.")),
            ("origin", word(["config", "overlay"], "Whether something is changed over the config.")),
        ],
        [
            ("reason", or_null(text("Why it is not sent to."))),
            ("breaker", word(["closed", "open", "half_open"], "Whether it is left alone because it fails.")),
            ("nextProbeAt", or_null(time("When it is tried again."))),
            ("secrets", count("How many sign its deliveries.")),
            ("echo", flag("Whether it gets its own events back.")),
            ("inFlightMax", count("Attempts in flight at once.")),
            ("ratePerSecond", or_null(count("Most deliveries a second."))),
            ("timeoutMs", count("Time for one attempt.")),
            ("pending", count("Deliveries that wait for their first attempt or a slot.")),
            ("retrying", count("Deliveries that wait for a retry.")),
            ("inFlight", count("Attempts under way.")),
            ("dead", count("Dead letters that nobody dealt with.")),
        ],
    )
}

fn example() -> Value {
    json!({
        "app": APP, "url": "https://constanza.example/api/ecosystem/webhooks", "state": "active", "reason": null,
        "origin": "config", "breaker": "closed", "nextProbeAt": null, "secrets": 1, "echo": false,
        "inFlightMax": 32, "ratePerSecond": null, "timeoutMs": 15000, "pending": 3, "retrying": 1, "inFlight": 2,
        "dead": 0,
    })
}

//! The journal in numbers, and what is open to anyone: health, metrics and the pages of problems.

use axum::http::Method;
use serde_json::{Value, json};

use crate::http::contract::shape::{count, integer, list, named, object, slug, text, word};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::{self, Code};
use crate::store::control::key::Scope;
use crate::store::journal::{ReceiverStats, StateCounts, Stats};
use crate::telemetry::metrics;

pub(super) fn chapter() -> Chapter {
    let open = |path, id, summary| Operation::new(Method::GET, path, id, summary);
    let sample = "# TYPE camino_journal_lag_events gauge\ncamino_journal_lag_events 0\n";
    Chapter {
        name: "operation",
        about: "How the broker is.",
        operations: vec![
            open("/v1/stats", "showStats", "The journal in numbers").keyed(Scope::Read).answers(
                200,
                "The numbers.",
                named("Stats"),
                stats(),
            ),
            open("/healthz", "showHealth", "Whether the process is alive").answers(
                200,
                "It is.",
                object("Always this.", [("status", word(["ok"], "Always this."))]),
                json!({ "status": "ok" }),
            ),
            open("/readyz", "showReadiness", "Whether events can be accepted")
                .about("200 once the outbox is replayed and ingest may be acknowledged.")
                .answers(
                    200,
                    "They can.",
                    object("Always this.", [("status", word(["ready"], "Always this."))]),
                    json!({ "status": "ready" }),
                )
                .refuses(&[Code::Draining, Code::DiskFull, Code::StoreFailing]),
            open("/metrics", "showMetrics", "Metrics for Prometheus").answers_as(
                200,
                "Every metric, in the text format.",
                metrics::CONTENT_TYPE,
                text("Prometheus' text format."),
                sample.into(),
            ),
            open("/errors/{slug}", "showProblem", "What a problem's `type` points to")
                .named("The problem's code, with dashes.", "resource-not-found")
                .answers(
                    200,
                    "The kind of problem.",
                    named("ProblemPage"),
                    json!(problem::described(Code::NotFound)),
                ),
        ],
        shapes: shapes(),
    }
}

fn shapes() -> Vec<(&'static str, Value)> {
    let receiver = object(
        "One receiver in numbers. Dead ones that were let go are not counted.",
        [
            ("receiver", slug("The receiver.")),
            ("pending", count("Waiting to be tried.")),
            ("delivered", count("Arrived.")),
            ("parked", count("Waiting until it can be sent to.")),
            ("dead", count("Failed for good.")),
            ("cancelled", count("Cancelled by a person.")),
        ],
    );
    let codes = Code::ALL.iter().map(|code| code.as_str());
    vec![
        (
            "Stats",
            object(
                "The journal in numbers.",
                [
                    ("events", count("Events kept.")),
                    ("quarantined", count("Of those, in quarantine.")),
                    ("deliveries", named("StateCounts")),
                    ("receivers", list(receiver, "By receiver, in order of their names.")),
                ],
            ),
        ),
        (
            "ProblemPage",
            object(
                "A kind of problem.",
                [
                    ("type", text("Where this page is.")),
                    ("title", text("The kind in words.")),
                    ("status", integer("The HTTP status.")),
                    ("code", word(codes, "What callers match on.")),
                    ("fault", text("Whose fault it is.")),
                    ("meaning", text("What happened.")),
                    ("mend", text("What to do.")),
                ],
            ),
        ),
    ]
}

fn stats() -> Value {
    let counts = StateCounts { pending: 3, delivered: 1204, dead: 1, ..StateCounts::default() };
    json!(Stats {
        events: 620,
        quarantined: 2,
        deliveries: counts,
        receivers: vec![ReceiverStats { receiver: "constanza".to_owned(), deliveries: counts }],
    })
}

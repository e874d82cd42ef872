//! Events, quarantine and drift.

use axum::http::Method;
use serde_json::{Value, json};

use super::{EVENT, onward};
use crate::admin::journal::SourceQuery;
use crate::domain::routing::QuarantineReason;
use crate::domain::time::Millis;
use crate::http::contract::shape::{
    any, count, delivery_id, event_type, list, named, object, or_null, page_of, page_with, partly, slug,
    text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::operations::filters::{Departures, Events, Held};
use crate::operations::live::Wanted;
use crate::store::control::key::Scope;
use crate::store::journal::{DriftRow, EventRow, ShownState, StateCounts};

const ID: &str = "The event's id, as its source named it.";

pub(super) fn chapter() -> Chapter {
    Chapter {
        name: "events",
        about: "What was accepted, who gets it and why, what waits in quarantine, and what departs from the registry.",
        operations: vec![
            by_names("/v1/events", "listEvents", "List events, newest first")
                .lists::<Events>()
                .says("state", state("Only events that have a delivery in this state."))
                .says("reason", held_for())
                .says("q", sought())
                .answers(200, "A page.", page_of("Event"), page_with(&example())),
            onward::operation(),
            get("/v1/events/{id}", "showEvent", "Show an event with its body")
                .named(ID, EVENT)
                .asks::<SourceQuery>()
                .says("source", which())
                .answers(200, "The event.", named("EventWithBody"), with_body()),
            get("/v1/events/{id}/explain", "explainEvent", "Why each receiver does or does not get an event")
                .named(ID, EVENT)
                .asks::<SourceQuery>()
                .says("source", which())
                .answers(200, "A decision for each receiver.", named("Explained"), explained()),
            by_names("/v1/stream", "streamEvents", "Follow events as they come")
                .about(
                    "Server-sent events, without end: `event` is an event as lists show it, and its `id` is the place in the \
                     journal to go on behind. `gap` says that more came than is caught up on, `lagged` that the reader was \
                     too slow and is cut.",
                )
                .asks::<Wanted>()
                .says("after", count("Go on behind this place: the `id` of the last event that was read."))
                .header("Last-Event-ID", "The same, as browsers send it; it counts before `after`.")
                .answers_as(
                    200,
                    "The stream.",
                    "text/event-stream",
                    text("Server-sent events."),
                    format!("retry: 1000\n\nid: 7\nevent: event\ndata: {}\n\n", example()).into(),
                )
                .refuses(&[Code::Overloaded, Code::Draining]),
            by_names("/v1/quarantine", "listQuarantine", "List events in quarantine")
                .about("Events of a type that the registry doesn't know, or knows by name only.")
                .lists::<Held>()
                .says("reason", held_for())
                .says("q", sought())
                .answers(200, "A page.", page_of("Event"), page_with(&quarantined())),
            Operation::new(Method::POST, "/v1/quarantine/{id}/release", "releaseEvent", "Release an event")
                .about("Routed by the registry as it is now, or to the receivers that are named.")
                .keyed(Scope::Operate)
                .named(ID, EVENT)
                .asks::<SourceQuery>()
                .says("source", which())
                .may_take(
                    partly(
                        "Who gets it, if not those of the registry.",
                        [],
                        [("receivers", or_null(list(slug("An app."), "The receivers.")))],
                    ),
                    json!({ "receivers": ["constanza"] }),
                )
                .answers(202, "Released.", named("Released"), released())
                .refuses(&[Code::StateConflict, Code::DiskFull, Code::Draining]),
            by_names("/v1/drift", "listDrift", "What senders send that the registry does not know")
                .about("Counted by source, type and field.")
                .lists::<Departures>()
                .answers(200, "A page.", page_of("Drift"), page_with(&json!(drift()))),
        ],
        shapes: shapes().into_iter().chain(onward::shapes()).collect(),
    }
}

pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, path, id, summary).keyed(Scope::Read)
}

/// What takes names of apps and types: one that nobody knows is not there.
pub(super) fn by_names(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    get(path, id, summary).refuses(&[Code::NotFound])
}

pub(super) fn state(about: &str) -> Value {
    word(ShownState::ALL.map(ShownState::as_str), about)
}

fn held_for() -> Value {
    let reasons = [QuarantineReason::UnknownType, QuarantineReason::TypeIncomplete];
    word(reasons.map(QuarantineReason::as_str), "Only events that are or were in quarantine for this reason.")
}

pub(super) fn sought() -> Value {
    text("Part of the event's id, its correlation id or its organization, capitals as written.")
}

/// Which of several sources.
pub(super) fn which() -> Value {
    slug("The event's source, where two have an event of this id.")
}

fn shapes() -> Vec<(&'static str, Value)> {
    let mut with_body = event_shape();
    with_body["description"] = "An event with the JSON that was received.".into();
    with_body["properties"]["body"] = any("The envelope as received; null once its retention is over.");
    if let Some(required) = with_body["required"].as_array_mut() {
        required.push("body".into());
    }
    let decision = object(
        "What was decided for one receiver.",
        [
            ("receiver", slug("The receiver.")),
            ("decision", word(["queued", "parked", "no_endpoint", "own_event", "filtered"], "The decision.")),
            ("detail", or_null(text("More for people."))),
        ],
    );
    let made = object(
        "A delivery that was made.",
        [("deliveryId", delivery_id("Its id.")), ("receiver", slug("Who gets it."))],
    );
    vec![
        ("Event", event_shape()),
        ("EventWithBody", with_body),
        ("StateCounts", counts_shape()),
        (
            "Explained",
            object(
                "Why receivers do or do not get an event.",
                [
                    ("eventId", text("The event.")),
                    (
                        "decisions",
                        list(decision, "One for each receiver; where the event was routed again, the last."),
                    ),
                ],
            ),
        ),
        (
            "Released",
            object(
                "An event that was released.",
                [
                    ("eventId", text("The event.")),
                    ("status", word(["released"], "Always this.")),
                    ("deliveries", list(made, "What was made.")),
                ],
            ),
        ),
        (
            "Drift",
            object(
                "One field that departs from the registry.",
                [
                    ("source", slug("Who sends it.")),
                    ("eventType", event_type("The type.")),
                    ("field", text("The field, as a JSON pointer in which `*` stands for any index.")),
                    ("count", count("How often.")),
                    ("firstSeen", time("The first time.")),
                    ("lastSeen", time("The last time.")),
                    ("problem", text("What was wrong the last time; never its value.")),
                    ("eventId", text("The last event.")),
                ],
            ),
        ),
    ]
}

pub(super) fn event_shape() -> Value {
    object(
        "An event.",
        [
            ("eventId", text("Its source's name for it.")),
            ("eventType", event_type("Its type.")),
            ("source", slug("Who sent it.")),
            ("organizationId", text("Its organization.")),
            ("correlationId", text("What ties it to the request that caused it.")),
            ("tenantId", or_null(text("`X-Tenant-Id` as sent."))),
            ("acceptedAt", time("When it was accepted.")),
            ("timestamp", time("Its own time.")),
            ("proof", text("How its source proved its origin.")),
            ("status", word(["routed", "quarantined", "released"], "Where it stands.")),
            ("reason", or_null(text("Why it is or was in quarantine."))),
            ("didYouMean", or_null(text("The registered type most like its own."))),
            ("deliveries", named("StateCounts")),
        ],
    )
}

fn counts_shape() -> Value {
    object(
        "Deliveries by state.",
        [
            ("pending", count("Waiting to be tried.")),
            ("delivered", count("Arrived.")),
            ("parked", count("Waiting until their receiver can be sent to.")),
            ("dead", count("Failed for good.")),
            ("cancelled", count("Cancelled by a person.")),
        ],
    )
}

fn row() -> EventRow {
    EventRow {
        event_id: EVENT.to_owned(),
        event_type: "payment.completed".to_owned(),
        source: "colectiva".to_owned(),
        organization_id: "org_42".to_owned(),
        correlation_id: "checkout-7".to_owned(),
        tenant_id: None,
        accepted_at: Millis(1_776_340_800_123),
        timestamp: Millis(1_776_340_800_000),
        proof: "ecosystem".to_owned(),
        status: "routed",
        reason: None,
        did_you_mean: None,
        deliveries: StateCounts { delivered: 2, dead: 1, ..StateCounts::default() },
        seq: 0,
        receivers: Vec::new(),
    }
}

pub(super) fn example() -> Value {
    json!(row())
}

fn with_body() -> Value {
    let mut event = example();
    event["body"] = json!({
        "eventId": EVENT, "eventType": "payment.completed", "timestamp": "2026-04-16T12:00:00Z",
        "source": "colectiva", "organizationId": "org_42", "data": { "paymentId": "pay_1", "amount": 125_000 },
    });
    event
}

fn quarantined() -> Value {
    let held = EventRow {
        event_type: "payment.complete".to_owned(),
        status: "quarantined",
        reason: Some("unknown_type".to_owned()),
        did_you_mean: Some("payment.completed".to_owned()),
        deliveries: StateCounts::default(),
        ..row()
    };
    json!(held)
}

fn explained() -> Value {
    json!({ "eventId": EVENT, "decisions": [
        { "receiver": "constanza", "decision": "queued", "detail": null },
        { "receiver": "hoja", "decision": "no_endpoint", "detail": "the app takes no part" },
    ] })
}

fn released() -> Value {
    let deliveries = json!([{ "deliveryId": super::DELIVERY, "receiver": "constanza" }]);
    json!({ "eventId": EVENT, "status": "released", "deliveries": deliveries })
}

fn drift() -> DriftRow {
    DriftRow {
        source: "colectiva".to_owned(),
        event_type: "payment.completed".to_owned(),
        field: "/items/*/sku".to_owned(),
        count: 12,
        first_seen: Millis(1_776_340_800_000),
        last_seen: Millis(1_776_427_200_000),
        problem: "is not of type \"string\"".to_owned(),
        event_id: EVENT.to_owned(),
    }
}

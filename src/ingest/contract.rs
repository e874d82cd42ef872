//! What ingest takes and answers, for the interface's document.

use axum::http::Method;
use serde_json::{Value, json};

use super::BATCH_ITEMS_MAX;
use crate::domain::event::ORGANIZATION_BYTES_MAX;
use crate::domain::routing::QuarantineReason;
use crate::http::contract::shape::{
    delivery_id, event_type, formed, list, named, object, open, or_null, partly, slug, some, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;

/// Problems of a body as a whole.
const BODY: &[Code] = &[
    Code::EnvelopeMalformed,
    Code::EnvelopeInvalid,
    Code::BodyTooLarge,
    Code::BodyUnreadable,
    Code::BodyTimeout,
    Code::ContentTypeUnsupported,
    Code::SignatureInvalid,
    Code::OutOfWindow,
    Code::ProofsSlowed,
    Code::QuotaExceeded,
    Code::DiskFull,
    Code::StoreFailing,
    Code::Overloaded,
    Code::Draining,
];
/// Problems of one event.
const EVENT: &[Code] =
    &[Code::BodyMismatch, Code::TooOld, Code::InFuture, Code::SenderNotAllowed, Code::SchemaInvalid];

/// The part of the interface that takes events.
pub fn chapter() -> Chapter {
    let aliased = "The same as POST /v1/events, under the path that the ecosystem documents.";
    let what = "Say what this path is";
    Chapter {
        name: "ingest",
        about: "Events in. A 2xx means that the event, its targets and its id are on the disk.",
        operations: vec![
            post("/v1/events", "postEvent").about(
                "The raw bytes are what is signed, stored and delivered; nothing is re-serialized. Decided in this \
                 order: size, content type, envelope, proof, window, repeat, age, type, sender, schema, capacity.",
            ),
            post("/api/ecosystem/webhooks", "postEcosystemWebhook").about(aliased),
            Operation::new(Method::GET, "/api/ecosystem/webhooks", "showEcosystemWebhooks", what).answers(
                200,
                "What it is.",
                named("WhatItIs"),
                super::answer::description(),
            ),
            batch(),
        ],
        shapes: shapes(),
    }
}

fn post(path: &'static str, id: &'static str) -> Operation {
    let accepted = "New and durable: it goes to these receivers, or waits in quarantine.";
    let repeated = "Accepted before, with the same body: the first answer again.";
    let operation = Operation::new(Method::POST, path, id, "Post one signed event").proven();
    said(operation)
        .takes(named("Envelope"), envelope())
        .answers(202, accepted, named("Receipt"), receipt("accepted"))
        .answers(200, repeated, named("Receipt"), receipt("duplicate"))
        .refuses(BODY)
        .refuses(EVENT)
}

fn batch() -> Operation {
    let shape = object(
        "Events of one source, which signed the whole body.",
        [("events", some(named("Envelope"), BATCH_ITEMS_MAX as u64, "The events."))],
    );
    let items = object(
        "An answer for each event, in their order.",
        [("items", list(json!({ "anyOf": [named("Receipt"), named("Rejection")] }), "The answers."))],
    );
    let rejected = json!({
        "eventId": "4b2f7c9e-0d51-4b3c-8a2a-6f0f3d2f7e11", "status": "rejected",
        "code": Code::SenderNotAllowed.as_str(), "detail": Code::SenderNotAllowed.example(),
    });
    said(Operation::new(Method::POST, "/v1/events/batch", "postBatch", "Post up to 500 events of one source"))
        .about(
            "One proof over the whole body, one commit. Each item's own bytes are its body and its digest.",
        )
        .proven()
        .takes(shape, json!({ "events": [envelope()] }))
        .answers(200, "What became of each.", items, json!({ "items": [receipt("accepted"), rejected] }))
        .refuses(BODY)
        .refuses(&[Code::BatchInvalid])
}

fn said(operation: Operation) -> Operation {
    operation
        .header("X-Tenant-Id", "The tenant, recorded with the event. `X-Ecosystem-Org-ID` means the same.")
        .header("traceparent", "W3C trace context, passed on to the receivers.")
}

fn shapes() -> Vec<(&'static str, Value)> {
    let reasons = [QuarantineReason::UnknownType, QuarantineReason::TypeIncomplete];
    let metadata = open(partly(
        "What the sender adds.",
        [],
        [
            ("correlationId", text("Ties the event to what caused it; passed on.")),
            ("userId", text("Who did it.")),
            ("version", text("Of the sender's format.")),
        ],
    ));
    let mut organization = text("Whose event it is.");
    organization["minLength"] = 1.into();
    organization["maxLength"] = ORGANIZATION_BYTES_MAX.into();
    let envelope = partly(
        "An event as its source posts it. Unknown fields at the top are kept.",
        [
            ("eventId", formed("^[A-Za-z0-9_-]{1,128}$", "Unique per source; the same for every retry.")),
            ("eventType", event_type("What happened.")),
            ("timestamp", time("When it happened, by the sender's clock.")),
            ("source", slug("The app that sends it.")),
            ("organizationId", organization),
            ("data", json!({ "description": "What the type's schema says." })),
        ],
        [("metadata", or_null(metadata))],
    );
    let delivery = object(
        "A delivery that was made.",
        [("deliveryId", delivery_id("Its id.")), ("receiver", slug("Who gets it."))],
    );
    let receipt = partly(
        "What a sender is told of an event.",
        [
            ("eventId", text("The event.")),
            ("status", word(["accepted", "duplicate", "quarantined"], "What became of it.")),
            ("correlationId", text("Passed on to the receivers.")),
            ("deliveries", list(delivery, "One for each receiver.")),
        ],
        [
            ("reason", word(reasons.map(QuarantineReason::as_str), "Why it is in quarantine.")),
            ("didYouMean", or_null(text("The registered type most like it."))),
        ],
    );
    let rejection = open(object(
        "Why an item of a batch was not taken.",
        [
            ("eventId", or_null(text("The event; null if the item is no envelope."))),
            ("status", word(["rejected"], "Always this.")),
            ("code", word(Code::ALL.iter().map(|code| code.as_str()), "As a problem's.")),
            ("detail", text("What to mend.")),
        ],
    ));
    let what = object(
        "What the path is.",
        [
            ("name", text("Of the broker.")),
            ("what", text("It does.")),
            ("version", text("Of the broker.")),
            ("signature", text("How to sign.")),
            ("also", text("How else to sign.")),
            ("registry", text("Where the types are listed.")),
        ],
    );
    vec![("Envelope", open(envelope)), ("Receipt", receipt), ("Rejection", rejection), ("WhatItIs", what)]
}

fn envelope() -> Value {
    json!({
        "eventId": "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f",
        "eventType": "payment.completed",
        "timestamp": "2026-04-16T12:00:00Z",
        "source": "colectiva",
        "organizationId": "org_42",
        "data": { "paymentId": "pay_1", "amount": 125_000, "currency": "MXN" },
        "metadata": { "correlationId": "checkout-7" },
    })
}

fn receipt(status: &str) -> Value {
    json!({
        "eventId": "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f",
        "status": status,
        "correlationId": "checkout-7",
        "deliveries": [{ "deliveryId": "dlv_57df0058379644170f5d790775d27075", "receiver": "constanza" }],
    })
}

//! Deliveries, their attempts, dead letters, and making one again.

use axum::http::Method;
use serde_json::{Value, json};

use super::events::{by_names, get, sought, state, which};
use super::{DELIVERY, EVENT, delivery_ids, shown};
use crate::admin::journal::SourceQuery;
use crate::domain::time::Millis;
use crate::http::contract::shape::{
    count, delivery_id, event_type, flag, named, object, or_null, page_of, page_with, slug, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::operations::filters::{Deliveries, Letters};
use crate::store::control::key::Scope;
use crate::store::journal::{AttemptRow, DeliveryRow, ShownReason, ShownState};

const ID: &str = "The delivery's id.";

pub(super) fn chapter() -> Chapter {
    Chapter {
        name: "deliveries",
        about: "One event on its way to one receiver. A terminal delivery never reopens: a retry makes a new one.",
        operations: vec![
            by_names("/v1/deliveries", "listDeliveries", "List deliveries, newest first")
                .lists::<Deliveries>()
                .says("state", state("Only deliveries in this state."))
                .says("reason", reason())
                .says("q", sought())
                .answers(200, "A page.", page_of("Delivery"), page_with(&example())),
            get("/v1/deliveries/{id}", "showDelivery", "Show a delivery").named(ID, DELIVERY).answers(
                200,
                "The delivery.",
                named("Delivery"),
                example(),
            ),
            get("/v1/deliveries/{id}/attempts", "listAttempts", "List a delivery's attempts, oldest first")
                .named(ID, DELIVERY)
                .answers(200, "All of them.", page_of("Attempt"), page_with(&attempt())),
            get("/v1/events/{id}/deliveries", "listEventDeliveries", "List the deliveries of an event")
                .named("The event's id, as its source named it.", EVENT)
                .asks::<SourceQuery>()
                .says("source", which())
                .answers(200, "All of them.", page_of("Delivery"), page_with(&example())),
            by_names("/v1/dead-letters", "listDeadLetters", "List deliveries that failed for good")
                .about("Those that a person let go of, by a retry or a dismissal, are left out.")
                .lists::<Letters>()
                .says("reason", reason())
                .says("q", sought())
                .answers(200, "A page.", page_of("Delivery"), page_with(&example())),
            Operation::new(
                Method::POST,
                "/v1/deliveries/{id}/retry",
                "retryDelivery",
                "Make a delivery again",
            )
            .about("For one that is over. The receiver gets the same bytes under the same ids.")
            .keyed(Scope::Operate)
            .named(ID, DELIVERY)
            .answers(202, "The new delivery.", named("Delivery"), again())
            .refuses(&[Code::StateConflict, Code::DiskFull, Code::Draining]),
        ],
        shapes: vec![("Delivery", delivery()), ("Attempt", attempt_shape())],
    }
}

fn reason() -> Value {
    word(ShownReason::words(), "Only those that wait or are dead for this reason.")
}

fn delivery() -> Value {
    object(
        "One event on its way to one receiver.",
        [
            ("deliveryId", delivery_id("Its id.")),
            ("eventId", text("The event's id.")),
            ("eventType", event_type("The event's type.")),
            ("source", slug("Who sent the event.")),
            ("receiver", slug("Who gets it.")),
            ("state", word(ShownState::ALL.map(ShownState::as_str), "Where it stands.")),
            ("reason", or_null(word(ShownReason::words(), "Why it waits or is dead."))),
            ("attempts", count("Attempts made.")),
            ("nextAttemptAt", or_null(time("When it is tried again."))),
            ("lastStatus", or_null(count("The receiver's last status."))),
            (
                "lastError",
                or_null(text("The transport's last error, or the beginning of the receiver's answer.")),
            ),
            ("acceptedAt", time("When the event was accepted.")),
            ("deliveredAt", or_null(time("When it arrived."))),
            ("replayOf", or_null(delivery_id("The delivery that it repeats."))),
        ],
    )
}

fn attempt_shape() -> Value {
    object(
        "One try to send an event to its receiver.",
        [
            ("number", count("1 for the first.")),
            ("startedAt", time("When it began.")),
            ("durationMs", count("How long it took.")),
            ("status", or_null(count("The receiver's status."))),
            ("reason", or_null(text("Why it did not arrive."))),
            ("error", or_null(text("The transport's error."))),
            ("excerpt", or_null(text("The beginning of the receiver's answer."))),
            ("probe", flag("Whether it probed an open breaker.")),
        ],
    )
}

fn row() -> Option<DeliveryRow> {
    let (delivery_id, _) = delivery_ids()?;
    Some(DeliveryRow {
        delivery_id,
        event_id: EVENT.to_owned(),
        event_type: "payment.completed".to_owned(),
        source: "colectiva".to_owned(),
        receiver: "constanza".to_owned(),
        state: ShownState::Dead,
        reason: Some("rejected".to_owned()),
        attempts: 1,
        next_attempt_at: None,
        last_status: Some(422),
        last_error: Some("{\"error\":\"unknown payment\"}".to_owned()),
        accepted_at: Millis(1_776_340_800_123),
        delivered_at: None,
        replay_of: None,
        seq: 0,
        lane: 0,
        generation: 0,
        organization: String::new(),
        dismissed: false,
    })
}

fn example() -> Value {
    shown(&row())
}

/// The same event, once more.
fn again() -> Value {
    let row = row().zip(delivery_ids()).map(|(row, (old, new))| DeliveryRow {
        delivery_id: new,
        state: ShownState::Pending,
        reason: None,
        attempts: 0,
        last_status: None,
        last_error: None,
        replay_of: Some(old),
        ..row
    });
    shown(&row)
}

fn attempt() -> Value {
    json!(AttemptRow {
        number: 1,
        started_at: Millis(1_776_340_800_200),
        duration_ms: 84,
        status: Some(422),
        reason: Some("rejected".to_owned()),
        error: None,
        excerpt: Some("{\"error\":\"unknown payment\"}".to_owned()),
        probe: false,
    })
}

//! What the hub's API takes and answers, for the interface's document: a chapter a file below.

mod crm;
mod organizations;
mod pipeline;
mod subscriptions;
mod tickets;

use axum::http::Method;
use serde_json::{Value, json};

use crate::http::contract::shape::{object, text, time};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::store::control::key::Scope;

/// The hub's part of the interface.
pub(in crate::admin) fn chapters() -> Vec<Chapter> {
    vec![
        organizations::chapter(),
        crm::chapter(),
        pipeline::chapter(),
        tickets::chapter(),
        subscriptions::chapter(),
    ]
}

const ORGANIZATION: &str = "org_42";
const CONTACT: &str = "con_5c1f0e9d8b7a6f5e";
const EVENT: &str = "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f";
const AT: &str = "2026-04-16T12:00:00Z";

fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, path, id, summary).keyed(Scope::Read)
}

/// A change of something that is there.
fn change(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, id, summary)
        .keyed(Scope::Operate)
        .refuses(&[Code::NotFound, Code::StateConflict])
}

fn organization() -> Value {
    text("Whose it is.")
}

/// One line in each language.
fn summary() -> Value {
    object("One line, by language.", [("es", text("In Spanish.")), ("en", text("In English."))])
}

fn updated() -> Value {
    time("When it last changed.")
}

/// A line of a timeline, as an example.
fn line() -> Value {
    json!({
        "at": AT, "eventType": "payment.completed", "source": "colectiva", "organizationId": ORGANIZATION,
        "contactId": CONTACT, "summary": { "es": "Pagó 1,250.00 MXN", "en": "Paid 1,250.00 MXN" },
        "amount": 125_000, "event": { "eventId": EVENT },
    })
}

//! What the names of a query mean wherever an operation says nothing else of them.

use serde_json::{Value, json};

use super::shape::{bounded, event_type, instant, slug, text};
use crate::http::page::{CURSOR_BYTES_MAX, LIMIT_DEFAULT, LIMIT_MAX};

/// The shape of the parameter `name`; none if it has no meaning of its own.
pub(super) fn common(name: &str) -> Option<Value> {
    Some(match name {
        "limit" => {
            let mut limit = bounded(1, LIMIT_MAX.into(), "Most items of the page.");
            limit["default"] = LIMIT_DEFAULT.into();
            limit
        }
        "cursor" => {
            let mut cursor = text("`next` of the page before; left out for the first page.");
            cursor["maxLength"] = json!(CURSOR_BYTES_MAX);
            cursor
        }
        "receiver" => slug("Only what goes to this app."),
        "source" => slug("Only what comes from this app."),
        "app" => text("Only of this app."),
        "eventType" => event_type("Only events of this type."),
        "organization" => text("Only what belongs to this organization."),
        "since" => instant("Only what is of then or later."),
        "until" => instant("Only what is of then or earlier."),
        _ => return None,
    })
}

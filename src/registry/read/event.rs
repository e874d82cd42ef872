//! Reads one entry of the events: its names, its lists, its schema and its example.
//!
//! A mistake in one part does not keep the others from being checked.

use std::sync::Arc;

use serde_json::Value;

use super::fields::Fields;
use super::{EVENTS, Reader};
use crate::domain::catalog::{EventDef, Status};
use crate::domain::id::{AppSlug, EventType};
use crate::domain::schema::{self, Schema};
use crate::registry::problem::Cause;

const KEYS: [&str; 9] = [
    "type",
    "description",
    "senders",
    "receivers",
    "sendersComplete",
    "receiversComplete",
    "schema",
    "example",
    "status",
];
/// What a type's name looks like. Stricter than the envelope's rule: a name in the registry is
/// also a file's name and a metric's label.
const TYPE_RULE: &str = "two to four lower-case names joined by dots, such as appointment.completed";

impl Reader<'_> {
    /// Reads the event in `item`, which stands at `place`.
    pub(super) fn event(&mut self, item: Value, place: &str) -> Option<EventDef> {
        let mut fields = Fields::new(self, EVENTS, place.to_owned(), item, &KEYS)?;
        let description = fields.text("description").unwrap_or_default();
        let senders = slugs(&mut fields, "senders");
        let receivers = slugs(&mut fields, "receivers");
        let senders_complete = fields.flag("sendersComplete");
        let receivers_complete = fields.flag("receiversComplete");
        let schema = schema_of(&mut fields);
        let example = fields.take("example");
        if let (Some(schema), Some(example)) = (&schema, &example) {
            check_example(&mut fields, schema, example);
        }
        let status = status(&mut fields);
        Some(EventDef {
            event_type: event_type(&mut fields)?,
            description,
            senders,
            receivers,
            senders_complete,
            receivers_complete,
            schema,
            example,
            status,
        })
    }
}

fn event_type(fields: &mut Fields<'_, '_>) -> Option<EventType> {
    let name = fields.required_text("type")?;
    let segments = name.split('.').count();
    let plain = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_lowercase())
            && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let well_formed = (2..=4).contains(&segments) && name.split('.').all(plain);
    match EventType::new(&name) {
        Ok(event_type) if well_formed => Some(event_type),
        _ => {
            fields.problem("type", Cause::BadName { name, rule: TYPE_RULE });
            None
        }
    }
}

fn slugs(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<AppSlug> {
    let mut slugs: Vec<AppSlug> = Vec::new();
    for (index, text) in fields.texts(key) {
        let place = format!("{key}[{index}]");
        let slug = match AppSlug::new(&text) {
            Ok(slug) => slug,
            Err(error) => {
                fields.problem(&place, Cause::BadName { name: text, rule: error.rule });
                continue;
            }
        };
        if let Some(first) = slugs.iter().position(|known| *known == slug) {
            let first = fields.at(&format!("{key}[{first}]"));
            fields.problem(&place, Cause::Duplicate { name: text, first });
        } else if let Some(cause) = fields.reader.unknown_app(&slug) {
            fields.problem(&place, cause);
        } else {
            slugs.push(slug);
        }
    }
    slugs
}

fn status(fields: &mut Fields<'_, '_>) -> Status {
    match fields.text("status").as_deref() {
        None | Some("active") => Status::Active,
        Some("incomplete") => Status::Incomplete,
        Some(_) => {
            fields.problem("status", Cause::Kind("`active` or `incomplete`"));
            Status::Active
        }
    }
}

/// A path names a file with the schema; an object is the schema itself.
fn schema_of(fields: &mut Fields<'_, '_>) -> Option<Arc<Schema>> {
    match fields.take("schema")? {
        Value::String(path) => match fields.reader.parsed(&path) {
            Ok(value) => compiled(&value)
                .map_err(|(at, error)| fields.reader.problem(&path, at, Cause::Schema(error)))
                .ok(),
            // A path that leads nowhere is a mistake of the entry, not of the file.
            Err((_, cause @ (Cause::Outside | Cause::MissingFile))) => {
                fields.problem("schema", Cause::Path { path, why: cause.to_string() });
                None
            }
            Err((place, cause)) => {
                fields.reader.problem(&path, place, cause);
                None
            }
        },
        value @ Value::Object(_) => {
            compiled(&value).map_err(|(_, error)| fields.problem("schema", Cause::Schema(error))).ok()
        }
        _ => {
            fields.problem("schema", Cause::Kind("a path, a schema or null"));
            None
        }
    }
}

fn compiled(value: &Value) -> Result<Arc<Schema>, (String, schema::Error)> {
    Schema::compile(value).map(Arc::new).map_err(|error| (error.field().to_owned(), error))
}

fn check_example(fields: &mut Fields<'_, '_>, schema: &Schema, example: &Value) {
    for drift in schema.check(example) {
        fields.problem("example", Cause::Example(format!("{}: {}", drift.field, drift.problem)));
    }
}

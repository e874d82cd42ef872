//! Shapes of JSON, as JSON Schema 2020-12: what OpenAPI 3.1 speaks.
//!
//! An object is closed: what it doesn't name is not in it, so that a test notices a member that nobody described.

use serde_json::{Map, Value, json};

/// A text.
pub fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

/// A text of a form.
pub fn formed(pattern: &str, about: &str) -> Value {
    json!({ "type": "string", "pattern": pattern, "description": about })
}

/// A text that is not blank.
pub fn filled(about: &str) -> Value {
    formed(r"\S", about)
}

/// One of some words.
pub fn word<'a>(words: impl IntoIterator<Item = &'a str>, about: &str) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "type": "string", "enum": words, "description": about })
}

/// An instant that is asked for: of 1970 or later.
pub fn instant(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-9])", "description": about })
}

/// An instant.
pub fn time(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

/// An app's slug.
pub fn slug(about: &str) -> Value {
    formed("^[a-z0-9][a-z0-9-]{0,63}$", about)
}

/// The name of a type of event.
pub fn event_type(about: &str) -> Value {
    formed("^[A-Za-z0-9_.-]{1,128}$", about)
}

/// A delivery's id.
pub fn delivery_id(about: &str) -> Value {
    formed("^dlv_[0-9a-f]{32}$", about)
}

/// How many.
pub fn count(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

/// A whole number within bounds.
pub fn bounded(min: u64, max: u64, about: &str) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max, "description": about })
}

/// A whole number, perhaps below zero.
pub fn integer(about: &str) -> Value {
    json!({ "type": "integer", "description": about })
}

/// A number.
pub fn number(about: &str) -> Value {
    json!({ "type": "number", "description": about })
}

/// True or false.
pub fn flag(about: &str) -> Value {
    json!({ "type": "boolean", "description": about })
}

/// Any JSON.
pub fn any(about: &str) -> Value {
    json!({ "description": about })
}

/// `shape`, or null.
pub fn or_null(mut shape: Value) -> Value {
    if shape.get("$ref").is_some() {
        return json!({ "anyOf": [shape, { "type": "null" }] });
    }
    if let Some(kind) = shape.get("type").cloned() {
        shape["type"] = json!([kind, "null"]);
    }
    if let Some(Value::Array(words)) = shape.get_mut("enum") {
        words.push(Value::Null);
    }
    shape
}

/// A list.
pub fn list(items: Value, about: &str) -> Value {
    let mut list = json!({ "type": "array", "description": about });
    list["items"] = items;
    list
}

/// A list from 1 to `max` long.
pub fn some(items: Value, max: u64, about: &str) -> Value {
    let mut list = list(items, about);
    list["minItems"] = 1.into();
    list["maxItems"] = max.into();
    list
}

/// An object with all of `members`.
pub fn object<const N: usize>(about: &str, members: [(&str, Value); N]) -> Value {
    partly(about, members, [])
}

/// An object with all of `members`, and perhaps some of `optional`.
pub fn partly<const N: usize, const M: usize>(
    about: &str,
    members: [(&str, Value); N],
    optional: [(&str, Value); M],
) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        members.into_iter().chain(optional).map(|(name, shape)| (name.to_owned(), shape)).collect();
    let mut object = json!({ "type": "object", "description": about, "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object["additionalProperties"] = false.into();
    object
}

/// An object with what it names and perhaps more.
#[must_use]
pub fn open(mut object: Value) -> Value {
    object["additionalProperties"] = true.into();
    object
}

/// `object` with at least one of `members`, and that not null.
#[must_use]
pub fn with_one_of(mut object: Value, members: &[&str]) -> Value {
    let given =
        |name: &&str| json!({ "required": [name], "properties": { *name: { "not": { "type": "null" } } } });
    object["anyOf"] = members.iter().map(given).collect();
    object
}

/// The shape of this name.
pub fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// One page of a list of the shape of this name.
pub fn page_of(name: &str) -> Value {
    let next = "The `cursor` of the next page; null on the last one.";
    object(
        "One page of a list. It may be short, or empty, and have a `next` all the same.",
        [("items", list(named(name), "The items, in the list's order.")), ("next", or_null(text(next)))],
    )
}

/// A page with one item, as an example.
pub fn page_with(item: &Value) -> Value {
    json!({ "items": [item], "next": null })
}

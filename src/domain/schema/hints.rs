//! Reads the ecosystem's type hints, field by field, into JSON Schema 2020-12.
//!
//! A hint is a short text such as `string (optional)`, `number (cents)`, `string | null (YYYY-MM)`,
//! `string (a|b|etc.)` or `Array<{ url: string, alt?: string }>`. It says less than a schema, so the
//! reading is generous: unlisted fields pass, an open list of values is not enforced, and a remark
//! that is no rule becomes the field's description. Never guesses a type: a word it does not know is
//! an error that names the field.

use serde_json::{Map, Value, json};

use super::Error;

mod note;
mod term;

use note::Note;
use term::{Parser, Term};

/// How deep hints may nest.
const DEPTH_MAX: usize = 16;

/// What one hint says: the schema of the value, and whether the field may be missing.
struct Field {
    schema: Map<String, Value>,
    optional: bool,
}

/// Reads an object of hints into the JSON Schema of an object with those fields.
///
/// A field's value is a hint, a nested object of hints, or a nested JSON Schema.
pub fn from_hints(hints: &Value) -> Result<Value, Error> {
    object(hints, "", 0)
}

fn object(hints: &Value, at: &str, depth: usize) -> Result<Value, Error> {
    let fields = hints.as_object().ok_or_else(|| Error::Shape { field: at.to_owned() })?;
    if depth >= DEPTH_MAX {
        return Err(Error::Depth { field: at.to_owned(), depth_max: DEPTH_MAX });
    }
    let mut read = Vec::with_capacity(fields.len());
    for (name, hint) in fields {
        let at = format!("{at}/{name}");
        let field = match hint {
            Value::String(text) => {
                hint_field(text).map_err(|why| Error::Hint { field: at, hint: text.clone(), why })?
            }
            Value::Object(map) if super::is_json_schema(map) => {
                Field { schema: map.clone(), optional: false }
            }
            nested => Field { schema: into_map(object(nested, &at, depth + 1)?), optional: false },
        };
        read.push((name.clone(), field));
    }
    Ok(Value::Object(object_schema(read)))
}

/// The schema of an object with `fields`, those not optional being required.
fn object_schema(fields: Vec<(String, Field)>) -> Map<String, Value> {
    let required: Vec<Value> =
        fields.iter().filter(|(_, field)| !field.optional).map(|(name, _)| json!(name)).collect();
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, field)| (name, Value::Object(field.schema))).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), Value::Array(required));
    }
    schema
}

fn hint_field(text: &str) -> Result<Field, &'static str> {
    let mut parser = Parser::new(text);
    let field = union(&mut parser)?;
    parser.end()?;
    Ok(field)
}

/// Reads `term (note) | term (note) ...`; notes speak of the whole union, as `string | null (YYYY-MM)` does.
fn union(parser: &mut Parser<'_>) -> Result<Field, &'static str> {
    let mut note = Note::default();
    let mut terms = Vec::new();
    loop {
        terms.push(parser.term(&mut note)?);
        if !parser.eat('|') {
            break;
        }
    }
    combine(terms, note)
}

fn combine(terms: Vec<Term>, mut note: Note) -> Result<Field, &'static str> {
    let mut nullable = false;
    let mut words = Vec::new();
    let mut variants: Vec<Map<String, Value>> = Vec::new();
    for term in terms {
        match term {
            Term::Null => nullable = true,
            Term::Absent => note.optional = true,
            Term::Etc => note.open = true,
            Term::Unsaid => {}
            Term::Word(word) => words.push(word),
            Term::Schema(schema) if variants.contains(&schema) => {}
            Term::Schema(schema) => variants.push(schema),
        }
    }
    match (words.len(), variants.len()) {
        (0, _) => {}
        // `financial (literal)`, or bare values `low|medium|high`.
        (1, 0) if note.literal => note.values = words,
        (2.., 0) => note.values.extend(words),
        _ => return Err("names a type that is not known"),
    }
    let mut schema = match variants.len() {
        0 if note.values.is_empty() && !note.stringly() => Map::new(),
        0 => term::typed("string"),
        1 => variants.remove(0),
        _ => any_of(variants),
    };
    note.constrain(&mut schema);
    if nullable {
        schema = nullable_schema(schema);
    }
    if let Some(remark) = note.remark() {
        schema.insert("description".into(), json!(remark));
    }
    Ok(Field { schema, optional: nullable || note.optional })
}

/// Joins plain types into one list, anything else into `anyOf`.
fn any_of(variants: Vec<Map<String, Value>>) -> Map<String, Value> {
    let mut schema = Map::new();
    if variants.iter().all(|one| one.len() == 1 && one.get("type").is_some_and(Value::is_string)) {
        let types = variants.into_iter().filter_map(|mut one| one.remove("type")).collect();
        schema.insert("type".into(), Value::Array(types));
    } else {
        schema.insert("anyOf".into(), variants.into_iter().map(Value::Object).collect());
    }
    schema
}

fn nullable_schema(mut schema: Map<String, Value>) -> Map<String, Value> {
    if schema.contains_key("const") || schema.contains_key("anyOf") {
        return any_of(vec![schema, term::typed("null")]);
    }
    if let Some(kind) = schema.get_mut("type") {
        let mut types = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
        types.push(json!("null"));
        *kind = Value::Array(types);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    schema
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(hint: &str) -> (Value, bool) {
        let field = hint_field(hint).unwrap_or_else(|why| panic!("{hint}: {why}"));
        (Value::Object(field.schema), field.optional)
    }

    #[test]
    fn each_kind_of_hint_reads_as_documented() {
        let table = [
            ("string", json!({"type": "string"}), false),
            ("string (optional)", json!({"type": "string"}), true),
            ("number (cents)", json!({"type": "number", "description": "cents"}), false),
            ("string | null", json!({"type": ["string", "null"]}), true),
            ("string (ISO datetime)", json!({"type": "string", "format": "date-time"}), false),
            ("string (ISO8601, optional)", json!({"type": "string", "format": "date-time"}), true),
            ("string (ISO date, optional)", json!({"type": "string", "format": "date"}), true),
            ("ISO date, optional", json!({"type": "string", "format": "date"}), true),
            ("string (YYYY-MM)", json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}), false),
            (
                "string | null (YYYY-MM)",
                json!({"type": ["string", "null"], "pattern": "^[0-9]{4}-[0-9]{2}$"}),
                true,
            ),
            (
                "string (SAT UUID, optional)",
                json!({"type": "string", "format": "uuid", "description": "SAT UUID"}),
                true,
            ),
            ("string (a|b)", json!({"type": "string", "enum": ["a", "b"]}), false),
            ("string (optional, a|b)", json!({"type": "string", "enum": ["a", "b"]}), true),
            ("(a|b)", json!({"type": "string", "enum": ["a", "b"]}), false),
            ("low|high", json!({"type": "string", "enum": ["low", "high"]}), false),
            ("string | null (a|b)", json!({"type": ["string", "null"], "enum": ["a", "b", null]}), true),
            ("string (task|order|etc)", json!({"type": "string", "description": "task|order|…"}), false),
            ("string (a|b, etc.)", json!({"type": "string", "description": "a|b|…"}), false),
            ("string enum (a|b|...)", json!({"type": "string", "description": "a|b|…"}), false),
            ("string[] (optional)", json!({"type": "array", "items": {"type": "string"}}), true),
            ("array (optional)", json!({"type": "array"}), true),
            ("object (changed fields)", json!({"type": "object", "description": "changed fields"}), false),
            ("financial (literal)", json!({"type": "string", "const": "financial"}), false),
            ("string (literal 'global')", json!({"type": "string", "const": "global"}), false),
            ("'a' | 'b'", json!({"type": "string", "enum": ["a", "b"]}), false),
            ("string (alias)", json!({"type": "string", "description": "alias"}), true),
            (
                "string (shop) | absent (web legacy)",
                json!({"type": "string", "description": "shop; web legacy"}),
                true,
            ),
            ("string | number", json!({"type": ["string", "number"]}), false),
            ("timestamp", json!({"type": ["string", "number"]}), false),
            ("unknown", json!({}), false),
        ];
        for (hint, schema, optional) in table {
            assert_eq!(one(hint), (schema, optional), "{hint}");
        }
    }

    #[test]
    fn inline_objects_and_arrays_read_as_their_parts() {
        let pair = json!({
            "type": "object",
            "properties": {"email": {"type": "string"}, "name": {"type": ["string", "null"]}},
            "required": ["email"],
        });
        assert_eq!(
            one("Array<{ email: string, name: string|null }>"),
            (json!({"type": "array", "items": pair}), false),
        );
        assert_eq!(one("Array<{ url: string, alt?: string }>").0["items"]["required"], json!(["url"]),);
        let (place, optional) = one("{ lat: number, lng: number } | null");
        assert_eq!((&place["type"], optional), (&json!(["object", "null"]), true));
        assert_eq!(
            one("array of {party_type, pct}").0,
            json!({"type": "array", "items": {
                "type": "object", "properties": {"party_type": {}, "pct": {}}, "required": ["party_type", "pct"],
            }}),
        );
    }

    #[test]
    fn nested_objects_nest_and_a_nested_json_schema_is_kept() {
        let read = from_hints(&json!({
            "type": "string (literal 'global')",
            "period": {"year": "number", "month": "number (1-based)"},
            "kind": {"type": "string", "enum": ["a"]},
        }))
        .unwrap();
        assert_eq!(read["required"], json!(["type", "period", "kind"]));
        assert_eq!(read["properties"]["period"]["properties"]["year"], json!({"type": "number"}));
        assert_eq!(read["properties"]["kind"], json!({"type": "string", "enum": ["a"]}));
    }

    #[test]
    fn what_is_no_hint_is_an_error_that_names_the_field() {
        for bad in ["strnig", "string (", "Array<string", "{ a: string", "string)", "", "string | foo"] {
            let error = from_hints(&json!({"a": {"b": bad}})).unwrap_err();
            assert!(error.to_string().contains("/a/b"), "{bad}: {error}");
        }
        let deep = (0..40).fold(json!({"a": "string"}), |inner, _| json!({"a": inner}));
        assert!(matches!(from_hints(&deep), Err(Error::Depth { .. })));
        assert!(from_hints(&json!({"a": format!("{}string", "Array<".repeat(100))})).is_err());
    }
}

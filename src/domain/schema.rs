//! The shape an event's `data` should have, and how a given `data` departs from it.
//!
//! Reads both styles the ecosystem documents: type hints (`hints`) and JSON Schema 2020-12. Pure: a
//! schema that points outside itself is refused, nothing is fetched and no file is opened. What a
//! drift says never contains a value of the data, since it ends up in metrics, logs and answers.

use std::borrow::Cow;
use std::fmt;

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::{Map, Value};

mod hints;

pub use hints::from_hints;

/// Most drifts one check reports.
pub const DRIFTS_MAX: usize = 16;
/// Longest path of a field in a drift, in bytes.
pub const FIELD_BYTES_MAX: usize = 128;
/// Longest description of a problem, in bytes.
pub const PROBLEM_BYTES_MAX: usize = 160;
/// Beyond this many values in `data`, only the first drift is looked for: the library gathers all
/// errors before it hands out the first, and a hostile body could hold half a million.
const VALUES_MAX: usize = 10_000;
/// Largest compiled `pattern`, in bytes; patterns run in linear time.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why something is not a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither an object of hints nor a JSON Schema.
    #[error("{}: must be an object of type hints or a JSON Schema", shown(field))]
    Shape {
        /// Where, as a JSON pointer.
        field: String,
    },
    /// A hint that cannot be read.
    #[error("{field}: the hint \"{hint}\" {why}")]
    Hint {
        /// Where, as a JSON pointer.
        field: String,
        /// The hint as written.
        hint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Hints within hints, too deep.
    #[error("{field}: nests deeper than {depth_max}")]
    Depth {
        /// Where, as a JSON pointer.
        field: String,
        /// The deepest allowed.
        depth_max: usize,
    },
    /// A JSON Schema that does not compile.
    #[error("{}: {cause}", shown(field))]
    Compile {
        /// Where in the schema, as a JSON pointer.
        field: String,
        /// What the compiler says.
        cause: String,
    },
}

impl Error {
    /// Where in the schema the mistake is, as a JSON pointer.
    pub fn field(&self) -> &str {
        match self {
            Self::Shape { field }
            | Self::Hint { field, .. }
            | Self::Depth { field, .. }
            | Self::Compile { field, .. } => field,
        }
    }
}

fn shown(field: &str) -> &str {
    if field.is_empty() { "/" } else { field }
}

/// One way in which `data` departs from its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Drift {
    /// The field, as a JSON pointer in which `*` stands for any index: `/items/*/sku`.
    pub field: String,
    /// What is wrong with it; never its value.
    pub problem: String,
}

/// A compiled schema.
pub struct Schema {
    source: Value,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.source).finish()
    }
}

/// Two schemas are the same when their texts mean the same JSON.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Shown as JSON Schema.
impl Serialize for Schema {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

impl Schema {
    /// Compiles hints or a JSON Schema, whichever `given` is. Formats are checked, not only noted.
    pub fn compile(given: &Value) -> Result<Self, Error> {
        let source = read(given)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .offline()
            .build(&source)
            .map_err(|error| Error::Compile {
                field: bounded(error.instance_path().as_str(), FIELD_BYTES_MAX),
                cause: bounded(&error.to_string(), PROBLEM_BYTES_MAX),
            })?;
        Ok(Self { source, validator })
    }

    /// The schema as JSON Schema 2020-12.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// True when `data` fits; cheaper than an empty `check`.
    pub fn fits(&self, data: &Value) -> bool {
        self.validator.is_valid(data)
    }

    /// Every way in which `data` does not fit, without repeats, at most [`DRIFTS_MAX`].
    pub fn check(&self, data: &Value) -> Vec<Drift> {
        if self.validator.is_valid(data) {
            return Vec::new();
        }
        let mut drifts = Vec::new();
        if values(data, VALUES_MAX) > VALUES_MAX {
            drifts.extend(self.validator.validate(data).err().as_ref().map(drift));
        } else {
            for error in self.validator.iter_errors(data) {
                let found = drift(&error);
                if !drifts.contains(&found) {
                    drifts.push(found);
                }
                if drifts.len() == DRIFTS_MAX {
                    break;
                }
            }
        }
        drifts
    }
}

/// Reads `given`, of either style, into JSON Schema 2020-12.
pub fn read(given: &Value) -> Result<Value, Error> {
    match given {
        Value::Object(map) if is_json_schema(map) => Ok(given.clone()),
        _ => from_hints(given),
    }
}

/// Tells the two styles apart. Hints hold texts and nested hints only, so any other value means a
/// JSON Schema; so does a `$` key, or the type of a container with the keyword of its contents.
fn is_json_schema(map: &Map<String, Value>) -> bool {
    let container = |kind, keyword| {
        map.get("type").and_then(Value::as_str) == Some(kind)
            && (map.len() == 1 || map.get(keyword).is_some_and(Value::is_object))
    };
    map.iter().any(|(key, value)| key.starts_with('$') || !(value.is_string() || value.is_object()))
        || container("object", "properties")
        || container("array", "items")
}

/// Counts the values in `data`, but no further than just past `limit`.
fn values(data: &Value, limit: usize) -> usize {
    let mut count = 0;
    let mut open = vec![data];
    while let Some(value) = open.pop() {
        count += 1;
        if count > limit {
            break;
        }
        match value {
            Value::Array(items) if items.len() > limit => return limit + 1,
            Value::Object(map) if map.len() > limit => return limit + 1,
            Value::Array(items) => open.extend(items),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    count
}

fn drift(error: &ValidationError<'_>) -> Drift {
    let mut field = String::new();
    for part in error.instance_path().as_str().split('/').skip(1) {
        let index = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        field.push('/');
        field.push_str(if index { "*" } else { part });
    }
    if let ValidationErrorKind::Required { property } = error.kind() {
        field.push('/');
        field.push_str(&property.as_str().unwrap_or_default().replace('~', "~0").replace('/', "~1"));
    }
    Drift {
        field: bounded(shown(&field), FIELD_BYTES_MAX),
        problem: bounded(&problem(error), PROBLEM_BYTES_MAX),
    }
}

fn problem(error: &ValidationError<'_>) -> Cow<'static, str> {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Required { .. } => "missing".into(),
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(set) => {
                    set.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            format!("must be {wanted}, is {}", kind_of(error.instance())).into()
        }
        Kind::Enum { options } => format!("must be one of {options}").into(),
        Kind::Constant { expected_value } => format!("must be {expected_value}").into(),
        Kind::Format { format } => format!("must be a {format}").into(),
        Kind::Pattern { pattern } => format!("must match {pattern}").into(),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("has fields the schema does not allow: {}", unexpected.join(", ")).into()
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "fits none of the allowed shapes".into(),
        other => format!("breaks the rule \"{}\"", other.keyword()).into(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// At most `bytes_max` bytes of `text`, cut between characters and marked where cut.
fn bounded(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max - "…".len());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, data: &Value) -> Vec<(String, String)> {
        let drifts = Schema::compile(schema).unwrap().check(data);
        drifts.into_iter().map(|drift| (drift.field, drift.problem)).collect()
    }

    fn pair(field: &str, problem: &str) -> (String, String) {
        (field.to_owned(), problem.to_owned())
    }

    #[test]
    fn a_drift_names_the_field_and_the_rule_but_never_the_value() {
        let hints = json!({"id": "string", "amount": "number (cents)", "kind": "string (a|b)",
            "at": "string (ISO datetime)", "note": "string | null", "stay": {"nights": "number"}});
        let good = json!({"id": "x", "amount": 1, "kind": "a", "at": "2026-04-16T12:00:00.000Z",
            "note": null, "stay": {"nights": 2}, "unlisted": true});
        assert_eq!(check(&hints, &good), []);
        let bad = json!({"amount": "secret", "kind": "secret", "at": "secret", "note": 7, "stay": {}});
        let mut found = check(&hints, &bad);
        found.sort();
        assert_eq!(
            found,
            [
                pair("/amount", "must be number, is string"),
                pair("/at", "must be a date-time"),
                pair("/id", "missing"),
                pair("/kind", "must be one of [\"a\",\"b\"]"),
                pair("/note", "must be null or string, is number"),
                pair("/stay/nights", "missing"),
            ],
        );
    }

    #[test]
    fn repeats_in_an_array_are_one_drift_and_data_of_the_wrong_kind_names_the_root() {
        let hints = json!({"items": "Array<{ sku: string }>"});
        let bad = json!({"items": (0..500).map(|_| json!({})).collect::<Vec<_>>()});
        assert_eq!(check(&hints, &bad), [pair("/items/*/sku", "missing")]);
        assert_eq!(check(&hints, &json!([])), [pair("/", "must be object, is array")]);
    }

    #[test]
    fn what_is_reported_is_bounded() {
        let many: Map<String, Value> = (0..99).map(|n| (format!("field{n}"), json!("string"))).collect();
        let schema = Schema::compile(&Value::Object(many)).unwrap();
        assert_eq!(schema.check(&json!({})).len(), DRIFTS_MAX);
        let huge = json!({"a": (0..20_000).map(|_| 1).collect::<Vec<_>>()});
        let drifts = Schema::compile(&json!({"a": "string[]"})).unwrap().check(&huge);
        assert_eq!(drifts.len(), 1);
        let name = "é".repeat(300);
        let drifts = Schema::compile(&json!({name.as_str(): "string"})).unwrap().check(&json!({}));
        assert!(drifts[0].field.len() <= FIELD_BYTES_MAX, "{}", drifts[0].field.len());
    }

    #[test]
    fn a_json_schema_is_taken_as_it_is_and_may_not_point_outside() {
        let cogs = json!({"type": "object", "required": ["saleId"], "properties":
            {"saleId": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}});
        assert_eq!(read(&cogs).unwrap(), cogs);
        assert_eq!(check(&cogs, &json!({})), [pair("/saleId", "missing")]);
        assert_eq!(check(&json!({"type": "object"}), &json!({})), []);
        for outside in ["https://example.com/s.json", "file:///etc/hostname", "other.json"] {
            let schema = json!({"$ref": outside});
            assert!(matches!(Schema::compile(&schema), Err(Error::Compile { .. })), "{outside}");
        }
        let broken = json!({"type": "object", "properties": {"a": {"type": "strnig"}}});
        let error = Schema::compile(&broken).unwrap_err().to_string();
        assert!(error.contains("/properties/a/type"), "{error}");
        for shapeless in [json!(null), json!("string"), json!([]), json!(true)] {
            assert!(matches!(Schema::compile(&shapeless), Err(Error::Shape { .. })), "{shapeless}");
        }
    }

    #[test]
    fn a_pattern_that_would_backtrack_is_refused() {
        let lookahead = json!({"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}});
        assert!(matches!(Schema::compile(&lookahead), Err(Error::Compile { .. })));
    }

    proptest! {
        #[test]
        fn any_text_as_a_hint_is_read_or_refused(hint in r"[a-z '\[\]<>{}()|,:;?./-]{0,40}|\PC{0,20}") {
            if let Ok(schema) = from_hints(&json!({"a": hint})) {
                prop_assert!(Schema::compile(&schema).is_ok(), "{}", schema);
            }
        }
    }
}

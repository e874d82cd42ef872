//! What is wrong with a JSON value that a type does not take: the field and the rule, in our words.
//!
//! Serde's own errors are text, so the value is read once more with errors that keep what serde knows: which
//! field, which words, which type. Only for values that were refused. Never says a value back.

use std::fmt::Display;

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use crate::domain::catalog::nearest;
use crate::http::problem::{Code, Problem};

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub(super) struct Fault {
    /// The field as `scopes[0]` or `a.b`; empty is the body itself.
    field: String,
    rule: Rule,
}

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    /// To stand behind the field's name.
    Is(String),
    /// There is no such field, but these.
    Unknown(&'static [&'static str]),
}

impl Fault {
    /// Why no `T` can be read from `value`; nothing if one can.
    pub(super) fn of<T: DeserializeOwned>(value: &Value) -> Option<Self> {
        T::deserialize(Reading(value)).err()
    }

    fn is(rule: String) -> Self {
        Self { field: String::new(), rule: Rule::Is(rule) }
    }

    /// The same, seen from around the part `name`.
    fn within(mut self, name: &str) -> Self {
        let join = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{name}{join}{}", self.field);
        self
    }

    fn told(&self) -> String {
        match &self.rule {
            Rule::Is(rule) if self.field.is_empty() => format!("the body {rule}"),
            Rule::Is(rule) => format!("`{}` {rule}", self.field),
            Rule::Unknown(known) => {
                let name = self.field.rsplit('.').next().unwrap_or_default();
                let meant = nearest(name, known.iter().copied());
                let asked = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                let takes = match known {
                    [] => "it takes none".to_owned(),
                    known => format!("known here: {}", known.join(", ")),
                };
                format!("there is no field `{}` here{asked} ({takes})", self.field)
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let problem = Self::new(Code::RequestInvalid, fault.to_string());
        if fault.field.is_empty() { problem } else { problem.with("field", fault.field.into()) }
    }
}

impl Error for Fault {
    fn custom<T: Display>(rule: T) -> Self {
        Self::is(rule.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::is(format!("must be {}", in_words(&wanted.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::is(format!("must be {}", in_words(&wanted.to_string())))
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::is(format!("must be {}", in_words(&wanted.to_string())))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::is(format!("must be {}", one_of(known)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self { field: field.to_owned(), rule: Rule::Unknown(known) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::is("is missing".to_owned()).within(field)
    }
}

/// `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => "left out".to_owned(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// Serde's name of a type in words.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

/// A value being read.
#[derive(Clone, Copy)]
struct Reading<'a>(&'a Value);

impl<'de> Deserializer<'de> for Reading<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(is) => visitor.visit_bool(*is),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, number) => visitor.visit_f64(number.unwrap_or(f64::MAX)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Object(fields) => visitor.visit_map(Fields { fields: fields.iter(), of: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            _ => Err(Fault::is(format!("must be {}", one_of(words)))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'a> {
    items: &'a [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let at = format!("[{}]", self.next);
        self.next += 1;
        seed.deserialize(Reading(item)).map(Some).map_err(|fault| fault.within(&at))
    }
}

/// The fields of an object.
struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    /// The one whose name was read.
    of: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.of = self.fields.next();
        let Some((name, _)) = self.of else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((name, value)) = self.of else { return Err(Fault::is("breaks off".to_owned())) };
        seed.deserialize(Reading(value)).map_err(|fault| fault.within(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Colour {
        Red,
        DarkGreen,
        #[serde(rename = "sky:blue")]
        Blue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and never looked at")]
    struct Whole {
        name: String,
        #[serde(default)]
        colours: Vec<Colour>,
        most_of: Option<u32>,
        part: Option<Part>,
        texts: Option<BTreeMap<String, String>>,
        app: Option<crate::domain::id::AppSlug>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, and never looked at")]
    struct Part {
        is_on: bool,
    }

    #[test]
    fn the_field_and_the_rule_are_named() {
        let whole = |value: Value| Fault::of::<Whole>(&value).map(|fault| fault.to_string());
        let with = |name: &str, value: Value| {
            let mut all = json!({ "name": "x" });
            all[name] = value;
            whole(all).unwrap()
        };
        assert_eq!(whole(json!({ "name": "x", "colours": ["red", "sky:blue"], "mostOf": null })), None);
        assert_eq!(whole(json!({})).unwrap(), "`name` is missing");
        assert_eq!(whole(json!([])).unwrap(), "the body must be an object");
        for (name, value, told) in [
            ("name", json!(7), "`name` must be text"),
            ("colours", json!(["red", "grey"]), "`colours[1]` must be red, darkGreen or sky:blue"),
            ("colours", json!([7]), "`colours[0]` must be red, darkGreen or sky:blue"),
            ("colours", json!("red"), "`colours` must be a list"),
            ("mostOf", json!(-1), "`mostOf` must be a whole number from 0 to 4294967295"),
            ("mostOf", json!(0.5), "`mostOf` must be a whole number from 0 to 4294967295"),
            ("mostOf", json!(1_u64 << 40), "`mostOf` must be a whole number from 0 to 4294967295"),
            ("part", json!([]), "`part` must be an object"),
            ("part", json!({}), "`part.is_on` is missing"),
            ("part", json!({ "is_on": "yes" }), "`part.is_on` must be true or false"),
            ("texts", json!({ "a": 1 }), "`texts.a` must be text"),
            ("app", json!("No App"), "`app` must match [a-z0-9][a-z0-9-]{0,63}"),
        ] {
            assert_eq!(with(name, value), told);
        }
        assert_eq!(
            with("mostof", json!(1)),
            "there is no field `mostof` here; did you mean `mostOf`? (known here: name, colours, mostOf, part, \
             texts, app)"
        );
        assert_eq!(
            with("part", json!({ "zzz": true })),
            "there is no field `part.zzz` here (known here: is_on)"
        );
    }

    #[test]
    fn the_problem_names_the_field() {
        let fault = Fault::of::<Whole>(&json!({ "name": "x", "colours": ["grey"] })).unwrap();
        assert_eq!(Problem::from(fault).members()["field"], "colours[0]");
    }
}

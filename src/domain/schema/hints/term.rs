//! One term of a hint: a type's name, an array, an inline object, a literal.
//!
//! Recursion is bounded by `DEPTH_MAX`; a text that ends early is an error, never a guess.

use serde_json::{Map, Value, json};

use super::note::Note;
use super::{DEPTH_MAX, Field, object_schema, union};

/// What stands between two `|` of a hint.
pub(super) enum Term {
    /// A type.
    Schema(Map<String, Value>),
    /// `null`: the value may be null, and by the documents' rule the field may be missing.
    Null,
    /// `absent` or `undefined`: the field may be missing.
    Absent,
    /// `etc.` or `...`: more values may follow.
    Etc,
    /// Only a note, such as `(a|b|c)`: the type is left to what the note says.
    Unsaid,
    /// A word that is no type: a value, if the rest of the hint says so.
    Word(String),
}

/// The schema `{"type": kind}`.
pub(super) fn typed(kind: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!(kind))])
}

fn array_of(items: Map<String, Value>) -> Map<String, Value> {
    let mut schema = typed("array");
    if !items.is_empty() {
        schema.insert("items".into(), Value::Object(items));
    }
    schema
}

/// Walks over the text of a hint.
pub(super) struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, depth: 0 }
    }

    /// The text must be used up.
    pub(super) fn end(&mut self) -> Result<(), &'static str> {
        if self.rest.trim().is_empty() { Ok(()) } else { Err("has something left at its end") }
    }

    /// Skips blanks, then `wanted` if it stands there.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(wanted).inspect(|rest| self.rest = rest).is_some()
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let stop = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '…' | '$'));
        let (word, rest) = self.rest.split_at(self.rest.find(stop).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// Reads one term and the notes behind it.
    pub(super) fn term(&mut self, note: &mut Note) -> Result<Term, &'static str> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("nests too deep");
        }
        let mut term = match self.peek() {
            None => return Err("ends where a type should stand"),
            Some('(') => Term::Unsaid,
            Some('{') => Term::Schema(self.braces()?),
            Some(quote @ ('\'' | '"')) => Term::Word(self.quoted(quote)?),
            Some(_) => self.named(note)?,
        };
        while self.eat('[') {
            if !self.eat(']') {
                return Err("has a [ without its ]");
            }
            let Term::Schema(items) = term else { return Err("names a type that is not known") };
            term = Term::Schema(array_of(items));
        }
        self.notes(note)?;
        self.depth -= 1;
        Ok(term)
    }

    fn notes(&mut self, note: &mut Note) -> Result<(), &'static str> {
        loop {
            if self.rest.trim_start().starts_with("enum") {
                self.word();
            }
            if !self.eat('(') {
                break;
            }
            let (text, rest) = self.rest.split_once(')').ok_or("has a ( without its )")?;
            note.read(text);
            self.rest = rest;
        }
        // `ISO date, optional` at the end of a whole hint; inside braces a comma parts two fields.
        if self.depth == 1 && self.eat(',') {
            note.read(std::mem::take(&mut self.rest));
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        self.eat(quote);
        let (text, rest) = self.rest.split_once(quote).ok_or("has a quote without its end")?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn named(&mut self, note: &mut Note) -> Result<Term, &'static str> {
        let word = self.word();
        Ok(match word.to_ascii_lowercase().as_str() {
            "" => return Err("has a sign where a type should stand"),
            "string" | "text" => Term::Schema(typed("string")),
            "number" | "float" | "decimal" => Term::Schema(typed("number")),
            "integer" | "int" => Term::Schema(typed("integer")),
            "boolean" | "bool" => Term::Schema(typed("boolean")),
            "object" => Term::Schema(typed("object")),
            "record" | "map" => {
                self.generic(|parser| union(parser).and_then(|_| parser.comma_union()))?;
                Term::Schema(typed("object"))
            }
            "array" | "list" => Term::Schema(array_of(self.items()?)),
            // Which of the two kinds of timestamp is meant is nowhere said.
            "timestamp" => Term::Schema(Map::from_iter([("type".into(), json!(["string", "number"]))])),
            "date" => text_noted(note, "iso date"),
            "datetime" => text_noted(note, "iso datetime"),
            "iso" | "iso8601" => text_noted(note, &format!("iso {}", self.word())),
            "uuid" => text_noted(note, "uuid"),
            "any" | "unknown" | "mixed" => Term::Schema(Map::new()),
            "null" => Term::Null,
            "absent" | "undefined" => Term::Absent,
            "etc" | "etc." | "..." | "…" => Term::Etc,
            _ => Term::Word(word.to_owned()),
        })
    }

    /// The items of `Array<T>`, `array of T`, or nothing for a bare `array`.
    fn items(&mut self) -> Result<Map<String, Value>, &'static str> {
        if self.peek() == Some('<') {
            return Ok(self.generic(union)?.map_or_else(Map::new, |field| field.schema));
        }
        if self.rest.trim_start().starts_with("of ") {
            self.word();
            return union(self).map(|field| field.schema);
        }
        Ok(Map::new())
    }

    fn generic<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, &'static str>,
    ) -> Result<Option<T>, &'static str> {
        if !self.eat('<') {
            return Ok(None);
        }
        let inner = read(self)?;
        if self.eat('>') { Ok(Some(inner)) } else { Err("has a < without its >") }
    }

    fn comma_union(&mut self) -> Result<(), &'static str> {
        if self.eat(',') { union(self).map(drop) } else { Ok(()) }
    }

    /// `{ name: hint, name?: hint, name }`, parted by commas or semicolons.
    fn braces(&mut self) -> Result<Map<String, Value>, &'static str> {
        self.eat('{');
        let mut fields = Vec::new();
        while !self.eat('}') {
            let name = match self.peek() {
                Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
                _ => self.word().to_owned(),
            };
            if name.is_empty() {
                return Err("has a { without its }");
            }
            let optional = self.eat('?');
            let mut field =
                if self.eat(':') { union(self)? } else { Field { schema: Map::new(), optional: false } };
            field.optional |= optional;
            fields.push((name, field));
            if !self.eat(',') && !self.eat(';') && self.peek() != Some('}') {
                return Err("has a { without its }");
            }
        }
        Ok(object_schema(fields))
    }
}

fn text_noted(note: &mut Note, rule: &str) -> Term {
    note.read(rule);
    Term::Schema(typed("string"))
}

//! The keys of one JSON object, taken out one by one; what is wrong with any of them is noted.
//!
//! A key with the value null counts as absent.

use serde_json::{Map, Value};

use super::Reader;
use crate::domain::catalog::nearest;
use crate::registry::problem::Cause;

/// An object of a registry file while it is read.
pub(super) struct Fields<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    file: &'static str,
    place: String,
    map: Map<String, Value>,
}

impl<'r, 'a> Fields<'r, 'a> {
    /// Takes up `value`, noting every key that is not among `keys`; `None` when it is no object.
    pub(super) fn new(
        reader: &'r mut Reader<'a>,
        file: &'static str,
        place: String,
        value: Value,
        keys: &[&str],
    ) -> Option<Self> {
        let Value::Object(map) = value else {
            reader.problem(file, place, Cause::Kind("an object"));
            return None;
        };
        for key in map.keys().filter(|key| !keys.contains(&key.as_str())) {
            let nearest = nearest(key, keys.iter().copied()).map(str::to_owned);
            reader.problem(file, place.clone(), Cause::UnknownKey { key: key.clone(), nearest });
        }
        Some(Self { reader, file, place, map })
    }

    /// Where `key` stands.
    pub(super) fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Notes what is wrong with the value of `key`.
    pub(super) fn problem(&mut self, key: &str, cause: Cause) {
        let place = self.at(key);
        self.reader.problem(self.file, place, cause);
    }

    /// Notes that `key` is not there.
    pub(super) fn missing(&mut self, key: &'static str) {
        self.reader.problem(self.file, self.place.clone(), Cause::MissingKey(key));
    }

    /// The value of `key`.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// The text at `key`.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        if let Value::String(text) = self.take(key)? {
            return Some(text);
        }
        self.problem(key, Cause::Kind("a text"));
        None
    }

    /// The text at `key`, which must be there.
    pub(super) fn required_text(&mut self, key: &'static str) -> Option<String> {
        if self.map.get(key).is_none_or(Value::is_null) {
            self.missing(key);
            return None;
        }
        self.text(key)
    }

    /// The flag at `key`; false when absent.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.problem(key, Cause::Kind("true or false"));
                false
            }
        }
    }

    /// The texts in the list at `key`, each with its index; empty when absent.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<(usize, String)> {
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problem(key, Cause::Kind("a list"));
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push((index, text)),
                _ => self.problem(&format!("{key}[{index}]"), Cause::Kind("a text")),
            }
        }
        texts
    }
}

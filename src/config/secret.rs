//! Secrets in settings: literal, `env:NAME` or `file:PATH`, resolved before the tables are read.
//!
//! No error here holds a secret, nor a text that might be one. A reference that leads nowhere is an
//! error, except the shipped `admin_key = "env:CAMINO_ADMIN_KEY"`, which then counts as left out.

use std::collections::BTreeMap;
use std::fmt;

use figment::value::{Dict, Value};
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::limit::Fault;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;

/// The admin key's reference when the file doesn't set one.
const ADMIN_KEY_DEFAULT: &str = "env:CAMINO_ADMIN_KEY";
/// Keys whose values are secrets.
const KEYS: [&str; 6] = [
    "admin_key",
    "secret_key",
    "api_key",
    "signing_secrets",
    "endpoint_secrets",
    "endpoint_secrets_by_source",
];

type Vars = BTreeMap<String, String>;

/// Whether the dotted `key` holds a secret, so that its value must be taken as text and never shown.
pub fn is_secret(key: &str) -> bool {
    key.split('.').any(|part| KEYS.contains(&part))
}

/// Replaces each reference to a secret in `tree` by what it refers to.
pub fn resolve(tree: &mut Dict, vars: &Vars) -> Result<(), Fault> {
    if let Value::Dict(_, server) =
        tree.entry("server".to_owned()).or_insert_with(|| Value::from(Dict::new()))
    {
        let key = server.entry("admin_key".to_owned()).or_insert_with(|| ADMIN_KEY_DEFAULT.into());
        let unset = !vars.contains_key("CAMINO_ADMIN_KEY");
        if unset && key.as_str() == Some(ADMIN_KEY_DEFAULT) {
            server.remove("admin_key");
        } else {
            resolve_value("server.admin_key", key, vars)?;
        }
    }
    if let Some(Value::Dict(_, store)) = tree.get_mut("store")
        && let Some(key) = store.get_mut("secret_key")
    {
        resolve_value("store.secret_key", key, vars)?;
    }
    if let Some(Value::Dict(_, hub)) = tree.get_mut("hub")
        && let Some(Value::Dict(_, triage)) = hub.get_mut("triage")
        && let Some(key) = triage.get_mut("api_key")
    {
        resolve_value("hub.triage.api_key", key, vars)?;
    }
    let Some(Value::Dict(_, apps)) = tree.get_mut("apps") else { return Ok(()) };
    for (slug, app) in apps.iter_mut() {
        let Value::Dict(_, app) = app else { continue };
        for (name, value) in app.iter_mut().filter(|(name, _)| KEYS.contains(&name.as_str())) {
            resolve_value(&format!("apps.{slug}.{name}"), value, vars)?;
        }
    }
    Ok(())
}

fn resolve_value(key: &str, value: &mut Value, vars: &Vars) -> Result<(), Fault> {
    match value {
        Value::String(_, text) => {
            *value = resolve_one(key, text.trim(), vars)?.into();
            Ok(())
        }
        Value::Array(_, list) => list.iter_mut().try_for_each(|value| resolve_value(key, value, vars)),
        Value::Dict(_, table) => table
            .iter_mut()
            .try_for_each(|(name, value)| resolve_value(&format!("{key}.{name}"), value, vars)),
        _ => Err(Fault::new(key, "must be text: a secret, env:NAME or file:PATH")),
    }
}

fn resolve_one(key: &str, text: &str, vars: &Vars) -> Result<String, Fault> {
    let fail = |rule: String| Err(Fault::new(key, rule));
    if let Some(name) = text.strip_prefix("env:") {
        return match vars.get(name).map(|value| value.trim()) {
            None => fail(format!("takes its secret from the variable {name}, which is not set; set it")),
            Some("") => fail(format!("takes its secret from the variable {name}, which is empty; set it")),
            Some(value) => Ok(value.to_owned()),
        };
    }
    if let Some(path) = text.strip_prefix("file:") {
        return match std::fs::read_to_string(path) {
            Err(error) => {
                fail(format!("takes its secret from the file {path}, which can't be read: {error}"))
            }
            Ok(value) if value.trim().is_empty() => {
                fail(format!("takes its secret from the file {path}, which is empty"))
            }
            Ok(value) => Ok(value.trim().to_owned()),
        };
    }
    if text.is_empty() {
        return fail("is empty; write a secret, env:NAME or file:PATH".to_owned());
    }
    Ok(text.to_owned())
}

/// Deserializes one resolved secret.
pub fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let mut secrets: Vec<Secret> = list(deserializer)?;
    match secrets.len() {
        1 => Ok(secrets.pop()),
        _ => Err(de::Error::custom("must be one secret: a text, env:NAME or file:PATH")),
    }
}

/// Deserializes resolved secrets. A text is one secret here, commas included.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    deserializer.deserialize_any(ListVisitor)
}

/// Deserializes a table from source to resolved secrets.
pub fn by_source<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<AppSlug, Vec<Secret>>, D::Error> {
    deserializer.deserialize_any(TableVisitor)
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Vec<Secret>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Secret>, E> {
        Ok(vec![Secret::new(text).map_err(E::custom)?])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Secret>, A::Error> {
        let mut secrets = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            secrets.push(Secret::new(&text).map_err(de::Error::custom)?);
        }
        Ok(secrets)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = BTreeMap<AppSlug, Vec<Secret>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table from source app to secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((source, Listed(secrets))) = map.next_entry::<AppSlug, Listed>()? {
            table.insert(source, secrets);
        }
        Ok(table)
    }
}

struct Listed(Vec<Secret>);

impl<'de> de::Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list(deserializer).map(Listed)
    }
}

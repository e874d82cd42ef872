//! Where settings come from: the file, the variables over it, and the place of each key for errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::Dict;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Place};
use super::limit::Fault;
use super::{error, secret};

/// The file that is read when none is named.
const FILE_DEFAULT: &str = "config.toml";
const PREFIX: &str = "CAMINO_";

/// The process's variables; those that are not Unicode are left out.
pub fn process_vars() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings as written, with their places.
pub struct Source {
    file: Option<PathBuf>,
    table: toml::Table,
    /// Line of each dotted key of the file.
    lines: BTreeMap<String, usize>,
    /// Variable name and value of each dotted key that a variable sets.
    overrides: BTreeMap<String, (String, String)>,
}

impl Source {
    /// Reads the file and picks the settings among `vars`.
    pub fn read(path: Option<&Path>, vars: &BTreeMap<String, String>) -> Result<Self, Error> {
        let overrides = vars
            .iter()
            .filter_map(|(name, value)| Some((key_of(name)?, (name.clone(), value.clone()))))
            .collect();
        let file = path.unwrap_or(Path::new(FILE_DEFAULT));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file: None, table: toml::Table::new(), lines: BTreeMap::new(), overrides });
            }
            Err(reason) => return Err(Error::Read { file: file.to_owned(), reason }),
        };
        let syntax = |error: toml::de::Error| Error::Syntax {
            file: file.to_owned(),
            line: error.span().map_or(1, |span| line_at(&text, span.start)),
            // Only the message: the error's own display repeats the line, which may hold a secret.
            reason: error.message().to_owned(),
        };
        let table = text.parse().map_err(syntax)?;
        let mut lines = BTreeMap::new();
        let spanned = DeTable::parse(&text).map_err(syntax)?;
        index_lines(&text, "", spanned.get_ref(), &mut lines);
        Ok(Self { file: Some(file.to_owned()), table, lines, overrides })
    }

    /// The file's settings with the variables' over them.
    pub fn merged(&self) -> Result<Dict, Error> {
        let mut figment = Figment::from(Serialized::defaults(&self.table));
        for (key, (_, text)) in &self.overrides {
            figment = figment.merge(Serialized::default(key, override_value(key, text)));
        }
        figment.extract().map_err(|error| self.translate(error))
    }

    /// The error that tells of `fault` at its place.
    pub fn error(&self, fault: Fault) -> Error {
        Error::Value { place: self.place(&fault.key), key: fault.key, rule: fault.rule }
    }

    /// The error that tells of a value that didn't fit its key.
    pub fn translate(&self, error: figment::Error) -> Error {
        error::translate(error, |key| self.place(key))
    }

    /// Where `key`, or the nearest table around it, was set.
    fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some((name, _)) = self.overrides.get(key) {
                return Place::Variable(name.clone());
            }
            if let (Some(file), Some(line)) = (&self.file, self.lines.get(key)) {
                return Place::File { file: file.clone(), line: Some(*line) };
            }
            let Some((outer, _)) = key.rsplit_once('.') else { break };
            key = outer;
        }
        self.file.as_ref().map_or(Place::Defaults, |file| Place::File { file: file.clone(), line: None })
    }
}

/// The dotted key that the variable `name` sets; `None` if it is no setting.
fn key_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    rest.contains("__").then_some(())?;
    let mut parts: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
    // Slugs have no `_`, and variables no `-`.
    for slug in slug_positions(&parts) {
        parts[slug] = parts[slug].replace('_', "-");
    }
    Some(parts.join("."))
}

fn slug_positions(parts: &[String]) -> Vec<usize> {
    let Some("apps") = parts.first().map(String::as_str) else { return Vec::new() };
    let by_source = parts.get(2).is_some_and(|part| part == "endpoint_secrets_by_source");
    let positions: &[usize] = if by_source { &[1, 3] } else { &[1] };
    positions.iter().copied().filter(|at| *at < parts.len()).collect()
}

/// What the variable's text means: TOML's value where it is one, else the text itself.
fn override_value(key: &str, text: &str) -> toml::Value {
    let plain = || toml::Value::from(text);
    if secret::is_secret(key) && !text.starts_with('[') {
        if text.contains(',') && !key.ends_with(".admin_key") {
            return text.split(',').map(str::trim).collect::<Vec<_>>().into();
        }
        return plain();
    }
    let Ok(mut table) = format!("value = {text}").parse::<toml::Table>() else { return plain() };
    match table.remove("value") {
        Some(value) if table.is_empty() && !value.is_datetime() => value,
        _ => plain(),
    }
}

fn index_lines(text: &str, prefix: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        if let DeValue::Table(inner) = value.get_ref() {
            index_lines(text, &key, inner, lines);
        }
        lines.insert(key, line_at(text, name.span().start));
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_with_a_double_underscore_are_settings() {
        for (name, key) in [
            ("CAMINO_SERVER__LISTEN", Some("server.listen")),
            ("CAMINO_DELIVERY__RETRY__MAX_AGE", Some("delivery.retry.max_age")),
            ("CAMINO_APPS__COSMOS_PET__RETRY_ON", Some("apps.cosmos-pet.retry_on")),
            (
                "CAMINO_APPS__COSMOS_PET__ENDPOINT_SECRETS_BY_SOURCE__CARE_BEAR",
                Some("apps.cosmos-pet.endpoint_secrets_by_source.care-bear"),
            ),
            ("CAMINO_ADMIN_KEY", None),
            ("CAMINO_CONFIG", None),
            ("OTHER__KEY", None),
        ] {
            assert_eq!(key_of(name).as_deref(), key, "{name}");
        }
    }
}

//! Says everything that is wrong with a registry, not only the first thing.
//!
//! Reads exactly as `load` does, so a registry that passes here loads.

use std::collections::BTreeSet;

use serde::Serialize;

use super::read::{Files, Reader};
use super::{Cause, Problem, Source, embedded};
use crate::domain::catalog::{Catalog, Status};

/// How much a registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Apps.
    pub apps: usize,
    /// Event types, routed or not.
    pub events: usize,
    /// Types with a schema.
    pub with_schema: usize,
    /// Types with an example.
    pub with_example: usize,
    /// Types known by name only.
    pub incomplete: usize,
}

impl Counts {
    /// Counts what `catalog` holds.
    pub fn of(catalog: &Catalog) -> Self {
        Self {
            apps: catalog.apps().len(),
            events: catalog.events().len(),
            with_schema: catalog.events().filter(|event| event.schema.is_some()).count(),
            with_example: catalog.events().filter(|event| event.example.is_some()).count(),
            incomplete: catalog.events().filter(|event| event.status == Status::Incomplete).count(),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether the registry can be used.
    pub ok: bool,
    /// What it holds; absent where it cannot be used.
    pub counts: Option<Counts>,
    /// What keeps it from being used.
    pub problems: Vec<Problem>,
    /// What is odd about it, but does no harm.
    pub warnings: Vec<Problem>,
}

/// Checks the registry from `source`.
pub fn check(source: &Source) -> Report {
    let read = Reader::read(source);
    let warnings = unused_schemas(source, &read.files);
    Report {
        ok: read.catalog.is_some(),
        counts: read.catalog.as_ref().map(Counts::of),
        problems: read.problems,
        warnings,
    }
}

fn unused_schemas(source: &Source, used: &Files) -> Vec<Problem> {
    let present: BTreeSet<String> = match source {
        Source::Embedded => embedded::files().map(|(name, _)| name.to_owned()).collect(),
        // A folder that cannot be listed is no warning: what is needed from it is a problem already.
        Source::Dir(dir) => std::fs::read_dir(dir.join("schemas"))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .map(|name| format!("schemas/{name}"))
            .collect(),
    };
    let unused = present.into_iter().filter(|name| {
        !used.contains_key(name)
            && name.starts_with("schemas/")
            && std::path::Path::new(name).extension().is_some_and(|end| end == "json")
    });
    unused.map(|name| Problem { file: name, place: String::new(), cause: Cause::Unused }).collect()
}

//! Walks the registry's files, gathers every problem, and makes a catalog if there is none.
//!
//! Walks JSON values by hand rather than by derive: a derived reader stops at the first mistake and
//! cannot name the place of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Source;
use super::problem::{Cause, Problem};
use crate::domain::catalog::{AppDef, Catalog, EventDef, nearest};
use crate::domain::id::AppSlug;

mod event;
mod fields;

use fields::Fields;

/// The file of the apps.
const APPS: &str = "apps.json";
/// The file of the events.
const EVENTS: &str = "events.json";

/// What came of reading a registry.
pub(super) struct Reading {
    /// The catalog, if there was no problem.
    pub(super) catalog: Option<Catalog>,
    /// Every problem, in the order of the files.
    pub(super) problems: Vec<Problem>,
    /// The files that were asked for.
    pub(super) files: Files,
}

/// Files by name, each with the digest of what it held; `None` for one that could not be read.
pub(super) type Files = BTreeMap<String, Option<[u8; 32]>>;

/// What a file holds, to compare.
pub(super) fn digest(source: &Source, name: &str) -> Option<[u8; 32]> {
    source.text(name).ok().map(|text| Sha256::digest(text.as_bytes()).into())
}

/// Reads one registry.
pub(super) struct Reader<'a> {
    source: &'a Source,
    /// The slugs of all apps; `None` when their file could not be read, so that the lists of the
    /// events are not blamed for it.
    slugs: Option<BTreeSet<AppSlug>>,
    problems: Vec<Problem>,
    files: Files,
}

impl<'a> Reader<'a> {
    /// Reads the registry from `source`.
    pub(super) fn read(source: &'a Source) -> Reading {
        let mut reader = Self { source, slugs: None, problems: Vec::new(), files: Files::new() };
        let apps = reader.apps();
        let events = reader.events();
        let catalog = match Catalog::new(apps, events) {
            Ok(catalog) if reader.problems.is_empty() => Some(catalog),
            _ => None,
        };
        Reading { catalog, problems: reader.problems, files: reader.files }
    }

    fn problem(&mut self, file: &str, place: impl Into<String>, cause: Cause) {
        self.problems.push(Problem { file: file.to_owned(), place: place.into(), cause });
    }

    /// The JSON in the file `name`, or where in that file and why there is none.
    fn parsed(&mut self, name: &str) -> Result<Value, (String, Cause)> {
        let text = self.source.text(name);
        let held = text.as_ref().ok().map(|text| Sha256::digest(text.as_bytes()).into());
        self.files.insert(name.to_owned(), held);
        let text = text.map_err(|cause| (String::new(), cause))?;
        serde_json::from_str(&text).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            (place, Cause::Syntax(without_place(&error)))
        })
    }

    /// The items of the list `key`, which is all that the file `name` holds.
    fn items(&mut self, name: &'static str, key: &'static str) -> Option<Vec<Value>> {
        let parsed = self.parsed(name);
        let value = parsed.map_err(|(place, cause)| self.problem(name, place, cause)).ok()?;
        let mut fields = Fields::new(self, name, String::new(), value, &[key])?;
        let Some(list) = fields.take(key) else {
            fields.missing(key);
            return None;
        };
        if let Value::Array(items) = list {
            return Some(items);
        }
        self.problem(name, key, Cause::Kind("a list"));
        None
    }

    fn apps(&mut self) -> Vec<AppDef> {
        let Some(items) = self.items(APPS, "apps") else { return Vec::new() };
        let mut first = BTreeMap::new();
        let mut apps = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("apps[{index}]");
            let Some(app) = self.app(item, &place) else { continue };
            if let Some(first) = first.get(&app.slug) {
                let cause = Cause::Duplicate { name: app.slug.to_string(), first: String::clone(first) };
                self.problem(APPS, format!("{place}.slug"), cause);
                continue;
            }
            first.insert(app.slug.clone(), place);
            apps.push(app);
        }
        self.slugs = Some(first.into_keys().collect());
        apps
    }

    fn app(&mut self, item: Value, place: &str) -> Option<AppDef> {
        const KEYS: [&str; 5] = ["slug", "name", "role", "tier", "url"];
        let mut fields = Fields::new(self, APPS, place.to_owned(), item, &KEYS)?;
        let name = fields.text("name");
        let role = fields.text("role").unwrap_or_default();
        let tier = fields.text("tier");
        let url = fields.text("url");
        let slug = fields.required_text("slug")?;
        match AppSlug::new(&slug) {
            Ok(slug) => {
                Some(AppDef { name: name.unwrap_or_else(|| slug.to_string()), slug, role, tier, url })
            }
            Err(error) => {
                fields.problem("slug", Cause::BadName { name: slug, rule: error.rule });
                None
            }
        }
    }

    fn events(&mut self) -> Vec<EventDef> {
        let Some(items) = self.items(EVENTS, "events") else { return Vec::new() };
        let mut first = BTreeMap::new();
        let mut events = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("events[{index}]");
            let Some(event) = self.event(item, &place) else { continue };
            if let Some(first) = first.get(&event.event_type) {
                let cause =
                    Cause::Duplicate { name: event.event_type.to_string(), first: String::clone(first) };
                self.problem(EVENTS, format!("{place}.type"), cause);
                continue;
            }
            first.insert(event.event_type.clone(), place);
            events.push(event);
        }
        events
    }

    fn unknown_app(&self, slug: &AppSlug) -> Option<Cause> {
        let slugs = self.slugs.as_ref()?;
        (!slugs.contains(slug)).then(|| Cause::UnknownApp {
            slug: slug.to_string(),
            nearest: nearest(slug.as_str(), slugs.iter().map(AppSlug::as_str)).map(str::to_owned),
        })
    }
}

/// The parser's message without the `at line .. column ..` that the place already says.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

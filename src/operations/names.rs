//! The names of apps and types by which somebody looks for events.
//!
//! A name that nobody knows finds nothing, which would look like an answer, so it is refused. Known is what the
//! registry names, and what events kept here have: an app that has left the registry is still found.

use super::{Operations, journal};
use crate::domain::catalog::{Catalog, Lookup, nearest};
use crate::domain::id::{AppSlug, EventType};
use crate::http::problem::{Code, Problem};
use crate::store::journal::{Filter, Seen};

/// What is looked for, as far as it is a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Who gets it.
    pub receiver: Option<&'a str>,
    /// Who sent it.
    pub source: Option<&'a str>,
    /// What it is.
    pub event_type: Option<&'a str>,
}

impl<'a> From<&'a Filter> for Names<'a> {
    fn from(filter: &'a Filter) -> Self {
        Self {
            receiver: filter.receiver.as_ref().map(AppSlug::as_str),
            source: filter.source.as_ref().map(AppSlug::as_str),
            event_type: filter.event_type.as_ref().map(EventType::as_str),
        }
    }
}

/// Refuses `names` if one of them is known neither to the registry nor from an event that is kept here.
pub async fn check(ops: &Operations, names: Names<'_>) -> Result<(), Problem> {
    let (intake, catalog) = (&ops.parts.intake, ops.parts.intake.catalog.current());
    let lanes = intake.store.lanes();
    let apps = [("receiver", names.receiver), ("source", names.source)];
    let is_app = |name: &str| catalog.app(name).is_some() || lanes.iter().any(|app| app.as_str() == name);
    let apps = apps.map(|(field, name)| (field, name.filter(|name| !is_app(name))));
    let event_type = names.event_type.filter(|name| catalog.event(name).is_none());
    if apps.iter().all(|(_, name)| name.is_none()) && event_type.is_none() {
        return Ok(());
    }
    // What the journal does not show yet may have the name.
    if ops.parts.journal.lag(&intake.store) > 0 {
        return Ok(());
    }
    let wanted = event_type.unwrap_or_default().to_owned();
    let seen = journal::read(ops, move |reader| reader.seen(&wanted)).await?;
    for (field, name) in apps {
        if let Some(name) = name.filter(|name| !seen.apps.iter().any(|app| app == name)) {
            return Err(unknown(field, "app", name, nearest_app(name, &catalog, &seen)));
        }
    }
    match event_type.filter(|_| !seen.has_type) {
        None => Ok(()),
        Some(name) => Err(unknown("eventType", "type of event", name, nearest_type(name, &catalog))),
    }
}

fn nearest_app(name: &str, catalog: &Catalog, seen: &Seen) -> Option<String> {
    let known = catalog.apps().map(|app| app.slug.as_str()).chain(seen.apps.iter().map(String::as_str));
    nearest(name, known).map(ToOwned::to_owned)
}

fn nearest_type(name: &str, catalog: &Catalog) -> Option<String> {
    match catalog.lookup(name) {
        Lookup::Unknown { did_you_mean } => did_you_mean.map(|name| name.to_string()),
        Lookup::Known(_) | Lookup::Incomplete(_) => None,
    }
}

fn unknown(field: &str, kind: &str, name: &str, near: Option<String>) -> Problem {
    let asked = near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let detail = format!(
        "`{field}`: there is no {kind} `{name}`, neither in the registry nor in the events kept here{asked}"
    );
    Problem::new(Code::NotFound, detail).with("field", field.into()).with("didYouMean", near.into())
}

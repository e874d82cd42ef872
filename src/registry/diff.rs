//! What changes from one catalog to the next, and whether somebody may be hurt by it.
//!
//! Breaking is meant for a person who is about to reload: an event that was accepted may now be
//! refused or reported, one that was delivered may no longer be, or a field that receivers read may
//! no longer come. When in doubt it says breaking.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::catalog::{Catalog, EventDef, Status};
use crate::domain::id::{AppSlug, EventType};

/// The differences between two catalogs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Whether any of it is breaking.
    pub breaking: bool,
    /// Apps that are new.
    pub apps_added: Vec<AppSlug>,
    /// Apps that are gone.
    pub apps_removed: Vec<AppSlug>,
    /// Types that are new.
    pub added: Vec<EventType>,
    /// Types that are gone.
    pub removed: Vec<EventType>,
    /// Types that are in both, but differ.
    pub changed: Vec<Change>,
}

impl Diff {
    /// True when the two catalogs mean the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How one type differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Whether this change is breaking.
    pub breaking: bool,
    /// Receivers that are new.
    pub receivers_added: Vec<AppSlug>,
    /// Receivers that are gone.
    pub receivers_removed: Vec<AppSlug>,
    /// Senders that are new.
    pub senders_added: Vec<AppSlug>,
    /// Senders that are gone.
    pub senders_removed: Vec<AppSlug>,
    /// Whether an undeclared sender is treated otherwise now.
    pub senders_complete: Option<bool>,
    /// What happened to the schema.
    pub schema: Option<SchemaChange>,
    /// The new status, if it is another one.
    pub status: Option<Status>,
    /// Whether words changed that route nothing: description, example, the receivers' flag.
    pub wording: bool,
}

/// What happened to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SchemaChange {
    /// There was none.
    Added,
    /// There is none any more.
    Removed,
    /// It only allows or describes more: optional fields, remarks.
    Extended,
    /// It asks for something else.
    Changed,
}

/// The differences from `old` to `new`.
pub fn diff(old: &Catalog, new: &Catalog) -> Diff {
    let gone = |from: &Catalog, other: &Catalog| {
        let missing = |event: &&EventDef| other.event(event.event_type.as_str()).is_none();
        from.events().filter(missing).map(|event| event.event_type.clone()).collect::<Vec<_>>()
    };
    let gone_apps = |from: &Catalog, other: &Catalog| {
        let slugs = from.apps().map(|app| &app.slug);
        slugs.filter(|slug| other.app(slug.as_str()).is_none()).cloned().collect::<Vec<_>>()
    };
    let in_both = old.events().filter_map(|was| Some((was, new.event(was.event_type.as_str())?)));
    let changed: Vec<Change> = in_both.filter_map(|(was, is)| change(was, is)).collect();
    let (removed, apps_removed) = (gone(old, new), gone_apps(old, new));
    Diff {
        breaking: !removed.is_empty()
            || !apps_removed.is_empty()
            || changed.iter().any(|change| change.breaking),
        apps_added: gone_apps(new, old),
        apps_removed,
        added: gone(new, old),
        removed,
        changed,
    }
}

fn change(was: &EventDef, is: &EventDef) -> Option<Change> {
    if was == is {
        return None;
    }
    let missing = |from: &[AppSlug], other: &[AppSlug]| {
        from.iter().filter(|slug| !other.contains(slug)).cloned().collect::<Vec<_>>()
    };
    let refuses = |event: &EventDef| event.senders_complete && !event.senders.is_empty();
    let schema = schema_change(was, is);
    let mut change = Change {
        event_type: is.event_type.clone(),
        breaking: false,
        receivers_added: missing(&is.receivers, &was.receivers),
        receivers_removed: missing(&was.receivers, &is.receivers),
        senders_added: missing(&is.senders, &was.senders),
        senders_removed: missing(&was.senders, &is.senders),
        senders_complete: (refuses(was) != refuses(is)).then(|| refuses(is)),
        schema,
        status: (was.status != is.status).then_some(is.status),
        wording: was.description != is.description
            || was.example != is.example
            || was.receivers_complete != is.receivers_complete,
    };
    change.breaking = !change.receivers_removed.is_empty()
        || (!change.senders_removed.is_empty() && refuses(is))
        || change.senders_complete == Some(true)
        || matches!(schema, Some(SchemaChange::Added | SchemaChange::Changed))
        || change.status == Some(Status::Incomplete);
    Some(change)
}

fn schema_change(was: &EventDef, is: &EventDef) -> Option<SchemaChange> {
    match (&was.schema, &is.schema) {
        (None, None) => None,
        (None, Some(_)) => Some(SchemaChange::Added),
        (Some(_), None) => Some(SchemaChange::Removed),
        (Some(was), Some(is)) if was == is => None,
        (Some(was), Some(is)) if extends(was.source(), is.source()) => Some(SchemaChange::Extended),
        (Some(_), Some(_)) => Some(SchemaChange::Changed),
    }
}

/// Keywords that check nothing.
const REMARKS: [&str; 7] = ["$schema", "$id", "$comment", "title", "description", "examples", "default"];

/// True when `new` asks for what `old` did, and beyond it only names optional fields or speaks.
fn extends(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return old == new };
    let rules = |map: &Map<String, Value>| {
        let mut rules: Vec<String> =
            map.keys().filter(|key| !REMARKS.contains(&key.as_str())).cloned().collect();
        rules.sort();
        rules
    };
    rules(old) == rules(new)
        && rules(old).iter().all(|key| match (key.as_str(), &old[key.as_str()], &new[key.as_str()]) {
            ("properties", Value::Object(old), Value::Object(new)) => {
                old.iter().all(|(name, old)| new.get(name).is_some_and(|new| extends(old, new)))
            }
            ("items", old, new) => extends(old, new),
            ("required", Value::Array(old), Value::Array(new)) => {
                old.len() == new.len() && old.iter().all(|name| new.contains(name))
            }
            (_, old, new) => old == new,
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::catalog::AppDef;
    use crate::domain::schema::Schema;

    fn catalog(edit: impl FnOnce(&mut EventDef)) -> Catalog {
        let apps = ["a", "b", "c"].map(|slug| AppDef {
            slug: AppSlug::new(slug).unwrap(),
            name: slug.into(),
            role: String::new(),
            tier: None,
            url: None,
        });
        let mut event = EventDef::new(EventType::new("sale.completed").unwrap());
        event.senders = slugs(&["a"]);
        event.receivers = slugs(&["b"]);
        event.schema = Some(schema(&json!({"id": "string"})));
        edit(&mut event);
        Catalog::new(apps, [event]).unwrap()
    }

    fn slugs(texts: &[&str]) -> Vec<AppSlug> {
        texts.iter().map(|text| AppSlug::new(text).unwrap()).collect()
    }

    fn schema(hints: &Value) -> Arc<Schema> {
        Arc::new(Schema::compile(hints).unwrap())
    }

    fn only(edit: impl FnOnce(&mut EventDef)) -> Change {
        let mut diff = diff(&catalog(|_| ()), &catalog(edit));
        assert_eq!(diff.changed.len(), 1);
        assert_eq!(diff.breaking, diff.changed[0].breaking);
        diff.changed.remove(0)
    }

    #[test]
    fn the_same_catalog_makes_no_difference() {
        assert!(diff(&catalog(|_| ()), &catalog(|_| ())).is_empty());
    }

    #[test]
    fn a_receiver_more_is_harmless_and_one_less_is_breaking() {
        let more = only(|event| event.receivers = slugs(&["b", "c"]));
        assert_eq!((more.receivers_added, more.breaking), (slugs(&["c"]), false));
        let less = only(|event| event.receivers.clear());
        assert_eq!((less.receivers_removed, less.breaking), (slugs(&["b"]), true));
    }

    #[test]
    fn senders_break_only_when_somebody_is_refused() {
        assert!(!only(|event| event.senders = slugs(&["b"])).breaking);
        let closed = only(|event| event.senders_complete = true);
        assert_eq!((closed.senders_complete, closed.breaking), (Some(true), true));
        let swapped = |event: &mut EventDef| {
            event.senders = slugs(&["c"]);
            event.senders_complete = true;
        };
        assert!(only(swapped).breaking);
    }

    #[test]
    fn a_schema_breaks_unless_it_only_allows_more() {
        let table = [
            (json!({"id": "string (of the sale)"}), SchemaChange::Extended),
            (json!({"id": "string", "note": "string (optional)"}), SchemaChange::Extended),
            (json!({"id": "string", "note": "string"}), SchemaChange::Changed),
            (json!({"id": "number"}), SchemaChange::Changed),
            (json!({"id": "string (optional)"}), SchemaChange::Changed),
            (json!({"number": "string"}), SchemaChange::Changed),
        ];
        for (hints, wanted) in table {
            let change = only(|event| event.schema = Some(schema(&hints)));
            assert_eq!(change.schema, Some(wanted), "{hints}");
            assert_eq!(change.breaking, wanted == SchemaChange::Changed, "{hints}");
        }
        assert!(!only(|event| event.schema = None).breaking);
    }

    #[test]
    fn types_and_apps_that_go_are_breaking_and_words_are_not() {
        let empty = Catalog::default();
        let gone = diff(&catalog(|_| ()), &empty);
        assert!(gone.breaking && gone.removed.len() == 1 && gone.apps_removed.len() == 3);
        let come = diff(&empty, &catalog(|_| ()));
        assert!(!come.breaking && come.added.len() == 1 && come.apps_added.len() == 3);
        let words = only(|event| event.description = "sold".into());
        assert!(words.wording && !words.breaking);
        assert!(only(|event| event.status = Status::Incomplete).breaking);
    }
}

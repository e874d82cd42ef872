//! One snapshot of the registry: the apps, the event types, who sends and who receives what.
//!
//! Immutable: a reload makes a new one, so that whoever holds one sees a single state of the
//! registry for as long as it holds it. Never reads a file; `registry` builds it from data.

use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::id::{AppSlug, EventType};
use super::schema::Schema;

/// Edit distance at which another name is surely meant.
const TYPO_EDITS_MAX: usize = 2;
/// Likeness (Jaro-Winkler) from which another name may be meant.
const LIKENESS_MIN: f64 = 0.85;

/// Why apps and events do not make a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two apps share a slug.
    #[error("app {0} is there twice")]
    DuplicateApp(AppSlug),
    /// Two events share a type.
    #[error("event type {0} is there twice")]
    DuplicateType(EventType),
    /// An event names an app that is not in the catalog.
    #[error("event type {event_type} names the unknown app {app}")]
    UnknownApp {
        /// The event.
        event_type: EventType,
        /// The app it names.
        app: AppSlug,
    },
}

/// An app of the ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppDef {
    /// Its name in envelopes and lists.
    pub slug: AppSlug,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub role: String,
    /// How central it is, such as `T1`, where a document says so.
    pub tier: Option<String>,
    /// Where it lives, where a document says so.
    pub url: Option<String>,
}

/// How much of an event type is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Routed.
    #[default]
    Active,
    /// Known by name only: visible, never routed.
    Incomplete,
}

/// A type of event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventDef {
    /// Its name.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// What happened, for people.
    pub description: String,
    /// The apps that send it.
    pub senders: Vec<AppSlug>,
    /// The apps that receive it, in the order of the registry.
    pub receivers: Vec<AppSlug>,
    /// Whether `senders` is all of them.
    pub senders_complete: bool,
    /// Whether `receivers` is all of them.
    pub receivers_complete: bool,
    /// The shape of its `data`, where known.
    pub schema: Option<Arc<Schema>>,
    /// A `data` that fits, where known.
    pub example: Option<Value>,
    /// How much of it is known.
    pub status: Status,
}

impl EventDef {
    /// An active type with nothing else known about it, to fill in from there.
    pub fn new(event_type: EventType) -> Self {
        Self {
            event_type,
            description: String::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            senders_complete: false,
            receivers_complete: false,
            schema: None,
            example: None,
            status: Status::Active,
        }
    }
}

/// What the catalog says about a type's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<'a> {
    /// A type that is routed.
    Known(&'a EventDef),
    /// A type known by name only.
    Incomplete(&'a EventDef),
    /// Not in the catalog.
    Unknown {
        /// The registered type most like it, if one is like it at all.
        did_you_mean: Option<EventType>,
    },
}

/// Whether an app may send a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderCheck {
    /// It is among the type's senders.
    Declared,
    /// It is not, and the list names all senders.
    UndeclaredComplete,
    /// It is not, but the list is open or empty, so that it may be one: drift, not a refusal.
    UndeclaredOpen,
}

/// Says whether `app` may send `event`. An empty list is open, whatever its flag says: some types
/// are documented with no sender at all, and that cannot mean that nobody may send them.
pub fn sender_allowed(event: &EventDef, app: &AppSlug) -> SenderCheck {
    if event.senders.contains(app) {
        SenderCheck::Declared
    } else if event.senders_complete && !event.senders.is_empty() {
        SenderCheck::UndeclaredComplete
    } else {
        SenderCheck::UndeclaredOpen
    }
}

/// A snapshot of the registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    apps: BTreeMap<AppSlug, AppDef>,
    events: BTreeMap<EventType, EventDef>,
}

impl Catalog {
    /// Makes a catalog in which every name is unique and every app an event names exists.
    pub fn new(
        apps: impl IntoIterator<Item = AppDef>,
        events: impl IntoIterator<Item = EventDef>,
    ) -> Result<Self, Error> {
        let mut catalog = Self::default();
        for app in apps {
            match catalog.apps.entry(app.slug.clone()) {
                Entry::Occupied(_) => return Err(Error::DuplicateApp(app.slug)),
                Entry::Vacant(place) => place.insert(app),
            };
        }
        for event in events {
            let named = event.senders.iter().chain(&event.receivers);
            if let Some(app) = named.into_iter().find(|&app| !catalog.apps.contains_key(app)) {
                return Err(Error::UnknownApp { app: app.clone(), event_type: event.event_type });
            }
            match catalog.events.entry(event.event_type.clone()) {
                Entry::Occupied(_) => return Err(Error::DuplicateType(event.event_type)),
                Entry::Vacant(place) => place.insert(event),
            };
        }
        Ok(catalog)
    }

    /// All apps, by slug.
    pub fn apps(&self) -> impl ExactSizeIterator<Item = &AppDef> {
        self.apps.values()
    }

    /// All event types, by name.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &EventDef> {
        self.events.values()
    }

    /// The app with this slug.
    pub fn app(&self, slug: &str) -> Option<&AppDef> {
        self.apps.get(slug)
    }

    /// The type with this name, routed or not.
    pub fn event(&self, event_type: &str) -> Option<&EventDef> {
        self.events.get(event_type)
    }

    /// What to do with an event of this type.
    pub fn lookup(&self, event_type: &str) -> Lookup<'_> {
        match self.events.get(event_type) {
            Some(event) if event.status == Status::Active => Lookup::Known(event),
            Some(event) => Lookup::Incomplete(event),
            None => {
                let known = self.events.keys().map(EventType::as_str);
                let near = nearest(event_type, known).and_then(|name| self.events.get(name));
                Lookup::Unknown { did_you_mean: near.map(|event| event.event_type.clone()) }
            }
        }
    }
}

/// The name most like `text`, if one is like it at all: first by edits, then by likeness.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, f64, &str)> = None;
    for name in names {
        // Names of another length are no typos; skipping them keeps unknown types cheap to answer.
        let near = text.len().abs_diff(name.len()) <= TYPO_EDITS_MAX;
        let edits = if near { strsim::osa_distance(text, name) } else { usize::MAX };
        let typo = edits <= TYPO_EDITS_MAX && edits * 3 < name.len();
        let likeness = strsim::jaro_winkler(text, name);
        if !typo && likeness < LIKENESS_MIN {
            continue;
        }
        let edits = if typo { edits } else { usize::MAX };
        if best.is_none_or(|(e, l, _)| edits < e || (edits == e && likeness > l)) {
            best = Some((edits, likeness, name));
        }
    }
    best.map(|(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> AppSlug {
        AppSlug::new(text).unwrap()
    }

    fn app(text: &str) -> AppDef {
        AppDef { slug: slug(text), name: text.into(), role: String::new(), tier: None, url: None }
    }

    fn event(name: &str) -> EventDef {
        EventDef::new(EventType::new(name).unwrap())
    }

    fn catalog(names: &[&str]) -> Catalog {
        Catalog::new([app("mancha")], names.iter().map(|name| event(name))).unwrap()
    }

    #[test]
    fn a_lookup_tells_routed_named_and_unknown_types_apart() {
        let mut named = event("booking.cancelled");
        named.status = Status::Incomplete;
        let catalog = Catalog::new([], [event("booking.created"), named]).unwrap();
        assert!(matches!(catalog.lookup("booking.created"), Lookup::Known(_)));
        assert!(matches!(catalog.lookup("booking.cancelled"), Lookup::Incomplete(_)));
        assert_eq!(catalog.lookup("zzz"), Lookup::Unknown { did_you_mean: None });
    }

    #[test]
    fn the_nearest_name_is_found_but_not_a_far_one() {
        let catalog = catalog(&[
            "appointment.completed",
            "booking.completed",
            "payment.received",
            "payment.refunded",
            "sale.completed",
        ]);
        let table = [
            ("appointment_done", Some("appointment.completed")),
            ("appointment.complete", Some("appointment.completed")),
            ("payment.recieved", Some("payment.received")),
            ("payment_received", Some("payment.received")),
            ("sales.completed", Some("sale.completed")),
            ("banana.split", None),
            ("x", None),
            ("", None),
        ];
        for (given, wanted) in table {
            let Lookup::Unknown { did_you_mean } = catalog.lookup(given) else { panic!("{given}") };
            assert_eq!(did_you_mean.as_ref().map(EventType::as_str), wanted, "{given}");
        }
    }

    #[test]
    fn an_undeclared_sender_is_refused_only_by_a_complete_list() {
        let mut event = event("sale.completed");
        let (seller, other) = (slug("caracol"), slug("mancha"));
        event.senders_complete = true;
        assert_eq!(sender_allowed(&event, &other), SenderCheck::UndeclaredOpen);
        event.senders = vec![seller.clone()];
        assert_eq!(sender_allowed(&event, &seller), SenderCheck::Declared);
        assert_eq!(sender_allowed(&event, &other), SenderCheck::UndeclaredComplete);
        event.senders_complete = false;
        assert_eq!(sender_allowed(&event, &other), SenderCheck::UndeclaredOpen);
    }

    #[test]
    fn a_catalog_has_unique_names_and_knows_every_app_it_names() {
        assert_eq!(
            Catalog::new([app("mancha"), app("mancha")], []),
            Err(Error::DuplicateApp(slug("mancha"))),
        );
        let twice = [event("a.b"), event("a.b")];
        assert!(matches!(Catalog::new([], twice), Err(Error::DuplicateType(_))));
        let mut stray = event("a.b");
        stray.receivers = vec![slug("nobody")];
        assert!(matches!(Catalog::new([], [stray]), Err(Error::UnknownApp { .. })));
    }
}

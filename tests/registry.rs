//! The registry's data against the documents' tables, and everything that can be wrong with a registry.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use camino_broker::domain::catalog::{Catalog, Lookup, SenderCheck, Status, sender_allowed};
use camino_broker::domain::id::AppSlug;
use camino_broker::registry::check::{Counts, check};
use camino_broker::registry::handle::CatalogHandle;
use camino_broker::registry::watch::Watch;
use camino_broker::registry::{Error, Source, embedded, load};
use serde::Deserialize;

/// Long enough for a loaded machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Tables {
    rows: Vec<Row>,
    named: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    page: String,
    #[serde(rename = "type")]
    event_type: String,
    senders: Vec<AppSlug>,
    receivers: Vec<AppSlug>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn broken(name: &str) -> Source {
    Source::Dir(root().join("tests/fixtures/registry_broken").join(name))
}

fn catalog() -> Catalog {
    embedded::catalog().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_registry_holds_at_least_what_the_documents_tables_say() {
    let text = include_str!("fixtures/seed_tables.json");
    let tables: Tables = serde_json::from_str(text).unwrap();
    let catalog = catalog();
    let mut types = BTreeSet::new();
    for row in &tables.rows {
        let Lookup::Known(event) = catalog.lookup(&row.event_type) else {
            panic!("{} of the page {} is not routed", row.event_type, row.page);
        };
        for sender in &row.senders {
            assert!(event.senders.contains(sender), "{}: no sender {sender}", row.event_type);
            assert_eq!(sender_allowed(event, sender), SenderCheck::Declared);
        }
        for receiver in &row.receivers {
            assert!(event.receivers.contains(receiver), "{}: no receiver {receiver}", row.event_type);
        }
        types.insert(&row.event_type);
    }
    assert_eq!((tables.rows.len(), types.len()), (129, 99));
    for name in &tables.named {
        assert!(catalog.event(name).is_some(), "{name}");
    }
    let counts = Counts::of(&catalog);
    println!("{counts:?}");
    assert_eq!(counts, Counts { apps: 23, events: 173, with_schema: 97, with_example: 97, incomplete: 33 },);
}

#[test]
fn what_is_known_by_name_only_has_nobody_to_route_to() {
    for event in catalog().events().filter(|event| event.status == Status::Incomplete) {
        assert!(event.receivers.is_empty() && event.senders.is_empty(), "{}", event.event_type);
    }
}

#[test]
fn the_embedded_registry_is_the_folder() {
    let source = Source::Dir(root().join("registry"));
    let report = check(&source);
    assert!(report.ok && report.problems.is_empty() && report.warnings.is_empty(), "{report:#?}");
    assert_eq!(load::load(&source).unwrap(), catalog());
}

/// Each broken fixture with how its problems begin.
const MISTAKES: &[(&str, &[&str])] = &[
    ("duplicate_type", &["events.json events[2].type: `sale.completed` is already at events[0]"]),
    ("duplicate_app", &["apps.json apps[2].slug: `mancha` is already at apps[1]"]),
    (
        "unknown_app",
        &[
            "events.json events[0].senders[0]: there is no app `caracole` (did you mean `caracol`?)",
            "events.json events[0].receivers[1]: there is no app `zzz`",
        ],
    ),
    (
        "bad_names",
        &[
            "events.json events[0].type: the name `Sale.Completed` must match",
            "events.json events[1].type: the name `sale` must match two to four",
            "events.json events[2].type: the name `a.b.c.d.e` must match",
            "events.json events[3].senders[0]: the name `Caracol` must match [a-z0-9]",
            "events.json events[3].receivers[1]: `mancha` is already at events[3].receivers[0]",
        ],
    ),
    (
        "bad_schema",
        &[
            "schemas/a.b.json /properties/id/type: the schema does not compile",
            "events.json events[1].schema: the schema does not compile: /id: the hint \"strnig\"",
            "events.json events[2].schema: the schema does not compile",
            "events.json events[3].schema: must be a path, a schema or null",
        ],
    ),
    (
        "bad_example",
        &[
            "events.json events[0].example: the example does not fit its schema: /id: missing",
            "events.json events[0].example: the example does not fit its schema: /amount: must be number",
        ],
    ),
    (
        "unknown_key",
        &[
            "events.json events[0]: unknown key `recievers` (did you mean `receivers`?)",
            "events.json events[0]: unknown key `zzz`",
        ],
    ),
    (
        "wrong_kinds",
        &[
            "events.json events[0]: must be an object",
            "events.json events[1].senders: must be a list",
            "events.json events[1]: the key `type` is missing",
            "events.json events[2].receivers[0]: must be a text",
            "events.json events[2].sendersComplete: must be true or false",
            "events.json events[2].status: must be `active` or `incomplete`",
            "events.json events[2].type: must be a text",
        ],
    ),
    ("missing_file", &["events.json: the file does not exist"]),
    (
        "missing_schema",
        &[
            "events.json events[0].schema: `schemas/a.b.json`: the file does not exist",
            "events.json events[1].schema: `../../seed_tables.json`: the path must stay within",
        ],
    ),
    ("syntax", &["events.json line 3 column 20: is not JSON: trailing comma"]),
    (
        "many",
        &[
            "apps.json apps[1]: unknown key `nmae` (did you mean `name`?)",
            "apps.json apps[1]: the key `slug` is missing",
            "events.json events[0].type: the name `bad` must match",
            "events.json events[1].receivers[0]: there is no app `nobody`",
            "events.json events[2].type: `a.b` is already at events[1]",
            "events.json events[3].type: `a.b` is already at events[1]",
        ],
    ),
    ("no_such_folder", &["apps.json: the file does not exist", "events.json: the file does not exist"]),
];

#[test]
fn each_mistake_is_reported_with_its_place_and_cause() {
    for (name, wanted) in MISTAKES {
        let source = broken(name);
        let report = check(&source);
        let found: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        let same = found.len() == wanted.len() && found.iter().zip(*wanted).all(|(f, w)| f.starts_with(w));
        assert!(same, "{name}: {found:#?}");
        assert!(!report.ok && report.counts.is_none(), "{name}");
        assert!(matches!(load::load(&source), Err(Error::Invalid(all)) if all == report.problems), "{name}");
    }
}

#[test]
fn a_report_is_data_for_programs_too() {
    let json = serde_json::to_value(check(&broken("unknown_app"))).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["problems"][0]["code"], "app.unknown");
    assert_eq!(json["problems"][0]["place"], "events[0].senders[0]");
    let unused = check(&broken("unused_schema"));
    assert!(unused.ok);
    assert_eq!(unused.warnings[0].to_string(), "schemas/sale.completed.json: no event uses this schema");
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
}

const APPS: &str = r#"{"apps": [{"slug": "caracol"}, {"slug": "mancha"}]}"#;
const ONE: &str = r#"{"events": [{"type": "sale.completed", "receivers": ["mancha"]}]}"#;
const TWO: &str = r#"{"events": [{"type": "sale.completed"}, {"type": "sale.undone"}]}"#;

#[test]
fn a_bad_reload_leaves_the_running_snapshot_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "apps.json", APPS);
    write(dir.path(), "events.json", ONE);
    let handle = CatalogHandle::new(load::from_dir(dir.path()).unwrap());
    let source = Source::Dir(dir.path().to_owned());
    let before = handle.current();

    write(dir.path(), "events.json", "{");
    assert!(handle.reload(&source).is_err());
    assert!(std::sync::Arc::ptr_eq(&before, &handle.current()));

    write(dir.path(), "events.json", TWO);
    let diff = handle.reload(&source).unwrap();
    assert_eq!(diff.added.len(), 1);
    assert!(diff.breaking && diff.changed[0].receivers_removed.len() == 1);
    assert_eq!(handle.current().events().len(), 2);
    assert_eq!(before.events().len(), 1, "who holds the old snapshot keeps it");
    assert!(handle.reload(&source).unwrap().is_empty());
}

#[test]
fn a_watch_tells_of_changes_and_of_a_folder_that_is_replaced() {
    let top = tempfile::tempdir().unwrap();
    let (dir, next) = (top.path().join("registry"), top.path().join("next"));
    for (folder, events) in [(&dir, ONE), (&next, TWO)] {
        std::fs::create_dir(folder).unwrap();
        write(folder, "apps.json", APPS);
        write(folder, "events.json", events);
    }
    let (tell, told) = mpsc::channel();
    let source = Source::Dir(dir.clone());
    let quiet = Duration::from_millis(5);
    let watch = Watch::start_with(&dir, quiet, move || {
        let count = load::load(&source).map(|catalog| catalog.events().len());
        tell.send(count.ok()).unwrap();
    })
    .unwrap();
    let wait_for = |wanted: Option<usize>| while told.recv_timeout(PATIENCE).unwrap() != wanted {};

    write(&dir, "events.json", r#"{"events": []}"#);
    wait_for(Some(0));
    std::fs::rename(&dir, top.path().join("old")).unwrap();
    std::fs::rename(&next, &dir).unwrap();
    wait_for(Some(2));
    write(&dir, "events.json", ONE);
    wait_for(Some(1));

    drop(watch);
    // Ends only because the callback, and with it the sender, is gone once the watch is dropped.
    assert!(told.iter().count() < 1000);
}

#[test]
fn a_folder_that_is_not_there_cannot_be_watched() {
    let error = Watch::start(Path::new("/no/such/folder"), || ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot watch /no/such/folder: "), "{error}");
}

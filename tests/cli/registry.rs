//! The registry's verbs, over the registry in the binary and over folders.

use insta::assert_snapshot;

use super::binary::Place;

const APPS: &str = r#"{"apps": [{"slug": "baul", "name": "Baúl"}, {"slug": "mancha", "name": "Mancha"}]}"#;

fn place(events: &str) -> Place {
    let place = Place::new();
    place.write("reg/apps.json", APPS);
    place.write("reg/events.json", events);
    place
}

#[test]
fn the_registry_in_the_binary_is_in_order() {
    let ran = Place::new().run(&["registry", "check"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("ok       23 apps, 173 event types"), "{}", ran.stdout);
}

#[test]
fn check_names_every_mistake() {
    let place =
        place(r#"{"events": [{"type": "a.b", "receivers": ["manch"]}, {"type": "c.d", "sender": []}]}"#);
    assert_snapshot!(place.run(&["registry", "check", "--path", "reg"]).told(), @r"
    exit 1
    -- stdout
    error    events.json events[0].receivers[0]: there is no app `manch` (did you mean `mancha`?)
    error    events.json events[1]: unknown key `sender` (did you mean `senders`?)
    -- stderr
    camino: the registry reg cannot be used: 2 errors
      correct the places named above
    ");
}

#[test]
fn check_as_json_is_one_object_on_stdout() {
    let place = place("{}");
    let ran = place.run(&["registry", "check", "--path", "reg", "--json"]);
    assert_eq!(ran.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["ok"], &report["problems"][0]["file"]), (&false.into(), &"events.json".into()));
}

#[test]
fn list_shows_who_sends_and_who_receives() {
    let place = place(
        r#"{"events": [
            {"type": "a.b", "senders": ["baul"], "receivers": ["mancha"], "sendersComplete": true},
            {"type": "c.d", "receivers": ["baul", "mancha"], "receiversComplete": true},
            {"type": "e.f", "status": "incomplete"}
        ]}"#,
    );
    assert_snapshot!(place.run(&["registry", "list", "--path", "reg"]).told(), @r"
    exit 0
    -- stdout
    TYPE             SENDERS  RECEIVERS
    a.b              baul     mancha, ...
    c.d              ...      baul, mancha
    e.f (name only)  ...      ...
    ");
    let baul = ["registry", "list", "--path", "reg", "--app", "baul", "--json"];
    let types: Vec<serde_json::Value> =
        place.run(&baul).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(types.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["a.b", "c.d"]);
}

#[test]
fn show_tells_all_of_one_type() {
    assert_snapshot!(Place::new().run(&["registry", "show", "payment.completed"]).told(), @r#"
    exit 0
    -- stdout
    payment.completed
    A payment is through to the end; the app that asked for it may go on.
    senders    colectiva
    receivers  baul, constanza, cosmos-pet, mancha
    schema
      {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
          "paymentId": {
            "type": "string"
          },
          "chargeId": {
            "type": "string"
          },
          "amount": {
            "type": "number",
            "description": "cents"
          },
          "currency": {
            "type": "string"
          },
          "referenceId": {
            "type": "string"
          },
          "referenceType": {
            "type": "string"
          }
        },
        "required": [
          "paymentId",
          "amount",
          "currency"
        ]
      }
    example
      {
        "paymentId": "pay_55120",
        "chargeId": "chg_88110",
        "amount": 65000,
        "currency": "MXN",
        "referenceId": "apt_20260416_0042",
        "referenceType": "appointment"
      }
    "#);
}

#[test]
fn show_knows_what_may_be_meant() {
    assert_snapshot!(Place::new().run(&["registry", "show", "appointment_done"]).told(), @r"
    exit 1
    -- stderr
    camino: the registry has no event type appointment_done
      did you mean appointment.completed? `camino registry list` shows all types
    ");
}

#[test]
fn diff_says_what_may_hurt() {
    let place = place(
        r#"{"events": [
            {"type": "a.b", "senders": ["baul"], "receivers": ["baul"]},
            {"type": "c.d", "schema": {"id": "string"}},
            {"type": "e.f"}
        ]}"#,
    );
    place.write("new/apps.json", APPS);
    place.write(
        "new/events.json",
        r#"{"events": [
            {"type": "a.b", "senders": ["baul"], "receivers": ["mancha"], "description": "new"},
            {"type": "c.d", "schema": {"id": "string", "note": "string (optional)"}},
            {"type": "g.h"}
        ]}"#,
    );
    assert_snapshot!(place.run(&["registry", "diff", "reg", "new"]).told(), @r"
    exit 0
    -- stdout
    +  g.h
    -  e.f  breaking
    ~  a.b  breaking: receivers + mancha; receivers - baul; wording
    ~  c.d  schema extended
    breaking: somebody may be refused, or may miss or misread an event
    ");
    assert_snapshot!(place.run(&["registry", "diff", "reg", "reg"]).told(), @r"
    exit 0
    -- stdout
    the same
    ");
}

#[test]
fn what_is_exported_is_the_registry_in_the_binary() {
    let place = Place::new();
    assert_snapshot!(place.run(&["registry", "export", "out"]).told(), @r"
    exit 0
    -- stdout
    99 files in out
    ");
    assert_snapshot!(place.run(&["registry", "diff", "embedded", "out"]).told(), @r"
    exit 0
    -- stdout
    the same
    ");
    assert_snapshot!(place.run(&["registry", "export", "out"]).told(), @r"
    exit 1
    -- stderr
    camino: cannot write to out: there is something in it already
      name a new or an empty folder
    ");
}

#[test]
fn a_folder_without_a_registry_is_named() {
    assert_snapshot!(Place::new().run(&["registry", "list", "--path", "none"]).told(), @r"
    exit 1
    -- stderr
    camino: the registry none cannot be used: apps.json: the file does not exist (and 1 more)
      `camino registry check --path none` lists all
    ");
}

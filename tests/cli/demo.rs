//! The demo, once: everything arrives, and nothing stays behind.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::binary::Place;

#[test]
fn once_it_ends_well_and_leaves_nothing_behind() {
    let place = Place::new();
    let ran = place.run(&["demo", "--once"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    let summary = ran.stdout.lines().last().unwrap();
    assert!(
        summary.starts_with("4 events, 10 deliveries: 10 arrived and verified, in 12 attempts"),
        "{summary}"
    );
    for line in [
        "the hub's timeline of Ana Sofía Luna",
        "Appointment apt_20260416_0042 completed with vet_mariana_rios: $650.00 MXN, paid by card",
        "Task tsk_20260416_0107 completed: $480.00 MXN, by wrk_luis_ortega",
        "Subscription",
        "appointments.create of cosmos-pet for org_demo",
        "before        not allowed   no_subscription, plan cosmos_free, subscription none",
        "after         allowed       included, plan pro, subscription active",
    ] {
        assert!(ran.stdout.contains(line), "{line} is missing in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "colours are for terminals");
    assert!(place.files("").is_empty());
}

#[test]
fn as_json_each_line_is_an_object() {
    let ran = Place::new().run(&["demo", "--once", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |what: &str| lines.iter().filter(|line| line["what"] == what).count();
    assert_eq!((count("answer"), count("decision"), count("attempt"), count("summary")), (4, 13, 12, 1));
    let timeline: Vec<&Value> = lines.iter().filter(|line| line["what"] == "timeline").collect();
    assert_eq!(timeline.len(), 3);
    let access: Vec<_> = lines.iter().filter(|line| line["what"] == "featureAccess").collect();
    let allowed: Vec<_> = access.iter().map(|line| (&line["when"], &line["allowed"])).collect();
    assert_eq!(allowed, [(&json!("before"), &json!(false)), (&json!("after"), &json!(true))]);
    assert!(timeline.iter().all(|line| line["contactId"] == timeline[0]["contactId"]), "one contact");
    let attempts: Vec<&Value> = lines.iter().filter(|line| line["what"] == "attempt").collect();
    assert!(attempts.iter().all(|attempt| attempt["verified"] == true));
    let failed: Vec<&&Value> = attempts.iter().filter(|attempt| attempt["status"] == 503).collect();
    assert!(failed.len() == 2 && failed.iter().all(|attempt| attempt["receiver"] == "cosmos-pet"));
    assert_eq!(lines.last().unwrap()["missing"], serde_json::json!([]));
}

#[test]
fn without_a_place_for_its_store_it_says_so() {
    let mut place = Place::new();
    place.var("TMPDIR", "/none");
    let ran = place.run(&["demo", "--once"]);
    assert_snapshot!(ran.told(), @r"
    exit 1
    -- stderr
    camino: cannot make a folder in /none: No such file or directory (os error 2)
      set TMPDIR to a folder that can be written
    ");
}

#[test]
fn its_own_settings_are_all_it_reads() {
    let mut place = Place::with_config("[server]\nlisten = \"nowhere\"\n");
    place.var("CAMINO_STORE__PATH", "/nowhere");
    assert_eq!(place.run(&["demo", "--once"]).code, 0);
}

//! The demo, once: everything arrives, and nothing stays behind.

use insta::assert_snapshot;
use serde_json::Value;

use super::binary::Place;

#[test]
fn once_it_ends_well_and_leaves_nothing_behind() {
    let place = Place::new();
    let ran = place.run(&["demo", "--once"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    let summary = ran.stdout.lines().last().unwrap();
    assert!(
        summary.starts_with("3 events, 6 deliveries: 6 arrived and verified, in 8 attempts"),
        "{summary}"
    );
    for line in [
        "the hub's timeline of Ana Sofía Luna",
        "Appointment apt_20260416_0042 completed with vet_mariana_rios: $650.00 MXN, paid by card",
        "Task tsk_20260416_0107 completed: $480.00 MXN, by wrk_luis_ortega",
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
    assert_eq!((count("answer"), count("decision"), count("attempt"), count("summary")), (3, 8, 8, 1));
    let timeline: Vec<&Value> = lines.iter().filter(|line| line["what"] == "timeline").collect();
    assert_eq!(timeline.len(), 2);
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

//! The bench, as small as it gets: every number is there, nothing is missing, nothing stays behind.

use insta::assert_snapshot;
use serde_json::Value;

use super::binary::Place;

fn report(place: &Place, args: &[&str]) -> Value {
    let ran = place.run(&[&["bench", "--json", "--connections", "4"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.told());
    assert!(!ran.stderr.contains('\r'), "a line that changes is for terminals");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The paths of all numbers and texts.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "/" };
                leaves(value, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Null => found.push(format!("{path} -")),
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn as_json_every_number_is_there() {
    let place = Place::new();
    let report = report(&place, &["--messages", "50", "--endpoints", "2"]);
    let broker = &report["broker"];
    let counted = ["accepted", "expected", "delivered", "missing", "repeated", "strange"];
    assert_eq!(counted.map(|name| broker[name].as_u64().unwrap()), [50, 100, 100, 0, 0, 0], "{report}");
    for rate in [
        &report["raw"]["postsPerSecond"],
        &broker["acceptedPerSecond"],
        &broker["deliveredPerSecond"],
        &report["ratios"]["acceptedToRaw"],
        &report["ratios"]["deliveredToRaw"],
        &report["floor"]["sumMs"],
        &broker["endToEndMs"]["p50"],
    ] {
        assert!(rate.as_f64().unwrap() > 0.0, "{report}");
    }
    let mut found = Vec::new();
    leaves(&report, "", &mut found);
    assert_snapshot!("bench", found.join("\n"));
    assert!(place.files("").is_empty(), "the store stays behind");
}

#[test]
fn by_a_schedule_and_in_batches_all_arrives_on_either_engine() {
    let place = Place::new();
    let args = ["--messages", "60", "--endpoints", "2", "--rate", "600", "--batch", "7", "--engine", "redb"];
    let report = report(&place, &args);
    assert_eq!((&report["broker"]["delivered"], &report["plan"]["engine"]), (&120.into(), &"redb".into()));
}

#[test]
fn endpoints_that_refuse_hang_or_fail_cost_the_others_nothing() {
    let args = ["--messages", "40", "--endpoints", "3", "--dead", "1", "--hang", "1", "--fail", "20"];
    let report = report(&Place::new(), &args);
    let broker = &report["broker"];
    assert_eq!((&broker["delivered"], &broker["missing"]), (&40.into(), &0.into()), "{report}");
    assert!(broker["failedOnPurpose"].as_u64().unwrap() > 0, "{report}");
    let [without, with] = &report["cases"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&without["name"], &with["name"]), (&"without".into(), &"with".into()));
    assert_eq!(without["runs"][0]["broker"]["expected"], 40, "{report}");
    assert!(report["isolation"]["p99WithToWithout"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn runs_that_are_repeated_have_medians_and_a_folder_each() {
    let place = Place::new();
    let store = place.path("kept").display().to_string();
    let report =
        report(&place, &["--messages", "20", "--endpoints", "1,2", "--repeat", "2", "--store", &store]);
    let cases = report["cases"].as_array().unwrap();
    let arrived: Vec<_> = cases.iter().map(|case| &case["runs"][1]["broker"]["delivered"]).collect();
    assert_eq!(arrived, [20, 20], "{report}");
    let spread = &cases[0]["figures"]["deliveredToRaw"];
    let [min, median, max] = ["min", "median", "max"].map(|name| spread[name].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{spread}");
    for run in ["run-1", "run-4"] {
        assert!(!place.files(&format!("kept/{run}/store")).is_empty(), "{run}");
    }
}

#[test]
fn a_run_by_time_shows_what_the_dedupe_records_take() {
    let report = report(&Place::new(), &["--seconds", "1", "--endpoints", "1", "--rate", "200"]);
    let soak = &report["soak"];
    assert!(soak["dedupeBytes"].as_u64().unwrap() > 0, "{report}");
    let [all, without] =
        ["storeBytesPerEvent", "storeBytesPerEventWithoutDedupe"].map(|name| soak[name].as_f64().unwrap());
    assert!(0.0 < without && without < all, "{report}");
}

#[test]
fn a_backlog_survives_the_kill_and_drains() {
    let place = Place::new();
    let store = place.path("kept").display().to_string();
    let report = report(&place, &["--backlog", "99", "--endpoints", "2", "--store", &store]);
    assert_eq!(report["broker"]["delivered"], 100, "{report}");
    assert!(report["outage"]["firstDeliveryMs"].is_number() && report["outage"]["drainedMs"].is_number());
    assert!(report["outage"]["readyMs"].as_f64().unwrap() > 0.0);
    assert!(!place.files("kept/store").is_empty(), "the given folder is kept");
}

#[test]
fn people_get_a_table() {
    let ran = Place::new().run(&["bench", "--messages", "20", "--endpoints", "1", "--connections", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    let names: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split("  ").next()).collect();
    let wanted = ["machine", "floor", "raw ceiling", "accepted", "delivered", "end to end", "missing"];
    assert_eq!(names[..wanted.len()], wanted);
    assert!(ran.stderr.starts_with("camino bench: 20 events of 1024 B to 1 endpoints"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_run_is_said_before_anything_starts() {
    let place = Place::new();
    place.write("full/file", "x");
    let store = place.path("full").display().to_string();
    assert_snapshot!(place.run(&["bench", "--store", &store]).told(), @r"
    exit 1
    -- stderr
    camino: cannot use [dir]/full: it is not empty
      --store takes an empty folder, or one to be made
    ");
    assert_snapshot!(place.run(&["bench", "--dead", "5"]).told(), @r"
    exit 1
    -- stderr
    camino: of 5 endpoints none is left that receives
      --endpoints takes more than --dead and --hang together
    ");
}

//! What dashboards, alert rules and operators' documents say, held against what the broker has: a name that
//! it doesn't have is a panel that stays empty and an alert that never fires.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use camino_broker::telemetry::metrics::Metrics;
use serde_json::Value;

/// What looks like a metric of ours and is none: the library, and plans of the hub.
const NO_METRICS: [&str; 3] = ["camino_broker", "camino_free", "camino_pro"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder`.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// The words of `text` that begin with `prefix`, as metrics are written.
fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_of_name(letter)).filter(|word| word.starts_with(prefix));
    words.filter(|word| !word.ends_with('_')).map(str::to_owned).collect()
}

fn exists(name: &str) -> bool {
    let parts = ["", "_bucket", "_sum", "_count"];
    let is_one = |known: &str| parts.iter().any(|part| name.strip_suffix(part) == Some(known));
    Metrics::CATALOG.iter().any(|(known, _, _)| is_one(known))
}

#[test]
fn every_metric_that_is_named_exists() {
    let mut files = below(&root().join("deploy"));
    files.extend(below(&root().join("docs")));
    files.extend(["README.md", "config.toml"].map(|file| root().join(file)));
    let process = names(&Metrics::new().unwrap().render(), "process_");
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for name in names(&text, "camino_").iter().filter(|name| !NO_METRICS.contains(&name.as_str())) {
            assert!(exists(name), "{}: there is no metric {name}", path.display());
        }
        if path.starts_with(root().join("deploy")) && cfg!(target_os = "linux") {
            for name in names(&text, "process_") {
                assert!(process.contains(&name), "{}: there is no metric {name}", path.display());
            }
        }
    }
}

#[test]
fn every_metric_is_documented_with_its_labels() {
    let page = read("docs/operating/metrics.md");
    for (name, labels, _) in Metrics::CATALOG {
        let shown =
            if labels.is_empty() { format!("`{name}`") } else { format!("`{name}{{{}}}`", labels.join(",")) };
        assert!(page.contains(&shown), "docs/operating/metrics.md does not have {shown}");
    }
}

#[test]
fn the_dashboard_can_be_read_and_each_panel_asks_for_something() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/camino.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let asked = target["expr"].as_str().unwrap();
            assert!(
                asked.contains("camino_") || asked.contains("process_") || asked.contains("up{"),
                "{title}"
            );
        }
    }
    assert!(panels.len() > 10);
}

#[test]
fn every_alert_has_a_test_that_fires_it_a_page_and_a_runbook() {
    let (rules, tests) = (read("deploy/prometheus/alerts.yml"), read("deploy/prometheus/alerts_test.yml"));
    let (page, runbooks) = (read("docs/operating/alerts.md"), read("docs/operating/runbooks.md"));
    let after = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key));
        lines.map(|rest| rest.trim().to_owned()).collect()
    };
    let alerts = after(&rules, "alert:");
    assert!(alerts.len() > 10, "the rules cannot be read");
    let fired: Vec<&str> =
        tests.split("- eval_time:").skip(1).filter(|test| test.contains("exp_labels")).collect();
    for alert in &alerts {
        let fires = |test: &&str| test.contains(&format!("alertname: {alert}\n"));
        assert!(fired.iter().any(fires), "no test fires {alert}");
        assert!(page.contains(&format!("`{alert}`")), "docs/operating/alerts.md does not have {alert}");
    }
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().replace(|letter: char| !letter.is_alphanumeric() && letter != ' ', "");
        kept.trim().replace(' ', "-")
    };
    let headings: BTreeSet<String> =
        runbooks.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for runbook in after(&rules, "runbook:") {
        let (path, place) = runbook.split_once('#').unwrap();
        assert!(root().join(path).exists(), "{runbook}");
        assert!(!path.ends_with("runbooks.md") || headings.contains(place), "there is no {runbook}");
    }
}

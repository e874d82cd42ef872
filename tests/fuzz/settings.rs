//! What an operator writes: the config, and a registry.

use std::fs;

use camino_broker::config::Config;
use camino_broker::registry::load::from_dir;

use crate::run::{Came, fuzz};

/// A secret that no error may repeat.
const SECRET: &str = "hunter2-hunter2-hunter2-hunter2";

#[test]
fn config() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fuzz("config", |input| {
        fs::write(&path, input).unwrap();
        let vars = [("CAMINO_ADMIN_KEY", SECRET), ("CAMINO_SERVER__DRAIN", "3s"), ("KEY", SECRET)];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        match Config::load(Some(&path), vars) {
            Ok(config) => {
                assert!(!format!("{config:?}").contains(SECRET));
                let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
                assert!(warnings.iter().all(|text| !text.contains(SECRET)));
                Came::to((config.apps.len().min(4), warnings.len().min(4)))
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains('\n') && !text.contains(SECRET), "{text}");
                Came::to(text.replace(&path.display().to_string(), ""))
            }
        }
    });
}

/// The input is `events.json`, and after a line `---` another `apps.json`.
#[test]
fn registry() {
    const APPS: &str = r#"{"apps":[{"slug":"caracol","name":"Caracol"},{"slug":"mancha","name":"Mancha"}]}"#;
    let folder = tempfile::tempdir().unwrap();
    fuzz("registry", |input| {
        let text = String::from_utf8_lossy(input);
        let (events, apps) = text.split_once("\n---\n").unwrap_or((&text, APPS));
        fs::write(folder.path().join("events.json"), events).unwrap();
        fs::write(folder.path().join("apps.json"), apps).unwrap();
        match from_dir(folder.path()) {
            Ok(catalog) => Came::to((catalog.events().len().min(4), catalog.apps().len().min(4))),
            Err(error) => {
                let text = format!("{error}");
                assert!(!text.is_empty());
                Came::to(text)
            }
        }
    });
}

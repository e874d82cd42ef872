//! Whether the files are what the code says, and how they come to be it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{configuration, errors};

/// Documents by their path from the root.
pub type Documents = BTreeMap<String, String>;

/// Fails if one of `wanted` differs from the file, or writes it if that is asked for.
fn hold(wanted: &Documents) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("CAMINO_UPDATE_DOCS").is_some() {
        for (path, text) in wanted {
            let file = root.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    for (path, text) in wanted {
        let found = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let mend = "CAMINO_UPDATE_DOCS=1 cargo test --test documents";
        assert!(found == *text, "{path} is not what the code says; write it anew: {mend}");
    }
}

#[test]
fn the_configuration_reference_is_what_the_settings_say() {
    hold(&[("docs/configuration.md".to_owned(), configuration::reference())].into());
}

#[test]
fn every_problem_has_its_page_and_no_other_has_one() {
    let wanted = errors::pages();
    hold(&wanted);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(errors::FOLDER);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = format!("{}/{}", errors::FOLDER, entry.unwrap().file_name().to_string_lossy());
        assert!(wanted.contains_key(&path), "{path} is about no problem that there is; remove it");
    }
}

//! The house rules, as tests: direction of imports, sizes, names, documents and folders.
//!
//! Every rule is a pure function over source text in `tests/tidy/`, with a test there that shows it
//! failing on a snippet. Here the rules meet the repository. A failure names the file, the line, the
//! rule and the mend. Nothing here is a list of exceptions, and it must not become one.

#[path = "tidy/folders.rs"]
mod folders;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/token.rs"]
mod token;

use std::fs;
use std::path::Path;

use source::{Finding, Source, files, read, root, sources};

/// The layers, low to high: a module imports only from lower ones, and no neighbour of its own layer.
/// `testing` stands beside them: it may see all but the top two, and only test code sees it.
/// `docs/ARCHITECTURE.md` gives the reasons.
const LAYERS: &[&[&str]] = &[
    &["domain"],
    &["runtime"],
    &["config", "telemetry"],
    &["store"],
    &["registry"],
    &["outbox"],
    &["deliver"],
    &["dispatch", "hub"],
    &["http"],
    &["operations"],
    &["ingest", "admin", "web"],
    &["app"],
    &["cli"],
];

/// Where Rust is.
const RUST: &[&str] = &["src", "tests", "benches", "examples"];
/// Where documents are, beside the top level.
const DOCUMENTS: &[&str] = &["docs", "examples", "registry", "sdk", "deploy"];

/// Fails with one paragraph per finding.
fn assert_clean(found: &[Finding]) {
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} broken:\n\n{}\n", told.len(), told.join("\n\n"));
}

/// Every file under `folders` follows `rule`.
fn assert_each(folders: &[&str], rule: impl Fn(&Source) -> Vec<Finding>) {
    let found: Vec<_> = sources(folders).iter().flat_map(rule).collect();
    assert_clean(&found);
}

#[test]
fn a_layer_imports_only_lower_ones() {
    assert_each(&["src"], |source| layers::judge(source, LAYERS));
}

#[test]
fn the_domain_is_pure() {
    assert_each(&["src"], layers::impure);
}

#[test]
fn files_can_be_read_to_their_end() {
    assert_each(RUST, shape::long_file);
}

#[test]
fn functions_fit_a_screen() {
    assert_each(RUST, shape::long_functions);
}

#[test]
fn files_say_what_they_are() {
    assert_each(RUST, shape::undocumented);
}

#[test]
fn modules_are_named_for_what_they_do() {
    assert_each(&["src"], shape::hollow_names);
}

#[test]
fn nothing_is_left_unfinished() {
    assert_each(RUST, shape::unfinished);
}

#[test]
fn lints_are_never_just_switched_off() {
    assert_each(RUST, shape::allowed_lints);
}

#[test]
fn every_test_runs() {
    assert_each(RUST, shape::ignored_tests);
}

#[test]
fn every_module_has_a_layer() {
    let lib = Source::new("src/lib.rs", &read(&root().join("src/lib.rs")));
    assert!(!lib.child_files().is_empty(), "src/lib.rs declares nothing: the walk is broken");
    assert_clean(&folders::without_layer(&lib, LAYERS));
}

#[test]
fn every_source_file_is_compiled() {
    assert_clean(&folders::unreached(&sources(&["src"])));
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let entries = entries_of_root();
    assert!(entries.iter().any(|name| name == "Cargo.toml"), "the walk is broken");
    assert_clean(&folders::strangers(&entries, &read(&root().join(".gitignore"))));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let is_document = |name: &String| Path::new(name).extension().is_some_and(|ext| ext == "md");
    let mut documents: Vec<_> = entries_of_root().into_iter().filter(is_document).collect();
    documents.extend(DOCUMENTS.iter().flat_map(|folder| files(folder, "md")));
    assert!(!documents.is_empty(), "no documents: the walk is broken");
    let open = |path: &Path| {
        let path = root().join(path);
        if path.is_dir() { Some(String::new()) } else { fs::read_to_string(path).ok() }
    };
    let broken = |path: &String| links::broken(path, &read(&root().join(path)), &open);
    assert_clean(&documents.iter().flat_map(broken).collect::<Vec<_>>());
}

/// The names at the top level.
fn entries_of_root() -> Vec<String> {
    let entries = fs::read_dir(root()).unwrap_or_else(|error| panic!("the root cannot be read: {error}"));
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

//! The routes as the source has them: axum's router can't be asked. The dashboard's are left out: they are pages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::document::METHODS;

/// The methods of each path.
pub fn all() -> BTreeMap<String, BTreeSet<String>> {
    let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (path, methods) in of(code) {
            routes.entry(path).or_default().extend(methods);
        }
    }
    routes
}

/// Rust files below `folder` that are no tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "web") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// The routes of one file: `.route("<path>", <handlers>)`.
fn of(code: &str) -> Vec<(String, Vec<String>)> {
    let mut routes = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(".route(") {
        rest = &rest[at + ".route(".len()..];
        let call = &rest[..end_of_call(rest)];
        if let Some((_, tail)) = call.split_once('"')
            && let Some((path, handlers)) = tail.split_once('"')
        {
            routes.push((path.to_owned(), methods(handlers)));
        }
    }
    routes
}

/// Where the parenthesis closes that is open.
fn end_of_call(text: &str) -> usize {
    let mut open = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    text.len()
}

fn methods(handlers: &str) -> Vec<String> {
    let is_call = |method: &&str| {
        let call = format!("{method}(");
        handlers.match_indices(&call).any(|(at, _)| {
            let before = handlers[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        })
    };
    METHODS.iter().filter(|method| is_call(method)).map(|method| (*method).to_owned()).collect()
}

#[test]
fn routes_are_read_as_they_are_written() {
    let code = r#"Router::new().route("/a/{id}", get(x::get_it).patch(async || Json(json!({}))))
        .route(
            "/b", axum::routing::delete(forget("x")))"#;
    let found = of(code);
    assert_eq!(found[0], ("/a/{id}".to_owned(), vec!["get".to_owned(), "patch".to_owned()]));
    assert_eq!(found[1], ("/b".to_owned(), vec!["delete".to_owned()]));
    assert_eq!(found.len(), 2);
}

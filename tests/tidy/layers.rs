//! The direction of imports: which modules a file names, and whether it may.
//!
//! Sees `use` with groups at any depth, paths in code, `super` that climbs to the root, and the crate
//! by its own name. It does not see through a re-export: a layer that re-exports a higher one would
//! have had to import it first.

use super::source::{Finding, Source, closing};
use super::token::{Kind, Token};

/// The name under which the binary and macros reach the library.
const CRATE_NAME: &str = "camino_broker";

/// A mention of one of our modules.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub line: usize,
    /// The first segment below the crate root; `*` or `as` if the root itself is taken.
    pub module: String,
    pub in_test: bool,
}

/// Everything `source` names of the crate, by the first segment below the root.
pub fn imports(source: &Source) -> Vec<Import> {
    let code = &source.code;
    let mut found = Vec::new();
    // The inline modules around the token at hand: where each ends.
    let mut inline_ends: Vec<usize> = Vec::new();
    for at in 0..code.len() {
        inline_ends.retain(|end| *end >= at);
        if code[at].is_word("mod") && code.get(at + 2).is_some_and(|t| t.is_mark("{")) {
            inline_ends.push(closing(code, at + 2));
        }
        let continues = at > 0 && code[at - 1].is_mark("::");
        if code[at].kind != Kind::Word || continues {
            continue;
        }
        let depth = source.module().len() + inline_ends.len();
        if let Some(next) = root_reached(code, at, depth) {
            let mut names = Vec::new();
            first_segments(code, next, &mut names);
            let in_test = source.in_test(at);
            found.extend(names.into_iter().map(|(line, module)| Import { line, module, in_test }));
        }
    }
    found
}

/// If the path at `at` begins at the crate root: the index of what follows the root.
fn root_reached(code: &[Token], at: usize, depth: usize) -> Option<usize> {
    if code[at].is_word("crate") || code[at].is_word(CRATE_NAME) {
        let follows = code.get(at + 1)?;
        return (follows.is_mark("::") || follows.is_word("as")).then_some(at + 1);
    }
    let mut climbed = 0;
    let mut next = at;
    while code.get(next).is_some_and(|t| t.is_word("super")) {
        climbed += 1;
        if climbed == depth {
            return Some(next + 1);
        }
        next += 2;
    }
    None
}

/// The segments that may follow the root at `at`, a `::` or an `as`, with their lines.
fn first_segments(code: &[Token], at: usize, names: &mut Vec<(usize, String)>) {
    let Some(token) = code.get(at) else { return };
    if token.is_word("as") {
        names.push((token.line, "as".to_owned()));
        return;
    }
    let Some(segment) = code.get(at + 1).filter(|_| token.is_mark("::")) else { return };
    if !segment.is_mark("{") {
        names.push((segment.line, segment.text.clone()));
        return;
    }
    let end = closing(code, at + 1);
    let mut begins = true;
    let mut i = at + 2;
    while i < end {
        if begins && code[i].is_word("self") {
            names.push((code[i].line, "as".to_owned()));
        } else if begins {
            names.push((code[i].line, code[i].text.clone()));
        }
        begins = code[i].is_mark(",");
        i = if code[i].is_mark("{") { closing(code, i) } else { i + 1 };
        begins &= i < end;
    }
}

/// The imports of `source` that go up or sideways in `layers`, or where they must not go.
pub fn judge(source: &Source, layers: &[&[&str]]) -> Vec<Finding> {
    let module = source.module();
    let Some(from) = module.first() else { return Vec::new() };
    let judged = imports(source).into_iter().filter_map(|import| {
        let (what, mend) = refusal(from, &import, layers)?;
        Some(source.finding(import.line, format!("`{from}` imports `{}`: {what}", import.module), mend))
    });
    judged.collect()
}

/// Why `from` may not import this, and the way out.
fn refusal(from: &str, import: &Import, layers: &[&[&str]]) -> Option<(&'static str, &'static str)> {
    let to = import.module.as_str();
    let rank = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    if from == to {
        return None;
    }
    if to == "*" || to == "as" {
        return Some(("the whole crate", "name the module that is meant"));
    }
    if to == "testing" {
        let mend = "move the use under #[cfg(test)], or the thing out of testing";
        return (!import.in_test).then_some(("production code never sees the fakes", mend));
    }
    if from == "testing" {
        let top = to == "app" || to == "cli";
        return top.then_some(("nobody imports the top", "build the app in tests/it, not in testing"));
    }
    let (Some(below), Some(above)) = (rank(to), rank(from)) else {
        return Some((
            "not in LAYERS",
            "give the module its layer in tests/tidy.rs and docs/ARCHITECTURE.md",
        ));
    };
    match below.cmp(&above) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => {
            Some(("members of a layer don't see each other", "meet in a lower layer, or let app wire them"))
        }
        std::cmp::Ordering::Greater => Some((
            "a layer imports only lower ones",
            "pass it in as an argument or a port; app does the wiring",
        )),
    }
}

/// What the pure layer may not name: each hides I/O, a clock, a task or randomness.
const IMPURE: &[&[&str]] = &[
    &["tokio"],
    &["axum"],
    &["hyper"],
    &["hyper_util"],
    &["rusqlite"],
    &["sled"],
    &["redb"],
    &["tracing"],
    &["getrandom"],
    &["std", "fs"],
    &["std", "env"],
    &["std", "io"],
    &["std", "process"],
    &["std", "thread"],
    &["Instant"],
    &["SystemTime"],
];

/// What in a file of `domain` is not pure; its tests may read files.
pub fn impure(source: &Source) -> Vec<Finding> {
    if source.module().first().is_none_or(|name| name != "domain") {
        return Vec::new();
    }
    let code = &source.code;
    let mut found = Vec::new();
    for at in (0..code.len()).filter(|at| !source.in_test(*at)) {
        // A crate is named at the beginning of a path, a type such as Instant anywhere in it.
        let begins = at == 0 || !code[at - 1].is_mark("::");
        let names = |path: &&&[&str]| {
            let typed = path[0].starts_with(char::is_uppercase);
            (begins || typed) && spells(code, at, path)
        };
        if let Some(path) = IMPURE.iter().find(names) {
            let what = format!("`domain` names `{}`", path.join("::"));
            found.push(source.finding(code[at].line, what, "take the value as an argument"));
        }
    }
    found
}

/// Do the tokens from `at` on spell `path`?
fn spells(code: &[Token], at: usize, path: &[&str]) -> bool {
    let word = |i: usize, segment: &str| code.get(i).is_some_and(|t| t.is_word(segment));
    path.iter().enumerate().all(|(n, segment)| {
        let index = at + 2 * n;
        word(index, segment) && (n == 0 || code[index - 1].is_mark("::"))
    }) && (path[0].starts_with(char::is_uppercase) || code.get(at + 1).is_some_and(|t| t.is_mark("::")))
}

#[cfg(test)]
mod tests {
    use super::super::LAYERS;
    use super::super::source::Source;
    use super::{imports, impure, judge};

    fn modules(path: &str, text: &str) -> Vec<String> {
        imports(&Source::new(path, text)).into_iter().map(|import| import.module).collect()
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        let cases: [(&str, &[&str]); 15] = [
            ("use crate::store;", &["store"]),
            ("pub(crate) use crate::store::log::{Row, RowId};", &["store"]),
            ("use crate::{domain::id, store::{self, log::{Row, Log}}, hub};", &["domain", "store", "hub"]),
            ("use crate::{\n    app,\n    cli as c,\n};", &["app", "cli"]),
            ("fn f() -> crate::app::App { crate::app::build() }", &["app", "app"]),
            ("fn f(x: Vec<crate::hub::Row>) {}", &["hub"]),
            ("use camino_broker::cli;", &["cli"]),
            ("macro_rules! m { () => { $crate::web::page() } }", &["web"]),
            ("use super::super::app;", &["app"]),
            ("mod inner { use super::super::super::app; }", &["app"]),
            ("mod inner { use super::super::app; } use super::super::web;", &["web"]),
            ("use super::super::{app, web};", &["app", "web"]),
            ("use crate::*;", &["*"]),
            ("use crate as broker;", &["as"]),
            ("use crate::{self as broker};", &["as"]),
        ];
        for (text, wanted) in cases {
            assert_eq!(modules("src/store/log.rs", text), wanted, "{text}");
        }
    }

    #[test]
    fn strings_comments_and_other_crates_are_not_imports() {
        let text = r##"
            // use crate::app;
            /// See [`crate::app`].
            const A: &str = "use crate::app;";
            const B: &str = r#"crate::cli::run()"#;
            use serde_json::crate_name; use super::log; pub(crate) fn f() {} use self::x;
        "##;
        assert_eq!(modules("src/store/log.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_direction_fails_with_its_line() {
        let cases = [
            ("src/domain/event.rs", "use crate::runtime::clock;", "only lower"),
            ("src/domain.rs", "use super::config;", "only lower"),
            ("src/store/log.rs", "use crate::{\n domain::id, outbox::Outbox };", "only lower"),
            ("src/dispatch.rs", "use crate::hub;", "each other"),
            ("src/ingest/handler.rs", "fn f() { crate::admin::x() }", "each other"),
            ("src/telemetry.rs", "use crate::config::Config;", "each other"),
            ("src/app.rs", "use crate::cli;", "only lower"),
            ("src/store.rs", "use crate::testing::FaultyStore;", "fakes"),
            ("src/store.rs", "#[cfg(not(test))] use crate::testing::FaultyStore;", "fakes"),
            ("src/store.rs", "#[cfg(test)] mod t { use crate::app; }", "only lower"),
            ("src/testing/receiver.rs", "use crate::app::App;", "top"),
            ("src/store.rs", "use crate::shelf;", "not in LAYERS"),
            ("src/shelf.rs", "use crate::store;", "not in LAYERS"),
            ("src/store.rs", "use crate::*;", "whole crate"),
        ];
        for (path, text, reason) in cases {
            let found = judge(&Source::new(path, text), LAYERS);
            assert_eq!(found.len(), 1, "{path}: {text}");
            assert!(found[0].to_string().contains(reason), "{}", found[0]);
            assert_eq!(found[0].line, if text.contains('\n') { 2 } else { 1 }, "{text}");
        }
    }

    #[test]
    fn the_right_direction_passes() {
        let cases = [
            ("src/runtime/clock.rs", "use crate::domain::time::Millis;"),
            ("src/outbox.rs", "use crate::{domain::id, store::{outbox, log}, registry::Catalog};"),
            ("src/store/log.rs", "use crate::store::Error; use super::Engine;"),
            ("src/store.rs", "#[cfg(test)] mod tests { use crate::testing::FaultyStore; use super::*; }"),
            ("src/testing.rs", "use crate::{store, deliver::Sink, domain};"),
            ("src/lib.rs", "pub mod domain;"),
            ("src/main.rs", "fn main() { camino_broker::cli::run() }"),
        ];
        for (path, text) in cases {
            let found = judge(&Source::new(path, text), LAYERS);
            assert!(found.is_empty(), "{path}: {}", found[0]);
        }
    }

    #[test]
    fn an_impure_domain_fails() {
        let cases = [
            "use tokio::sync::mpsc;",
            "fn f() { std::fs::read(p) }",
            "use std::time::Instant;",
            "use std::time::{Duration, SystemTime};",
            "fn f() { tracing::info!() }",
        ];
        for text in cases {
            assert_eq!(impure(&Source::new("src/domain/retry.rs", text)).len(), 1, "{text}");
            assert!(impure(&Source::new("src/runtime/clock.rs", text)).is_empty(), "{text}");
        }
        let pure = "use std::time::Duration; use serde::Serialize; fn io(tokio: u8) -> std::net::IpAddr {}";
        assert!(impure(&Source::new("src/domain/retry.rs", pure)).is_empty());
    }
}

//! A source file as the rules see it, what they find in it, and the walk over the repository.
//!
//! Reads files and never writes one; what it cannot read is a panic, so that no rule passes on nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::token::{Kind, Token, tokens};

/// A broken rule: where, which, and what to do about it.
#[derive(Debug)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
    pub mend: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    mend: {}", self.path, self.line, self.what, self.mend)
    }
}

/// A file of Rust, cut into tokens.
#[derive(Debug)]
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    /// Comments left out: most rules are about code.
    pub code: Vec<Token>,
    pub comments: Vec<Token>,
    /// Is the whole file compiled for tests only?
    pub test_file: bool,
    test_spans: Vec<(usize, usize)>,
}

impl Source {
    /// The file `path` with the content `text`.
    pub fn new(path: &str, text: &str) -> Self {
        let (comments, code): (Vec<_>, Vec<_>) =
            tokens(text).into_iter().partition(|token| token.kind == Kind::Comment);
        let (test_file, test_spans) = test_spans(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, comments, test_file, test_spans }
    }

    /// Is the token at `index` of `code` compiled for tests only?
    pub fn in_test(&self, index: usize) -> bool {
        self.test_file || self.test_spans.iter().any(|&(from, to)| (from..to).contains(&index))
    }

    /// The module this file is: `src/store/log.rs` is `["store", "log"]`, a crate root is empty.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        if inner == "lib" || inner == "main" {
            return Vec::new();
        }
        inner.split('/').map(str::to_owned).collect()
    }

    /// The modules this file declares as files of their own (`mod x;`), and whether for tests only.
    pub fn child_files(&self) -> Vec<(String, usize, bool)> {
        let declared = self
            .code
            .windows(3)
            .enumerate()
            .filter(|(_, w)| w[0].is_word("mod") && w[1].kind == Kind::Word && w[2].is_mark(";"));
        declared.map(|(i, w)| (w[1].text.clone(), w[1].line, self.in_test(i))).collect()
    }

    /// The attributes of the file, each as the range of its tokens between the brackets.
    pub fn attributes(&self) -> Vec<(usize, usize)> {
        let code = &self.code;
        let opens = |i: usize| {
            let bracket = if code.get(i + 1).is_some_and(|t| t.is_mark("!")) { i + 2 } else { i + 1 };
            (code[i].is_mark("#") && code.get(bracket).is_some_and(|t| t.is_mark("["))).then_some(bracket)
        };
        (0..code.len()).filter_map(opens).map(|bracket| (bracket + 1, closing(code, bracket))).collect()
    }

    /// A finding on `line` of this file.
    pub fn finding(&self, line: usize, what: impl Into<String>, mend: &'static str) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into(), mend }
    }
}

/// The index of the bracket that closes the one at `open`, or the last index.
pub fn closing(code: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (i, token) in code.iter().enumerate().skip(open) {
        if token.kind != Kind::Mark {
            continue;
        }
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return i;
        }
    }
    code.len().saturating_sub(1)
}

/// Which tokens stand under a `cfg` that only tests turn on; `true` if it is the whole file.
fn test_spans(code: &[Token]) -> (bool, Vec<(usize, usize)>) {
    let mut spans = Vec::new();
    for i in 0..code.len().saturating_sub(3) {
        let inner = usize::from(code[i].is_mark("#") && code[i + 1].is_mark("!"));
        let bracket = i + 1 + inner;
        if !code[i].is_mark("#") || !code[bracket].is_mark("[") {
            continue;
        }
        let end = closing(code, bracket);
        if !is_test_cfg(&code[bracket + 1..end]) {
            continue;
        }
        // Inside an inline module an inner attribute covers at least what follows it there.
        if inner == 1 && code[..i].iter().filter(|t| t.is_mark("{")).count() == 0 {
            return (true, Vec::new());
        }
        spans.push((i, item_end(code, end + 1) + 1));
    }
    (false, spans)
}

/// `cfg(test)`, `cfg(feature = "testing")` and their `all` and `any`, but no `not`.
fn is_test_cfg(attribute: &[Token]) -> bool {
    let testing = |t: &Token| t.is_word("test") || (t.kind == Kind::Literal && t.text == "\"testing\"");
    attribute.first().is_some_and(|t| t.is_word("cfg"))
        && attribute.iter().any(testing)
        && !attribute.iter().any(|t| t.is_word("not"))
}

/// The words an item begins with, after its visibility.
const ITEM_WORDS: &[&str] =
    &["fn", "mod", "impl", "struct", "enum", "trait", "const", "static", "async", "unsafe", "type", "union"];

/// Where the item, field or statement that begins at `start` ends.
fn item_end(code: &[Token], start: usize) -> usize {
    let mut i = start;
    while i + 1 < code.len() && code[i].is_mark("#") {
        i = closing(code, i + 1) + 1;
    }
    let is = |at: usize, words: &[&str]| code.get(at).is_some_and(|t| words.iter().any(|w| t.is_word(w)));
    if is(i, &["pub"]) {
        i = if code.get(i + 1).is_some_and(|t| t.is_mark("(")) { closing(code, i + 1) + 1 } else { i + 1 };
    }
    let import = is(i, &["use"]);
    // A comma ends a field or an argument, but not what may have several type parameters.
    let field = !is(i, ITEM_WORDS) && !import;
    while i < code.len() {
        let token = &code[i];
        if token.is_mark(";") || token.is_mark("}") || (field && token.is_mark(",")) {
            return i;
        }
        if ["(", "[", "{"].iter().any(|open| token.is_mark(open)) {
            let block = token.is_mark("{");
            i = closing(code, i);
            if block && !import {
                return i;
            }
        }
        i += 1;
    }
    code.len().saturating_sub(1)
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The content of a file of the repository.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Every file under `folder` whose name ends in `.ext`, as paths from the root, sorted.
pub fn files(folder: &str, ext: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(dir) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == ext) {
                let inner = path.strip_prefix(root()).unwrap_or(&path);
                found.insert(inner.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.into_iter().collect()
}

/// The Rust files under `folders`; those that a test-only `mod x;` declares are marked as such.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files(folder, "rs"));
    let all: Vec<_> = paths.map(|path| Source::new(&path, &read(&root().join(&path)))).collect();
    assert!(!all.is_empty(), "no sources under {folders:?}: the walk is broken");
    mark_test_files(all)
}

/// Carries `#[cfg(test)] mod x;` over to the file of `x` and to all below it.
pub fn mark_test_files(mut all: Vec<Source>) -> Vec<Source> {
    let mut test_modules = Vec::new();
    for source in &all {
        for (name, _, _) in source.child_files().into_iter().filter(|(_, _, in_test)| *in_test) {
            let mut module = source.module();
            module.push(name);
            test_modules.push(module);
        }
    }
    for source in &mut all {
        let module = source.module();
        source.test_file |= test_modules.iter().any(|test| module.starts_with(test));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Source, mark_test_files};

    fn test_words(text: &str) -> Vec<String> {
        let source = Source::new("src/store.rs", text);
        let words = source.code.iter().enumerate().filter(|(i, t)| t.text.len() == 1 && source.in_test(*i));
        words.filter(|(_, t)| t.text.chars().all(char::is_alphabetic)).map(|(_, t)| t.text.clone()).collect()
    }

    #[test]
    fn test_only_code_ends_with_its_item() {
        let cases = [
            ("#[cfg(test)] mod x { fn a() {} } fn b() {}", "xa"),
            ("#[cfg(test)] use q::{a, c}; use b;", "qac"),
            ("#[cfg(any(test, feature = \"testing\"))] pub mod a; mod b;", "a"),
            ("#[cfg(test)] #[derive(D)] struct A { b: C } struct E;", "DAbC"),
            ("struct S { #[cfg(test)] a: B, c: D }", "aB"),
            ("#[cfg(not(test))] mod a;", ""),
            ("#[cfg(feature = \"other\")] mod a;", ""),
            ("#![cfg(test)] fn a() {}", "a"),
            ("#[cfg(test)] pub(crate) fn f() { use a; } use b;", "fa"),
            ("#[cfg(test)] fn f<A, B>(c: [u8; 4]) -> D { e } fn g() {}", "fABcDe"),
        ];
        for (text, wanted) in cases {
            assert_eq!(test_words(text).concat(), wanted, "{text}");
        }
    }

    #[test]
    fn a_file_declared_for_tests_is_test_code_with_all_below_it() {
        let all = mark_test_files(vec![
            Source::new("src/a.rs", "#[cfg(test)] mod cases; mod plain;"),
            Source::new("src/a/cases.rs", ""),
            Source::new("src/a/cases/deep.rs", ""),
            Source::new("src/a/plain.rs", ""),
        ]);
        let marked: Vec<_> = all.iter().map(|source| source.test_file).collect();
        assert_eq!(marked, [false, true, true, false]);
    }

    #[test]
    fn attributes_are_found_in_both_forms() {
        let source = Source::new("src/a.rs", "#![deny(x)] #[cfg(a[0])] fn f() { a[1] }");
        assert_eq!(source.attributes().len(), 2);
    }
}
